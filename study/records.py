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

import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from codim.metrics import EpochMetrics, OracleMetrics
from codim.shown import printable
from study.schema import SCHEMA_VERSION, OtherVersion, Phase, Status
from study.table_schema import METADATA_KEY, checked_epochs, checked_trials

Value = float | int | str | bool


@dataclass
class TrialRecord:
    """One trial of a study."""

    trial: str
    """Identifier, unique in the study: <condition>-<four digits>; of a confirmation <setting>@<condition>-r<repeat>. A
    trial that was interrupted and went on keeps it."""
    condition: str
    """Identifier of the noise condition, for example symmetric-0.5."""
    noise_kind: str
    """What makes labels wrong: `kind` of the condition in the study file (codim/noise.py), for example symmetric."""
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
    """confirm: a chosen setting, trained again on training and validation part with fresh seeds (study/confirm.py)."""
    setting: str = ""
    """Of a confirmation: the trial of the search whose setting it repeats; empty in the search."""

    @property
    def can_be_best(self) -> bool:
        """It ran to the end, within all bounds."""
        return self.status == "complete" and all(beyond <= 0 for beyond in self.constraints.values())


_JSON = {"config", "constraints", "split_states", "oracle_transition"}
_RECORD = b"codim_record"
_TYPES: dict[Any, pa.DataType] = {
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    list[int]: pa.list_(pa.int32()),
}


def _arrow_type(hint: Any) -> pa.DataType:
    if hint == datetime | None:
        return pa.timestamp("us", tz="UTC")
    return _TYPES.get(hint, pa.string())


EPOCH_SCHEMA = pa.schema(
    [("trial", pa.string()), ("condition", pa.string())]
    + [(name, _arrow_type(hint)) for cls in (EpochMetrics, OracleMetrics) for name, hint in get_type_hints(cls).items()]
)
"""One row an epoch: `trial`, `condition`, then the fields of EpochMetrics and OracleMetrics."""
_STRINGS = [field.name for field in EPOCH_SCHEMA if pa.types.is_string(field.type)]


TRIAL_SCHEMA = pa.schema(
    [(f.name, _arrow_type(get_type_hints(TrialRecord)[f.name])) for f in fields(TrialRecord) if f.name != "params"]
)
"""One row a trial: the fields of TrialRecord but `params`, which become columns `param/<module>/<setting>`."""
_FLOATS = {
    field.name for schema in (TRIAL_SCHEMA, EPOCH_SCHEMA) for field in schema if pa.types.is_floating(field.type)
}


def trials_table(records: Sequence[TrialRecord]) -> pa.Table:
    """One row a record. A setting that a trial has not, and a number that is NaN, are null: other readers would rank
    NaN above all numbers."""
    columns: dict[str, pa.Array] = {}
    for column in TRIAL_SCHEMA:
        values = [getattr(r, column.name) for r in records]
        if column.name in _JSON:
            values = [json.dumps(v) for v in values]
        columns[column.name] = pa.array(values, type=column.type, from_pandas=True)
    for name in sorted({key for r in records for key in r.params}):
        columns[f"param/{name}"] = _param_column([r.params.get(name) for r in records])
    return pa.table(columns).replace_schema_metadata({METADATA_KEY: SCHEMA_VERSION})


def _param_column(values: list[Value | None]) -> pa.Array:
    present = [v for v in values if v is not None]
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in present):
        return pa.array([None if v is None else float(v) for v in values], type=pa.float64())
    return pa.array([None if v is None else str(v) for v in values], type=pa.string())


def records_of(table: pa.Table) -> list[TrialRecord]:
    """The inverse of `trials_table`; numbers among the params come back as floats."""
    records = []
    for row in table.to_pylist():
        params = {key.removeprefix("param/"): row.pop(key) for key in list(row) if key.startswith("param/")}
        row |= {name: row[name] and row[name].astimezone(UTC) for name in ("started", "ended")}
        row |= {name: json.loads(row[name]) for name in _JSON}
        records.append(TrialRecord(params={k: v for k, v in params.items() if v is not None}, **_numbers(row)))
    return records


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    """A row with NaN where a number is missing, as records and epochs have it in memory."""
    return {name: math.nan if value is None and name in _FLOATS else value for name, value in row.items()}


def _checked_record(row: dict[str, Any], trial: str) -> TrialRecord:
    for name in ("started", "ended"):
        row[name] = row[name] and datetime.fromisoformat(row[name])
    record = TrialRecord(**row)
    if record.trial != trial:
        raise ValueError(f"its record is of another trial, {record.trial!r}")
    checked_trials(trials_table([record]), TRIAL_SCHEMA)
    return record


