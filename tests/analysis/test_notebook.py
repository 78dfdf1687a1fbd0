"""The frozen example is a study like any other, and the notebook runs on it from its first cell to its last."""

import json
import math
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
import pytest
from scipy import stats

import analysis
from analysis import figure, load_trials
from analysis.frames.columns import column_table, meanings
from analysis.frames.load import NotApplicable, Trials
from analysis.page.report import write_report
from codim.metrics import EpochMetrics
from study.results.tables import EPOCH_SCHEMA

HOME = Path(analysis.__file__).parent
EXAMPLE, NOTEBOOK = HOME / "example", HOME / "notebooks" / "trials.py"
NOISY_LABELS = NOTEBOOK.with_name("noisy_labels.py")


@pytest.fixture(scope="module")
def example() -> Trials:
    return load_trials(EXAMPLE)


@pytest.fixture(scope="module")
def executed() -> Iterator[dict[str, Any]]:
    """What the notebook's names stand for after its last cell."""
    patch = pytest.MonkeyPatch()
    patch.setenv("MPLBACKEND", "Agg")
    patch.delenv("CODIM_RESULTS", raising=False)
    with pd.option_context("display.max_colwidth", 100, "display.width", 160, "display.max_columns", 20):
        yield runpy.run_path(str(NOTEBOOK))
    patch.undo()


def test_the_example_is_a_whole_study(example: Trials) -> None:
    assert example.expected == len(example.trials)
    assert set(example.trials["status"]) <= {"complete", "pruned", "failed"}
    assert not example.searched.groupby("condition", observed=False).size().eq(0).any()
    curves = example.epochs.groupby("trial").size()
    assert curves.to_dict() == example.trials.set_index("trial")["epochs"].to_dict()


