"""Report and audit page in a browser: at three widths, light and dark, they fit, axe-core finds no serious fault, and
their buttons do what they say. The pictures stay in pytest's folder of temporary files, as `pages/*.png`.

axe-core is found where `npm install axe-core` puts it in the project, or where AXE_CORE says; without it, or without
Chromium, what needs it is skipped.
"""

import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch

import analysis
from analysis.frames.load import load_trials
from analysis.page import questions
from analysis.page.report import write_report
from analysis.tables.study_tables import trial_titles
from codim.commands.audit import render
from codim.config.train_config import train_config
from codim.data.load import load_data
from codim.evaluation.label_audit import label_audit, suspects, trust
from tests.support import ROOT

CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
AXE = Path(os.environ.get("AXE_CORE", ROOT / "node_modules" / "axe-core" / "axe.min.js"))
WIDTHS = {400: 900, 800: 1000, 1280: 800}
"""Width -> height of the window."""
SCHEMES = {"dark": "0", "light": "1"}
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The report of the shipped example, and the audit of digits by two made-up networks."""
    folder = tmp_path_factory.mktemp("pages")
    results = shutil.copytree(Path(analysis.__file__).with_name("example"), folder / "digits")
    config = train_config({"data": {"name": "digits"}, "noise": {"kind": "symmetric", "rate": 0.2}})
    data, truth = load_data(config.data, config.noise)
    logits = torch.randn(2, len(data.labels), 10, generator=torch.Generator().manual_seed(0))
    logits += 4 * torch.nn.functional.one_hot(truth.labels, 10)
    found = suspects(label_audit(data, logits, config.divide), data)
    audit = folder / "audit.html"
    audit.write_text(render(config, data, found, 40, trust(data, logits)), encoding="utf-8")
    return {"report": write_report(load_trials(results)), "audit": audit}


def browse(address: str, *options: str) -> str:
    """Start Chromium, wait until the page has come to rest, and return what it prints."""
    assert CHROMIUM is not None
    common = "--headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --disable-background-networking"
    with TemporaryDirectory() as profile:
        command = [CHROMIUM, *common.split(), "--virtual-time-budget=30000", f"--user-data-dir={profile}", *options]
        done = subprocess.run([*command, address], capture_output=True, text=True, check=False, timeout=180)
    return done.stdout


def probed(page: Path, folder: Path, script: str, *options: str) -> Any:
    """Return what a script, the body of an asynchronous function, finds on a copy of a page; the page's own policy
    forbids a second one, as it should."""
    run = f"(async () => {{ {script} }})().then(found => {{ document.title = JSON.stringify(found); }})"
    text = re.sub("<meta http-equiv=.*?>", "", page.read_text(encoding="utf-8"))
    probe = folder / "probe.html"
    probe.write_text(text.replace("</body>", f"<script>{run}</script></body>"), encoding="utf-8")
    (title,) = re.findall(
        "<title>(.*?)</title>", browse(probe.as_uri(), "--dump-dom", *options).split("</head>")[0], re.S
    )
    return json.loads(html.unescape(title))


def window(width: int, scheme: str = "light") -> tuple[str, str]:
    return f"--window-size={width},{WIDTHS[width]}", f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["report", "audit"])
def test_a_page_fits_and_is_looked_at(
    pages: Mapping[str, Path], name: str, width: int, scheme: str, tmp_path: Path
) -> None:
    picture = pages["audit"].with_name(f"{name}-{width}-{scheme}.png")
    browse(pages[name].as_uri(), *window(width, scheme), f"--screenshot={picture}")
    assert picture.stat().st_size > 10_000
    script = (
        "return [document.documentElement.scrollWidth, innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]"
    )
    needed, there, dark = probed(pages[name], tmp_path, script, *window(width, scheme))
    assert needed <= there
    assert dark == (scheme == "dark")


@pytest.mark.skipif(not AXE.exists(), reason="no axe-core on this machine")
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", ["report", "audit"])
def test_axe_finds_no_serious_fault(pages: Mapping[str, Path], name: str, scheme: str, tmp_path: Path) -> None:
    axe = AXE.read_text(encoding="utf-8")
    script = """
      document.querySelectorAll("details").forEach(part => { part.open = true; });
      const {violations, passes} = await axe.run(), where = own => own.nodes.map(node => node.html.slice(0, 200));
      return [passes.length, violations.map(own => [own.impact, own.id, where(own)])];
    """
    page = tmp_path / "with-axe.html"
    text = pages[name].read_text(encoding="utf-8")
    page.write_text(text.replace("</body>", f"<script>{axe}</script></body>"), encoding="utf-8")
    passed, faults = probed(page, tmp_path, script, *window(1280, scheme))
    assert passed > 10
    assert [own for own in faults if own[0] in ("serious", "critical")] == []


def test_the_first_screen_holds_what_to_use_and_both_pictures(pages: Mapping[str, Path], tmp_path: Path) -> None:
    script = """
      const end = part => part.getBoundingClientRect().bottom;
      const bottom = own => Math.max(...[...document.querySelectorAll(own)].map(end));
      return [bottom(".headline dd"), bottom("#copy"), bottom(".pair .picture"), innerHeight];
    """
    *bottoms, height = probed(pages["report"], tmp_path, script, *window(1280))
    # Headless Chromium takes its missing window frame from the height.
    assert max(bottoms) < min(height, 800)
    assert min(bottoms) > 0


def test_a_figure_is_enlarged_and_comes_back(pages: Mapping[str, Path], tmp_path: Path) -> None:
    script = """
      const dialog = document.querySelector("dialog"), pictures = own => own.querySelectorAll("svg, img").length;
      const home = document.querySelector("#optima .picture");
      document.querySelector("[data-enlarge=optima]").click();
      const large = [dialog.open, pictures(dialog), pictures(home)];
      dialog.querySelector("button").click();
      await new Promise(done => setTimeout(done, 100));
      return [large, [dialog.open, pictures(dialog), pictures(home)]];
    """
    assert probed(pages["report"], tmp_path, script) == [[True, 1, 0], [False, 0, 1]]


def test_a_mark_tells_its_trial_where_the_pointer_rests(pages: Mapping[str, Path], tmp_path: Path) -> None:
    script = """
      const mark = document.querySelector("#history [data-trial]");
      mark.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
      return [mark.querySelector("title").textContent, mark.dataset.trial];
    """
    said, number = probed(pages["report"], tmp_path, script)
    titles = trial_titles(load_trials(Path(analysis.__file__).with_name("example")))
    assert said == list(titles.values())[int(number)]
    assert "seed" in said


@pytest.mark.parametrize("figure", ["slices", "parallel_coordinates", "timeline"])
def test_unseen_marks_lie_over_the_picture(pages: Mapping[str, Path], figure: str, tmp_path: Path) -> None:
    script = f"""
      document.querySelectorAll("details").forEach(part => {{ part.open = true; }});
      const marks = [...document.querySelectorAll("#{figure} [data-trial]")];
      const hit = mark => {{
        mark.scrollIntoView({{block: "center", inline: "center"}});
        const {{x, y, width, height}} = mark.getBoundingClientRect();
        const middle = new DOMPoint(x + width / 2, y + height / 2);
        // The middle of a line's box need not lie on the line.
        const own = "{figure}" === "parallel_coordinates"
          ? mark.getPointAtLength(mark.getTotalLength() / 3).matrixTransform(mark.getScreenCTM()) : middle;
        const found = document.elementFromPoint(own.x, own.y);
        return Boolean(found && found.closest("[data-trial]"));
      }};
      return [marks.length, marks.filter(hit).length];
    """
    there, hit = probed(pages["report"], tmp_path, script, *window(1280))
    assert there >= 40  # one for each searched trial of the example at least
    assert hit > 0.9 * there


def test_the_settings_are_copied_or_selected(pages: Mapping[str, Path], tmp_path: Path) -> None:
    script = """
      document.querySelector("#copy").click();
      await new Promise(done => setTimeout(done, 300));
      return [document.querySelector("#copied").textContent, String(getSelection())];
    """
    said, selected = probed(pages["report"], tmp_path, script)
    assert said == "Copied." or (said.startswith("Selected") and "contrastive" in selected)


def test_a_link_to_folded_details_unfolds_them(pages: Mapping[str, Path], tmp_path: Path) -> None:
    script = """
      location.hash = "#timeline";
      await new Promise(done => setTimeout(done, 300));
      return document.querySelector("#timeline").closest("details").open;
    """
    assert probed(pages["report"], tmp_path, script) is True


def test_printing_unfolds_what_paper_can_hold_and_folds_it_again(pages: Mapping[str, Path], tmp_path: Path) -> None:
    script = """
      const open = () => [...document.querySelectorAll("details[open]")];
      const before = open().length;
      dispatchEvent(new Event("beforeprint"));
      const unfolded = open(), kept = [...document.querySelectorAll("details:not([open])")];
      dispatchEvent(new Event("afterprint"));
      return [before, unfolded.length, kept.every(part => part.matches(".rows, .pair details")), open().length];
    """
    before, unfolded, kept, after = probed(pages["report"], tmp_path, script)
    assert before == after == 0
    assert unfolded > len(questions._TITLES)
    assert kept


def test_a_print_is_white_and_of_few_sheets(pages: Mapping[str, Path], tmp_path: Path) -> None:
    """In dark mode too; a thousand rows of trials are not for paper."""
    paper = tmp_path / "report.pdf"
    browse(pages["report"].as_uri(), *window(1280, "dark"), "--no-pdf-header-footer", f"--print-to-pdf={paper}")
    sheets = re.findall(rb"/Type /Page\b", paper.read_bytes())
    assert 10 < len(sheets) < 40
    script = """
      const rules = [...document.styleSheets[0].cssRules].filter(rule => rule.conditionText === "print");
      return rules[0].cssRules[0].style.getPropertyValue("--paper").trim();
    """
    assert probed(pages["report"], tmp_path, script) == "#fff"


def test_what_is_ticked_is_saved(pages: Mapping[str, Path], tmp_path: Path) -> None:
    """The suggestion for the first image, and by hand another class for the second; the third is left alone."""
    script = """
      let blob;
      URL.createObjectURL = own => { blob = own; return "#"; };
      const [first, second] = document.querySelectorAll("li[data-index]");
      first.querySelectorAll("input[type=radio]")[1].click();
      const field = second.querySelector("input[list]");
      field.value = "no class";
      field.dispatchEvent(new Event("input", {bubbles: true}));
      document.querySelector("#save").click();
      const refused = blob === undefined;
      field.value = second.dataset.given;
      field.dispatchEvent(new Event("input", {bubbles: true}));
      document.querySelector("#save").click();
      const answered = document.querySelector("#answered").textContent;
      return [refused, await blob.text(), first.dataset, second.dataset, answered];
    """
    refused, text, first, second, answered = probed(pages["audit"], tmp_path, script)
    assert refused
    assert text.splitlines() == [
        "index,file,given_label,label",
        f"{first['index']},,{first['given']},{first['suggested']}",
        f"{second['index']},,{second['given']},{second['given']}",
    ]
    assert answered == "2 of 40 checked, 1 wrong"
