"""Images in the report: those of each condition's chosen trial, escaped, and none where none were kept."""

from html import escape
from pathlib import Path

import pytest

from analysis.frames.join import join
from analysis.frames.load import Trials, load_trials
from analysis.page.examples import grids
from analysis.page.report import render
from study.results.examples import Example, Examples, Group, encode
from study.results.folder import ResultsFolder
from tests.support import synthetic
from tests.support.synthetic import record

IMAGE = "data:image/png;base64,iVBORw0KGgo="
NAME = "<b>cat</b>"
CHOSEN, OTHER = record("symmetric-0.5", 0, 0.9), record("symmetric-0.5", 1, 0.8)


def example(given: str, predicted: str, true: str, index: int = 3) -> Example:
    return Example(index=index, file="", given=given, predicted=predicted, true=true, image=IMAGE)


KNOWN = Examples(
    images=900,
    side=32,
    groups=[
        Group(kind="found", count=270, images=[example(NAME, "dog", "dog")]),
        Group(kind="missed", count=8, images=[example("bird", "bird", "dog", 4)]),
        Group(kind="doubted", count=1, images=[example("frog", "deer", "frog", 5)]),
    ],
)
UNKNOWN = Examples(images=900, side=64, groups=[Group(kind="contradicted", count=9, images=[example("a", "b", "")])])


def study(root: Path, examples: Examples | None, trial: str = CHOSEN.trial) -> Trials:
    results = synthetic.write(root, [CHOSEN, OTHER])
    folder = ResultsFolder(results)
    if examples is not None:
        folder.write_epochs(trial, folder.read_epochs(trial), examples=encode(examples))
    return load_trials(results)


def test_images_of_the_chosen_trial_are_shown_with_their_labels(tmp_path: Path) -> None:
    trials = study(tmp_path, KNOWN)
    (grid,) = grids(trials)
    assert (grid.condition, grid.trial, grid.sharp) == ("symmetric-0.5", CHOSEN.trial, True)
    assert grid.sentence == "It found 270 of 278 wrong labels, and doubted 1 right label."
    assert [row.title for row in grid.rows] == [
        "Wrong label found: 270",
        "Wrong label missed: 8",
        "Right label doubted: 1",
    ]
    told = [(own.caption, own.alternative) for row in grid.rows for own in row.pictures]
    assert told == [
        (f"{NAME} → dog", f"Training image 3: given {NAME}, predicted dog, true dog"),
        ("bird; true: dog", "Training image 4: given bird, predicted bird, true dog"),
        ("frog → deer", "Training image 5: given frog, predicted deer, true frog"),
    ]
    page = render(trials, [])
    assert page.count(f'<img src="{IMAGE}"') == 3
    assert NAME not in page
    assert escape(NAME) in page


def test_without_true_labels_only_doubt_is_shown(tmp_path: Path) -> None:
    (grid,) = grids(study(tmp_path, UNKNOWN))
    assert grid.sentence == "The networks contradict 9 of 900 given labels."
    assert [row.title for row in grid.rows] == ["Given label doubted (true ones are unknown): 9"]
    assert not grid.sharp


@pytest.mark.parametrize(("examples", "trial"), [(None, CHOSEN.trial), (KNOWN, OTHER.trial)])
def test_where_the_chosen_trial_kept_none_there_is_no_grid(
    examples: Examples | None, trial: str, tmp_path: Path
) -> None:
    trials = study(tmp_path, examples, trial)
    assert grids(trials) == []
    assert 'id="images"' not in render(trials, [])


def test_of_several_studies_each_trial_is_found_in_its_own(tmp_path: Path) -> None:
    joined = join([study(tmp_path / "one", KNOWN), study(tmp_path / "two", None)])
    assert [grid.trial for grid in grids(joined)] == [f"digits-1/{CHOSEN.trial}"]


def test_damaged_ones_leave_the_page_as_it_is(tmp_path: Path) -> None:
    trials = study(tmp_path, KNOWN)
    ResultsFolder(trials.root).write_epochs(CHOSEN.trial, [], examples="{")
    assert grids(load_trials(trials.root)) == []
