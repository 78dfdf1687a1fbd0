"""The noise conditions of a study: ids, order along the noise axis, and what the noise did to the labels."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from codim.noise.base import NOMINAL, NoiseKind, NoNoise
from codim.noise.kinds import NOISE_ADAPTER, NOISE_KINDS
from study.errors import SpecError
from study.spec.study_spec import StudySpec
from study.spec.yaml_file import Source


@dataclass(frozen=True)
class Condition:
    """One noise condition."""

    id: str
    """Names files, so: letters, digits, dots, dashes, underscores."""
    noise: NoiseKind
    position: int
    """Place in the study file."""

    @property
    def rate(self) -> float:
        """Nominal rate; NaN where the labels come from a file."""
        return self.noise.nominal_rate

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, **self.noise.model_dump(mode="json")}


@dataclass(frozen=True)
class ConditionData:
    """What the driver needs of a condition's data; counts of images."""

    images: int
    """Training and validation part together."""
    training_images: int
    validation_images: int
    classes: int
    noise_rate: float
    """Realised share of wrong labels."""
    transition: list[list[float]] = field(repr=False)
    """Realised transition matrix; rows: true class."""


def read_conditions(spec: StudySpec, source: Source, nominal: bool = False) -> list[Condition]:
    """The conditions along the noise axis: kinds as they stand in the file, rising rates within each. `nominal`: a
    label file need not be here, true labels stand for it. Raises SpecError."""
    found = [_read(entry, position, source, nominal) for position, entry in enumerate(spec.conditions)]
    kinds = list(dict.fromkeys(noise.kind for _, noise in found))
    for position, (name, _) in enumerate(found):
        if name in [other for other, _ in found[:position]]:
            raise source.error(("conditions", position), f"conditions: id {name!r} is taken; give each its own `id`")
    axis = sorted(range(len(found)), key=lambda i: (kinds.index(found[i][1].kind), getattr(found[i][1], "rate", 0.0)))
    return [Condition(*found[position], position) for position in axis]


def _read(entry: Mapping[str, Any], position: int, source: Source, nominal: bool) -> tuple[str, NoiseKind]:
    settings = dict(entry)
    name = settings.pop("id", None)
    if isinstance(settings.get("path"), str):
        settings["path"] = source.beside(settings["path"])
    try:
        noise = NOISE_ADAPTER.validate_python(settings, context=NOMINAL if nominal else None)
    except ValidationError as error:
        raise _located(error, settings, position, source) from None
    name = noise.label if name is None else name
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", name):
        at, wanted = ("conditions", position, "id"), "1 to 40 letters, digits, dots, dashes or underscores"
        raise source.error(at, f"conditions -> {position} -> id: {name!r}; allowed: {wanted}")
    return name, noise if noise.draws_labels or not nominal else NoNoise()


def _located(error: ValidationError, entry: Mapping[str, Any], position: int, source: Source) -> SpecError:
    fault = error.errors(include_url=False)[0]
    where = " -> ".join(map(str, ("conditions", position, *fault["loc"])))
    message = f"{where}: {fault['msg'].removeprefix('Value error, ')} (found {fault['input']!r})"
    if fault["type"] == "extra_forbidden":
        message = f"{where}: unknown setting; allowed: {', '.join(NOISE_KINDS[entry['kind']].model_fields)}"
    elif fault["type"] == "unknown_tag":
        message = f"{where}: {fault['msg']}"
    return source.error(("conditions", position, *fault["loc"]), message)
