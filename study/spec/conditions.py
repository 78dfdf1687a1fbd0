"""The noise conditions of a study: ids, order along the noise axis, and the effect of the noise on the labels."""

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
    """One noise condition of a study: an id and a kind of noise with its settings."""

    id: str
    """Identifier; it names files, so only letters, digits, dots, dashes and underscores."""
    noise: NoiseKind
    position: int
    """Index of the condition in the study file."""

    @property
    def rate(self) -> float:
        """Nominal noise rate; NaN where the labels come from a file."""
        return self.noise.nominal_rate

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, **self.noise.model_dump(mode="json")}


@dataclass(frozen=True)
class ConditionData:
    """Facts about a condition's data that the driver needs: image counts, classes and realised noise."""

    images: int
    """Images of the training and validation parts together."""
    training_images: int
    validation_images: int
    classes: int
    noise_rate: float
    """Realised share of wrong labels."""
    transition: list[list[float]] = field(repr=False)
    """Realised transition matrix (classes, classes); rows: true class."""
    trusted: int = 0
    """Labels of both parts that count as checked."""


def read_conditions(spec: StudySpec, source: Source, nominal: bool = False) -> list[Condition]:
    """Return the conditions along the noise axis: kinds in the order of the file, rates rising within each kind.
    `nominal`: label files may be missing, and true labels are used in their place. Raises SpecError."""
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
