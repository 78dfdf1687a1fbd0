"""StudySpec: one study, as its file in search_spaces/ describes it. No Ray, no torch."""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from codim.section import Section
from study.dimensions.base import Dimension, Value
from study.dimensions.categorical import CategoricalDimension
from study.dimensions.types import DIMENSION_TYPES, AnyDimension
from study.spec.yaml_file import Source

PATHS = ("data/root", "data/cache", "data/labels", "data/trusted", "network/weights", "divide/labelled_file")
"""Settings that name a file or a folder, in addition to the `path` of a condition."""
SHARED_GPU = 0.25
"""Share of a GPU for a trial of one worker where `gpus_per_trial` is auto: four small networks fill a GPU."""
STAGES = "stages"
"""Name of the folder of the shared stages, next to the folders of the studies."""
OBJECTIVES = ("val_acc", "val_acc_a", "val_acc_b")
CONSTRAINED = ("seconds", "val_loss", "labelled_fraction", "separation", "classes_without_labelled")
"""Metrics that a constraint may bound: those of EpochMetrics that characterise the trial as a whole."""


class Objective(Section):
    """The quantity that the search maximises, in [0, 1]."""

    metric: str = "val_acc"
    """Accuracy on the validation part against its given labels: val_acc of the ensemble, val_acc_a or _b of one net."""
    reduction: str = "mean_last_5"
    """mean_last_<k>: mean over the last k evaluated epochs. A maximum is not offered: it would select by luck."""
    consensus: bool = False
    """Whether trials are compared by their objectives without the luck of which validation labels are wrong, estimated
    from the predictions of all complete trials of the condition (study/surrogate/consensus.py). They are those of the
    ensemble, so the metric must be val_acc; `reduction` then counts for pruning alone."""
    cost: Literal["seconds"] | None = None
    """Second objective, minimised: wall time of the whole training. Samples would not do, since all trials draw the
    same number of them."""

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

    @model_validator(mode="after")
    def _of_the_ensemble(self) -> "Objective":
        if self.consensus and self.metric != "val_acc":
            raise ValueError(f"consensus: true beside metric: {self.metric}; allowed beside it: val_acc")
        return self

    @field_validator("reduction")
    @classmethod
    def _known(cls, reduction: str) -> str:
        if not re.fullmatch(r"mean_last_[1-9]\d{0,4}", reduction):
            raise ValueError(f"{reduction!r} is unknown; allowed: mean_last_<k>, e.g. mean_last_5")
        return reduction

    @property
    def last(self) -> int:
        """Number of last epochs that the objective averages: the k of mean_last_<k>."""
        return int(self.reduction.removeprefix("mean_last_"))


