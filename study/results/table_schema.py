"""Checks of the tables of a results folder: columns, types and allowed values.

For their columns see study/results/tables.py, for the JSON files study/results/json_schema.py.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, get_args

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from codim.metrics import Phase as Stage
from codim.metrics import SplitState
from codim.text.safe_text import shortened
from study.dimensions.types import space_of
from study.results.json_schema import LARGEST, LONGEST_HOURS, Phase, Status, require_version

METADATA_KEY = b"codim_schema"
"""Key of the schema version in the metadata of a table."""
ADDED = {
    "phase": "search",
    "setting": "",
    "constraints": "{}",
    "shared_samples": 0,
    **dict.fromkeys(("consensus", "consensus_error", "value"), float("nan")),
}
"""Columns that the first tables of trials lacked -> value for their rows."""
_ROUNDING = 1e-6
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_TRIAL = r"(?:[^/\\\pC]*[^/\\\pC\d])?\d{1,9}"


def checked_trials(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Check a table of trials, and return it with the columns and types of `schema`, then its settings (`param/...`).

    Raises:
        ValueError: names the column, the trial if the fault is in one, and what is allowed.
    """
    require_version((table.schema.metadata or {}).get(METADATA_KEY, b"none").decode(errors="replace"))
    _require_distinct(table.column_names, "two columns")
    columns = {}
    for field in schema:
        if field.name in table.column_names:
            columns[field.name] = _cast(table[field.name], field)
        elif field.name in ADDED:
            columns[field.name] = pa.repeat(pa.scalar(ADDED[field.name], field.type), len(table))
        else:
            raise ValueError(f"no column {field.name}")
    for name in table.column_names:
        if name.startswith("param/"):
            numeric = not _is_text(table[name].type)
            columns[name] = _cast(table[name], pa.field(name, pa.float64() if numeric else pa.string()))
    checked = pa.table(columns)
    _check(checked, TRIAL_RULES)
    _require_distinct(checked["trial"].to_pylist(), "two trials")
    return checked


def require_numbers(table: pa.Table, spec: Mapping[str, Any]) -> None:
    """Check that settings that the study searched in a numeric range are numbers. Raises ValueError."""
    for path, dimension in space_of(spec).items():
        column = f"param/{path}"
        if not dimension.axis().choices and column in table.column_names and _is_text(table[column].type):
            raise ValueError(f"{column} holds text; allowed: numbers, as space -> {path} of spec.json says")


def checked_epochs(table: pa.Table, trials: Iterable[str]) -> pa.Table:
    """Check a table of epochs of these trials, and return it. Raises ValueError as `checked_trials`."""
    _check(table, {name: rule for name, rule in EPOCH_RULES.items() if name in table.column_names})
    if "trial" in table.column_names:
        if others := set(table["trial"].to_pylist()) - set(trials):
            raise ValueError(f"it holds epochs of {shortened(min(others))}, which belong in another file")
        if "epoch" in table.column_names:
            pairs = zip(table["trial"].to_pylist(), table["epoch"].to_pylist(), strict=True)
            _require_distinct([f"{trial}, {epoch}" for trial, epoch in pairs], "two rows for trial and epoch")
    return table


Rule = tuple[Callable[[pa.ChunkedArray], pa.ChunkedArray], str]
"""Test of which values are allowed (null is checked separately), and their description."""


def _between(low: Any, high: Any, words: str) -> Rule:
    return lambda column: pc.and_(pc.greater_equal(column, low), pc.less_equal(column, high)), words


def _among(values: Iterable[str]) -> Rule:
    allowed = list(values)
    return lambda column: pc.is_in(column, pa.array(allowed)), ", ".join(allowed)


def _json(kind: Any, words: str) -> Rule:
    adapter: TypeAdapter[Any] = TypeAdapter(kind, config=ConfigDict(strict=True))

    def sound(text: str | None) -> bool | None:
        try:
            return None if text is None else bool(adapter.validate_json(text) is not None)
        except ValidationError:
            return False

    def rule(column: pa.ChunkedArray) -> pa.ChunkedArray:
        # Most trials of a condition have the same texts.
        known = {text: sound(text) for text in column.unique().to_pylist()}
        return pa.chunked_array([pa.array([known[text] for text in column.to_pylist()], pa.bool_())])

    return rule, words


