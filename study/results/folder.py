"""The results folder of a study: paths and atomic writes."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from codim.runtime.atomic_file import replaced
from codim.text.safe_text import printable
from study.results.examples import Examples
from study.results.examples import decode as decode_examples
from study.results.json_schema import SCHEMA_VERSION, OtherVersion
from study.results.predictions import Predictions, decode
from study.results.records import TrialRecord
from study.results.table_schema import METADATA_KEY, checked_epochs, checked_trials
from study.results.tables import (
    _RECORD,
    _STRINGS,
    EPOCH_SCHEMA,
    TRIAL_SCHEMA,
    _checked_record,
    _numbers,
    records_of,
    trials_table,
)

_PREDICTIONS = b"codim_predictions"
_EXAMPLES = b"codim_examples"

Told = TypeVar("Told")


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
        """Address of a path in this folder that is valid on every node."""
        return str(self.root.joinpath(*parts))

    @property
    def stages_address(self) -> str:
        """Address of the folder of the shared stages, valid on every node."""
        return str(self.stages)

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Hold the folder, in addition to the lock, where other machines cannot see the lock."""
        yield

    @property
    def due(self) -> bool:
        """Whether the driver must write its tables before the next `keep`."""
        return False

    def keep(self, now: bool = False) -> None:
        """Make sure that everything written is stored; the driver calls this often, and with `now` at its end."""

    def refresh(self) -> None:
        """Bring the local copy up to date; a reader calls this before each look."""

    def resumable(self) -> set[str]:
        """Return the trials that have left files from which they would resume."""
        return {path.name for path in (self.ray / "trials").glob("*")}

    def remove(self, trial: str) -> None:
        """Remove the files from which a trial would resume."""
        shutil.rmtree(self.ray / "trials" / trial, ignore_errors=True)

    def write_trials(self, records: Sequence[TrialRecord]) -> None:
        _write(trials_table(records), self.trials)

    def read_trials(self) -> list[TrialRecord]:
        """Return all trials, including those that ended after the table was written. Raises ValueError if a table is
        damaged."""
        records = {record.trial: record for record in records_of(read_trials_table(self.trials))}
        for path in sorted(self.epochs.glob("*.parquet")):
            if path.stem not in records or records[path.stem].status == "running":
                with _whole(path):
                    if text := (pq.read_schema(path).metadata or {}).get(_RECORD):
                        records[path.stem] = _checked_record(json.loads(text), path.stem)
        return list(records.values())

    def write_epochs(
        self,
        trial: str,
        rows: Sequence[Mapping[str, Any]],
        ended: TrialRecord | None = None,
        predictions: str = "",
        examples: str = "",
    ) -> None:
        """Write the epochs of a trial. `ended`: its record, once that is final; `predictions` and `examples` as the
        `encode` of their modules makes them."""
        columns = [pa.array([row.get(f.name) for row in rows], f.type, from_pandas=True) for f in EPOCH_SCHEMA]
        table = pa.table(columns, schema=EPOCH_SCHEMA)
        metadata: dict[bytes, str] = {METADATA_KEY: SCHEMA_VERSION}
        if ended:
            metadata[_RECORD] = json.dumps(asdict(ended), default=datetime.isoformat)
        if predictions:
            metadata[_PREDICTIONS] = predictions
        if examples:
            metadata[_EXAMPLES] = examples
        with (
            replaced(self.epochs / f"{trial}.parquet") as file,
            # Arrow's copy of the schema, and dictionaries and bounds of all numbers, take more than most trials' rows.
            pq.ParquetWriter(
                file, EPOCH_SCHEMA, store_schema=False, use_dictionary=_STRINGS, write_statistics=_STRINGS
            ) as writer,
        ):
            writer.write_table(table)
            writer.add_key_value_metadata(metadata)

    def read_predictions(self, trial: str) -> Predictions | None:
        """Return the predictions of a trial; None if it has none. Raises ValueError if they are damaged."""
        return self._told(trial, _PREDICTIONS, decode)

    def read_examples(self, trial: str) -> Examples | None:
        """Return the examples of a trial; None if it has none. Raises ValueError if they are damaged."""
        return self._told(trial, _EXAMPLES, decode_examples)

    def _told(self, trial: str, key: bytes, decoded: Callable[[str], Told]) -> Told | None:
        path = self.epochs / f"{trial}.parquet"
        with _whole(path):
            text = (pq.read_schema(path).metadata or {}).get(key) if path.exists() else None
            return decoded(text.decode()) if text else None

    def read_epochs(self, trial: str) -> list[dict[str, Any]]:
        """Return the epochs of a trial; none if it has not reported yet. Raises ValueError if they are damaged."""
        path = self.epochs / f"{trial}.parquet"
        with _whole(path):
            if not path.exists():
                return []
            table = checked_epochs(_read(path), [trial])
        return [_numbers(row) for row in table.to_pylist()]


def read_trials_table(path: Path) -> pa.Table:
    """Return the table of trials, checked; without rows if it does not exist yet. Raises ValueError if it is
    damaged."""
    with _whole(path):
        return checked_trials(_read(path) if path.exists() else trials_table([]), TRIAL_SCHEMA)


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Turn faults of reading in this context into a ValueError that names the file."""
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
    with replaced(path) as file:
        pq.write_table(table, file)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file atomically, indented for people."""
    with replaced(path) as file:
        file.write((json.dumps(content, indent=2) + "\n").encode())
