"""Figures drawn by other processes."""

from pathlib import Path

import pytest

import analysis
from analysis.figures.catalogue import FIGURES
from analysis.figures.render import draw_figures
from analysis.frames.load import load_trials


def test_a_relative_folder_is_that_of_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The drawing processes are kept between two reports, and do not follow when a program changes its folder."""
    trials = load_trials(Path(analysis.__file__).with_name("example"))
    monkeypatch.setattr("analysis.figures.render.FIGURES", {"best_values": FIGURES["best_values"]})
    for place in ("one", "other"):
        (tmp_path / place / "figures").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / place)
        assert [drawn.name for drawn in draw_figures(trials, Path("figures"))] == ["best_values"]
        assert (tmp_path / place / "figures" / "best_values.png").exists()
