"""Reading of a results folder as data frames, also while the study still runs."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from codim.text.safe_text import printable
from study.results.folder import ResultsFolder, read_trials_table
from study.results.json_schema import Environment, OtherVersion, Spec, read_json
from study.results.opened import find_results, require_results
from study.results.remote import RemoteResults
from study.results.rules import may_be_best
from study.results.table_schema import checked_epochs, require_numbers
from study.results.tables import EPOCH_SCHEMA

READ_ATTEMPTS = 5
_SCALARS = [field.name for field in EPOCH_SCHEMA if not pa.types.is_list(field.type)]
"""Scalar columns, read by default: the histograms would take more memory than all others together."""


Found = TypeVar("Found")


class NotApplicable(ValueError):
    """Error: the trials lack what a figure or table needs. The text is a full sentence, which the report prints."""


class Damaged(NotApplicable):
    """Error: a table of epochs is unreadable; only what needs it is left out."""


@dataclass(frozen=True)
class Source:
    """Results folder of one study."""

    folder: ResultsFolder
    prefix: str = ""
    """Prefix that `Trials` adds to the names of its trials."""


@dataclass(frozen=True)
class Trials:
    """Results so far of one study, or of several."""

    root: Path
    spec: dict[str, Any]
    """Resolved study file; empty if it is not written yet."""
    environment: dict[str, Any]
    trials: pd.DataFrame
    """One row per trial of the search: the fields of `study.results.records.TrialRecord`, its `params` as columns
    `param/<module>/<setting>`, and `number` (int, position in its condition), `method` (name of the baseline, or
    "search")."""
    confirmations: pd.DataFrame
    """One row per training that confirms the search, with the columns of `trials`. They are separate: other seeds,
    other noise, more training images."""
    sources: tuple[Source, ...] = field(repr=False, compare=False)
    """Folders from which the epochs are read on demand."""
    faults: tuple[str, ...] = ()
    """Unreadable files that were skipped, as sentences."""

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row per epoch of `trials`: `trial`, `condition` and the fields of `codim.metrics.EpochMetrics` and
        `OracleMetrics`, except the histograms. Raises Damaged: a file cannot be read."""
        return self.read_epochs()

    def read_epochs(
        self,
        columns: Sequence[str] = (),
        conditions: Iterable[str] | None = None,
        trials: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Read only the epochs of these conditions and trials, and these columns (by default those of `epochs`).
        Histograms, which must be named, are arrays of counts, or None for epochs recorded before there were any. Raises
        Damaged: a file cannot be read. Raises ValueError: there is no such column."""
        wanted = self.trials[["trial", "condition"]]
        if conditions is not None:
            wanted = wanted[wanted["condition"].isin(list(conditions))]
        if trials is not None:
            wanted = wanted[wanted["trial"].isin(list(trials))]
        if unknown := set(columns) - set(EPOCH_SCHEMA.names):
            raise ValueError(f"epochs have no column {min(unknown)}; allowed: {', '.join(EPOCH_SCHEMA.names)}")
        parts = []
        for source in self.sources:
            # Files of trials that are not in the table yet are left for the next time.
            names = [trial.removeprefix(source.prefix) for trial in wanted["trial"] if trial.startswith(source.prefix)]
            part = _read_epochs(source.folder.epochs, names, list(columns) or _SCALARS)
            parts.append(part.assign(trial=source.prefix + part["trial"]) if "trial" in part else part)
        frame = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
        return frame.astype({"condition": self.trials["condition"].dtype} if "condition" in frame else {})

    @property
    def name(self) -> str:
        return str(self.spec.get("name", self.root.resolve().name))

    @property
    def conditions(self) -> tuple[str, ...]:
        """Ids of all conditions, in their order along the noise axis, including those without a trial."""
        return tuple(self.trials["condition"].cat.categories)

    @property
    def baselines(self) -> tuple[str, ...]:
        """Names of all baselines, in the order of the study file."""
        found = self.trials.loc[self.trials["baseline"] != "", "baseline"]
        return tuple(dict.fromkeys([*self.spec.get("baselines", {}), *found]))

    @cached_property
    def complete(self) -> pd.DataFrame:
        """Trials that ran to the end of their budget, within the study's bounds, and have an objective: the only ones
        that are ranked."""
        frame = self.trials[self.trials["objective"].notna()]
        bounds = frame["constraints"].map(json.loads)
        best = [may_be_best(*own) for own in zip(frame["status"], bounds, strict=True)]
        return frame[pd.Series(best, frame.index, dtype=bool)]

    @cached_property
    def searched(self) -> pd.DataFrame:
        """Complete trials without the baselines."""
        return self.complete[self.complete["baseline"] == ""]

    @property
    def expected(self) -> int | None:
        """Number of trials of the search that the study file asks for, over all conditions; None if it does not say, or
        lets a search end before (`stop_when`)."""
        searched = self.spec.get("budget", {}).get("trials_per_condition")
        if searched is None or self.spec.get("stop_when", {}).get("expected_regret"):
            return None
        return (int(searched) + len(self.spec.get("baselines", {}))) * len(self.conditions)


def once(compute: Callable[[Trials], Found]) -> Callable[[Trials], Found]:
    """Keep what a function finds in a study beside its trials: figures and tables ask for the same, again and again.
    Callers share it, and must not change it."""
    name = f"{compute.__module__}.{compute.__qualname__}"

    @wraps(compute)
    def kept(trials: Trials) -> Found:
        found = vars(trials)
        if name not in found:
            found[name] = compute(trials)
        return cast(Found, found[name])

    return kept


def load_trials(path: Path | str) -> Trials:
    """Read a results folder (see `study.results.records`), or a copy on object storage (s3://bucket/folder/study).

    Files that a running study has not written yet count as empty; epochs are read on demand. Raises ValueError: `path`
    is not a results folder, or a file in it cannot be read.

    Example:
        >>> import analysis
        >>> study = analysis.load_trials(Path(analysis.__file__).with_name("example"))
        >>> study.name, len(study.trials), study.conditions[0]
        ('digits', 56, 'symmetric-0.2')
        >>> study.epochs["phase"].unique().tolist()
        ['warmup', 'cotrain']
    """
    return read_results(find_results(path))


def read_results(folder: ResultsFolder) -> Trials:
    """Read an open folder like `load_trials`; from object storage, only changes since the last time are fetched."""
    require_results(folder)
    spec, table = read_json(folder.spec, Spec), read_trials_table(folder.trials)
    try:
        require_numbers(table, spec)
    except ValueError as error:
        raise ValueError(f"{folder.trials} does not go with spec.json: {error}") from None
    trials = _frame(table)
    order = pd.CategoricalDtype(
        list(dict.fromkeys([*(c["id"] for c in spec.get("conditions", [])), *trials["condition"]])), ordered=True
    )
    trials["condition"] = trials["condition"].astype(order)
    trials["number"] = trials["trial"].str.extract(r"(\d+)$", expand=False).astype("int64")
    trials["method"] = trials["baseline"].where(trials["baseline"] != "", "search")
    trials = trials.sort_values(["condition", "number"], ignore_index=True)
    confirm = trials["phase"] == "confirm"
    confirmations, trials = trials[confirm].reset_index(drop=True), trials[~confirm].reset_index(drop=True)
    root = Path(folder.root.name) if isinstance(folder, RemoteResults) else folder.root
    environment, faults = _environment(folder)
    return Trials(root, spec, environment, trials, confirmations, (Source(folder),), faults)


def _environment(folder: ResultsFolder) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the environment file's content, and its faults as sentences: figures and tables do without it."""
    try:
        return read_json(folder.environment, Environment), ()
    except OtherVersion:
        raise
    except ValueError as error:
        return {}, (f"{error}; the page leaves it out.",)


def _read_epochs(folder: Path, trials: Sequence[str], columns: list[str]) -> pd.DataFrame:
    """Read the epochs in the order of `trials`; each file holds one trial, ordered by epoch."""
    for attempt in range(READ_ATTEMPTS):
        there = {path.stem for path in folder.glob("*.parquet")}
        files = [str(folder / f"{trial}.parquet") for trial in trials if trial in there]
        if not files:
            break
        try:
            dataset = ds.dataset(files, schema=EPOCH_SCHEMA, format="parquet")
            return _frame(checked_epochs(dataset.to_table(columns=columns), trials))
        except (pa.ArrowException, ValueError, OSError) as error:
            # A running study replaces these files after every epoch, possibly between a footer and its data.
            if attempt == READ_ATTEMPTS - 1:
                reason = printable(str(error).partition("\n")[0])
                raise Damaged(f"An epoch table in {folder} cannot be read: {reason}.") from error
    return _frame(EPOCH_SCHEMA.empty_table().select(columns))


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame
