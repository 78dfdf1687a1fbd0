"""When the advice leaves the default settings, on studies with a known bowl (see known_truth)."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from analysis.advice.noise_rate import NoiseRate, given
from analysis.advice.recommend import Advice, _plausible, recommend
from analysis.commands.recommend import describe
from analysis.frames.load import Trials, load_trials
from analysis.statistics.surrogate import fit_model
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord
from tests.support import known_truth, synthetic
from tests.support.known_truth import DEFAULT, RATES, SPEC, regret


@pytest.fixture(scope="module")
def advised(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], list[Advice]]:
    """Advice at a rate of .3 from some studies with `n` searched trials in a condition."""
    kept: dict[tuple[str, int], list[Advice]] = {}

    def of(default: str, n: int) -> list[Advice]:
        if (default, n) not in kept:
            roots = [tmp_path_factory.mktemp("results") / "study" for _ in range(3)]
            studies = [known_truth.write(root, default, n, seed) for seed, root in enumerate(roots)]
            kept[default, n] = [recommend(trials, given(0.3)) for trials in studies]
        return kept[default, n]

    return of


def true_regret(advice: Advice, option: str, default: str) -> float:
    return regret(advice.options.loc[option, list(DEFAULT)].to_dict(), default)


@pytest.mark.parametrize("n", [12, 40])
def test_where_the_default_is_near_the_best_the_advice_is_as_good(
    advised: Callable[[str, int], list[Advice]], n: int
) -> None:
    default = "near the best"
    for advice in advised(default, n):
        assert true_regret(advice, "recommended", default) <= true_regret(advice, "default", default)
        other = not advice.options.loc["candidate"].equals(advice.options.loc["default"])
        assert any("The default stays: the candidate's gain" in caution for caution in advice.cautions) == other


def test_where_it_is_not_and_there_are_trials_enough_the_advice_is_clearly_better(
    advised: Callable[[str, int], list[Advice]],
) -> None:
    default = "not the best"
    found = [true_regret(advice, "recommended", default) for advice in advised(default, 40)]
    assert max(found) <= regret(DEFAULT, default)
    assert np.mean(found) < 0.7 * regret(DEFAULT, default)


@pytest.mark.parametrize(("default", "n"), [("near the best", 12), ("near the best", 40), ("not the best", 40)])
def test_the_true_gain_is_within_the_interval(
    advised: Callable[[str, int], list[Advice]], default: str, n: int
) -> None:
    for advice in advised(default, n):
        told = advice.options.loc["candidate"]
        true = true_regret(advice, "default", default) - true_regret(advice, "candidate", default)
        assert told["gain_low"] <= told["gain"] <= told["gain_high"]
        # A point more: one run in ten may lie outside.
        assert told["gain_low"] - 0.01 <= true <= told["gain_high"] + 0.01


def changed(root: Path, trials: Trials, change: Callable[[TrialRecord], TrialRecord]) -> Trials:
    """The same study with other records."""
    records = [change(record) for record in ResultsFolder(trials.root).read_trials()]
    return load_trials(synthetic.write(root, records, SPEC))


def test_of_few_complete_trials_the_default_stays(tmp_path: Path) -> None:
    trials = known_truth.write(tmp_path / "a", "not the best", 12, 0, error=0.0)

    def prune(record: TrialRecord) -> TrialRecord:
        early = not record.baseline and int(record.trial[-2:]) > 9
        return replace(record, status="pruned") if early else record

    advice = recommend(changed(tmp_path / "b", trials, prune), given(0.3))
    assert "The default stays: only 27 searched trials are complete" in advice.cautions[0]
    pd.testing.assert_series_equal(advice.options.loc["recommended"], advice.options.loc["default"], check_names=False)
    assert {path: advice.config[path.split("/")[0]][path.split("/")[1]] for path in DEFAULT} == DEFAULT


def test_the_default_counts_with_its_own_trials_and_only_if_it_is_a_point_of_the_space(tmp_path: Path) -> None:
    trials = known_truth.write(tmp_path / "a", "near the best", 12, 0)
    tried = fit_model(trials).tried
    assert tried["baseline"].eq("codim-sup").sum() == len(RATES)
    other = {"data": {"name": "digits"}, "train": {"co_training": False, "seed": 1}}
    outside = {**DEFAULT, "contrastive/weight": 0.0}
    for number, change in enumerate([{"config": other}, {"params": outside}, {"status": "failed"}]):
        now = changed(
            tmp_path / f"b{number}", trials, lambda r, change=change: replace(r, **change) if r.baseline else r
        )
        assert fit_model(now).tried["baseline"].eq("").all()
    seeds = changed(
        tmp_path / "c", trials, lambda r: replace(r, config={**r.config, "train": {"seed": int(r.trial[-2:])}})
    )
    assert fit_model(seeds).tried["baseline"].ne("").sum() == len(RATES)


@pytest.mark.parametrize(
    ("rate", "told"),
    [
        (given(0.3), None),
        (NoiseRate(0.3, 0.1, 0.5), None),
        (NoiseRate(0.3, 0.05, 0.4), "The rate may lie outside the study's conditions (10% to 50%)"),
        (NoiseRate(0.3, 0.2, 0.55), "The rate may lie outside"),
        (NoiseRate(0.6, 0.4, 0.7), "The rate lies outside"),
    ],
)
def test_rates_outside_the_study_are_told(rate: NoiseRate, told: str | None, tmp_path: Path) -> None:
    trials = known_truth.write(tmp_path / "a", "near the best", 10, 0)
    cautions = [text for text in recommend(trials, rate).cautions if "outside" in text]
    assert len(cautions) == (told is not None)
    assert told is None or cautions[0].startswith(told)


def test_the_middle_of_the_plausible_rates_is_the_one_that_is_told() -> None:
    rates, weights = _plausible(NoiseRate(0.3, 0.2, 0.35))
    assert weights.sum() == pytest.approx(1)
    assert rates[2] == pytest.approx(0.3)
    steps = np.diff(rates)
    assert steps[1] == pytest.approx(2 * steps[2])
    assert weights[:2].sum() == pytest.approx(weights[3:].sum())
    clean, _ = _plausible(NoiseRate(0.0, 0.0, 0.1))
    assert clean[:3] == [0, 0, 0]


def test_the_terminal_shows_the_gain_with_its_interval(advised: Callable[[str, int], list[Advice]]) -> None:
    advice = advised("near the best", 12)[0]
    console = Console(width=120)
    with console.capture() as told:
        console.print(describe(advice)[0])
    row = advice.options.loc["candidate"]
    expected = f"{100 * row['gain']:.1f} [{100 * row['gain_low']:.1f}, {100 * row['gain_high']:.1f}]"
    assert expected in told.get()
    narrow = Console(width=80)
    with narrow.capture() as told:
        narrow.print(describe(advice)[0])
    lines = told.get().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[2].replace("┃", " ").split() == ["setting", "recommended", "candidate", "robust", "default"]
    # No edge is cut off.
    assert lines[2].endswith("┃")
