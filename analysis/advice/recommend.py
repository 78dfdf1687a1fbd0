"""Recommended settings for data whose noise rate is only roughly known.

The `candidate` minimises the largest expected regret (minimax regret, Savage 1951) over the plausible rates and the
conditions next to them: nothing was measured between two conditions, and what is good at both is safer than what the
surrogate interpolates. `robust` minimises it over all conditions of the study. `default` is what the code does without
advice, and its own trials count (`analysis.statistics.surrogate.fit_model`).

`recommended` is the candidate if the study shows that it is better than the default: its expected gain over the
plausible rates is above 0 in 95% of the surrogate's posterior. Otherwise it is the default, as an inconclusive search
is no reason to leave what others have tried; likewise if few trials are complete. One half of the posterior draws
chooses, the other half judges: the best of many looks better than it is in the draws that chose it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.advice.noise_rate import NoiseRate, given
from analysis.frames.load import Trials
from analysis.frames.settings import Setting, searched_settings
from analysis.statistics.candidates import candidates
from analysis.statistics.surrogate import fit_model
from codim.config.auto import UNCOUNTED, resolved
from codim.config.train_config import merge, train_config
from study.surrogate.task import Task

CANDIDATES = 256
DRAWS = 1000
"""Number of posterior draws; the first half chooses, the second judges."""
OPTIONS = ("recommended", "candidate", "robust", "default")
ROUNDING = 1e-6
FEW_COMPLETE = 10
"""Number of complete searched trials per condition below which the default is kept."""
SURE = 0.95
"""Posterior probability of a gain at which the advice departs from the default."""
_NORMAL = np.polynomial.hermite_e.hermegauss(5)
"""Points and weights of the quadrature over the plausible rates (see `_plausible`)."""


@dataclass(frozen=True)
class Advice:
    """Recommended settings, the alternatives, and their uncertainty."""

    rate: NoiseRate
    kind: str
    trials: int
    """Number of complete and pruned searched trials that the advice is based on."""
    options: pd.DataFrame
    """Options, indexed by OPTIONS: one column per setting (its path), and `regret`, `low`, `high`: expected loss of
    accuracy on true labels against the best setting at the plausible rates, with its 95% interval over the surrogate's
    uncertainty; `gain`, `gain_low`, `gain_high`: expected accuracy above the default there, with its 90% interval: in
    95% of the draws the gain is above its lower end."""
    costs: pd.DataFrame
    """Regret of each option (columns) if the true rate is another one (index, `noise_rate`): the cost of a wrong
    estimate."""
    robust: pd.DataFrame
    """Regret of the robust setting by condition: `condition`, `oracle_noise_rate`, `regret`, `low`, `high`."""
    config: dict[str, Any]
    """Settings for `python -m codim`: the study's fixed ones and the recommended ones."""
    cautions: tuple[str, ...]


def recommend(trials: Trials, rate: NoiseRate | float, kind: str = "symmetric") -> Advice:
    """Recommend settings for data of which the share `rate` of the labels is wrong, and compare them with others.

    Args:
        trials: a study, as `load_trials` returns it.
        rate: a number in [0, 1), taken as exact; or an estimate with its interval.
        kind: noise kind of the study's conditions that are most like the data.

    Raises:
        ValueError: a rate that is none; NotApplicable, a ValueError, if there are too few trials (see `fit_model`).

    Example:
        >>> from pathlib import Path
        >>> import analysis
        >>> study = analysis.load_trials(Path(analysis.__file__).with_name("example"))
        >>> advice = analysis.recommend(study, 0.3)
        >>> list(advice.options.index)
        ['recommended', 'candidate', 'robust', 'default']
        >>> advice.config["data"]["name"]
        'digits'
    """
    rate = rate if isinstance(rate, NoiseRate) else given(rate)
    model, settings = fit_model(trials), searched_settings(trials.spec)
    rates = model.rates(kind)
    tried = model.tried[model.tried["condition"].isin(rates.index)]
    complete = int((tried["status"].eq("complete") & tried["baseline"].eq("")).sum())
    default = _default(trials, settings)
    pool = pd.concat([default, candidates(settings, tried, CANDIDATES)], ignore_index=True)

    def drawn(at: Iterable[float]) -> NDArray[np.float64]:
        return model.draws(pool, [Task(kind, r, slope=1) for r in at], DRAWS)

    plausible, weights = _plausible(rate)
    wrong = sorted({*np.round(np.clip(np.array([-0.2, -0.1, 0, 0.1, 0.2]) + rate.value, 0, 1), 3), *rates.round(3)})
    half = DRAWS // 2
    draws = drawn(plausible)
    values, expected = (np.tensordot(of, weights, (1, 0)) for of in (draws, _regrets(draws)))
    along, elsewhere = (np.concatenate([_regrets(drawn([r])) for r in several], axis=1) for several in (rates, wrong))
    known = along[:half].mean(0)
    near = np.compress(_neighbours(rate, np.asarray(rates, dtype=np.float64)), known, axis=0)
    candidate = int(np.vstack([near, expected[:half].mean(0)]).max(0).argmin())
    robust = int(known.max(0).argmin())
    gains = values[half:] - values[half:, [0]]
    shown = complete >= FEW_COMPLETE * len(rates) and np.mean(gains[:, candidate] > 0) >= SURE
    rows = dict(zip(OPTIONS, (candidate if shown else 0, candidate, robust, 0), strict=True))
    places = list(rows.values())
    options = pd.DataFrame(
        {setting.path: setting.values(pool).iloc[places].to_numpy() for setting in settings},
        index=pd.Index(rows, name="option"),
    )
    low, high = np.quantile(gains[:, places], [1 - SURE, SURE], axis=0)
    options = options.assign(
        **_spread(expected[half:, places]), gain=gains[:, places].mean(0), gain_low=low, gain_high=high
    )
    costs = pd.DataFrame(
        {name: elsewhere[half:, :, row].mean(0) for name, row in rows.items()}, index=pd.Index(wrong, name="noise_rate")
    )
    condition = pd.DataFrame({"condition": rates.index, "oracle_noise_rate": rates.to_numpy()})
    return Advice(
        rate,
        kind,
        len(tried),
        options,
        costs,
        condition.assign(**_spread(along[half:, :, robust])),
        configured(trials, {s.path: options.loc["recommended", s.path] for s in settings}),
        tuple(_cautions(rates, complete, rate, options, rows["recommended"] != candidate)),
    )


