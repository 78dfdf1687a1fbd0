"""How well the order at a rung tells the order at the end: the study's verdict, and scipy."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.figures import rung_correlation
from analysis.frames.load import NotApplicable, Trials
from study.results.verdicts import MIN_TRIALS, rank_correlation
from tests.support import synthetic
from tests.support.synthetic import BUDGET, NAN, SPEC, read, record


def curve(trial: str, at_rung: float, final: float) -> list[dict[str, Any]]:
    places = [
        ("pretrain", 9_000, NAN),
        ("warmup", 9_500, 0.1),
        ("cotrain", 10_200, at_rung),
        ("cotrain", BUDGET, final),
    ]
    return [
        {"trial": trial, "condition": "symmetric-0.5", "phase": phase, "samples": samples, "val_acc": value}
        for phase, samples, value in places
    ]


def pruned_study(path: Path, at_rung: list[float], final: list[float], **changes: Any) -> Trials:
    """One epoch between the first rung and the end; none behind the second one."""
    found = [record("symmetric-0.5", i, 0.9) for i in range(len(final))]
    others = [
        record("symmetric-0.5", 90, 0.9, baseline="ce"),
        record("symmetric-0.5", 91, 0.9, status="pruned"),
        record("symmetric-0.5", 92, 0.9, status="failed"),
    ]
    rows = [row for t, a, b in zip(found, at_rung, final, strict=True) for row in curve(t.trial, a, b)]
    rows += [row for t in others for row in curve(t.trial, 0.99, 0.0)]
    frame = pd.DataFrame(rows, columns=list(curve("", 0, 0)[0]))
    spec = SPEC | {"objective": {"metric": "val_acc", "reduction": "mean_last_1"}}
    return synthetic.with_epochs(read(path, [*found, *others], spec=spec, **changes), frame)


def test_the_correlation_is_the_studys_and_scipys(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    at_rung = rng.uniform(0, 1, 25)
    final = at_rung + rng.normal(0, 0.4, 25)
    (first,) = rung_correlation.compute(pruned_study(tmp_path, list(at_rung), list(final))).frame.to_dict("records")
    assert (first["condition"], first["samples"], first["n"]) == ("symmetric-0.5", BUDGET // 4, 25)
    expected = stats.spearmanr(at_rung, final).statistic
    assert first["spearman"] == pytest.approx(expected)
    assert first["kendall"] == pytest.approx(stats.kendalltau(at_rung, final).statistic)
    curves = [curve("", a, b) for a, b in zip(at_rung, final, strict=True)]
    told = rank_correlation(curves, BUDGET // 4, "val_acc", 1)
    assert (first["n"], first["spearman"], first["unsafe"]) == (told.n, told.spearman, told.unsafe)
    # A bootstrap by hand, with its own draws.
    draws = rng.integers(25, size=(1000, 25))
    by_hand = [stats.spearmanr(at_rung[i], final[i]).statistic for i in draws]
    low, high = np.percentile(by_hand, (2.5, 97.5))
    assert (first["low"], first["high"]) == (pytest.approx(low, abs=0.06), pytest.approx(high, abs=0.06))
    assert low < expected < high


def test_a_rung_without_a_later_epoch_is_left_out_and_named(tmp_path: Path) -> None:
    info = rung_correlation.compute(pruned_study(tmp_path, [0.1, 0.2, 0.3], [0.2, 0.1, 0.3]))
    assert list(info.frame["samples"]) == [BUDGET // 4]
    assert "symmetric-0.5 at 20,000" in info.left_out
    assert "no complete trial has an epoch after them: " in rung_correlation.caption(info)


def test_a_reversed_order_is_unsafe_and_few_trials_are_no_verdict(tmp_path: Path) -> None:
    values = [i / 20 for i in range(MIN_TRIALS)]
    many = rung_correlation.compute(pruned_study(tmp_path / "many", values, values[::-1])).frame
    row = many[many["n"] == MIN_TRIALS].iloc[0]
    assert row["spearman"] == pytest.approx(-1)
    assert (row["low"], row["high"]) == (pytest.approx(-1), pytest.approx(-1))
    assert row["unsafe"]
    few = rung_correlation.compute(pruned_study(tmp_path / "few", values[1:], values[:0:-1])).frame
    row = few[few["n"] == MIN_TRIALS - 1].iloc[0]
    assert row["spearman"] == pytest.approx(-1)
    assert math.isnan(row["low"])
    assert not row["unsafe"]


def test_equal_trials_have_no_correlation(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="No condition has two complete searched trials that differ"):
        rung_correlation.compute(pruned_study(tmp_path, [0.5] * 12, [0.1 * i for i in range(12)]))


@pytest.mark.parametrize("environment", [{}, {"rungs": {}}, {"rungs": {"symmetric-0.5": []}}])
def test_a_study_that_could_not_prune_says_so(tmp_path: Path, environment: dict[str, Any]) -> None:
    with pytest.raises(NotApplicable, match="recorded no rung"):
        rung_correlation.compute(pruned_study(tmp_path, [0.1, 0.2], [0.1, 0.2], environment=environment))
