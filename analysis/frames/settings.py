"""Searched settings: their axes from the study file, and their values in the table of trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from study.dimensions.base import Axis, Value
from study.dimensions.types import space_of


@dataclass(frozen=True)
class Setting:
    """One searched setting."""

    path: str
    """`section/setting`, for example contrastive/temperature."""
    axis: Axis
    """Range or choices of the setting, as the study file gives them; choices as text (see `canonical`)."""

    @property
    def column(self) -> str:
        """Column of the setting in the table of trials."""
        return f"param/{self.path}"

    def values(self, frame: pd.DataFrame) -> "pd.Series[Any]":
        """Return the values of this setting: floats, or strings as in `choices`; missing where a trial lacks it."""
        if self.column not in frame:
            return pd.Series(float("nan"), index=frame.index)
        column = frame[self.column]
        return column.map(canonical, na_action="ignore") if self.axis.choices else column.astype(float)

    def allows(self, frame: pd.DataFrame) -> "pd.Series[bool]":
        """Return which trials have a value inside the space; a baseline's may lie outside."""
        return self.values(frame).map(self.axis.__contains__).astype(bool)


def canonical(value: object) -> str:
    """Return a choice as text, the same for 1, 1.0 and "1": Parquet returns numbers among the params as floats."""
    try:
        return f"{float(str(value)):g}"
    except ValueError:
        return str(value)


def searched_settings(spec: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Return the settings of `space` in a resolved study file, in its order."""
    axes = {path: dimension.axis() for path, dimension in space_of(spec).items()}
    return tuple(
        Setting(path, replace(axis, choices=tuple(map(canonical, axis.choices)))) for path, axis in axes.items()
    )


def params(spec: Mapping[str, Any], frame: pd.DataFrame) -> list[dict[str, Value]]:
    """Return the searched settings of each row by path, without those that it lacks; choices as in the study file."""
    rows: list[dict[str, Value]] = [{} for _ in range(len(frame))]
    for setting in searched_settings(spec):
        choices = {canonical(choice): choice for choice in spec["space"][setting.path].get("choices", [])}
        for row, value in zip(rows, setting.values(frame), strict=True):
            if not pd.isna(value):
                row[setting.path] = choices.get(value, value)
    return rows


Point = tuple[dict[str, float | int | str], dict[str, BaseDistribution]]


def points(frame: pd.DataFrame, settings: Sequence[Setting]) -> list[Point]:
    """Return each row's parameters and their distributions by name, for Optuna's importance evaluators; without an
    explicit 0, which lies outside the distribution."""
    found: list[Point] = [({}, {}) for _ in range(len(frame))]
    for setting in settings:
        axis = _distribution(setting.axis)
        for (params, distributions), value in zip(found, setting.values(frame), strict=True):
            if pd.isna(value) or (setting.axis.zero and value == 0):
                continue
            params[setting.path] = int(value) if setting.axis.whole else value
            distributions[setting.path] = axis
    return found


def _distribution(axis: Axis) -> BaseDistribution:
    if axis.choices:
        return CategoricalDistribution(axis.choices)
    if axis.whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return FloatDistribution(axis.low, axis.high, log=axis.log)
