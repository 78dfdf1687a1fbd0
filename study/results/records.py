"""The record of a trial, and the layout of a results folder. No Ray, no Optuna.

results/<study>/spec.json            the study file, resolved
results/<study>/environment.json     versions, machine, command, forecast
results/<study>/optuna.journal       state of the search (the driver is its only writer)
results/<study>/trials.parquet       one row per trial; written now and then
results/<study>/epochs/<trial>.parquet   one row per epoch; once the trial has ended, as metadata its record,
                                     predictions and images (predictions.py, examples.py here)
results/stages/<key>/                shared stages, of all studies in the folder
results/<study>/report/              written by the analysis
results/<study>/ray/                 Tune's own files: checkpoints, logs
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from study.dimensions.base import Value
from study.results.json_schema import Phase, Status
from study.results.rules import may_be_best


@dataclass
class TrialRecord:
    """One trial of a study: one row of the table of trials."""

    trial: str
    """Identifier, unique in the study: <condition>-<number>, with four or more digits; for a confirmation
    <setting>@<condition>-r<repeat>. An interrupted trial keeps its identifier when it is resumed."""
    condition: str
    """Identifier of the noise condition, for example symmetric-0.5."""
    noise_kind: str
    """Kind of noise: `kind` of the condition in the study file (codim/noise/__init__.py), for example symmetric."""
    noise_rate: float
    """Nominal noise rate, in [0, 1]; NaN where the labels come from a file."""
    status: Status
    """running; complete: it drew its whole budget; pruned: stopped early, since other trials were better; failed."""
    cause: str
    """Why a trial failed or was pruned; empty otherwise."""
    baseline: str
    """Name of the baseline; empty for a searched trial."""
    params: dict[str, Value]
    """Every searched setting, as `section/setting`, with the value that this trial used (baselines too)."""
    config: dict[str, Any]
    """Resolved TrainConfig, with which the trial can be run again."""
    seed: int
    """The trial's `train/seed`, 0 or more; noise and pre-training have separate seeds, in `config`."""
    budget: int
    """Samples that the trial may draw."""
    samples: int = 0
    """Samples that it drew, those of shared stages included."""
    shared_samples: int = 0
    """Samples of shared stages, which the trial did not draw itself."""
    epochs: int = 0
    """Epochs reported so far, without those of a shared pre-training."""
    seconds: float = 0.0
    """Wall time of training in seconds, over all attempts; shared stages are not included."""
    constraints: dict[str, float] = field(default_factory=dict)
    """Metric -> distance beyond the study's bounds; 0 or less: within them."""
    objective: float = float("nan")
    """The study's objective, in [0, 1]; NaN until the trial has one. Pruned trials keep their last value."""
    consensus: float = float("nan")
    """The objective without the luck of which validation labels are wrong, by the newest consensus of the condition's
    complete trials (study/surrogate/consensus.py); NaN where the study takes none, or has too few of them."""
    consensus_error: float = float("nan")
    """Standard error of `consensus`, of its difference from the mean of those trials; NaN where that is."""
    value: float = float("nan")
    """Prediction of the model of all trials for the trial's setting in its condition: accuracy on true labels, up to a
    constant of the condition. NaN for baselines and failed trials, until the search has ended or is confirmed, and
    where no objective can rank."""
    started: datetime | None = None
    """Time when the trial was first handed out, UTC."""
    ended: datetime | None = None
    """Time when the end of the trial was recorded, UTC; none while it runs."""
    split_states: dict[str, int] = field(default_factory=dict)
    """State of the division -> number of epochs in it."""
    oracle_noise_rate: float = float("nan")
    """Realised share of wrong labels in the training and validation parts, in [0, 1]; NaN if unknown."""
    oracle_transition: list[list[float]] = field(default_factory=list)
    """Realised transition matrix; rows: true class, each sums to 1; empty if unknown."""
    oracle_test_acc: float = float("nan")
    """Mean test accuracy over the same epochs as the objective, in [0, 1]; NaN until the trial ends."""
    oracle_test_acc_best: float = float("nan")
    """Test accuracy of the best epoch, in [0, 1], for comparison with published tables only."""
    phase: Phase = "search"
    """search; confirm: trained again, with fresh seeds, on training and validation parts (study/confirm/confirm.py)."""
    setting: str = ""
    """For a confirmation, the trial of the search whose setting it repeats; empty in the search."""

    @property
    def can_be_best(self) -> bool:
        """Whether the trial is complete and within all bounds."""
        return may_be_best(self.status, self.constraints)
