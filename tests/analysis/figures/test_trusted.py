"""The worth of trusted labels is read rightly from studies with known accuracies."""

import math
from pathlib import Path
from typing import Any

import pytest

from analysis.__main__ import main
from analysis.figures import trusted
from analysis.frames.load import NotApplicable, Trials
from tests.support.drawing import drawn
from tests.support.synthetic import ENVIRONMENT, SPEC, read, record

A, B = "symmetric-0.5", "symmetric-0.8"


def study(
    root: Path,
    doubtful: int,
    tests: dict[str, float],
    told: int = 0,
    again: tuple[float, ...] = (),
    config: dict[str, Any] | None = None,
) -> Trials:
    """A study whose chosen trial has these test accuracies by condition, confirmed with those of `again` in A."""
    images = doubtful + told
    name = f"{doubtful}-{told}"
    rows = [record(condition, i, test - 0.1 * (i == 0)) for condition, test in tests.items() for i in range(2)]
    rows += [
        record(A, i, test, trial=f"{A}-0001@{A}-r{i}", setting=f"{A}-0001", phase="confirm", epochs=0)
        for i, test in enumerate(again)
    ]
    own = {
        "name": name,
        "conditions": [entry for entry in SPEC["conditions"] if entry["id"] in tests],
        "config": config or {"data": {"subset": images}, "optim": {"weight_decay": 1 / images, "lr": 0.1}},
    }
    counts = {"training_images": images - 100, "validation_images": 100, "trusted": told}
    return read(root / name, rows, spec=SPEC | own, environment=ENVIRONMENT | counts)


def test_a_trusted_label_is_worth_the_doubtful_ones_that_bring_as_far(tmp_path: Path) -> None:
    studies = [
        study(tmp_path, 1_000, {A: 0.6, B: 0.3}),
        study(tmp_path, 4_000, {A: 0.8, B: 0.5}),
        study(tmp_path, 1_000, {A: 0.7, B: 0.6}, told=100),
        study(tmp_path, 4_000, {A: 0.5}, told=100),
    ]
    info = trusted.compute(studies)
    found = info.frame.set_index(["condition", "study"])
    # Half of the way from 1,000 to 4,000 in the logarithm is 2,000.
    assert found.loc[(A, "1000-100"), "worth"] == pytest.approx(10)
    assert not found.loc[(A, "1000-100"), "at_least"]
    assert found.loc[(B, "1000-100"), "worth"] == pytest.approx(30)
    assert found.loc[(B, "1000-100"), "at_least"]
    assert math.isnan(found.loc[(A, "4000-100"), "worth"]), "below all without trusted labels"
    assert math.isnan(found.loc[(A, "1000-0"), "worth"])
    assert (B, "4000-100") not in found.index
    assert trusted.finding(info) == (
        "A trusted label is worth 10 to 30 further doubtful ones, in 1 of 2 cases at least that."
    )
    figure = drawn(trusted, info)
    assert [ax.get_title(loc="left") for ax in figure.axes] == [A, B]
    assert {text.get_text() for ax in figure.axes for text in ax.texts} == {"10", "at least 30"}


def test_confirming_trainings_count_with_their_interval(tmp_path: Path) -> None:
    again = (0.69, 0.7, 0.71)
    studies = [
        study(tmp_path, 1_000, {A: 0.9}, again=(0.6, 0.6, 0.6)),
        study(tmp_path, 4_000, {A: 0.1}, again=(0.8, 0.8, 0.8)),
        study(tmp_path, 1_000, {A: 0.2}, told=100, again=again),
    ]
    row = trusted.compute(studies).frame.set_index("study").loc["1000-100"]
    assert row["n"] == 3
    assert row["oracle_test_acc"] == pytest.approx(0.7)
    assert row["worth"] == pytest.approx(10)
    assert 0 < row["worth_low"] < 10 < row["worth_high"]
    ends = [1_000 * 4 ** ((row[end] - 0.6) / 0.2) for end in ("low", "high")]
    assert [row["worth_low"], row["worth_high"]] == pytest.approx([(end - 1_000) / 100 for end in ends])


def test_a_curve_that_falls_by_chance_counts_as_flat(tmp_path: Path) -> None:
    studies = [
        study(tmp_path, 1_000, {A: 0.6}),
        study(tmp_path, 2_000, {A: 0.72}),
        study(tmp_path, 3_000, {A: 0.68}),
        study(tmp_path, 8_000, {A: 0.8}),
        study(tmp_path, 1_000, {A: 0.7}, told=100),
    ]
    assert trusted.compute(studies).frame["worth"].max() == pytest.approx(10)


def test_what_does_not_compare_is_refused(tmp_path: Path) -> None:
    few, many = study(tmp_path, 1_000, {A: 0.6}), study(tmp_path, 4_000, {A: 0.8})
    other = study(tmp_path, 1_000, {A: 0.7}, told=100, config={"optim": {"lr": 0.2}})
    with pytest.raises(ValueError, match="differ in `config`"):
        trusted.compute([few, many, other])
    with pytest.raises(NotApplicable, match="two numbers of labels without trusted ones, and one with some"):
        trusted.compute([few, many])
    with pytest.raises(NotApplicable, match="two numbers of labels"):
        trusted.compute([few, study(tmp_path, 1_000, {A: 0.7}, told=100)])


def test_the_command_writes_figure_and_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    studies = [
        study(tmp_path, 1_000, {A: 0.6}),
        study(tmp_path, 4_000, {A: 0.8}),
        study(tmp_path, 1_000, {A: 0.7}, told=100),
    ]
    folders = [str(own.root) for own in studies]
    assert main(["trusted", *folders]) == 0
    said = capsys.readouterr().out
    assert "A trusted label is worth 10 further doubtful ones." in said
    assert "n = 1 trainings of each point." in " ".join(said.split())
    assert {path.name for path in tmp_path.glob("trusted.*")} == {"trusted.png", "trusted.svg", "trusted.csv"}
    assert main(["trusted", *folders[:2]]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["trusted", *folders, "--output", "x.pdf"]) == 2
    assert "x.pdf is not a .png" in capsys.readouterr().err
