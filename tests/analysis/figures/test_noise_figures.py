"""What the figures of learning under noise compute, by value."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.figures import curves, degenerate, memorisation, mixture, transitions
from analysis.frames.load import NotApplicable, Trials, load_trials
from tests.support import synthetic
from tests.support.synthetic import EPOCHS, record

NAN = float("nan")


def with_epochs(path: Path, trials: list[Any], rows: list[dict[str, Any]]) -> Trials:
    """Those epochs, with NaN where a row does not say."""
    read = load_trials(synthetic.write(path, trials))
    frame = pd.DataFrame(rows).reindex(columns=read.epochs.columns)
    return synthetic.with_epochs(read, frame.astype({"condition": read.trials["condition"].dtype}))


def test_curves_are_of_the_choice_and_the_baselines(study: Trials) -> None:
    frame = curves.compared_epochs(study, ["oracle_memorised", "loss"])
    assert set(frame["role"]) == {"chosen", *synthetic.BASELINES}
    assert len(frame) == 4 * 5 * (EPOCHS - 2)
    assert list(frame.columns) == [
        "condition", "trial", "role", "phase", "samples_thousands", "oracle_memorised", "loss"
    ]  # fmt: skip


@pytest.mark.parametrize("n", [1, 2, curves.POINTS, curves.POINTS + 1, 5 * curves.POINTS])
def test_a_thinned_curve_keeps_its_ends(n: int) -> None:
    rows = pd.DataFrame({"trial": "a", "x": range(n)})
    kept = curves.thinned(rows)["x"]
    assert len(kept) == min(n, curves.POINTS)
    assert kept.is_unique
    assert (kept.iloc[0], kept.iloc[-1]) == (0, n - 1)
    assert curves.thinned(rows.iloc[:0]).empty


# memorisation


def test_memorisation_by_value(tmp_path: Path) -> None:
    mine, rival = record("symmetric-0.5", 1, 0.9), record("symmetric-0.5", 0, 0.8, baseline="ce")
    common = {"condition": "symmetric-0.5"}
    rows = [
        common | {"trial": mine.trial, "phase": phase, "samples": s, "oracle_memorised": m, "oracle_split_precision": p}
        for phase, s, m, p in [
            ("pretrain", 1000, NAN, NAN), ("pretrain", 2000, NAN, NAN), ("warmup", 3000, 0.1, NAN),
            ("cotrain", 4000, 0.2, 0.75), ("cotrain", 5000, 0.3, 0.5),
        ]
    ]  # fmt: skip
    rows.append(common | {"trial": rival.trial, "phase": "warmup", "samples": 9000, "oracle_memorised": 0.9})
    info = memorisation.compute(with_epochs(tmp_path, [rival, mine], rows))
    own = info.frame[info.frame["role"] == "chosen"]
    assert list(own["samples_thousands"]) == [3, 4, 5]
    assert list(own["oracle_memorised"]) == [0.1, 0.2, 0.3]
    assert list(own["oracle_labelled_noise"]) == pytest.approx([NAN, 0.25, 0.5], nan_ok=True)
    assert list(info.frame.loc[info.frame["role"] == "ce", "oracle_memorised"]) == [0.9]
    assert info.ends.to_dict("records") == [
        {"condition": "symmetric-0.5", "phase": "pretrain", "samples_thousands": 2.0},
        {"condition": "symmetric-0.5", "phase": "warmup", "samples_thousands": 3.0},
    ]


def test_without_wrong_labels_nothing_is_memorised(study: Trials) -> None:
    blind = study.epochs.assign(oracle_memorised=NAN)
    with pytest.raises(NotApplicable, match="wrong labels known to the observer"):
        memorisation.compute(synthetic.with_epochs(study, blind))


def test_only_failures_have_no_curve(study: Trials) -> None:
    failed = study.trials.assign(status="failed", baseline="", method="search")
    for module in (memorisation, mixture):
        with pytest.raises(NotApplicable, match="No chosen setting and no baseline"):
            module.compute(replace(study, trials=failed))


# mixture


def test_the_mixture_stands_beside_the_clean_share(study: Trials) -> None:
    frame = mixture.compute(study).frame
    assert set(frame["role"]) == {"chosen", "dividemix", "codim-self", "codim-sup"}
    clean = frame.groupby("condition", observed=True)["oracle_clean_fraction"].agg(["min", "max"])
    assert list(clean["min"]) == pytest.approx([1 - rate for _, _, rate, _ in synthetic.CONDITIONS.values()])
    assert (clean["min"] == clean["max"]).all()
    assert len(frame) == 4 * 4 * (EPOCHS - 4)


def test_an_unknown_noise_rate_leaves_the_line_out(study: Trials) -> None:
    info = mixture.compute(replace(study, trials=study.trials.assign(oracle_noise_rate=NAN)))
    assert info.frame["oracle_clean_fraction"].isna().all()
    figure = Figure(layout="constrained")
    mixture.draw(info, figure)
    figure.draw_without_rendering()


# transitions


def test_transitions_are_the_recorded_matrices(study: Trials) -> None:
    info = transitions.compute(study)
    for condition, rows in info.frame.groupby("condition", observed=True):
        matrix = np.zeros((10, 10))
        matrix[rows["true"], rows["given"]] = rows["share"]
        np.testing.assert_allclose(matrix, synthetic.transition(str(condition)))
    assert list(info.frame["condition"].unique()) == list(synthetic.CONDITIONS)
    assert info.rates == pytest.approx({name: rate for name, (_, _, rate, _) in synthetic.CONDITIONS.items()})
    assert "n = 4 conditions with 10 classes of 10,000 labels" in transitions.caption(info)


def test_numbers_stand_in_the_cells_of_few_classes_only(tmp_path: Path) -> None:
    for classes in (3, 10, 11, 100):
        matrix = np.eye(classes) * 0.75 + np.roll(np.eye(classes), 1, axis=1) * 0.25
        one = record("symmetric-0.5", 0, 0.9, oracle_transition=matrix.tolist())
        info = transitions.compute(load_trials(synthetic.write(tmp_path / str(classes), [one])))
        assert len(info.frame) == 2 * classes
        figure = Figure(layout="constrained")
        transitions.draw(info, figure)
        texts = sorted(text.get_text() for text in figure.axes[0].texts)
        assert texts == (["25"] * classes + ["75"] * classes if classes <= 10 else [])
        shown = figure.axes[0].images[0].get_array()
        np.testing.assert_allclose(shown, np.maximum(matrix, transitions.FAINTEST))


def test_conditions_without_true_labels_have_no_matrix(tmp_path: Path) -> None:
    blind = record("symmetric-0.5", 0, 0.9, oracle_transition=[], oracle_noise_rate=NAN)
    later = record("symmetric-0.8", 1, 0.9, status="failed")
    info = transitions.compute(load_trials(synthetic.write(tmp_path / "one", [blind, later])))
    assert list(info.rates) == ["symmetric-0.8"]
    with pytest.raises(NotApplicable, match="true labels are not known"):
        transitions.compute(load_trials(synthetic.write(tmp_path / "none", [blind])))


# degenerate


def test_states_are_counted_by_epoch_and_by_last_epoch(tmp_path: Path) -> None:
    trials = [
        record("symmetric-0.5", 0, 0.9),
        record("symmetric-0.5", 1, 0.9, status="failed"),
        record("symmetric-0.8", 0, 0.9, status="pruned"),
    ]
    states = [["none", "ok", "ok", "unimodal"], ["none", "degenerate"], ["given", "clipped"]]
    rows = [
        {"trial": trial.trial, "condition": trial.condition, "split_state": state}
        for trial, own in zip(trials, states, strict=True)
        for state in own
    ]
    frame = degenerate.compute(with_epochs(tmp_path, trials, rows)).frame.set_index(["condition", "split_state"])
    assert list(frame.loc["symmetric-0.5", "epochs"]) == [2, 0, 2, 0, 1, 1]
    assert list(frame.loc["symmetric-0.5", "share"]) == pytest.approx([1 / 3, 0, 1 / 3, 0, 1 / 6, 1 / 6])
    assert list(frame.loc["symmetric-0.5", "ended"]) == [0, 0, 0, 0, 1, 1]
    assert list(frame.loc["symmetric-0.8", "share"]) == [0, 0.5, 0, 0.5, 0, 0]
    assert list(frame.loc["symmetric-0.8", "ended"]) == [0, 0, 0, 1, 0, 0]
    assert list(frame.groupby("condition", observed=True)["trials"].first()) == [2, 1]
    assert set(frame.index.get_level_values(0)) == {"symmetric-0.5", "symmetric-0.8"}


def test_states_agree_with_a_count_by_hand(study: Trials) -> None:
    frame = degenerate.compute(study).frame
    for (condition, state), rows in frame.groupby(["condition", "split_state"], observed=True):
        own = study.epochs[study.epochs["condition"] == condition]
        assert rows["epochs"].item() == sum(own["split_state"] == state)
        assert rows["trials"].item() == own["trial"].nunique()
    assert frame.groupby("condition", observed=True)["share"].sum().to_list() == pytest.approx([1] * 4)
