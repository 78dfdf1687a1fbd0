"""Advice: the settings for data with a noise rate that is only roughly known.

Three options are weighed. `recommended` has the least largest expected regret (minimax regret, Savage 1951) over the
plausible rates and the conditions next to them: between two conditions nothing was measured, and what is good at both
is safer than what the surrogate makes of the gap. `robust` has it over all conditions of the study. `default` is what
the code does without advice. The surrogate (`analysis.surrogate`) also tells how sure the regrets are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.load import Trials
from analysis.noise_rate import NoiseRate
from analysis.space import Setting, searched_settings
from analysis.surrogate import Surrogate, candidates, fit
from codim.config import merge, train_config

CANDIDATES = 256
DRAWS = 400
OPTIONS = ("recommended", "robust", "default")
ROUNDING = 1e-6
FEW_COMPLETE = 10
"""Complete trials a condition below which the advice warns."""
_NORMAL = np.polynomial.hermite_e.hermegauss(5)
"""Points and weights of a quadrature over the plausible rates: a normal whose 95% interval is the estimate's."""


@dataclass(frozen=True)
class Advice:
    """What to set, and how sure."""

    rate: NoiseRate
    kind: str
    trials: int
    """Complete and pruned searched trials behind it."""
    options: pd.DataFrame
    """Indexed by OPTIONS: one column a setting (its path), and `regret`, `low`, `high`: expected loss of accuracy on
    true labels against the best setting at the plausible rates, with its 95% interval over the surrogate's
    uncertainty."""
    costs: pd.DataFrame
    """Regret of each option (columns) where the true rate is another one (index, `noise_rate`): the cost of a wrong
    estimate."""
    robust: pd.DataFrame
    """The robust setting along the conditions: `condition`, `oracle_noise_rate`, `regret`, `low`, `high`."""
    config: dict[str, Any]
    """Settings for `python -m codim`: the study's fixed ones with the recommended ones."""
    cautions: tuple[str, ...]


def recommend(trials: Trials, rate: NoiseRate, kind: str = "symmetric") -> Advice:
    """Weigh the options at `rate`. NotApplicable: the study cannot say (see `analysis.surrogate.fit`)."""
    model = fit(trials, kind)
    default = _default(trials, model.settings)
    pool = pd.concat([default, candidates(model.settings, model.tried, CANDIDATES)], ignore_index=True)
    plausible, weights = _plausible(rate)
    wrong = sorted(
        {*np.round(np.clip(np.array([-0.2, -0.1, 0, 0.1, 0.2]) + rate.value, 0, 1), 3), *model.rates.round(3)}
    )
    draws = model.draws(pool, plausible, DRAWS)
    expected = np.tensordot(_regrets(draws), weights, (1, 0))
    along, elsewhere = (
        np.concatenate([_regrets(model.draws(pool, [r], DRAWS)) for r in rates], axis=1)
        for rates in (model.rates, wrong)
    )
    near = np.compress(_neighbours(rate, np.asarray(model.rates, dtype=np.float64)), along.mean(0), axis=0)
    chosen = int(np.vstack([near, expected.mean(0)]).max(0).argmin())
    robust = int(along.mean(0).max(0).argmin())
    rows = {"recommended": chosen, "robust": robust, "default": 0}
    options = pd.DataFrame(
        {setting.path: setting.values(pool).iloc[list(rows.values())].to_numpy() for setting in model.settings},
        index=pd.Index(rows, name="option"),
    )
    options = options.assign(**_spread(expected[:, list(rows.values())]))
    costs = pd.DataFrame(
        {name: elsewhere[:, :, row].mean(0) for name, row in rows.items()}, index=pd.Index(wrong, name="noise_rate")
    )
    condition = pd.DataFrame({"condition": model.rates.index, "oracle_noise_rate": model.rates.to_numpy()})
    return Advice(
        rate,
        kind,
        len(model.tried),
        options,
        costs,
        condition.assign(**_spread(along[:, :, robust])),
        _config(trials, {s.path: options.loc["recommended", s.path] for s in model.settings}),
        tuple(_cautions(model, rate, options)),
    )


def _plausible(rate: NoiseRate) -> tuple[list[float], NDArray[np.float64]]:
    points, weights = _NORMAL
    deviation = (rate.high - rate.low) / (2 * 1.96)
    if not deviation:
        return [rate.value], np.ones(1)
    middle = (rate.low + rate.high) / 2
    return list(np.clip(middle + deviation * points, 0, 1)), weights / weights.sum()


def _neighbours(rate: NoiseRate, rates: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) which of the conditions, sorted by rate, lie within the estimate's interval or next to it; beyond an end the
    last two."""
    first = int(np.searchsorted(rates, rate.low + ROUNDING, "right")) - 1
    last = int(np.searchsorted(rates, rate.high - ROUNDING, "left"))
    if first < 0:
        last = max(last, 1)
    if last == len(rates):
        first = min(first, len(rates) - 2)
    place = np.arange(len(rates))
    return (place >= first) & (place <= last)


def _regrets(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """(draws, rates, settings): how far each setting lies below the best of its draw and rate."""
    return np.asarray(draws.max(2, keepdims=True) - draws)


def _spread(regrets: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    low, high = np.quantile(regrets, [0.025, 0.975], axis=0)
    return {"regret": regrets.mean(0), "low": low, "high": high}


def _default(trials: Trials, settings: tuple[Setting, ...]) -> pd.DataFrame:
    """What a training of this study's fixed settings has where nothing is searched, in one row."""
    config = train_config(trials.spec.get("fixed", {})).model_dump(mode="json")
    values = {}
    for setting in settings:
        section, name = setting.path.split("/")
        values[setting.column] = [config.get(section, {}).get(name)]
    return pd.DataFrame(values)


def _config(trials: Trials, settings: Mapping[str, Any]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    types = {setting.path: setting.type for setting in searched_settings(trials.spec)}
    for path, value in settings.items():
        section, name = path.split("/")
        plain = int(value) if types[path] == "int" else value if isinstance(value, str) else float(f"{value:.4g}")
        chosen = merge(chosen, {section: {name: plain}})
    return merge(trials.spec.get("fixed", {}), chosen)


def _cautions(model: Surrogate, rate: NoiseRate, options: pd.DataFrame) -> list[str]:
    found = []
    lowest, highest = model.rates.min(), model.rates.max()
    if not lowest <= rate.value <= highest:
        found.append(
            f"The rate lies outside the study's conditions ({100 * lowest:.0f}% to {100 * highest:.0f}%): a guess."
        )
    regret, high = options["regret"].astype(float), options["high"].astype(float)
    complete = int((model.tried["status"] == "complete").sum())
    if complete < FEW_COMPLETE * len(model.rates):
        found.append(
            f"Only {complete} of {len(model.tried)} trials are complete. Of a pruned one an early value is all that is "
            "known: the regrets are told as surer than they are."
        )
    gain = regret["default"] - regret["recommended"]
    if high["recommended"] >= regret["default"]:
        found.append(
            f"The gain over the default settings, {100 * gain:.1f} points, is within what the study cannot tell."
        )
    return found
