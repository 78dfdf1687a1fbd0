"""Sentences of the page: what won and how surely, what it cost, and what to be careful about."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.frames.load import Trials, load_trials
from analysis.page import sentences as summary
from tests.support import synthetic
from tests.support.synthetic import record


def test_progress_of_running_stopped_and_finished_studies(study: Trials) -> None:
    assert summary.progress_sentence(study).startswith(
        "The study is not finished: 92 of 96 trials have ended, 4 trials running or interrupted"
    )
    ended = study.trials.assign(status=study.trials["status"].replace("running", "failed"))
    assert summary.progress_sentence(replace(study, trials=ended)).startswith("The study is finished: 96 of 96")
    assert "not finished: 95 of 96" in summary.progress_sentence(replace(study, trials=ended.iloc[1:]))


def test_results_say_what_won_by_how_much_and_how_sure(study: Trials) -> None:
    first, *_, overall = summary.result_sentences(study)
    assert first.startswith(
        "symmetric-0.2 (realised noise 18.0%): the search chose symmetric-0.2-0016, test accuracy 94.8%"
    )
    assert "5.8 points above codim-sup (89.0%), the baseline that the objective ranks first; one training each" in first
    assert "difference is +4.6 points, beyond the ±2.6 points that chance explains (n = 13 searched)" in first
    assert "in 4 of 4. The mean difference is +5.9 points [+5.8, +6.1]" in overall
    assert "with one training each, not confirmed" in overall


def test_losing_to_a_baseline_is_said(tmp_path: Path) -> None:
    trials = [record("symmetric-0.5", 0, 0.95, baseline="ce"), record("symmetric-0.5", 1, 0.90)]
    (sentence,) = summary.result_sentences(load_trials(synthetic.write(tmp_path, trials)))
    assert "5.0 points below ce (95.0%)" in sentence
    assert "-2.5 points, within the ±3.2 points" in sentence


@pytest.mark.parametrize(("test", "place"), [(0.95, "level with ce (95.0%)"), (float("nan"), "an unknown number of")])
def test_a_tie_is_no_defeat_and_the_unknown_none_either(tmp_path: Path, test: float, place: str) -> None:
    tie = record("symmetric-0.5", 1, 0.95, oracle_test_acc=test)
    trials = [record("symmetric-0.5", 0, 0.95, baseline="ce"), tie]
    (sentence,) = summary.result_sentences(load_trials(synthetic.write(tmp_path, trials)))
    assert place in sentence
    assert "below" not in sentence


def test_cost_against_the_forecast(study: Trials) -> None:
    sentence = summary.cost_sentence(study)
    assert "96 trials (68 complete, 20 pruned, 4 failed, 4 running) drew 2,944,000 samples in 2.6 h" in sentence
    assert "forecast was at most 3 h" in sentence
    assert "Pruning saved 17.0% of the finished trials' own budget" in sentence


def test_cautions_name_poor_resolution_few_trials_and_regret(tmp_path: Path) -> None:
    lucky = record("symmetric-0.8", 0, 0.80, objective=0.30)
    better = record("symmetric-0.8", 1, 0.95, objective=0.29)
    notes = "\n".join(summary.cautions(load_trials(synthetic.write(tmp_path, [lucky, better]))))
    assert "symmetric-0.8: poor resolution. With 2000 validation images and slope 0.20" in notes
    assert "2 of 2 searched trials cannot be told from the best" in notes
    assert "Few complete searched trials" in notes
    assert "symmetric-0.8: the best of 2 searched trials in hindsight is 15.0 points of test accuracy ahead" in notes


def test_a_condition_that_cannot_be_ranked_is_said(tmp_path: Path) -> None:
    flat = record("symmetric-0.8", 0, 0.8, oracle_noise_rate=0.89)
    notes = summary.cautions(load_trials(synthetic.write(tmp_path, [flat])))
    assert notes[0].startswith("symmetric-0.8: cannot rank")


def test_values_at_an_end_of_their_range_are_named(tmp_path: Path) -> None:
    inside = {"contrastive/temperature": 0.2, "contrastive/weight": 0.5, "mixmatch/lambda_u": 0.0}
    outermost = inside | {"contrastive/temperature": 0.05, "contrastive/weight": 1.0}
    trials = [record("symmetric-0.2", 0, 0.9, params=inside), record("symmetric-0.5", 0, 0.9, params=outermost)]
    notes = [n for n in summary.cautions(load_trials(synthetic.write(tmp_path, trials))) if "end of its range" in n]
    assert [note.partition(". Better")[0] for note in notes] == [
        "contrastive/temperature: chosen at the low end of its range, 0.05 (symmetric-0.5)",
        "contrastive/weight: chosen at the high end of its range, 1 (symmetric-0.5)",
    ]