def test_the_example_says_nothing_about_the_machine_it_comes_from(example: Trials) -> None:
    files = [path for path in EXAMPLE.rglob("*") if path.is_file() and "report" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 2_000_000
    texts = [(EXAMPLE / name).read_text() for name in ("spec.json", "environment.json")]
    texts += example.trials["config"].to_list()
    paths = re.compile(r'"(/|[A-Z]:\\|~)')
    assert not any(paths.search(text) for text in texts)
    assert "command" in json.loads(texts[1])


@pytest.mark.parametrize("name", ["methods", "history", "best_values", "slices", "learning_curves", "split_quality"])
def test_figures_can_be_drawn_from_it(example: Trials, name: str) -> None:
    assert figure(example, name).axes


def test_a_figure_keeps_its_style_when_it_is_shown(example: Trials, tmp_path: Path) -> None:
    drawn: Any = figure(example, "history")
    with matplotlib.rc_context({"ytick.labelsize": 30.0, "axes.grid": False}):
        drawn.savefig(tmp_path / "shown.png")
    assert (tmp_path / "shown.png").read_bytes()[1:4] == drawn._repr_png_()[1:4] == b"PNG"
    sizes = {label.get_size() for label in drawn.axes[0].get_yticklabels()}
    assert sizes == {8.5}


def test_an_unknown_figure_and_one_that_cannot_be_drawn_are_named(empty_study: Trials) -> None:
    with pytest.raises(ValueError, match=r"no figure 'hist'; allowed: accuracy_by_noise, methods, "):
        figure(empty_study, "hist")
    with pytest.raises(NotApplicable):
        figure(empty_study, "history")


def test_the_report_of_the_example_is_written_where_git_does_not_look(tmp_path: Path) -> None:
    ignored = (HOME.parent / ".gitignore").read_text().splitlines()
    assert "/analysis/example/report/" in ignored
    copy = tmp_path / "example"
    (copy / "epochs").mkdir(parents=True)
    for path in EXAMPLE.rglob("*.*"):
        if "report" not in path.parts:
            (copy / path.relative_to(EXAMPLE)).write_bytes(path.read_bytes())
    before = set(copy.rglob("*"))
    write_report(load_trials(copy))
    assert {path.relative_to(copy).parts[0] for path in set(copy.rglob("*")) - before} == {"report"}


def test_every_column_of_the_tables_is_explained(example: Trials) -> None:
    whole = example.read_epochs(EPOCH_SCHEMA.names)  # histograms too
    for frame in (example.trials, example.epochs, whole, example.confirmations):
        table = column_table(frame)
        assert list(table.index) == list(frame.columns)
        assert list(table.index[table["meaning"] == ""]) == []
    trials, epochs = column_table(example.trials)["meaning"], column_table(example.epochs)["meaning"]
    assert trials["objective"].startswith("The study's objective, in [0, 1]")
    assert trials["samples"] == "Samples that it drew, those of shared stages included."
    assert epochs["samples"].startswith("Images drawn so far")
    assert trials["param/mixmatch/lambda_u"] == "The setting `lambda_u` of codim/config/mixmatch.py."
    assert (HOME.parent / "codim" / "config" / "mixmatch.py").exists()


class HalfTold:
    told: int
    """Said."""
    untold: int


def test_meanings_are_the_docstrings_below_the_fields() -> None:
    assert meanings(EpochMetrics)["epoch"] == "Zero-based, over all phases."
    assert meanings(HalfTold) == {"told": "Said.", "untold": ""}
    two_lines = meanings(EpochMetrics)["samples"]
    assert "(mean of both), pre-training" in two_lines
    assert list(meanings(EpochMetrics)) == list(EpochMetrics.__dataclass_fields__)


def test_the_notebook_answers_from_the_data(executed: dict[str, Any], example: Trials) -> None:
    best = []
    for condition in ("symmetric-0.2", "symmetric-0.5", "symmetric-0.8"):
        rows = example.trials[(example.trials["condition"] == condition) & (example.trials["baseline"] == "")]
        ranked = sorted(rows.to_dict("records"), key=lambda row: (row["status"], -row["objective"], row["number"]))
        best += ranked[: math.ceil(len(ranked) / 3)]
    rates, thresholds = zip(*((row["oracle_noise_rate"], row["param/divide/p_threshold"]) for row in best), strict=True)
    trend = stats.spearmanr(rates, thresholds)
    answer = executed["answer"]
    assert f"Over the {len(best)} best symmetric trials" in answer
    assert f"is {trend.statistic:+.2f} (p = {trend.pvalue:.2f})" in answer
    assert ("do not show" in answer) == (trend.pvalue >= 0.05)


def test_pandas_reads_the_same_best_objectives(executed: dict[str, Any], example: Trials) -> None:
    expected = example.searched.groupby("condition", observed=True)["objective"].max()
    assert executed["best_objective"].to_dict() == expected.to_dict()


@pytest.mark.parametrize(("library", "name"), [("duckdb", "by_duckdb"), ("polars", "by_polars")])
def test_the_queries_of_other_libraries_find_the_same(executed: dict[str, Any], library: str, name: str) -> None:
    blocks = re.findall(r"^# ```python\n(.*?)^# ```", NOTEBOOK.read_text(), re.MULTILINE | re.DOTALL)
    (code,) = [re.sub("^# ?", "", block, flags=re.MULTILINE) for block in blocks if f"import {library}" in block]
    scope = dict(executed)
    exec(code, scope)
    found = dict(zip(scope[name]["condition"], scope[name]["objective"], strict=True))
    assert found == executed["best_objective"].to_dict()


def test_wrong_labels_go_in_and_an_audit_comes_out() -> None:
    scope = runpy.run_path(str(NOISY_LABELS))
    assert 0.3 < scope["wrong"].mean() < 0.4
    assert scope["accuracy"]["NoisyLabelClassifier"] > 0.95 > 0.9 > scope["accuracy"]["logistic regression"]
    assert scope["precision"] > 0.95
    assert f"average precision {scope['precision']:.3f}" in scope["answer"]
    assert NOISY_LABELS.read_text().count("# %%") == 10


@pytest.mark.parametrize("notebook", [NOTEBOOK, NOISY_LABELS])
def test_every_cell_is_marked(notebook: Path) -> None:
    lines = notebook.read_text().splitlines()
    assert lines[0] == "# %% [markdown]"
    markdown = False
    for line in lines:
        if line.startswith("# %%"):
            assert line in ("# %%", "# %% [markdown]")
            markdown = line.endswith("[markdown]")
        else:
            assert not markdown or line == "" or line.startswith("#")
