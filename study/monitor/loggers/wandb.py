"""Logger for Weights & Biases."""

import hashlib
from collections.abc import Mapping
from typing import Any

from study.monitor.loggers.base import Values
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord


class WeightsAndBiases:
    """One W&B run per trial, in the project named after the study; WANDB_MODE, WANDB_API_KEY etc. configure it."""

    def __init__(self, study: str, folder: ResultsFolder, record: TrialRecord, row: Mapping[str, Any]) -> None:
        import wandb

        (folder.root / "wandb").mkdir(exist_ok=True)  # else wandb uses the working directory
        own = hashlib.sha256(folder.at().encode()).hexdigest()[:8]  # separates studies of the same name
        self._run = wandb.init(
            project=study,
            id=f"{study}-{record.trial}-{own}",
            name=record.trial,
            group=record.condition,
            config=dict(record.params),
            dir=folder.root,
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        )
        self.last_epoch = int(self._run.summary.get("last_epoch", -1))  # type: ignore[no-untyped-call]

    def log(self, epoch: int, samples: int, values: Values) -> None:
        self._run.log(values | {"last_epoch": epoch, "samples": samples}, step=epoch)

    def end(self, record: TrialRecord) -> None:
        self._run.summary["objective"] = record.objective
        self._run.finish(exit_code=1 if record.status == "failed" else 0)
