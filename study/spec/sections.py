"""The sections of a study file that have settings of their own."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from codim.section import Section

SHARED_GPU = 0.25
"""Share of a GPU for a trial of one worker where `gpus_per_trial` is auto: four small networks fill a GPU."""
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


class StopWhen(Section):
    """When the search of a condition ends before the budget's last trial."""

    expected_regret: float = Field(default=0, ge=0, lt=1)
    """Accuracy on true labels by which the best setting of all probably exceeds the one that would be chosen now, by
    the model of all trials: as soon as it is less, no further trial of the condition begins. Needs sampler/kind joint.
    0: never."""


class Confirm(Section):
    """Retrains chosen settings after the search: the best of each condition, its baselines, and one robust setting in
    every condition."""

    top_k: int = Field(default=3, ge=1, le=1000)
    """Number of searched trials whose settings are confirmed per condition, the best by the model of all trials."""
    seeds: int = Field(default=0, ge=0, le=1000)
    """Trainings per setting, each with a fresh seed and fresh noise. 0: nothing is confirmed."""
    most_seeds: int | None = Field(default=None, ge=1, le=1000)
    """Largest number of trainings per setting: where the first `seeds` vary so much that a difference between two
    settings is not known to `half_width`, the condition gets more. None, or fewer than `seeds`: never more than these;
    a spread takes 2 `seeds` at least."""
    half_width: float = Field(default=0.01, gt=0, le=1)
    """Half width of the 95 % interval of a difference between two settings, in test accuracy, at which a condition has
    enough seeds. Only with `most_seeds`, and with test images and their true labels."""

    @property
    def most(self) -> int:
        """Largest number of trainings per setting."""
        return max(self.seeds, self.most_seeds or 0) if self.seeds > 1 else self.seeds


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
