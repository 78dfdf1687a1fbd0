"""The files of a results folder as a format that travels: its version, and what each file must hold.

Every file is checked once, where it is read; a fault is a ValueError of one line: where in the file, and what is
allowed. study/records.py reads and writes the tables.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from codim.metrics import Phase as Stage
from codim.metrics import SplitState
from codim.shown import shortened
from study.dimensions import Dimension

SCHEMA_VERSION = "1"
"""Changes where a column vanishes or means something else. A new column leaves it: older tables have its default."""
VERSION_KEY = "schema"
"""Of the version, in spec.json and environment.json; files without it are of version 1."""
METADATA_KEY = b"codim_schema"
"""Of the version, in the metadata of a table."""
Status = Literal["running", "complete", "pruned", "failed"]
Phase = Literal["search", "confirm"]

ADDED = {"phase": "search", "setting": "", "constraints": "{}", "shared_samples": 0}
"""Columns of the table of trials that its first version lacked, with what they held then."""
LARGEST = 2**53
"""Of a count: above it a floating point number no longer tells two of them apart."""
LONGEST_HOURS = 1e6
_ROUNDING = 1e-6
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_TRIAL = r"(?:[^/\\\pC]*[^/\\\pC\d])?\d{1,9}"


Name = Annotated[str, Field(pattern=r"^[^\p{C}]{1,200}$")]
"""What stands in tables, figures and on terminals: without control characters."""
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Share = Annotated[float, Field(ge=0, le=1)]
Hours = Annotated[float, Field(ge=0, le=LONGEST_HOURS)]
SettingPath = Annotated[str, Field(pattern=r"^[^\p{C}]*/[^\p{C}]*$")]
Settings = dict[str, dict[str, Any] | str]
"""{section: {setting: value}}, and `method`."""


class _Part(BaseModel):
    """A part of a JSON file: what is read of it; what else it holds may be anything."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class _Condition(_Part):
    id: Name
    kind: str = ""
    rate: Share = 0.0
    include_true: bool = True
    map: str = ""


class _Objective(_Part):
    metric: Literal["val_acc", "val_acc_a", "val_acc_b"] = "val_acc"
    reduction: Annotated[str, Field(pattern=r"^mean_last_[1-9]\d{0,4}$")] = "mean_last_5"
    cost: Literal["seconds"] | None = None


class _Budget(_Part):
    trials_per_condition: Annotated[int, Field(ge=1, le=100_000)] = 1
    samples: Count = 0


class _Data(_Part):
    subset: Count = 0


class _Config(_Part):
    data: _Data = _Data()


class Spec(_Part):
    """spec.json, as far as it is read again."""

    name: Name = ""
    conditions: Annotated[list[_Condition], Field(min_length=1, max_length=1000)]
    space: Annotated[dict[SettingPath, Dimension], Field(max_length=1000)]
    baselines: dict[Name, Settings] = {}
    fixed: Settings = {}
    objective: _Objective = _Objective()
    budget: _Budget = _Budget()
    data: str = ""
    config: _Config = _Config()


class _Forecast(_Part):
    trials: Count = 0
    hours: Hours = 0.0
    concurrent: Count = 1
    samples: Count = 0
    price_per_hour: Annotated[float, Field(ge=0, le=1e12)] = 0.0
    expected_hours: Hours = 0.0
    expected_samples: Count = 0


class _Start(_Part):
    at: str
    hours: Hours | None


class Environment(_Part):
    """environment.json, as far as it is read again."""

    versions: dict[str, str] = {}
    cpus: Count = 0
    started: str = ""
    forecast: _Forecast = _Forecast()
    validation_images: Count = 0
    training_images: Count = 0
    classes: Count = 0
    rungs: dict[str, list[Count]] = {}
    starts: list[_Start] = []


def read_json(path: Path, model: type[Spec] | type[Environment]) -> dict[str, Any]:
    """The content of such a file; empty where it is not there. Raises ValueError: it is damaged, or of a version that
    is not known here."""
    if not path.exists():
        return {}
    try:
        text = path.read_bytes()
        content = TypeAdapter(dict[str, Any]).validate_json(text)
        _require_version(content.get(VERSION_KEY, SCHEMA_VERSION))
        model.model_validate_json(text)
    except OtherVersion as error:
        raise OtherVersion(f"{path} has {error}") from None
    except ValidationError as error:
        raise ValueError(f"{path} is damaged ({_first(error)}); restore it from a copy") from None
    return content


class OtherVersion(ValueError):
    """The file is sound, and of a version that is not known here."""


def _require_version(found: object) -> None:
    if str(found) != SCHEMA_VERSION:
        raise OtherVersion(f"schema version {shortened(found)}; this version of the project reads {SCHEMA_VERSION}")


def checked_trials(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table of trials in the columns and types of `schema`, then those of its settings (`param/...`).

    Raises:
        ValueError: names the column, the trial where it is one's, and what is allowed.
    """
    _require_version((table.schema.metadata or {}).get(METADATA_KEY, b"none").decode(errors="replace"))
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
    """Check that the settings that the study searched in a range are numbers. Raises ValueError."""
    for path, dimension in spec.get("space", {}).items():
        column = f"param/{path}"
        if dimension["type"] != "categorical" and column in table.column_names and _is_text(table[column].type):
            raise ValueError(f"{column} holds text; allowed: numbers, as space -> {path} of spec.json says")


def checked_epochs(table: pa.Table, trials: Iterable[str]) -> pa.Table:
    """Epochs of these trials, in columns of their schema. Raises ValueError as `checked_trials`."""
    _check(table, {name: rule for name, rule in EPOCH_RULES.items() if name in table.column_names})
    if "trial" in table.column_names:
        if others := set(table["trial"].to_pylist()) - set(trials):
            raise ValueError(f"it holds epochs of {shortened(min(others))}, which belong into another file")
        if "epoch" in table.column_names:
            pairs = zip(table["trial"].to_pylist(), table["epoch"].to_pylist(), strict=True)
            _require_distinct([f"{trial}, {epoch}" for trial, epoch in pairs], "two rows of trial and epoch")
    return table


Rule = tuple[Callable[[pa.ChunkedArray], pa.ChunkedArray], str]
"""Which values are allowed, null being judged apart; and what they are, in words."""


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
        # Most trials of a condition share these texts.
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
"""Losses may be anything: a training may diverge."""


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


def _first(error: ValidationError) -> str:
    """The first fault in one line."""
    fault = error.errors(include_url=False, include_context=False)[0]
    place = " -> ".join(shortened(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "missing":
        return f"it has no {place}"
    if fault["type"] == "json_invalid":
        return message
    return f"{place or 'it'}: {message} (found {shortened(fault['input'])})"


def _cell(value: pa.Scalar) -> str:
    return shortened(json.dumps(value.as_py(), default=str))
