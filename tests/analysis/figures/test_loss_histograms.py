"""The figure of the losses that were divided: which epochs it shows, and its bars by value."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from analysis.figures import loss_histograms
from analysis.frames.columns import column_table
from analysis.frames.load import NotApplicable, Trials, load_trials
from study.results.folder import ResultsFolder
from tests.support import synthetic
from tests.support.synthetic import record

HISTOGRAMS = ["loss_histogram", "oracle_loss_histogram"]


def divided(folder: Path, histograms: list[tuple[list[int], list[int]]], condition: str = "symmetric-0.5") -> Trials:
    """A study of one trial with an epoch of warm-up and then these."""
    trial = record(condition, 1, 0.9)
    root = synthetic.write(folder, [trial])
    warm, *rest = synthetic.epochs(trial)[3 : 4 + len(histograms)]
    rows = [
        row | dict(zip(HISTOGRAMS, own, strict=True)) | {"labelled_fraction": 0.7}
        for row, own in zip(rest, histograms, strict=True)
    ]
    ResultsFolder(root).write_epochs(trial.trial, [warm, *rows])
    return load_trials(root)


def drawn(info: loss_histograms.Info) -> Figure:
    figure = Figure(layout="constrained")
    loss_histograms.draw(info, figure)
    figure.draw_without_rendering()
    return figure


def test_bars_by_value(tmp_path: Path) -> None:
    counts = [([6, 2, 0, 2], [0, 1, 0, 2]), ([9, 9, 9, 9], [1, 1, 1, 1]), ([10, 0, 0, 10], [0, 0, 0, 10])]
    info = loss_histograms.compute(divided(tmp_path, [*counts[:2], counts[1], counts[1], counts[2]]))
    frame = info.frame
    assert list(frame["stage"]) == [stage for stage in loss_histograms.STAGES for _ in range(4)]
    assert list(frame["epoch"]) == [4] * 4 + [6] * 4 + [8] * 4
    assert list(frame["low"]) == [0, 0.25, 0.5, 0.75] * 3
    assert list(frame["high"]) == [0.25, 0.5, 0.75, 1] * 3
    assert list(frame["share"]) == pytest.approx([0.6, 0.2, 0, 0.2, *[0.25] * 4, 0.5, 0, 0, 0.5])
    assert list(frame["oracle_wrong"]) == pytest.approx([0, 0.1, 0, 0.2, *[1 / 36] * 4, 0, 0, 0, 0.5])
    # Seven tenths of the images: all of the first bin and half of the second; 1.2 bins above the second; and two fifths
    # into the last.
    assert list(frame["boundary"]) == pytest.approx([0.375] * 4 + [0.7] * 4 + [0.85] * 4)
    figure = drawn(info)
    assert figure.axes[0].lines[0].get_xdata() == pytest.approx([0.375, 0.375])
    right, wrong = [patch for patch in figure.axes[0].patches if isinstance(patch, StepPatch)]
    np.testing.assert_allclose(right.get_data().values, [0.6, 0.1, 0, 0])
    np.testing.assert_allclose(wrong.get_data().values, [0.6, 0.2, 0, 0.2])
    np.testing.assert_allclose(wrong.get_data().baseline, [0.6, 0.1, 0, 0])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "label right",
        "label wrong",
        "end of the labelled set",
    ]


@pytest.mark.parametrize(
    ("n", "stages"), [(1, ["first division"]), (2, ["first division", "last division"]), (3, loss_histograms.STAGES)]
)
def test_few_divisions_are_shown_once(tmp_path: Path, n: int, stages: list[str]) -> None:
    info = loss_histograms.compute(divided(tmp_path, [([3, 1], [0, 1])] * n))
    assert list(info.frame["stage"].unique()) == list(stages)
    assert info.frame["epoch"].nunique() == len(stages)
    assert [ax.get_title(loc="left") or ax.get_title() for ax in drawn(info).axes] == list(stages)


def test_only_the_chosen_trials_are_shown(study: Trials) -> None:
    frame = loss_histograms.compute(study).frame
    best = {t.condition: t for t in sorted(synthetic.records(), key=lambda t: t.objective) if t.status == "complete"}
    chosen = {t.condition: t.trial for t in best.values() if not t.baseline}
    assert frame.groupby("condition", observed=True)["trial"].first().to_dict() == chosen
    sums = frame.groupby(["condition", "stage"], observed=True)[["share", "oracle_wrong"]].sum()
    assert sums["share"].to_list() == pytest.approx([1] * 12)
    for (condition, _), wrong in sums["oracle_wrong"].items():
        assert wrong == pytest.approx(synthetic.CONDITIONS[condition][2], abs=0.002)


def test_where_nobody_knows_the_true_labels(tmp_path: Path) -> None:
    info = loss_histograms.compute(divided(tmp_path, [([3, 1], []), ([1, 3], [])]))
    assert info.frame["oracle_wrong"].isna().all()
    figure = drawn(info)
    (bars,) = [patch for patch in figure.axes[0].patches if isinstance(patch, StepPatch)]
    np.testing.assert_allclose(bars.get_data().values, [0.75, 0.25])
    assert [text.get_text() for text in figure.legends[0].get_texts()][:1] == ["nobody knows which labels are right"]


def test_a_study_of_before_there_were_histograms(tmp_path: Path) -> None:
    trials = synthetic.records()
    root = synthetic.write(tmp_path, trials)
    for path in (root / "epochs").glob("*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(HISTOGRAMS), path)
    old = load_trials(root)
    assert len(old.epochs) == sum(trial.epochs for trial in trials)
    assert old.read_epochs(HISTOGRAMS).isna().all(axis=None)
    with pytest.raises(NotApplicable, match="recorded before its tables held histograms"):
        loss_histograms.compute(old)


def test_methods_without_a_mixture_have_none(tmp_path: Path) -> None:
    trial = record("symmetric-0.5", 1, 0.9)
    root = synthetic.write(tmp_path, [trial])
    given = {"split_state": "given", "loss_histogram": [], "oracle_loss_histogram": []}
    ResultsFolder(root).write_epochs(trial.trial, [row | given for row in synthetic.epochs(trial)])
    with pytest.raises(NotApplicable, match="No chosen setting has an epoch that divides"):
        loss_histograms.compute(load_trials(root))


def test_histograms_are_read_when_they_are_asked_for(study: Trials) -> None:
    assert not set(HISTOGRAMS) & set(study.epochs.columns)
    trial = next(t for t in synthetic.records() if t.status == "complete" and not t.baseline)
    read = study.read_epochs(["epoch", *HISTOGRAMS], trials=[trial.trial])
    expected: list[dict[str, Any]] = synthetic.epochs(trial)
    for row, own in zip(read.to_dict("records"), expected, strict=True):
        for name in HISTOGRAMS:
            assert row[name].tolist() == own[name]
    assert read.equals(study.read_epochs(["epoch", *HISTOGRAMS], trials=[trial.trial]))
    assert column_table(read)["meaning"].str.len().gt(0).all()