class Limit(Section):
    """Bounds of one metric. A trial outside them is never the best, and the sampler avoids that region."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("has no bound; allowed: min, max, or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min must not be above max (found min {self.min}, max {self.max})")
        return self


class Sampler(Section):
    kind: Literal["tpe", "joint", "gp", "cmaes", "random", "qmc"] = "tpe"
    """tpe: multivariate tree-structured Parzen estimator. joint: one Gaussian process over settings and noise, so that
    each condition learns from the others (study/search/joint.py). gp: a Gaussian process per condition. cmaes: CMA-ES.
    qmc: Sobol points."""
    seed: int = 0
    """Base seed; each condition derives its own from this one and its id."""
    startup: int = Field(default=10, ge=1, le=1_000)
    """tpe, joint, gp, cmaes: number of quasi-random (Sobol) points at the start of each condition."""


class Pruner(Section):
    """Stops searched trials early, each against its own condition only. Baselines always run to the end."""

    kind: Literal["successive_halving", "hyperband", "median", "none"] = "successive_halving"
    min_budget: int = Field(default=0, ge=0)
    """Samples that every trial may draw before it can be stopped; must lie past pre-training, warm-up and ramp-up."""
    reduction_factor: int = Field(default=3, ge=2)
    """successive_halving, hyperband: one trial in this many is promoted at each rung, and the co-training up to the
    next rung is this many times longer."""

    @field_validator("kind", mode="before")
    @classmethod
    def _one_seed(cls, kind: Any) -> Any:
        if kind == "wilcoxon":
            raise ValueError(
                "compares two settings over the same seeds, and a trial trains with one seed of its own (the epochs of "
                "a curve are not independent pairs); allowed: successive_halving, hyperband, median, none"
            )
        return kind


class Budget(Section):
    trials_per_condition: int = Field(ge=1, le=100_000)
    """Searched trials per condition; the baselines are not counted."""


class Confirm(Section):
    """Retrains chosen settings after the search: the best of each condition, its baselines, and one robust setting in
    every condition."""

    top_k: int = Field(default=3, ge=1, le=1000)
    """Number of searched trials whose settings are confirmed per condition, the best by the model of all trials."""
    seeds: int = Field(default=0, ge=0, le=1000)
    """Trainings per setting, each with a fresh seed and fresh noise. 0: nothing is confirmed."""


class Resources(Section):
    """Resources of one trial, and how many trials run at a time."""

    cpus_per_trial: float = Field(default=1, ge=0.01)
    """CPU cores, and the number of torch threads (at least one). Several workers share them evenly."""
    gpus_per_trial: Annotated[float, Field(ge=0)] | Literal["auto"] = 0.0
    """GPUs; with a fraction, trials share one. Several workers share them evenly, and each needs whole GPUs. auto: if
    there are GPUs, SHARED_GPU for a single worker and one GPU per worker for several; otherwise none."""
    workers_per_trial: int = Field(default=1, ge=1)
    """World size: data-parallel workers that train one trial, each on its shard of every batch; they may run on
    different nodes. The result equals that of one worker, up to rounding, unless `train/sync_batch_norm` is false."""
    max_concurrent: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Trials that run at a time. auto: as many as the machine or cluster has room for at the start."""
    epoch_timeout_minutes: float | None = Field(default=None, gt=0)
    """Minutes without a new epoch after which a trial is taken to hang: it fails, and its resources are freed. The
    first epoch includes all that precedes it, such as decoding the images. None: no limit."""
    price_per_node_hour: float = Field(default=0, ge=0)
    """Price of one node for one hour, in any currency, whether or not trials fill it; used for the forecast and for the
    actual cost at the end. 0: no cost is reported."""

    @model_validator(mode="after")
    def _shared_evenly(self) -> Self:
        n = self.workers_per_trial
        for name, amount in (("cpus_per_trial", self.cpus_per_trial), ("gpus_per_trial", self.gpus_per_trial)):
            if amount == "auto":
                continue
            # NCCL refuses two workers on one GPU, and two on one CPU are slower than one.
            if n > 1 and amount % n:
                raise ValueError(
                    f"{name}: {amount:g} cannot be divided evenly among {n} workers; allowed: a multiple of {n}"
                )
        return self

    @property
    def cpus_per_worker(self) -> float:
        return self.cpus_per_trial / self.workers_per_trial

    @property
    def gpus(self) -> float:
        """GPUs of one trial, once `where` has resolved auto."""
        assert self.gpus_per_trial != "auto"
        return self.gpus_per_trial

    @property
    def gpus_per_worker(self) -> float:
        return self.gpus / self.workers_per_trial

    def where(self, gpus: float) -> "Resources":
        """Return a copy in which auto is resolved for nodes with `gpus` GPUs in total."""
        if self.gpus_per_trial != "auto":
            return self
        n = self.workers_per_trial
        return self.model_copy(update={"gpus_per_trial": (float(n) if n > 1 else SHARED_GPU) if gpus else 0.0})


LoggerName = Literal["tensorboard", "mlflow", "wandb"]


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
    confirm: Confirm = Confirm()
    resources: Resources = Resources()
    checkpoint_seconds: float = Field(default=60, ge=0)
    """Seconds of training between two checkpoints of a trial, the most that an interruption loses. 0: every epoch."""
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
