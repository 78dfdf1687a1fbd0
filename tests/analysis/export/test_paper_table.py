"""A table in the layout of the papers: what was measured how, and what others have published."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.export.paper import PUBLISHED, as_latex, as_markdown, paper_table
from analysis.frames.load import Trials, load_trials
from tests.support import synthetic
from tests.support.synthetic import record


def confirmed(condition: str, setting: str, values: list[float], **changes: Any) -> list[Any]:
    trials = [
        record(condition, i, value, trial=f"{setting}@{condition}-r{i}", setting=setting, **changes)
        for i, value in enumerate(values)
    ]
    for trial in trials:
        trial.phase = "confirm"
    return trials


@pytest.fixture(scope="module")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    """CIFAR-10 with a definition of the noise that is published, one that is not, and a confirmed condition."""
    conditions = [
        {"id": "symmetric-0.2", "kind": "symmetric", "rate": 0.2, "include_true": True, "seed": 0},
        {"id": "symmetric-0.5", "kind": "symmetric", "rate": 0.5, "include_true": False, "seed": 0},
        {"id": "asymmetric-0.4", "kind": "asymmetric", "rate": 0.4, "map": "cifar10", "seed": 0},
    ]
    spec = synthetic.SPEC | {"name": "cifar_10", "data": "cifar10", "conditions": conditions}
    trials = [
        record("symmetric-0.2", 0, 0.80, baseline="ce"),
        record("symmetric-0.2", 1, 0.95),
        record("symmetric-0.2", 2, 0.94),
        record("symmetric-0.5", 1, 0.90),
        record("asymmetric-0.4", 1, 0.93),
        *confirmed("symmetric-0.2", "symmetric-0.2-0000", [0.70, 0.80], baseline="ce"),
        *confirmed("symmetric-0.2", "symmetric-0.2-0001", [0.97, 0.98, 0.99]),
        *confirmed("symmetric-0.2", "symmetric-0.2-0002", [0.95]),
        *confirmed("symmetric-0.5", "symmetric-0.2-0002", [0.91, 0.93]),
    ]
    return load_trials(synthetic.write(tmp_path_factory.mktemp("cifar") / "cifar_10", trials, spec=spec))


def cells(table: pd.DataFrame) -> dict[tuple[str, str, str], tuple[float, float, int, str]]:
    return {
        (row.method, row.line, row.condition): (row.mean, row.std, row.n, row.origin)
        for row in table.itertuples(index=False)
    }


def test_a_number_is_of_fresh_seeds_where_there_are_any(cifar: Trials) -> None:
    found = cells(paper_table(cifar))
    mean, std, n, origin = found["chosen", "last", "symmetric-0.2"]
    assert (mean, std, n, origin) == (pytest.approx(0.98), pytest.approx(0.01), 3, "confirm")
    assert found["chosen", "best", "symmetric-0.2"][0] == pytest.approx(0.99)
    mean, std, n, origin = found["chosen", "last", "asymmetric-0.4"]
    assert (mean, n, origin) == (0.93, 1, "search")
    assert math.isnan(std)
    assert found["ce", "last", "symmetric-0.2"][0] == pytest.approx(0.75)
    # Confirmed in two conditions; that it is not the chosen one does not matter.
    assert found["robust", "last", "symmetric-0.5"][:3] == (pytest.approx(0.92), pytest.approx(0.0141, abs=1e-4), 2)
    assert ("robust", "last", "asymmetric-0.4") not in found


def test_published_numbers_stand_only_beside_the_same_data_and_noise(cifar: Trials) -> None:
    table = paper_table(cifar)
    foreign = table[table["origin"] == "published"]
    assert set(foreign["condition"]) == {"symmetric-0.2", "asymmetric-0.4"}
    assert cells(foreign)["DivideMix", "last", "asymmetric-0.4"][0] == 0.921
    assert foreign["source"].str.contains("arXiv").all()
    assert (table.loc[table["origin"] != "published", "source"] == "").all()
    for other in ({"data": "cifar100"}, {"data": "digits"}, {"config": {"data": {"subset": 2000}}}):
        left = paper_table(replace(cifar, spec=cifar.spec | other))
        methods = set(left.loc[left["condition"] == "asymmetric-0.4", "origin"])
        assert methods == {"search"}


def test_published_numbers_are_accuracies_each_once_with_a_source() -> None:
    table = pd.read_csv(PUBLISHED)
    assert not table.duplicated(["data", "kind", "rate", "map", "method"]).any()
    assert table["best"].between(0.1, 1).all()
    assert (table["last"].dropna() <= table["best"][table["last"].notna()]).all()
    assert table["source"].notna().all()


def test_the_long_table_reads_back(cifar: Trials, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "analysis",
        "export",
        cifar.root,
        "--to",
        "csv",
        "--output",
        tmp_path / "table.csv",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == f"{tmp_path / 'table.csv'}: test accuracy by method and condition\n"
    read = pd.read_csv(tmp_path / "table.csv", keep_default_na=False, na_values={"std": [""]})
    texts = dict.fromkeys(("method", "line", "condition"), str)
    pd.testing.assert_frame_equal(read, paper_table(cifar).astype(texts))


def test_markdown_has_the_layout_of_the_papers(cifar: Trials) -> None:
    text = as_markdown(cifar)
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if line[:1] == "|"]
    assert rows[0] == ["method", "epoch", "symmetric-0.2", "symmetric-0.5", "asymmetric-0.4"]
    body = {(row[0], row[1]): row[2:] for row in rows[2:]}
    assert body["chosen by the search", "last"] == ["**98.0 ± 1.0**", "90.0†", "**93.0†**"]
    assert body["robust setting", "last"] == ["95.0", "**92.0 ± 1.4**", "–"]
    assert body[r"DivideMix \[1\]", "best"] == ["96.1", "–", "93.4"]
    assert body[r"ProMix \[5\]", "best"][2] == "**96.6**"
    notes = [line for line in text.splitlines() if line.startswith("* ")]
    assert "n = 1 to 3 trainings with fresh seeds" in notes[1]
    assert notes[2].startswith("* † not confirmed: the one training of the search (n = 1)")
    assert r"* \[1\] Li et al. 2020 (DivideMix, arXiv 2002.07394)." in notes


def test_what_is_not_there_is_not_explained(study: Trials) -> None:
    text = as_markdown(study)
    assert "†" in text
    assert "fresh seeds" not in text
    assert "ublished" not in text


def test_latex_escapes_and_balances(cifar: Trials) -> None:
    text = as_latex(cifar)
    assert r"\textbf{98.0 $\pm$ 1.0}" in text
    assert r"90.0$^\dagger$" in text
    assert r"\multicolumn{2}{c}{symmetric} & asymmetric" in text
    assert r"cifar\_10: test accuracy in \%" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and "&" in line]
    assert {line.count("&") for line in rows[2:]} == {4}


def test_a_name_cannot_break_the_table(tmp_path: Path) -> None:
    name = r"a|b_{c}\&"
    spec = synthetic.SPEC | {"baselines": {name: {}}}
    trials = load_trials(synthetic.write(tmp_path / "x", [record("symmetric-0.5", 0, 0.9, baseline=name)], spec=spec))
    (row,) = [line for line in as_markdown(trials).splitlines() if "last" in line and line.startswith("|")]
    assert row == r"| a\|b\_{c}\\&amp; | last | **90.0†** |"
    assert r"a\textbar{}b\_\{c\}\textbackslash{}\&" in as_latex(trials)
