"""Searched settings as the study file and the table of trials give them."""

import pandas as pd
import pytest

from analysis.figures import style
from analysis.frames.settings import Setting, searched_settings
from study.dimensions.base import Axis


def test_choices_match_whatever_type_the_table_gave_them() -> None:
    (setting,) = searched_settings({"space": {"a/b": {"type": "categorical", "choices": [1, 2.5, "sup", True]}}})
    frame = pd.DataFrame({"param/a/b": ["1.0", "2.5", "sup", "True", "other", None]})
    assert list(setting.allows(frame)) == [True, True, True, True, False, False]
    assert list(setting.allows(pd.DataFrame({"param/a/b": [1.0, 3.0]}))) == [True, False]


def test_a_zero_is_allowed_only_where_the_space_has_it() -> None:
    frame = pd.DataFrame({"param/x/y": [0.0, 1.0, 500.0, 501.0, None]})
    space = {"type": "float", "low": 1, "high": 500, "log": True}
    (without,) = searched_settings({"space": {"x/y": space}})
    (beside,) = searched_settings({"space": {"x/y": space | {"zero": True}}})
    assert list(without.allows(frame)) == [False, True, True, False, False]
    assert list(beside.allows(frame)) == [True, True, True, False, False]


def test_a_setting_that_no_trial_has_is_missing_everywhere() -> None:
    setting = Setting("x/y", Axis(0, 1))
    assert setting.values(pd.DataFrame(index=range(3))).isna().all()


def test_positions_put_choices_at_their_index_and_zero_left_of_the_range() -> None:
    kind = Setting("c/kind", Axis(choices=("self", "sup")))
    assert list(style.positions(pd.Series(["sup", "self"]), kind)) == [1.0, 0.0]
    weight = Setting("c/weight", Axis(0.1, 1, log=True, zero=True))
    zero, one = style.positions(pd.Series([0.0, 1.0]), weight)
    assert zero == pytest.approx(0.1 / 10**0.15)
    assert one == 1.0