class ResultsFolder:
    """Paths and atomic writes of one study's folder. Readers never see half a file."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.spec = self.root / "spec.json"
        self.environment = self.root / "environment.json"
        self.journal = self.root / "optuna.journal"
        self.trials = self.root / "trials.parquet"
        self.epochs = self.root / "epochs"
        self.stages = self.root.parent / "stages"
        self.ray = self.root / "ray"

    def at(self, *parts: str) -> str:
        """What a worker on any node calls a place in it."""
        return str(self.root.joinpath(*parts))

    @property
    def stages_address(self) -> str:
        """What it calls the folder of the shared stages."""
        return str(self.stages)

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Held by the driver, beside the lock, where other machines cannot see that."""
        yield

    @property
    def due(self) -> bool:
        """Whether the driver must write its tables before the next `keep`."""
        return False

    def keep(self, now: bool = False) -> None:
        """Called often by the driver, and `now` at its end: what it wrote is there."""

    def refresh(self) -> None:
        """Called by a reader before each look."""

    def remove(self, trial: str) -> None:
        """What a trial needed to go on."""
        shutil.rmtree(self.ray / "trials" / trial, ignore_errors=True)

    def write_trials(self, records: Sequence[TrialRecord]) -> None:
        _write(trials_table(records), self.trials)

    def read_trials(self) -> list[TrialRecord]:
        """All trials, those included that ended after the table was written. Raises ValueError: a table is damaged."""
        records = {record.trial: record for record in records_of(read_trials_table(self.trials))}
        for path in sorted(self.epochs.glob("*.parquet")):
            if path.stem not in records or records[path.stem].status == "running":
                with _whole(path):
                    if text := (pq.read_schema(path).metadata or {}).get(_RECORD):
                        records[path.stem] = _checked_record(json.loads(text), path.stem)
        return list(records.values())

    def write_epochs(self, trial: str, rows: Sequence[Mapping[str, Any]], ended: TrialRecord | None = None) -> None:
        """`ended`: the trial's record, once it is final."""
        columns = [pa.array([row.get(f.name) for row in rows], f.type, from_pandas=True) for f in EPOCH_SCHEMA]
        table = pa.table(columns, schema=EPOCH_SCHEMA)
        metadata: dict[bytes, str] = {METADATA_KEY: SCHEMA_VERSION}
        if ended:
            metadata[_RECORD] = json.dumps(asdict(ended), default=datetime.isoformat)
        with (
            _replaced(self.epochs / f"{trial}.parquet") as file,
            # Arrow's copy of the schema, and dictionaries and bounds of all numbers, take more than most trials' rows.
            pq.ParquetWriter(
                file, EPOCH_SCHEMA, store_schema=False, use_dictionary=_STRINGS, write_statistics=_STRINGS
            ) as writer,
        ):
            writer.write_table(table)
            writer.add_key_value_metadata(metadata)

    def read_epochs(self, trial: str) -> list[dict[str, Any]]:
        """Raises ValueError: they are damaged."""
        path = self.epochs / f"{trial}.parquet"
        with _whole(path):
            if not path.exists():
                return []
            table = checked_epochs(_read(path), [trial])
        return [_numbers(row) for row in table.to_pylist()]


def read_trials_table(path: Path) -> pa.Table:
    """The table of trials, checked; without a row where it is not written yet. Raises ValueError: it is damaged."""
    with _whole(path):
        return checked_trials(_read(path) if path.exists() else trials_table([]), TRIAL_SCHEMA)


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """A fault of what is read within it is one of this file. Raises ValueError."""
    try:
        yield
    except OtherVersion as error:
        raise OtherVersion(f"{path} has {error}") from None
    except (pa.ArrowException, KeyError, TypeError, ValueError, OverflowError, RecursionError, OSError) as error:
        reason = printable(str(error).partition("\n")[0])[:200] or type(error).__name__
        raise ValueError(f"{path} is damaged ({reason}); restore it from a copy") from error


def _read(path: Path) -> pa.Table:
    """`pq.read_table` opens a named file more than once, and may find a newer one in between; given an open file of
    Python's, its threads may let go of it after the interpreter's end, which aborts the process."""
    with pq.ParquetFile(path) as file:
        return file.read()


def _write(table: pa.Table, path: Path) -> None:
    with _replaced(path) as file:
        pq.write_table(table, file)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Atomically, readable by people."""
    with _replaced(path) as file:
        file.write((json.dumps(content, indent=2) + "\n").encode())


@contextmanager
def _replaced(path: Path) -> Iterator[IO[bytes]]:
    """The file that stands at `path` once it is whole; nothing is left of one that cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with scratch.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # a rename can reach the disk before the bytes do
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
