"""What all figures about the search have in common: they say why they cannot be drawn, and else are."""

from pathlib import Path
from typing import Any

import pytest

from analysis.figures import contours, edf, parallel_coordinates, pareto, timeline
from analysis.frames.load import NotApplicable
from tests.support.drawing import drawn
from tests.support.searches import START, WHERE, searched
from tests.support.synthetic import NAN, SPEC, read, record

FIGURES = {
    "contours": contours,
    "edf": edf,
    "parallel_coordinates": parallel_coordinates,
    "pareto": pareto,
    "timeline": timeline,
}


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "timeline"])
@pytest.mark.parametrize(
    "changes",
    [
        {"status": "failed", "objective": NAN},
        {"status": "pruned"},
        {"objective": NAN},
        {"constraints": {"labelled_fraction": 0.1}},
    ],
    ids=["failed", "pruned", "nan", "beyond a bound"],
)
def test_without_a_complete_trial_there_is_a_sentence(tmp_path: Path, name: str, changes: dict[str, Any]) -> None:
    trials = read(tmp_path, searched(12, **changes))
    with pytest.raises(NotApplicable, match=r"^[A-Z].*\.$"):
        FIGURES[name].compute(trials)


@pytest.mark.parametrize("name", FIGURES)
def test_one_condition_draws(tmp_path: Path, name: str) -> None:
    info = FIGURES[name].compute(read(tmp_path, searched(12)))
    drawn(FIGURES[name], info)
    assert set(info.frame["condition"]) == {WHERE}
    assert "12" in FIGURES[name].caption(info)


@pytest.mark.parametrize("name", FIGURES)
def test_a_condition_without_a_complete_trial_stands_beside_one_with(tmp_path: Path, name: str) -> None:
    blank = {"objective": NAN, "samples": 0, "seconds": 0.0}
    other = [
        record("symmetric-0.8", 0, 0.9, status="pruned", params=searched(3)[0].params),
        record("symmetric-0.8", 1, 0.9, status="failed", ended=START, **blank),
    ]
    info = FIGURES[name].compute(read(tmp_path, [*searched(12), *other]))
    figure = drawn(FIGURES[name], info)
    assert not any("nan" in text.get_text() for ax in figure.axes for text in ax.texts)
    assert "nan" not in FIGURES[name].caption(info)


@pytest.mark.parametrize("name", ["contours", "parallel_coordinates"])
def test_one_setting_has_no_pair(tmp_path: Path, name: str) -> None:
    space = {"contrastive/temperature": SPEC["space"]["contrastive/temperature"]}
    with pytest.raises(NotApplicable, match=r"two searched settings\.$"):
        FIGURES[name].compute(read(tmp_path, searched(12), spec=SPEC | {"space": space}))
