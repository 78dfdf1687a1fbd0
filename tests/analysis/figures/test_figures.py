"""What each figure computes, by value; that it draws; and that it says why when it cannot."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.figures import (
    best_values,
    budget,
    history,
    importance,
    learning_curves,
    methods,
    slices,
    split_quality,
    style,
)
from analysis.figures.catalogue import FIGURES
from analysis.frames.load import NotApplicable, Trials, load_trials
from analysis.frames.settings import Setting
from study.dimensions.base import Axis
from tests.support import synthetic
from tests.support.drawing import drawn
from tests.support.synthetic import record


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_and_its_text_does_not_leave_the_page(confirmed_study: Trials, name: str) -> None:
    module = FIGURES[name]
    info = module.compute(confirmed_study)
    figure = drawn(module, info)
    width, height = figure.get_size_inches()
    # What is drawn, in inches: a label that constrained layout could not fit would stick out.
    box = figure.get_tightbbox()
    assert box.x0 >= -0.01
    assert box.y0 >= -0.01
    assert box.x1 <= width + 0.01
    assert box.y1 <= height + 0.01
    assert len(info.frame) > 0
    assert "n = " in module.caption(info)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_says_why_there_is_none(empty_study: Trials, name: str) -> None:
    with pytest.raises(NotApplicable, match=r"[A-Z].*\.$"):
        FIGURES[name].compute(empty_study)


def test_history_keeps_the_best_complete_value(tmp_path: Path) -> None:
    values = [("complete", 0.4), ("pruned", 0.9), ("complete", 0.3), ("complete", 0.5), ("failed", float("nan"))]
    trials = [record("symmetric-0.5", i, 0.9, status=s, objective=v) for i, (s, v) in enumerate(values)]
    info = history.compute(load_trials(synthetic.write(tmp_path, trials)))
    assert list(info.frame["best_so_far"]) == [0.4, 0.4, 0.4, 0.5, 0.5]
    assert list(info.frame["role"]) == ["search", "search", "search", "chosen", "search"]


def test_history_marks_every_trial_in_its_panel(study: Trials) -> None:
    figure = drawn(history, history.compute(study))
    for ax in figure.axes:
        # The first line is the best so far; the others are marks, one a trial.
        assert sum(len(np.atleast_1d(line.get_xdata())) for line in ax.lines[1:]) == 24


def test_learning_curves_leave_out_epochs_without_accuracy(study: Trials) -> None:
    info = learning_curves.compute(study)
    one = info.frame[info.frame["trial"] == "symmetric-0.2-0001"]
    assert len(one) == synthetic.EPOCHS - 2
    assert one["samples_thousands"].iloc[-1] == synthetic.BUDGET / 1000
    assert set(one["role"]) == {"dividemix"}
    pruned = info.frame[info.frame["status"] == "pruned"]
    assert pruned["samples_thousands"].max() == synthetic.BUDGET / 4000


def test_long_learning_curves_are_thinned_but_keep_their_ends(study: Trials) -> None:
    epochs = study.epochs[study.epochs["val_acc"].notna()]
    long = epochs[epochs["trial"] == "symmetric-0.2-0001"].iloc[:1].loc[lambda row: row.index.repeat(500)]
    long = long.assign(samples=range(1000, 501_000, 1000))
    short = epochs[epochs["trial"] == "symmetric-0.2-0005"]
    info = learning_curves.compute(synthetic.with_epochs(study, pd.concat([long, short], ignore_index=True)))
    kept = {trial: rows["samples_thousands"].to_numpy() for trial, rows in info.frame.groupby("trial")}
    thin = kept["symmetric-0.2-0001"]
    assert len(thin) == learning_curves.POINTS
    assert (thin[0], thin[-1]) == (1, 500)
    assert np.ptp(np.diff(thin)) <= 1
    assert list(kept["symmetric-0.2-0005"]) == list(short["samples"] / 1000)
    assert f"{500 + len(short)} epochs" in learning_curves.caption(info)


def test_learning_curves_show_the_rungs_where_they_are_known(study: Trials) -> None:
    known = {name: [] for name in study.conditions} | {"symmetric-0.5": [10_000, 20_000]}
    figure = drawn(learning_curves, learning_curves.compute(replace(study, environment={"rungs": known})))
    dotted = {
        ax.get_title("left") or ax.get_title(): [
            line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"
        ]
        for ax in figure.axes
    }
    assert dotted == {name: [rung / 1000 for rung in rungs] for name, rungs in known.items()}
    assert "rung" in figure.legends[0].get_texts()[-1].get_text()
    without = drawn(learning_curves, learning_curves.compute(replace(study, environment={})))
    assert not any("rung" in text.get_text() for text in without.legends[0].get_texts())


def test_importance_keeps_what_there_is_and_names_what_is_missing(study: Trials) -> None:
    keep = (study.trials["condition"] == "symmetric-0.5") | (study.trials["number"] < 6)
    info = importance.compute(replace(study, trials=study.trials[keep]))
    assert set(info.frame["condition"]) == {"symmetric-0.5"}
    assert len(info.missing) == 3
    assert info.missing[0] in importance.caption(info)
    drawn(importance, info)


def test_importance_draws_both_kinds_and_their_whiskers(study: Trials) -> None:
    info = importance.compute(study)
    info.frame.loc[info.frame["setting"] == "contrastive/kind", ["fanova", "fanova_spread"]] = float("nan")
    ax = drawn(importance, info).axes[0]
    order = [label.get_text() for label in ax.get_yticklabels()]
    rows = info.frame[info.frame["condition"] == study.conditions[0]].set_index("setting").loc[order]
    widths = [bar.get_width() for bar in ax.patches]
    assert widths[: len(order)] == pytest.approx(list(rows["importance"]))
    assert widths[len(order) :] == pytest.approx(list(rows["fanova"]), nan_ok=True)
    spreads = {"importance": "spread", "fanova": "fanova_spread"}
    for (column, spread), lines in zip(spreads.items(), ax.collections, strict=True):
        known = rows[rows[column].notna()]
        ends = np.array([segment[:, 0] for segment in lines.get_segments() if len(segment)])
        assert ends[:, 0] == pytest.approx((known[column] - known[spread]).clip(lower=0).to_numpy())
        assert ends[:, 1] == pytest.approx((known[column] + known[spread]).to_numpy())


def test_best_values_follow_the_planted_trend(study: Trials) -> None:
    frame = best_values.compute(study).frame
    rows = frame[(frame["setting"] == "contrastive/temperature") & (frame["noise_kind"] == "symmetric")]
    assert rows["best"].is_monotonic_increasing
    assert list(rows["oracle_noise_rate"]) == pytest.approx([0.18, 0.45, 0.72])
    assert ((rows["low"] <= rows["best"]) & (rows["best"] <= rows["high"])).all()
    assert set(frame["top"]) == {3}
    assert "contrastive/kind" not in set(frame["setting"])


def test_slices_hold_numbers_zeros_and_choices(study: Trials) -> None:
    info = slices.compute(study)
    values = {name: part["value"] for name, part in info.frame.groupby("setting")}
    assert (values["mixmatch/lambda_u"] == 0).any()
    assert set(values["contrastive/kind"]) == {"self", "sup"}
    assert len(values["contrastive/temperature"]) == 4 * 22
    figure = drawn(slices, info)
    assert figure.axes[0].get_xscale() == "log"
    assert figure.axes[3].get_xscale() == "linear"


def test_a_bad_baseline_does_not_press_the_searched_trials_together(study: Trials) -> None:
    info = slices.compute(study)
    bad = info.frame["objective"].mask(info.frame["role"] == "ce", 0.05)
    figure = drawn(slices, replace(info, frame=info.frame.assign(objective=bad)))
    rows = info.frame[(info.frame["condition"] == "symmetric-0.5") & info.frame["role"].isin(["search", "chosen"])]
    ax = next(ax for ax in figure.axes if ax.get_ylabel() == "symmetric-0.5")
    low, high = ax.get_ylim()
    assert 0.05 < low < rows["objective"].min() < rows["objective"].max() < high
    (hollow,) = [line for line in ax.lines if line.get_markerfacecolor() == "none" and len(line.get_xdata())]
    assert list(hollow.get_ydata()) == [0]


def test_steps_of_the_error_axis_divide_the_error() -> None:
    ax = Figure().subplots()
    ax.plot([0.35, 0.8, 0.9, 0.98, 0.99, 1.0], range(6))
    style.error_axis(ax)
    place = ax.transData.transform([(x, 0) for x in (0.8, 0.9, 0.98, 0.99)])[:, 0]
    assert place[1] - place[0] == pytest.approx(place[3] - place[2])
    assert ax.transData.transform((1.0, 0))[0] == pytest.approx(ax.transData.transform((0.999, 0))[0])
    assert {0.5, 0.9, 0.95, 0.99} < set(ax.get_xticks())


def test_a_narrow_error_axis_has_ticks_too() -> None:
    ax = Figure().subplots()
    ax.plot([0.961, 0.964], [0, 1])
    style.error_axis(ax)
    assert sum(0.961 <= tick <= 0.964 for tick in ax.get_xticks()) >= 2


def test_a_zero_beside_a_range_has_its_own_tick() -> None:
    setting = Setting("mixmatch/lambda_u", Axis(1, 500, log=True, zero=True))
    ax = Figure().subplots()
    style.setting_axis(ax, "x", setting)
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == ["0", "1", "10", "100"]
    assert ax.get_xlim()[0] < style.zero_position(setting) < 1


def test_split_quality_holds_the_choice_and_the_baselines_that_split(study: Trials) -> None:
    info = split_quality.compute(study)
    assert set(info.frame["role"]) == {"chosen", "dividemix", "codim-self", "codim-sup"}
    assert info.frame["oracle_split_auc"].between(0.5, 1).all()


def test_budget_counts_what_pruning_did_not_draw(study: Trials) -> None:
    frame = budget.compute(study).frame.set_index(["condition", "status"])
    row = frame.loc[("symmetric-0.5", "pruned")]
    assert row["trials"] == 5
    assert row["saved"] == 5 * synthetic.BUDGET * 3 / 4
    assert frame.loc[("symmetric-0.5", "failed"), "saved"] == 0


def test_methods_hold_test_accuracy_by_method(study: Trials) -> None:
    frame = methods.compute(study).frame
    ce = frame[frame["method"] == "ce"]
    assert list(ce["oracle_test_acc"]) == [0.74] * 4


def test_methods_keep_their_colour_whichever_others_are_there() -> None:
    alone, together = style.marks(["dividemix"]), style.marks(["ce", "mine", "dividemix"])
    assert alone["dividemix"] == together["dividemix"]
    assert len({mark.color for mark in together.values()}) == 3


@pytest.mark.parametrize("name", FIGURES)
def test_one_trial_is_enough_or_the_figure_says_why(tmp_path: Path, name: str) -> None:
    params = {"contrastive/temperature": 0.2, "mixmatch/lambda_u": 0.0, "contrastive/weight": 0.1}
    trials = load_trials(synthetic.write(tmp_path, [record("symmetric-0.5", 0, 0.9, params=params)]))
    reasons = {
        "importance": r"symmetric-0\.5 has 1, 1 of them complete",
        "contours": r"symmetric-0\.5 has 1, 1 of them complete",
        "critical_difference": r"methods: 1, conditions that have all of them: 1\.$",
        "sensitivity": r"^symmetric-0\.5: 10 finished searched trials are needed, it has 1\.$",
        "optima": "needs a condition with 10 finished searched trials",
        "confirmed": "No setting has been trained again",
        "variance": "No setting has been trained again",
        "rung_correlation": "No condition has two complete searched trials that differ",
    }
    if name in reasons:
        with pytest.raises(NotApplicable, match=reasons[name]):
            FIGURES[name].compute(trials)
    else:
        drawn(FIGURES[name], FIGURES[name].compute(trials))
