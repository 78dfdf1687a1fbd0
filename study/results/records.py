"""The tables that a study leaves behind: their schemas and the folder that holds them. No Ray, no Optuna.

results/<study>/spec.json            the study file, resolved
results/<study>/environment.json     versions, machine, command, forecast
results/<study>/optuna.journal       the search's memory (the driver is its only writer)
results/<study>/trials.parquet       one row a trial; written now and then
results/<study>/epochs/<trial>.parquet   one row an epoch; of an ended trial its record too, as metadata
results/stages/<key>/                shared stages, of all studies in the folder
results/<study>/report/              written by the analysis
results/<study>/ray/                 Tune's own files: checkpoints, logs
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from study.dimensions.base import Value
from study.results.json_schema import Phase, Status


@dataclass
class TrialRecord:
    """One trial of a study."""

    trial: str
    """Identifier, unique in the study: <condition>-<four digits>; of a confirmation <setting>@<condition>-r<repeat>. A
    trial that was interrupted and went on keeps it."""
    condition: str
    """Identifier of the noise condition, for example symmetric-0.5."""
    noise_kind: str
    """What makes labels wrong: `kind` of the condition in the study file (codim/noise/__init__.py), for example
    symmetric."""
    noise_rate: float
    """Nominal rate, in [0, 1]; NaN where the labels come from a file."""
    status: Status
    """running; complete: drew its whole budget; pruned: stopped behind its rivals; failed."""
    cause: str
    """Why a trial failed or was pruned; empty otherwise."""
    baseline: str
    """Name of the baseline; empty for a searched trial."""
    params: dict[str, Value]
    """Every searched setting as `module/setting` with the value that this trial used (baselines too)."""
    config: dict[str, Any]
    """The resolved TrainConfig: with it the trial can be run again."""
    seed: int
    """Its `train/seed`, 0 or more; noise and pre-training have seeds of their own, in `config`."""
    budget: int
    """Samples that the trial may draw."""
    samples: int = 0
    """Samples that it drew, those of shared stages included."""
    shared_samples: int = 0
    """Samples of a stage that it shares, and therefore did not draw itself."""
    epochs: int = 0
    """Epochs that it reported so far; those of a shared pre-training are not among them."""
    seconds: float = 0.0
    """Wall time in training, over all its runs."""
    constraints: dict[str, float] = field(default_factory=dict)
    """Metric -> how far it lies beyond the study's bounds; 0 or less: within."""
    objective: float = float("nan")
    """The study's objective, in [0, 1]; NaN until the trial has one. Pruned trials keep their last value."""
    started: datetime | None = None
    """When it was first given out, UTC."""
    ended: datetime | None = None
    """When its end was recorded, UTC; none while it runs."""
    split_states: dict[str, int] = field(default_factory=dict)
    """Epochs per state of the division."""
    oracle_noise_rate: float = float("nan")
    """Realised share of wrong labels in training and validation part, in [0, 1]; NaN where nobody knows."""
    oracle_transition: list[list[float]] = field(default_factory=list)
    """Realised transition matrix; rows: true class, each sums to 1; empty where nobody knows."""
    oracle_test_acc: float = float("nan")
    """Mean test accuracy over the same epochs as the objective, in [0, 1]; NaN until the trial ends."""
    oracle_test_acc_best: float = float("nan")
    """Best epoch's test accuracy: for comparison with published tables only."""
    phase: Phase = "search"
    """confirm: a chosen setting, trained again on training and validation part with fresh seeds
    (study/confirm/confirm.py)."""
    setting: str = ""
    """Of a confirmation: the trial of the search whose setting it repeats; empty in the search."""

    @property
    def can_be_best(self) -> bool:
        """It ran to the end, within all bounds."""
        return self.status == "complete" and all(beyond <= 0 for beyond in self.constraints.values())
