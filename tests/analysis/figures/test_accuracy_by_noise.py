"""Accuracy against noise: what is confirmed where something is, single trials elsewhere; and points with names."""

import math
import re
from pathlib import Path

import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from analysis.figures import accuracy_by_noise, hover
from analysis.frames.load import NotApplicable, Trials
from analysis.statistics.confirmation import confirmation_table
from tests.support import synthetic
from tests.support.drawing import drawn
from tests.support.synthetic import read, record


def test_confirmed_means_with_their_intervals(confirmed_study: Trials) -> None:
    info = accuracy_by_noise.compute(confirmed_study)
    table = confirmation_table(confirmed_study).set_index(["condition", "setting"])
    assert {"chosen"} < set(info.frame["method"]) <= {"chosen", *confirmed_study.baselines}
    assert not info.frame.duplicated(["condition", "method"]).any()
    for row in info.frame.itertuples():
        own = table.loc[(row.condition, row.trial)]
        assert (row.oracle_test_acc, row.low, row.high) == (own["oracle_test_acc"], own["low"], own["high"])
    assert "95% intervals" in accuracy_by_noise.caption(info)
    drawn(accuracy_by_noise, info)


def test_single_trials_have_no_band_and_are_said_to_be_alone(study: Trials) -> None:
    info = accuracy_by_noise.compute(study)
    assert set(info.frame["condition"]) == set(synthetic.CONDITIONS)
    assert info.frame["low"].isna().all()
    assert "nothing was confirmed" in accuracy_by_noise.caption(info)
    assert accuracy_by_noise.finding(info) == "The chosen setting has the highest mean accuracy in 4 of 4 conditions."
    drawn(accuracy_by_noise, info)


def test_without_test_accuracy_there_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="test accuracy"):
        accuracy_by_noise.compute(read(tmp_path, [record("symmetric-0.2", 0, 0.9, oracle_test_acc=math.nan)]))


def test_each_point_has_the_number_of_its_trial(tmp_path: Path) -> None:
    """The second point has no place, and is not drawn; the label is escaped, and ids are kept apart."""
    figure = Figure()
    (line,) = figure.subplots().plot([1, 2, 3], [0.5, math.nan, 0.7], "o")
    hover.name(line, ["a", "b", "<c>"])
    figure.savefig(tmp_path / "own.svg")
    found = hover.markup((tmp_path / "own.svg").read_text(), "own", ["<c>", "b", "a"], "what it <shows>")
    assert re.findall(r'<use [^>]*data-trial="(\d+)"/>', found) == ["2", "0"]
    assert found.startswith("<svg ")
    assert 'role="img" aria-label="what it &lt;shows&gt;"' in found
    ids = re.findall(r'\bid="([^"]+)"', found)
    assert all(name.startswith("own-") for name in ids)
    assert set(re.findall(r'(?:xlink:href="|url\()#([^")]+)', found)) <= set(ids)
    assert "http" not in found


def test_lines_and_areas_have_the_numbers_of_their_trials(tmp_path: Path) -> None:
    figure = Figure()
    ax = figure.subplots()
    (line,) = ax.plot([1, 2, 3], [0.5, math.nan, 0.7])
    hover.name(line, ["b"])
    ends = [[(0, 0), (1, 0.5)], [(0, 0.2), (3, 0.5), (3, 0.6)]]
    hover.name(ax.add_collection(LineCollection(ends, alpha=0)), ["c", "a"])
    figure.savefig(tmp_path / "own.svg")
    found = hover.markup((tmp_path / "own.svg").read_text(), "own", ["a", "b", "c"], "")
    assert sorted(re.findall(r'<path [^>]*data-trial="(\d+)"/>', found)) == ["0", "1", "2"]


def test_a_figure_without_names_is_no_markup() -> None:
    assert hover.markup("<svg ></svg>", "own", [], "") == ""
