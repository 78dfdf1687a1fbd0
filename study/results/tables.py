"""The tables of a study: their columns and types, and the conversion between records and rows."""

import json
import math
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, get_type_hints

import pyarrow as pa

from codim.metrics import EpochMetrics, OracleMetrics
from study.dimensions.base import Value
from study.results.json_schema import SCHEMA_VERSION
from study.results.records import TrialRecord
from study.results.table_schema import METADATA_KEY, checked_trials

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
"""Columns of epoch tables, one row per epoch: `trial`, `condition`, the fields of EpochMetrics and OracleMetrics."""
_STRINGS = [field.name for field in EPOCH_SCHEMA if pa.types.is_string(field.type)]

TRIAL_SCHEMA = pa.schema(
    [(f.name, _arrow_type(get_type_hints(TrialRecord)[f.name])) for f in fields(TrialRecord) if f.name != "params"]
)
"""Columns of the trial table, one row per trial: the fields of TrialRecord, `params` as `param/<section>/<setting>`."""
_FLOATS = {
    field.name for schema in (TRIAL_SCHEMA, EPOCH_SCHEMA) for field in schema if pa.types.is_floating(field.type)
}


def trials_table(records: Sequence[TrialRecord]) -> pa.Table:
    """Convert records to a table, one row per record. Missing settings and NaN become null: other readers would rank
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
    """Convert a table to records, the inverse of `trials_table`; numbers among the params are floats then."""
    records = []
    for row in table.to_pylist():
        params = {key.removeprefix("param/"): row.pop(key) for key in list(row) if key.startswith("param/")}
        row |= {name: row[name] and row[name].astimezone(UTC) for name in ("started", "ended")}
        row |= {name: json.loads(row[name]) for name in _JSON}
        records.append(TrialRecord(params={k: v for k, v in params.items() if v is not None}, **_numbers(row)))
    return records


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with NaN for each missing number, as in records and epochs in memory."""
    return {name: math.nan if value is None and name in _FLOATS else value for name, value in row.items()}


def _checked_record(row: dict[str, Any], trial: str) -> TrialRecord:
    for name in ("started", "ended"):
        row[name] = row[name] and datetime.fromisoformat(row[name])
    record = TrialRecord(**row)
    if record.trial != trial:
        raise ValueError(f"its record belongs to another trial, {record.trial!r}")
    checked_trials(trials_table([record]), TRIAL_SCHEMA)
    return record
