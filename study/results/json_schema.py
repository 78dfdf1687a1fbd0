"""Schema of the JSON files of a results folder: its version, and the required content of each file.

Every file is checked once, when it is read; a fault raises a ValueError of one line with the place in the file and what
is allowed. For the tables see study/results/table_schema.py.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from codim.text.safe_text import shortened
from study.dimensions.types import AnyDimension

SCHEMA_VERSION = "1"
"""Schema version; changes if a column is removed or changes meaning. A new column has a default in old tables."""
VERSION_KEY = "schema"
"""Key of the version in spec.json and environment.json; files without it have version 1."""
Status = Literal["running", "complete", "pruned", "failed"]
Phase = Literal["search", "confirm"]

LARGEST = 2**53
"""Largest count: above it, floating-point numbers cannot represent every integer."""
LONGEST_HOURS = 1e6

Name = Annotated[str, Field(pattern=r"^[^\p{C}]{1,200}$")]
"""Name in tables, figures and terminals: 1 to 200 characters, without control characters."""
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Share = Annotated[float, Field(ge=0, le=1)]
Hours = Annotated[float, Field(ge=0, le=LONGEST_HOURS)]
SettingPath = Annotated[str, Field(pattern=r"^[^\p{C}]*/[^\p{C}]*$")]
Settings = dict[str, dict[str, Any] | str]
"""Settings of trials: {section: {setting: value}}, and optionally `method`."""


class _Part(BaseModel):
    """A part of a JSON file: the entries that are read; further entries are allowed and ignored."""

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
    """The entries of spec.json that are read again."""

    name: Name = ""
    conditions: Annotated[list[_Condition], Field(min_length=1, max_length=1000)]
    space: Annotated[dict[SettingPath, AnyDimension], Field(max_length=1000)]
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
    """The entries of environment.json that are read again."""

    versions: dict[str, str] = {}
    cpus: Count = 0
    started: str = ""
    forecast: _Forecast = _Forecast()
    validation_images: Count = 0
    training_images: Count = 0
    classes: Count = 0
    trusted: Count = 0
    rungs: dict[str, list[Count]] = {}
    starts: list[_Start] = []


def read_json(path: Path, model: type[Spec] | type[Environment]) -> dict[str, Any]:
    """Read and check spec.json or environment.json; return {} if it is missing. Raises ValueError if it is damaged, or
    its version is unknown."""
    if not path.exists():
        return {}
    try:
        text = path.read_bytes()
        content = TypeAdapter(dict[str, Any]).validate_json(text)
        require_version(content.get(VERSION_KEY, SCHEMA_VERSION))
        model.model_validate_json(text)
    except OtherVersion as error:
        raise OtherVersion(f"{path} has {error}") from None
    except ValidationError as error:
        raise ValueError(f"{path} is damaged ({_first(error)}); restore it from a copy") from None
    return content


class OtherVersion(ValueError):
    """The file is intact, but its schema version is unknown."""


def require_version(found: object) -> None:
    if str(found) != SCHEMA_VERSION:
        raise OtherVersion(f"schema version {shortened(found)}; this version of the project reads {SCHEMA_VERSION}")


def _first(error: ValidationError) -> str:
    """Return the first fault of a validation, in one line."""
    fault = error.errors(include_url=False, include_context=False)[0]
    place = " -> ".join(shortened(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "missing":
        return f"it has no {place}"
    if fault["type"] == "json_invalid":
        return message
    return f"{place or 'it'}: {message} (found {shortened(fault['input'])})"
