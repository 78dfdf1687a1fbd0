"""StudySpec: one study, as its file in search_spaces/ describes it. No Ray, no torch."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from codim.section import Section
from study.dimensions.base import Dimension, Value
from study.dimensions.categorical import CategoricalDimension
from study.dimensions.types import DIMENSION_TYPES, AnyDimension
from study.results.examples import MOST
from study.spec.sections import (
    CONSTRAINED,
    Budget,
    Confirm,
    Limit,
    LoggerName,
    Objective,
    Pruner,
    Resources,
    Sampler,
    StopWhen,
)
from study.spec.yaml_file import Source

PATHS = ("data/root", "data/cache", "data/labels", "data/trusted", "network/weights", "divide/labelled_file")
"""Settings that name a file or a folder, in addition to the `path` of a condition."""
STAGES = "stages"
"""Name of the folder of the shared stages, next to the folders of the studies."""


class StudySpec(Section):
    """One data set, several noise conditions, one space, one budget. Relative paths start at the study file's
    folder."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    """Name of the study, and of its results folder."""
    fixed: dict[str, Any] = Field(default={})
    """Settings of every trial, {section: {setting: value}}, and optionally `method`; others keep their defaults."""
    conditions: tuple[dict[str, Any], ...] = Field(min_length=1, max_length=200)
    """Noise settings of each condition, with an optional `id`."""
    space: dict[str, AnyDimension] = Field(min_length=1, max_length=100)
    """Searched settings: `section/setting` -> dimension."""
    baselines: dict[str, dict[str, Any]] = Field(default={})
    """Name -> settings that override `fixed`; a `method` adds its preset. Baselines run first in each condition."""
    objective: Objective = Objective()
    constraints: dict[str, Limit] = Field(default={})
    """Metric -> its bounds: `seconds` of the whole training, other metrics as the mean over the objective's epochs."""
    sampler: Sampler = Sampler()
    pruner: Pruner = Pruner()
    budget: Budget
    stop_when: StopWhen = StopWhen()
    confirm: Confirm = Confirm()
    resources: Resources = Resources()
    checkpoint_seconds: float = Field(default=60, ge=0)
    """Seconds of training between two checkpoints of a trial, the most that an interruption loses. 0: every epoch."""
    examples: int = Field(default=4, ge=0, le=MOST)
    """Images of each kind that a searched trial keeps in the results for the report: of wrong labels that it finds, or
    misses, and of right ones that it doubts. 0: none, where images must not leave their folder."""
    loggers: tuple[LoggerName, ...] = ()
    """Loggers that also receive every epoch as it is reported: tensorboard, mlflow, wandb."""

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if name == STAGES:
            raise ValueError(f"{name!r} is the folder of the shared stages; allowed: any other name")
        return name

    @field_validator("baselines")
    @classmethod
    def _printable(cls, baselines: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name in baselines:
            if not name or not name.isprintable():
                raise ValueError(f"{name!r} is not a valid name; allowed: visible characters")
        return baselines

    @field_validator("constraints")
    @classmethod
    def _reported(cls, constraints: dict[str, Limit]) -> dict[str, Limit]:
        for name in constraints:
            if name not in CONSTRAINED:
                raise ValueError(
                    f"{name!r} is not a metric that every trial reports; allowed: {', '.join(CONSTRAINED)}"
                )
        return constraints


def load_study(path: Path, changes: Sequence[str] = ()) -> tuple[StudySpec, Source]:
    """Read and check a study file by itself; `study.plan.plan` checks it against the code's settings and the data.

    Args:
        changes: `path/to/entry=value` each, which override the file.

    Raises:
        SpecError: names file, line, path, value and what is allowed.
    """
    source = Source(path, changes)
    if not isinstance(source.content, dict):
        raise source.error((), f"a study file is a mapping with the keys {', '.join(StudySpec.model_fields)}")
    try:
        spec = StudySpec.model_validate(source.content)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise source.error(fault["loc"], _explain(fault, source.content)) from None
    placed = {
        "fixed": _placed(spec.fixed, source),
        "space": {path: _placed_choices(path, dimension, source) for path, dimension in spec.space.items()},
        "baselines": {name: _placed(own, source) for name, own in spec.baselines.items()},
    }
    return spec.model_copy(update=placed), source


def _placed(settings: dict[str, Any], source: Source) -> dict[str, Any]:
    """Return the settings with absolute paths."""
    placed = dict(settings)
    for path in PATHS:
        section, name = path.split("/")
        inner = placed.get(section)
        if isinstance(inner, dict) and isinstance(inner.get(name), str):
            placed[section] = {**inner, name: str(source.beside(inner[name]))}
    return placed


def _placed_choices(path: str, dimension: Dimension, source: Source) -> Dimension:
    """Return the dimension with the paths among its choices and in its `when` made absolute."""

    def placed(choices: tuple[Value, ...]) -> tuple[Value, ...]:
        return tuple(str(source.beside(choice)) if isinstance(choice, str) else choice for choice in choices)

    update: dict[str, Any] = {
        "when": {parent: placed(wanted) if parent in PATHS else wanted for parent, wanted in dimension.when.items()}
    }
    if path in PATHS and isinstance(dimension, CategoricalDimension):
        update["choices"] = placed(dimension.choices)
    return dimension.model_copy(update=update)


def _explain(fault: ErrorDetails, content: Mapping[str, Any]) -> str:
    where = " -> ".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown key; allowed: {', '.join(_allowed_keys(fault['loc'], content))}"
    if fault["type"] == "missing":
        return f"{where}: missing"
    found = "" if isinstance(fault["input"], dict) else f" (found {fault['input']!r})"
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}{found}"


def _allowed_keys(location: tuple[int | str, ...], content: Mapping[str, Any]) -> list[str]:
    """Return the keys of the section that holds the unknown last part of `location`, the likeliest first."""
    section: type[Section] = StudySpec
    for part in location[:-1]:
        if part == "constraints":
            section = Limit
        elif part == "space":
            section = DIMENSION_TYPES[content["space"][location[1]]["type"]]
        elif part in section.model_fields:
            inner = section.model_fields[str(part)].annotation
            section = inner if isinstance(inner, type) and issubclass(inner, Section) else section
    return close_first(str(location[-1]), list(section.model_fields))


def close_first(word: str, names: list[str]) -> list[str]:
    """Return `names`, the most similar to `word` first."""
    return sorted(names, key=lambda name: -difflib.SequenceMatcher(None, word, name).ratio())
