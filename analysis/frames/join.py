"""Joining of several studies into one, for every table and figure."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from analysis.frames.load import Trials
from study.results.rules import unsearched

ALIKE = ("space", "objective", "data", "config")
"""Parts of the resolved study files that must be equal for trials of several studies to be ranked together."""


def join(studies: Sequence[Trials]) -> Trials:
    """Join the trials and confirmations of studies; trials are named `<study>/<trial>`, equal conditions merged.

    Raises ValueError: they searched different spaces, or trained differently.
    """
    require_alike(studies)
    first, names = studies[0], _names(studies)
    entries = {entry["id"]: entry for study in studies for entry in study.spec.get("conditions", [])}
    order = list(dict.fromkeys([*entries, *(name for study in studies for name in study.conditions)]))
    order.sort(key=lambda name: _place(entries.get(name, {}), entries))
    kind = pd.CategoricalDtype(order, ordered=True)
    return Trials(
        first.root.parent / "+".join(names),
        _spec(studies, names, [entries[name] for name in order if name in entries]),
        _environment(studies),
        _stacked([study.trials for study in studies], names, kind),
        _stacked([study.confirmations for study in studies], names, kind),
        tuple(
            replace(own, prefix=f"{name}/{own.prefix}")
            for name, study in zip(names, studies, strict=True)
            for own in study.sources
        ),
        tuple(fault for study in studies for fault in study.faults),
    )


def require_alike(studies: Sequence[Trials], free: Collection[str] = ()) -> None:
    """Raise ValueError if the studies searched different spaces, or trained differently but for the settings `free`."""

    def comparable(study: Trials, part: str) -> Any:
        own = study.spec.get(part)
        return unsearched(own, free) if part == "config" and own and free else own

    first, *others = studies
    for other in others:
        for part in ALIKE:
            if comparable(first, part) != comparable(other, part):
                raise ValueError(f"{first.root} and {other.root} differ in `{part}`: their trials do not compare")


def study_names(trials: "pd.Series[str]") -> "pd.Series[str]":
    """Return the study of each trial from its name; empty if only one study was read."""
    return trials.str.replace("/?[^/]*$", "", regex=True)


def _names(studies: Sequence[Trials]) -> list[str]:
    """Return the name of each study, numbered if several have the same."""
    count = Counter(study.name for study in studies)
    seen: Counter[str] = Counter()
    names = []
    for study in studies:
        seen[study.name] += 1
        names.append(study.name if count[study.name] == 1 else f"{study.name}-{seen[study.name]}")
    return names


def _place(entry: dict[str, Any], entries: dict[str, dict[str, Any]]) -> tuple[int, float]:
    kinds = list(dict.fromkeys(str(own.get("kind")) for own in entries.values()))
    kind = str(entry.get("kind"))
    return (kinds.index(kind) if kind in kinds else len(kinds), float(entry.get("rate", 0)))


def _spec(studies: Sequence[Trials], names: list[str], conditions: list[dict[str, Any]]) -> dict[str, Any]:
    baselines = {name: own for study in studies for name, own in study.spec.get("baselines", {}).items()}
    # Each study sets the number of trials for its own conditions: there is no common one.
    budget = {key: value for key, value in studies[0].spec.get("budget", {}).items() if key != "trials_per_condition"}
    own = {"name": " + ".join(names), "conditions": conditions, "baselines": baselines, "budget": budget}
    return studies[0].spec | own


def _environment(studies: Sequence[Trials]) -> dict[str, Any]:
    """Return the environment of the first study, without its forecast, with the rungs of all."""
    rungs = {name: own for study in studies for name, own in study.environment.get("rungs", {}).items()}
    return {key: value for key, value in studies[0].environment.items() if key != "forecast"} | {"rungs": rungs}


def _stacked(frames: Sequence[pd.DataFrame], names: Sequence[str], kind: pd.CategoricalDtype) -> pd.DataFrame:
    parts = []
    for frame, name in zip(frames, names, strict=True):
        setting = frame["setting"].where(frame["setting"] == "", f"{name}/" + frame["setting"])
        own = {"trial": f"{name}/" + frame["trial"], "setting": setting, "condition": frame["condition"].astype(kind)}
        parts.append(frame.assign(**own))
    # Within a condition by study, then by number, and renumbered in this order.
    frame = pd.concat(parts, ignore_index=True).sort_values("condition", kind="stable", ignore_index=True)
    search = frame["phase"] != "confirm"
    return frame.assign(number=frame.groupby("condition", observed=True).cumcount().where(search, frame["number"]))
