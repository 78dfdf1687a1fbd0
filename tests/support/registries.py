"""Registries that forget, after a test, whatever it registered."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from codim.config.datasets import DATASET_FACTS
from codim.config.mixmatch import TERM_NAMES
from codim.config.network import ENCODER_FACTS
from codim.data.load import DATASETS
from codim.models.encoders import ENCODERS
from codim.noise.kinds import NOISE_KINDS
from codim.training import cssl
from study.dimensions.types import DIMENSION_TYPES


@contextmanager
def restored() -> Iterator[None]:
    """Restore all registries at the end of the context."""
    tables: tuple[dict[str, Any], ...] = (
        NOISE_KINDS,
        DATASETS,
        DATASET_FACTS,
        ENCODERS,
        ENCODER_FACTS,
        DIMENSION_TYPES,
        cssl._TERMS,
    )
    before, terms = [dict(table) for table in tables], set(TERM_NAMES)
    try:
        yield
    finally:
        TERM_NAMES.intersection_update(terms)
        for table, content in zip(tables, before, strict=True):
            table.clear()
            table.update(content)
