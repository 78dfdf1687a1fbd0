"""What the figures about the search compute: by value, and against Optuna's own plots and scikit-learn."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import optuna
import pytest
import synthetic
from matplotlib.figure import Figure
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial
from optuna.visualization import _edf, _parallel_coordinate, _pareto_front, _rank, _timeline
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.inspection import partial_dependence
from synthetic import NAN, record

from analysis.load import NotApplicable, Trials, load_trials
from analysis.plots import contours, edf, parallel_coordinates, pareto, style, timeline
from analysis.space import Setting, searched_settings
from analysis.tables import best_fifth, ranking
from study.records import TrialRecord

FIGURES = {
    "contours": contours,
    "edf": edf,
    "parallel_coordinates": parallel_coordinates,
    "pareto": pareto,
    "timeline": timeline,
}
START = datetime(2026, 11, 24, 8, tzinfo=UTC)
WHERE = "symmetric-0.5"
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


@pytest.fixture(autouse=True)
def figure_style() -> Iterator[None]:
    with matplotlib.rc_context(style.RC):
        yield


@pytest.fixture(autouse=True)
def quiet_optuna() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def drawn(name: str, info: Any) -> Figure:
    figure = Figure(layout="constrained")
    FIGURES[name].draw(info, figure)
    figure.draw_without_rendering()
    return figure


def distribution(setting: Setting) -> BaseDistribution:
    if setting.type == "categorical":
        return CategoricalDistribution(setting.choices)
    return FloatDistribution(setting.low, setting.high, log=setting.log)


def optuna_study(records: Sequence[TrialRecord], values: Sequence[str] = ("objective",)) -> optuna.Study:
    """The same trials in Optuna; a setting with a 0 beside its range left out, which Optuna has no axis for."""
    directions = {"objective": "maximize", "seconds": "minimize"}
    study = optuna.create_study(directions=[directions[value] for value in values])
    axes = {s.path: distribution(s) for s in searched_settings(synthetic.SPEC) if not s.zero}
    for one in records:
        params = {path: value for path, value in one.params.items() if path in axes}
        trial = create_trial(
            state=STATES[one.status],
            values=[getattr(one, value) for value in values] if one.status == "complete" else None,
            params=params,
            distributions={path: axes[path] for path in params},
        )
        assert one.started is not None
        assert one.ended is not None
        trial.datetime_start, trial.datetime_complete = one.started.replace(tzinfo=None), one.ended.replace(tzinfo=None)
        study.add_trial(trial)
    return study


def searched(n: int, seed: int = 0, **changes: Any) -> list[TrialRecord]:
    """Complete trials of one condition, with two pairs of equals among them."""
    rng = np.random.default_rng(seed)
    params = [synthetic.sample(rng) for _ in range(n)]
    params[1], params[-1] = params[0], params[2]
    return [record(WHERE, i, synthetic.accuracy(p, WHERE), params=p, epochs=0, **changes) for i, p in enumerate(params)]


def read(path: Path, records: list[TrialRecord], **spec: Any) -> Trials:
    return load_trials(synthetic.write(path, records, spec=synthetic.SPEC | spec))


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
    drawn(name, info)
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
    figure = drawn(name, info)
    assert not any("nan" in text.get_text() for ax in figure.axes for text in ax.texts)
    assert "nan" not in FIGURES[name].caption(info)


@pytest.mark.parametrize("name", ["contours", "parallel_coordinates"])
def test_one_setting_has_no_pair(tmp_path: Path, name: str) -> None:
    space = {"contrastive/temperature": synthetic.SPEC["space"]["contrastive/temperature"]}
    with pytest.raises(NotApplicable, match=r"two searched settings\.$"):
        FIGURES[name].compute(read(tmp_path, searched(12), space=space))


def test_ranks_are_those_of_optuna(tmp_path: Path) -> None:
    records = searched(15)
    info = _rank._get_rank_info(optuna_study(records), None, None, "objective")
    expected = _rank._get_order_with_same_order_averaging(info.zs) / (len(records) - 1)
    table = ranking(read(tmp_path, records))
    assert list(table["rank"]) == pytest.approx(list(expected))
    assert not table["ruled_out"].any()


def test_ranks_put_what_was_ruled_out_last(tmp_path: Path) -> None:
    records = [
        record(WHERE, 0, 0.99, baseline="ce"),
        record(WHERE, 1, 0.8),
        record(WHERE, 2, 0.9),
        record(WHERE, 3, 0.95, status="pruned"),
        record(WHERE, 4, 0.95, constraints={"labelled_fraction": 0.1}),
        record(WHERE, 5, 0.95, objective=NAN),
        record(WHERE, 6, 0.95, status="failed"),
        record("symmetric-0.8", 1, 0.9),
    ]
    table = ranking(read(tmp_path, records)).set_index("trial")
    assert table["rank"].to_dict() == {
        f"{WHERE}-0001": 0.75,
        f"{WHERE}-0002": 1.0,
        f"{WHERE}-0003": 0.25,
        f"{WHERE}-0004": 0.25,
        f"{WHERE}-0005": 0.25,
        "symmetric-0.8-0001": 0.5,
    }
    assert list(table["ruled_out"]) == [False, False, True, True, True, False]


def test_a_surface_is_the_partial_dependence_of_its_model() -> None:
    settings = searched_settings(synthetic.SPEC)
    temperature, lambda_u, kind = settings[0], settings[1], settings[4]
    rng = np.random.default_rng(0)
    known = rng.random((30, len(settings)))
    known[:8, 1], known[:, 4] = style.ZERO, known[:, 4].round()
    known[3, 2] = NAN  # a setting that one trial does not have
    model = ExtraTreesRegressor(20, random_state=0).fit(known, known[:, 0] * known[:, 1] + known[:, 4])
    for pair in ((temperature, lambda_u), (lambda_u, kind)):
        i, j = settings.index(pair[0]), settings.index(pair[1])
        mine = contours.surface(model, known, pair, settings)
        gaps = [np.flatnonzero(np.isnan(mine).all(axis=axis)) for axis in (0, 1)]
        assert [list(gap) for gap in gaps] == [[1] if setting is lambda_u else [] for setting in pair]
        x, y = (np.array([style.ZERO, *np.arange(1 / 32, 1, 1 / 16)]) if s is lambda_u else None for s in pair)
        x = np.arange(1 / 32, 1, 1 / 16) if x is None else x
        y = np.array([0.0, 1.0]) if y is None else y
        theirs = partial_dependence(model, known, [i, j], custom_values={i: x, j: y}, method="brute")["average"][0]
        shown = np.delete(np.delete(mine, gaps[0], axis=1), gaps[1], axis=0)
        assert shown == pytest.approx(theirs.T)


def test_contours_show_where_the_planted_optimum_lies(tmp_path: Path) -> None:
    info = contours.compute(read(tmp_path, searched(40)))
    x, _ = info.pairs[0]
    assert x.path == "contrastive/temperature"
    assert len(info.pairs) == 2
    along = np.nanmean(info.surfaces[WHERE, 0], axis=0)
    best = float(style.places((np.array([along.argmax()]) + 0.5) / contours.CELLS, x)[0])
    assert best == pytest.approx(synthetic.CONDITIONS[WHERE][3], rel=0.5)
    assert 0.4 < info.explained[WHERE] < 1
    assert info.frame.loc[info.frame["chosen"], "rank"].max() == 1


def test_contours_of_noise_explain_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    trials = [replace(one, objective=float(rng.random())) for one in searched(60)]
    info = contours.compute(read(tmp_path, trials))
    assert info.explained[WHERE] < 0.1
    assert np.nanstd(info.surfaces[WHERE, 0]) < 0.1


def test_contours_name_the_conditions_with_too_few_trials(study: Trials) -> None:
    keep = (study.trials["condition"] == WHERE) | (study.trials["number"] < 6)
    info = contours.compute(replace(study, trials=study.trials[keep]))
    assert set(info.explained) == set(info.frame["condition"]) == {WHERE}
    assert len(info.missing) == 3
    assert info.missing[0] in contours.caption(info)
    assert len(drawn("contours", info).axes) == 2 + 1


def test_contours_leave_out_a_setting_that_no_trial_has(tmp_path: Path) -> None:
    space = synthetic.SPEC["space"] | {"never/searched": {"type": "float", "low": 0, "high": 1}}
    records = searched(20)
    for one in records[::2]:
        del one.params["contrastive/weight"]
    info = contours.compute(read(tmp_path, records, space=space))
    assert "never/searched" not in {setting.path for pair in info.pairs for setting in pair}
    drawn("contours", info)


def test_fractions_and_places_are_inverse() -> None:
    for setting in searched_settings(synthetic.SPEC):
        values = np.array([0.0, 1.0]) if setting.type == "categorical" else np.array([style.ZERO, 0.0, 0.4, 1.0])
        places = style.places(values, setting)
        if setting.type == "categorical":
            assert list(places) == [0, 1]
        elif setting.zero:
            assert places[0] == pytest.approx(style.zero_position(setting))
            assert (places[1], places[3]) == pytest.approx((setting.low, setting.high))


def test_lines_go_through_the_values_that_optuna_shows(tmp_path: Path) -> None:
    records = searched(15)
    info = parallel_coordinates.compute(read(tmp_path, records))
    theirs = _parallel_coordinate._get_parallel_coordinate_info(optuna_study(records))
    assert list(info.frame["objective"]) == pytest.approx(list(theirs.dims_objectives[0].values))
    settings = {s.path: s for s in info.settings}
    for path, dim in zip(sorted(path for path, s in settings.items() if not s.zero), theirs.dims_params, strict=True):
        setting, mine = settings[path], style.fractions(info.frame[path], settings[path])
        if setting.type == "categorical":
            assert list(info.frame[path]) == [dim.ticktext[value] for value in dim.values]
            assert list(mine) == [float(setting.choices.index(choice)) for choice in info.frame[path]]
        else:
            low, high = np.log10([setting.low, setting.high]) if dim.is_log else (setting.low, setting.high)
            assert list(mine) == pytest.approx([(value - low) / (high - low) for value in dim.values])


def test_the_zero_and_pruned_trials_have_their_places(tmp_path: Path) -> None:
    records = searched(10)
    records[0] = replace(records[0], params=records[0].params | {"mixmatch/lambda_u": 0.0})
    records[4] = replace(records[4], status="pruned")
    info = parallel_coordinates.compute(read(tmp_path, records))
    frame = info.frame.set_index("trial")
    assert list(frame.index[frame["objective"].isna()]) == [records[4].trial]
    assert frame["best"].sum() == 3
    assert frame.loc[frame["best"], "objective"].min() >= frame.loc[~frame["best"], "objective"].max()
    assert frame["chosen"].sum() == 1
    (ax,) = drawn("parallel_coordinates", info).axes
    others, best, chosen = (np.reshape(line.get_ydata(), (-1, 7)) for line in ax.lines)
    assert (len(others), len(best), len(chosen)) == (7, 3, 1)
    lines = np.concatenate([others, best])
    assert np.isnan(lines[:, 6]).all()
    assert lines[:, 1].min() == pytest.approx(style.ZERO)
    assert chosen[0, 5] == 1
    # The pruned trial's line ends before the axis of the objective.
    assert list(np.isnan(lines[:, :6]).sum(axis=0)) == [0, 0, 0, 0, 0, 1]


def test_the_best_fifth_is_never_fewer_than_three(tmp_path: Path) -> None:
    searched_trials = read(tmp_path, searched(21)).searched
    assert list(best_fifth(searched_trials)["objective"]) == sorted(searched_trials["objective"], reverse=True)[:5]
    assert len(best_fifth(searched_trials.head(4))) == 3
    assert len(best_fifth(searched_trials.head(2))) == 2


def test_distribution_is_that_of_optuna(tmp_path: Path) -> None:
    records = searched(15)
    frame = edf.compute(read(tmp_path, records)).frame
    theirs = _edf._get_edf_info(optuna_study(records))
    steps = np.searchsorted(frame["objective"], theirs.x_values, side="right")
    assert list(frame["share"].to_numpy()[steps - 1]) == pytest.approx(list(theirs.lines[0].y_values))


def test_distribution_counts_pruned_trials_as_behind_and_places_baselines(tmp_path: Path) -> None:
    records = [
        record(WHERE, 0, 0.9, objective=0.6, baseline="ce"),
        record(WHERE, 1, 0.9, objective=0.4, baseline="dividemix"),
        record(WHERE, 2, 0.9, objective=0.5),
        record(WHERE, 3, 0.9, objective=0.7),
        record(WHERE, 4, 0.9, objective=0.9, status="pruned"),
        record(WHERE, 5, 0.9, objective=NAN, status="failed"),
        record("symmetric-0.8", 0, 0.9, objective=0.3, baseline="ce"),
    ]
    info = edf.compute(read(tmp_path, records))
    assert list(info.frame["objective"]) == [0.4, 0.5, 0.6, 0.7]
    assert list(info.frame["role"]) == ["dividemix", "search", "ce", "chosen"]
    assert list(info.frame["share"]) == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1])
    assert set(info.frame["ruled_out"]) == {1 / 3}
    (ax,) = drawn("edf", info).axes
    curve = ax.lines[0]
    assert list(curve.get_xdata()) == [0.4, 0.5, 0.7]
    assert list(curve.get_ydata()) == pytest.approx([1 / 3, 2 / 3, 1])


def spans(hours: Sequence[tuple[float, float]], **changes: Any) -> list[TrialRecord]:
    return [
        record(WHERE, i, 0.9, started=START + timedelta(hours=a), ended=START + timedelta(hours=b), epochs=0, **changes)
        for i, (a, b) in enumerate(hours)
    ]


def test_timeline_puts_a_trial_where_there_is_room(tmp_path: Path) -> None:
    info = timeline.compute(read(tmp_path, spans([(0, 2), (0, 1), (1, 4), (3, 4)])))
    assert list(info.frame["lane"]) == [0, 1, 1, 0]
    hours = info.under_way["trials"].to_numpy().reshape(4, -1)
    assert hours.mean(axis=1) == pytest.approx([2, 2, 1, 2])
    assert np.ptp(hours, axis=1) == pytest.approx([0] * 4, abs=1e-9)
    # Of 2 x 4 hours, the first lane is idle from 2 to 3.
    assert info.idle == pytest.approx(1 / 8)
    assert "12%" in timeline.caption(info) or "13%" in timeline.caption(info)


def test_timeline_needs_no_more_lanes_than_trials_at_a_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    hours = [(start, start + rng.exponential(2)) for start in rng.uniform(0, 50, 200)]
    frame = timeline.compute(read(tmp_path, spans(hours))).frame
    at_a_time = max(((frame["start"] <= t) & (t < frame["end"])).sum() for t in frame["start"])
    assert frame["lane"].max() + 1 == at_a_time
    for _, lane in frame.groupby("lane"):
        assert (lane["start"].to_numpy()[1:] >= lane["end"].to_numpy()[:-1]).all()


def test_timeline_has_the_bars_of_optuna(tmp_path: Path) -> None:
    records = spans([(0, 2), (0.5, 1), (1, 4), (3, 3.2)])
    records[1], records[3] = replace(records[1], status="pruned"), replace(records[3], status="failed", objective=NAN)
    frame = timeline.compute(read(tmp_path, records)).frame
    bars = _timeline._get_timeline_info(optuna_study(records)).bars
    naive = START.replace(tzinfo=None)
    assert list(frame["start"]) == pytest.approx([(bar.start - naive).total_seconds() / 3600 for bar in bars])
    assert list(frame["end"]) == pytest.approx([(bar.complete - naive).total_seconds() / 3600 for bar in bars])
    assert [STATES[status] for status in frame["status"]] == [bar.state for bar in bars]


def test_timeline_lets_running_trials_reach_the_last_known_time(tmp_path: Path) -> None:
    running = record(WHERE, 9, 0.9, started=START + timedelta(hours=1), ended=None, status="running", seconds=7200.0)
    never = record(WHERE, 10, 0.9, started=None, ended=None, status="running")
    info = timeline.compute(read(tmp_path, [*spans([(0, 2)]), running, never]))
    assert list(info.frame["end"]) == pytest.approx([2, 3])
    assert info.left_out == 1
    assert "1 never started" in timeline.caption(info)


def test_timeline_of_failures_alone_marks_each(tmp_path: Path) -> None:
    info = timeline.compute(read(tmp_path, spans([(0, 0), (0, 0.1), (1, 2)], status="failed", objective=NAN)))
    below = drawn("timeline", info).axes[1]
    assert list(below.lines[0].get_xdata()) == pytest.approx([0, 0.1 * 60, 120])
    assert set(info.frame["status"]) == {"failed"}


def test_timeline_of_one_trial_that_failed_at_once(tmp_path: Path) -> None:
    info = timeline.compute(read(tmp_path, spans([(0, 0)], status="failed", seconds=0.0, objective=NAN)))
    drawn("timeline", info)
    assert (info.idle, info.under_way["trials"].sum()) == (0, 0)


def test_the_front_is_that_of_optuna(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    # Rounded, so that there are ties in one of both and in both.
    records = [
        replace(one, seconds=float(rng.integers(1, 9)), objective=float(rng.integers(1, 9)) / 10)
        for one in searched(40)
    ]
    frame = pareto.compute(read(tmp_path, records)).frame
    theirs = _pareto_front._get_pareto_front_info(optuna_study(records, ("seconds", "objective")))
    assert sorted(frame.index[frame["front"]]) == sorted(trial.number for trial, _ in theirs.best_trials_with_values)
    assert 0 < frame["front"].sum() < 40


def test_the_front_holds_baselines_but_no_pruned_trial(tmp_path: Path) -> None:
    records = [
        record(WHERE, 0, 0.9, objective=0.5, seconds=10.0, baseline="ce"),
        record(WHERE, 1, 0.9, objective=0.6, seconds=30.0),
        record(WHERE, 2, 0.9, objective=0.6, seconds=40.0),
        record(WHERE, 3, 0.9, objective=0.7, seconds=5.0, status="pruned"),
        record(WHERE, 4, 0.9, objective=NAN, seconds=1.0),
        record("symmetric-0.8", 0, 0.9, objective=0.1, seconds=90.0),
    ]
    frame = pareto.compute(read(tmp_path, records)).frame.set_index("trial")
    assert frame["front"].to_dict() == {
        f"{WHERE}-0000": True,
        f"{WHERE}-0001": True,
        f"{WHERE}-0002": False,
        "symmetric-0.8-0000": True,
    }
    assert frame["role"].to_dict()[f"{WHERE}-0000"] == "ce"


def test_the_front_needs_times(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="time in training"):
        pareto.compute(read(tmp_path, searched(5, seconds=0.0)))
