"""The searched settings, as the study file describes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution


@dataclass(frozen=True)
class Setting:
    """One searched setting; the words are those of Optuna's distributions."""

    path: str
    """`module/setting`, for example contrastive/temperature."""
    type: str
    """float, int or categorical."""
    low: float = float("nan")
    high: float = float("nan")
    log: bool = False
    zero: bool = False
    """Whether an explicit 0 stands beside the range."""
    choices: tuple[str, ...] = ()

    @property
    def column(self) -> str:
        """Its column in the table of trials."""
        return f"param/{self.path}"

    def values(self, frame: pd.DataFrame) -> "pd.Series[Any]":
        """This setting's column: floats, or strings as in `choices`. Missing where a trial has no such setting."""
        if self.column not in frame:
            return pd.Series(float("nan"), index=frame.index)
        column = frame[self.column]
        return column.map(canonical, na_action="ignore") if self.type == "categorical" else column.astype(float)

    def allows(self, frame: pd.DataFrame) -> "pd.Series[bool]":
        """Which trials have a value inside the space; a baseline's may lie outside."""
        values = self.values(frame)
        if self.type == "categorical":
            return values.isin(list(self.choices))
        return values.between(self.low, self.high) | (values.eq(0) & self.zero)


def canonical(value: object) -> str:
    """A choice as text, the same for 1, 1.0 and "1": numbers among the params come back from Parquet as floats."""
    try:
        return f"{float(str(value)):g}"
    except ValueError:
        return str(value)


def searched_settings(spec: Mapping[str, Any]) -> tuple[Setting, ...]:
    """The settings of `space` in a resolved study file, in its order."""
    return tuple(_setting(path, entry) for path, entry in spec.get("space", {}).items())


def _setting(path: str, entry: Mapping[str, Any]) -> Setting:
    if entry["type"] == "categorical":
        return Setting(path, "categorical", choices=tuple(canonical(choice) for choice in entry["choices"]))
    log, zero = bool(entry.get("log", False)), bool(entry.get("zero", False))
    return Setting(path, str(entry["type"]), float(entry["low"]), float(entry["high"]), log, zero)


Point = tuple[dict[str, float | int | str], dict[str, BaseDistribution]]


def points(frame: pd.DataFrame, settings: Sequence[Setting]) -> list[Point]:
    """Each row's parameters inside the space and their axes, by name; a 0 beside a range is left out."""
    found: list[Point] = [({}, {}) for _ in range(len(frame))]
    for setting in settings:
        for (params, distributions), value in zip(found, setting.values(frame), strict=True):
            if pd.isna(value) or (setting.zero and value == 0):
                continue
            params[setting.path] = int(value) if setting.type == "int" else value
            distributions[setting.path] = _distribution(setting)
    return found


def _distribution(setting: Setting) -> BaseDistribution:
    if setting.type == "categorical":
        return CategoricalDistribution(setting.choices)
    if setting.type == "int":
        return IntDistribution(int(setting.low), int(setting.high), log=setting.log)
    return FloatDistribution(setting.low, setting.high, log=setting.log)