_NAME = (lambda column: pc.match_substring_regex(column, r"^[^\pC]+$"), "names without control characters")
_NAME_OR_NONE = (lambda column: pc.match_substring_regex(column, r"^[^\pC]*$"), _NAME[1])
_SHARE = _between(-_ROUNDING, 1 + _ROUNDING, "0 to 1")
_COUNT = _between(0, LARGEST, "whole numbers from 0 on")
_SECONDS = _between(0.0, 3600 * LONGEST_HOURS, f"0 to {3600 * LONGEST_HOURS:g} seconds")
_TIME = _between(_EARLIEST, _LATEST, "times from 1970 to 2200")
_MATRIX = list[list[Annotated[float, Field(ge=-_ROUNDING, le=1 + _ROUNDING)]]]
TRIAL_RULES: dict[str, Rule] = {
    "trial": (lambda column: pc.match_substring_regex(column, f"^{_TRIAL}$"), "names that end in a number"),
    "condition": _NAME,
    **dict.fromkeys(("baseline", "noise_kind", "setting"), _NAME_OR_NONE),
    "status": _among(get_args(Status)),
    "phase": _among(get_args(Phase)),
    **dict.fromkeys(
        ("noise_rate", "objective", "oracle_noise_rate", "oracle_test_acc", "oracle_test_acc_best"), _SHARE
    ),
    **dict.fromkeys(("seed", "budget", "samples", "shared_samples", "epochs"), _COUNT),
    "consensus_error": _between(0.0, 10.0, "0 to 10"),
    **dict.fromkeys(("consensus", "value"), _between(-10.0, 10.0, "-10 to 10")),
    "seconds": _SECONDS,
    "started": _TIME,
    "ended": _TIME,
    "config": _json(dict[str, dict[str, Any]], "JSON, {section: {setting: value}}"),
    "constraints": _json(dict[str, float], "JSON, {metric: number}"),
    "split_states": _json(dict[str, int], "JSON, {state: count}"),
    "oracle_transition": _json(_MATRIX, "JSON, rows of numbers from 0 to 1"),
}
EPOCH_RULES: dict[str, Rule] = {
    "phase": _among(get_args(Stage)),
    "split_state": _among(get_args(SplitState)),
    **dict.fromkeys(("epoch", "samples", "classes_without_labelled"), _COUNT),
    "seconds": _SECONDS,
    **dict.fromkeys(
        (
            *("val_acc", "val_acc_a", "val_acc_b", "labelled_fraction", "threshold"),
            *("oracle_test_acc", "oracle_test_acc_a", "oracle_test_acc_b", "oracle_test_top5", "oracle_test_ece"),
            *("oracle_test2_acc", "oracle_test2_top5", "oracle_split_auc", "oracle_split_precision"),
            *("oracle_split_recall", "oracle_split_recall_min", "oracle_memorised"),
        ),
        _SHARE,
    ),
}
"""Rules for the columns of epochs. Losses have none, since a training may diverge."""


def _check(table: pa.Table, rules: Mapping[str, Rule]) -> None:
    for field in table.schema:
        column = table[field.name]
        if field.name in rules:
            holds, words = rules[field.name]
            good = pc.fill_null(holds(column), True)
            if pa.types.is_floating(field.type):  # NaN is how a missing number was written once
                good = pc.or_(good, pc.is_nan(pc.fill_null(column, float("nan"))))
            if (bad := pc.index(good, False).as_py()) >= 0:
                raise ValueError(_fault(table, field.name, bad, words))
        required = pa.types.is_integer(field.type) or pa.types.is_string(field.type)
        if required and column.null_count and not field.name.startswith("param/"):
            bad = pc.index(pc.is_null(column), True).as_py()
            raise ValueError(_fault(table, field.name, bad, "a value in each row"))


def _fault(table: pa.Table, column: str, row: int, words: str) -> str:
    trial = table["trial"][row].as_py() if "trial" in table.column_names else None
    of = "" if trial is None or column == "trial" else f" of {shortened(trial)}"
    return f"{column}{of} is {_cell(table[column][row])}; allowed: {words}"


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    found, kind = column.type, field.type
    if pa.types.is_dictionary(found):
        found = found.value_type
    same = (
        pa.types.is_null(found)
        or found == kind
        or (pa.types.is_floating(kind) and (pa.types.is_floating(found) or pa.types.is_integer(found)))
        or (pa.types.is_floating(kind) and pa.types.is_boolean(found) and field.name.startswith("param/"))
        or (pa.types.is_integer(kind) and pa.types.is_integer(found))
        or (pa.types.is_string(kind) and _is_text(found))
        or (pa.types.is_timestamp(kind) and pa.types.is_timestamp(found))
    )
    try:
        if same:
            return column.cast(kind)
    except pa.ArrowException:
        pass
    raise ValueError(f"column {field.name} holds {column.type!s:.60}; allowed: {kind}")


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _require_distinct(names: list[str], start: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{start} {shortened(name)}; allowed: one")
        seen.add(name)


def _cell(value: pa.Scalar) -> str:
    return shortened(json.dumps(value.as_py(), default=str))