def _plausible(rate: NoiseRate) -> tuple[list[float], NDArray[np.float64]]:
    """Return plausible rates and their weights: two half normals joined at the estimate, each as wide as its 95%
    interval on that side, so that the median is the estimate."""
    points, weights = _NORMAL
    if rate.low == rate.high:
        return [rate.value], np.ones(1)
    deviations = np.where(points < 0, rate.value - rate.low, rate.high - rate.value) / 1.96
    return list(np.clip(rate.value + deviations * points, 0, 1)), weights / weights.sum()


def _neighbours(rate: NoiseRate, rates: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which conditions (n,), sorted by rate, lie within the estimate's interval or next to it; beyond an end,
    the last two."""
    first = int(np.searchsorted(rates, rate.low + ROUNDING, "right")) - 1
    last = int(np.searchsorted(rates, rate.high - ROUNDING, "left"))
    if first < 0:
        last = max(last, 1)
    if last == len(rates):
        first = min(first, len(rates) - 2)
    place = np.arange(len(rates))
    return (place >= first) & (place <= last)


def _regrets(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (draws, rates, settings): the distance of each setting to the best of its draw and rate."""
    return np.asarray(draws.max(2, keepdims=True) - draws)


def _spread(regrets: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    low, high = np.quantile(regrets, [0.025, 0.975], axis=0)
    return {"regret": regrets.mean(0), "low": low, "high": high}


def _default(trials: Trials, settings: tuple[Setting, ...]) -> pd.DataFrame:
    """Return, in one row, the values of the settings that a training of this study has if nothing is searched."""
    # Studies of own images that are older than `auto` hold none of the values in its place.
    config = train_config(resolved(trials.spec.get("fixed", {}), UNCOUNTED)).model_dump(mode="json")
    values = {}
    for setting in settings:
        section, _, name = setting.path.partition("/")
        values[setting.column] = [config.get(section, {}).get(name)]
    return pd.DataFrame(values)


def configured(trials: Trials, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings for `python -m codim`: the study's fixed ones and, by path, these over them."""
    chosen: dict[str, Any] = {}
    whole = {setting.path for setting in searched_settings(trials.spec) if setting.axis.whole}
    for path, value in settings.items():
        section, _, name = path.partition("/")
        plain = int(value) if path in whole else value if isinstance(value, str) else float(f"{value:.4g}")
        chosen = merge(chosen, {section: {name: plain}})
    return merge(trials.spec.get("fixed", {}), chosen)


def _cautions(
    rates: "pd.Series[float]", complete: int, rate: NoiseRate, options: pd.DataFrame, stays: bool
) -> list[str]:
    found = []
    lowest, highest = rates.min(), rates.max()
    if rate.low < lowest - ROUNDING or rate.high > highest + ROUNDING:
        found.append(
            f"The rate {'lies' if not lowest <= rate.value <= highest else 'may lie'} outside the study's conditions "
            f"({100 * lowest:.0f}% to {100 * highest:.0f}%): the advice is an extrapolation there."
        )
    gain, low, high = (
        100 * float(x) for x in options.loc["candidate", ["gain", "gain_low", "gain_high"]].to_numpy(dtype=float)
    )
    if complete < FEW_COMPLETE * len(rates):
        found.append(
            f"The default stays: only {complete} searched trials are complete, {FEW_COMPLETE} in each of "
            f"{len(rates)} conditions are needed to leave it. Of a pruned one only an early value is known: "
            "gains and regrets look surer than they are."
        )
    elif stays:
        found.append(
            f"The default stays: the candidate's gain over it, {gain:.1f} points [{low:.1f}, {high:.1f}], is within "
            "what chance explains in this study."
        )
    return found
