"""StudySpec: one study, as its file in search_spaces/ describes it. No Ray here, and no training."""

import difflib
import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from codim.section import Section
from study.source import Source

ZERO_PROBABILITY = 0.1
"""Share of the prior that an explicit 0 takes beside its range."""
PATHS = ("data/root", "data/cache", "network/weights", "divide/labelled_file")
"""Settings that name a file or a folder, beside the `path` of a condition."""
STAGES = "stages"
"""Folder of the shared stages, beside those of the studies."""
OBJECTIVES = ("val_acc", "val_acc_a", "val_acc_b")


class FloatDimension(Section):
    """A real setting, drawn from [low, high]."""

    type: Literal["float"]
    low: float
    high: float
    log: bool = False
    """Draw uniformly in the logarithm."""
    step: float | None = Field(default=None, gt=0)
    """Grid, from `low`; not with `log` or `zero`."""
    zero: bool = False
    """An explicit 0 beside the range, drawn with probability ZERO_PROBABILITY before anything is known."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range(self.low, self.high, self.log)
        if self.zero and self.low <= 0:
            raise ValueError(f"zero: true needs low > 0 (found {self.low}); 0 must lie outside the range")
        if self.step is not None and (self.log or self.zero):
            raise ValueError("step goes with neither log: true nor zero: true")
        return self

    def in_words(self) -> str:
        step = f" in steps of {self.step:g}" if self.step else ""
        zero = ", or 0" if self.zero else ""
        return f"{self.low:g} to {self.high:g}{', log' if self.log else ''}{step}{zero}"

    def corners(self) -> tuple[float, ...]:
        return (*([0.0] if self.zero else []), self.low, self.high)

    def inside(self) -> tuple[float, ...]:
        """A value between the corners that is no whole number."""
        return (self.low + (self.step or (self.high - self.low) / math.e),)


class IntDimension(Section):
    """A whole setting, drawn from low to high, both included."""

    type: Literal["int"]
    low: int
    high: int
    log: bool = False
    """Draw uniformly in the logarithm."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range(self.low, self.high, self.log)
        return self

    def in_words(self) -> str:
        return f"{self.low} to {self.high}, whole{', log' if self.log else ''}"

    def corners(self) -> tuple[int, ...]:
        return (self.low, self.high)

    def inside(self) -> tuple[int, ...]:
        return ()


