"""Ranks of the trials in their condition, and the best of them, by value and against Optuna's ranks."""

from pathlib import Path

import pytest
from optuna.visualization import _rank

from analysis.tables.selection import best_fifth, ranking
from tests.support.searches import WHERE, optuna_study, searched
from tests.support.synthetic import NAN, read, record


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


def test_the_best_fifth_is_never_fewer_than_three(tmp_path: Path) -> None:
    searched_trials = read(tmp_path, searched(21)).searched
    assert list(best_fifth(searched_trials)["objective"]) == sorted(searched_trials["objective"], reverse=True)[:5]
    assert len(best_fifth(searched_trials.head(4))) == 3
    assert len(best_fifth(searched_trials.head(2))) == 2
