"""Counts of a data set before it is loaded, for the settings that are `auto`. Needs no torch."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import ValidationError

from codim.config.auto import AUTO, RULES, Counts, autos, resolved
from codim.config.data import DataConfig
from codim.config.datasets import IN_MEMORY, NOT_HERE, VECTORS_IN_MEMORY
from codim.config.train_config import explain, layered
from codim.data.embedding_files import read_labels
from codim.data.images.decode import FORMATS
from codim.data.own_files import OwnImages, own_images
from codim.section import Section

MEASURED = 100
"""Images whose size is read, spread over all."""


class _Data(Section):
    data: DataConfig


def with_counts(settings: Mapping[str, Any], gpu: bool) -> dict[str, Any]:
    """Return `codim.config.auto.resolved(settings)`; the data are only looked at if something is `auto`.

    Raises ValueError: `auto` where it is not possible, or data that cannot be counted.
    """
    if not autos(settings):
        return dict(settings)
    return resolved(settings, count_images(settings, gpu))


def count_images(settings: Mapping[str, Any], gpu: bool) -> Counts:
    """Count own images, of which only names and sizes are read; of other data sets return what is published. Raises
    ValueError as their loaders."""
    data = layered(settings).get("data", {})
    given = {name: value for name, value in data.items() if value != AUTO or f"data/{name}" not in RULES}
    try:
        config = _Data.model_validate({"data": given}).data
    except ValidationError as error:
        raise ValueError(explain(error)) from None
    if config.facts.own and config.facts.vectors:
        rows = read_labels(config.place, config.labels).rows
        train, val, side = len(rows["train"]), len(rows["val"]), 0
    elif config.facts.own:
        own = own_images(config)
        train, val, side = len(own.rows["train"]), len(own.rows["val"]), _side(own)
    else:
        if config.name in (IN_MEMORY, VECTORS_IN_MEMORY):
            raise ValueError(NOT_HERE)
        shape = config.facts.shape
        if shape is None:
            raise ValueError(f"data/name: the size of {config.name} is not known, so no setting of it can be 'auto'")
        train, val, side = shape.train, shape.val, shape.side
    train = min(config.subset or train, train)
    if config.validation == "official":
        return Counts(train + val, train, side, gpu)
    return Counts(train, train - round(config.val_fraction * train), side, gpu)


def side_of(shape: Sequence[int]) -> int:
    """Return the shorter side of images (C, H, W) in pixels; 0 for embeddings (D,)."""
    return min(shape[1:], default=0)


def _side(own: OwnImages) -> int:
    """Return the median of the images' shorter sides. Files that cannot be read are left to the decoder."""
    rows = own.rows["train"]
    sides = []
    for row in rows[:: max(1, len(rows) // MEASURED)]:
        try:
            with Image.open(Path(own.root, row.path), formats=FORMATS) as file:
                sides.append(min(file.size))
        except Exception:
            continue
    return int(statistics.median(sides)) if sides else 256