class CategoricalDimension(Section):
    """A setting that takes one of a few values without order."""

    type: Literal["categorical"]
    choices: tuple[bool | int | float | str, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({repr(choice) for choice in self.choices}) < len(self.choices):
            raise ValueError(f"choices must differ (found {list(self.choices)})")
        return self

    def in_words(self) -> str:
        return f"one of {', '.join(map(str, self.choices))}"

    def corners(self) -> tuple[bool | int | float | str, ...]:
        return self.choices

    def inside(self) -> tuple[bool, ...]:
        return ()


Dimension = Annotated[FloatDimension | IntDimension | CategoricalDimension, Field(discriminator="type")]


def _check_range(low: float, high: float, log: bool) -> None:
    if low >= high:
        raise ValueError(f"low must be below high (found low {low}, high {high})")
    if log and low <= 0:
        raise ValueError(f"log: true needs low > 0 (found {low})")


class Objective(Section):
    """What the search maximises, in [0, 1]."""

    metric: str = "val_acc"
    """Accuracy on the validation part against its given labels: of the ensemble, or of network a or b alone."""
    reduction: str = "mean_last_5"
    """mean_last_<k>: mean over the last k evaluated epochs. Never a maximum: that would choose by luck."""

    @field_validator("metric")
    @classmethod
    def _honest(cls, metric: str) -> str:
        if metric.startswith(("test", "oracle")):
            raise ValueError(
                f"{metric!r} is refused: a search that looks at test images or true labels reports accuracy that "
                f"nobody could reach without them; allowed: {', '.join(OBJECTIVES)}"
            )
        if metric not in OBJECTIVES:
            raise ValueError(f"{metric!r} is unknown; allowed: {', '.join(OBJECTIVES)}")
        return metric

    @field_validator("reduction")
    @classmethod
    def _known(cls, reduction: str) -> str:
        if not re.fullmatch(r"mean_last_[1-9]\d*", reduction):
            raise ValueError(f"{reduction!r} is unknown; allowed: mean_last_<k>, e.g. mean_last_5")
        return reduction

    @property
    def last(self) -> int:
        """The k of mean_last_<k>."""
        return int(self.reduction.removeprefix("mean_last_"))


class Sampler(Section):
    kind: Literal["tpe", "random"] = "tpe"
    seed: int = 0
    """Each condition draws its own seed from this one and its id."""
    startup: int = Field(default=10, ge=1)
    """tpe: quasi-random points (Sobol) at the start of each condition."""
    transfer: bool = False
    """One condition after the other, each from the best settings of its nearest neighbour along the noise axis
    (study/transfer.py), instead of all in turn."""


class Pruner(Section):
    """Stops searched trials early, each against its own condition only. Baselines always run to the end."""

    kind: Literal["successive_halving", "median", "none"] = "successive_halving"
    min_budget: int = Field(default=0, ge=0)
    """Samples that every trial may draw before it can be stopped; must lie past pre-training, warm-up and ramp-up."""
    reduction_factor: int = Field(default=3, ge=2)
    """successive_halving: one in so many goes on from each rung, and the next rung lies so many times higher."""


class Budget(Section):
    trials_per_condition: int = Field(ge=1)
    """Searched trials; the baselines run beside them."""


class Confirm(Section):
    """Trains chosen settings again after the search: the best of each condition, its baselines, and one robust setting
    in every condition."""

    top_k: int = Field(default=3, ge=1, le=1000)
    """Searched settings of each condition, the best by the objective."""
    seeds: int = Field(default=0, ge=0, le=1000)
    """Trainings of each setting, each with a fresh seed and fresh noise. 0: nothing is confirmed."""


class Resources(Section):
    """Of one trial."""

    cpus_per_trial: float = Field(default=1, gt=0)
    """CPU cores, and as many threads of torch (at least one)."""
    gpus_per_trial: float = Field(default=0, ge=0)
    """GPUs; a fraction shares one."""
    max_concurrent: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Trials at a time. auto: as many as the machine or cluster holds at the start."""


class StudySpec(Section):
    """One data set, several noise conditions, one space, one budget. Relative paths count from the study file's
    folder."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    """Names the results folder."""
    fixed: dict[str, Any] = Field(default={})
    """Settings of every trial, {section: {setting: value}}, and optionally `method`; the rest keeps its default."""
    conditions: tuple[dict[str, Any], ...] = Field(min_length=1)
    """Noise settings, each with an optional `id`."""
    space: dict[str, Dimension] = Field(min_length=1)
    """`section/setting` -> dimension."""
    baselines: dict[str, dict[str, Any]] = Field(default={})
    """Name -> settings over `fixed`; a `method` brings its preset. Run first in each condition."""
    objective: Objective = Objective()
    sampler: Sampler = Sampler()
    pruner: Pruner = Pruner()
    budget: Budget
    confirm: Confirm = Confirm()
    resources: Resources = Resources()
    checkpoint_seconds: float = Field(default=60, ge=0)
    """Training time between two checkpoints of a trial: what an interruption can cost. 0: after every epoch."""

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if name == STAGES:
            raise ValueError(f"{name!r} is the folder of the shared stages; allowed: any other name")
        return name


def load_study(path: Path) -> tuple[StudySpec, Source]:
    """Read and check a study file by itself; `study.plan` checks it against the code's settings and the data.

    Raises:
        SpecError: names file, line, path, value and what is allowed.
    """
    source = Source(path)
    if not isinstance(source.content, dict):
        raise source.error((), f"a study file is a mapping with the keys {', '.join(StudySpec.model_fields)}")
    try:
        spec = StudySpec.model_validate(source.content)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise source.error(fault["loc"], _explain(fault)) from None
    placed = {
        "fixed": _placed(spec.fixed, source),
        "space": {path: _placed_choices(path, dimension, source) for path, dimension in spec.space.items()},
        "baselines": {name: _placed(own, source) for name, own in spec.baselines.items()},
    }
    return spec.model_copy(update=placed), source


def _placed(settings: dict[str, Any], source: Source) -> dict[str, Any]:
    """The settings with absolute paths."""
    placed = dict(settings)
    for path in PATHS:
        section, name = path.split("/")
        inner = placed.get(section)
        if isinstance(inner, dict) and isinstance(inner.get(name), str):
            placed[section] = {**inner, name: str(source.beside(inner[name]))}
    return placed


def _placed_choices(path: str, dimension: Dimension, source: Source) -> Dimension:
    if path not in PATHS or dimension.type != "categorical":
        return dimension
    choices = tuple(str(source.beside(choice)) if isinstance(choice, str) else choice for choice in dimension.choices)
    return dimension.model_copy(update={"choices": choices})


def _explain(fault: ErrorDetails) -> str:
    where = " -> ".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown key; allowed: {', '.join(_allowed_keys(fault['loc']))}"
    if fault["type"] == "missing":
        return f"{where}: missing"
    found = "" if isinstance(fault["input"], dict) else f" (found {fault['input']!r})"
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}{found}"


def _allowed_keys(location: tuple[int | str, ...]) -> list[str]:
    """Keys of the section that holds the unknown last part of `location`, the likeliest first."""
    dimensions: dict[int | str, type[Section]] = {
        "float": FloatDimension,
        "int": IntDimension,
        "categorical": CategoricalDimension,
    }
    section: type[Section] = StudySpec
    for part in location[:-1]:
        if part in dimensions:
            section = dimensions[part]
        elif part in section.model_fields:
            inner = section.model_fields[str(part)].annotation
            section = inner if isinstance(inner, type) and issubclass(inner, Section) else section
    return close_first(str(location[-1]), list(section.model_fields))


def close_first(word: str, names: list[str]) -> list[str]:
    """`names`, those that look like `word` in front."""
    return sorted(names, key=lambda name: -difflib.SequenceMatcher(None, word, name).ratio())
