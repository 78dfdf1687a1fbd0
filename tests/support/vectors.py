"""Made embeddings, and the files that hold them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

NAMES = np.array(["ant", "bee", "cat"])
DIM = 6


def blobs(count: int, seed: int = 0, spread: float = 1.0) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Embeddings (N, DIM) around a centre per class, and their labels (N,)."""
    rng = np.random.default_rng(seed)
    centres = 4 * np.eye(len(NAMES), DIM) + 5
    number = np.arange(count) % len(NAMES)
    return (centres[number] + spread * rng.normal(size=(count, DIM))).astype(np.float32), NAMES[number]


def save(path: Path, vectors: NDArray[Any], **columns: Any) -> Path:
    """Write embeddings and columns beside them (label, split, id) in the format of the suffix."""
    if path.suffix == ".npz":
        np.savez(path, embeddings=vectors, **{f"{name}s": np.asarray(values) for name, values in columns.items()})
    elif path.suffix == ".parquet":
        pq.write_table(pa.table({"embedding": [*vectors], **{n: pa.array(v) for n, v in columns.items()}}), path)
    else:
        np.save(path, vectors)
        if columns:
            pq.write_table(pa.table({name: pa.array(v) for name, v in columns.items()}), beside(path))
    return path


def beside(path: Path) -> Path:
    """The file of the labels of a .npy."""
    return path.with_suffix(".labels.parquet")


def settings(path: Path, **data: Any) -> dict[str, Any]:
    """The section `data` for a file that `save` wrote."""
    labels = {"labels": str(beside(path))} if beside(path).exists() else {}
    return {"name": "embeddings", "root": str(path)} | labels | data
