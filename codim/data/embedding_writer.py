"""Files of embeddings as codim/data/embedding_files.py reads them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codim.data.embedding_files import read_ids, read_labels
from codim.data.vector_files import read_vectors
from codim.text.safe_text import printable

Texts = NDArray[np.str_]


class Beside(NamedTuple):
    """Everything about N embeddings but the numbers, as text (N,); None where it is not known."""

    ids: Texts
    labels: Texts | None = None
    split: Texts | None = None
    trusted: Texts | None = None
    """yes or no: whether somebody has checked the label."""


def labels_beside(path: Path) -> Path | None:
    """Return the table of labels that belongs to a .npy, which holds none; None for other files."""
    return path.with_suffix(".labels.parquet") if path.suffix.lower() == ".npy" else None


def write_embeddings(path: Path, labels: Path | None, vectors: NDArray[np.float32], beside: Beside) -> None:
    """Write embeddings (N, D) and what is known of them, in the format that the ending of `path` names, and read them
    again.

    Args:
        labels: file for all but the numbers, if `path` is a .npy.
    Raises:
        ValueError: the files are refused when they are read, or hold something else: a number is not finite, an image
            is in two parts, or a disk is at fault.
    """
    suffix = path.suffix.lower()
    known = {name: values for name, values in beside._asdict().items() if values is not None}
    if suffix == ".npz":
        np.savez(path, embeddings=vectors, **known)
    elif suffix == ".npy":
        np.save(path, vectors)
    if labels is not None or suffix == ".parquet":
        _write_table(labels or path, None if labels else vectors, known)
    same = np.array_equal(read_vectors(path), vectors)
    if beside.labels is not None:
        found = read_labels(path, labels)
        same &= np.array_equal(np.array(found.classes)[found.labels], beside.labels)
    elif suffix != ".npy":
        ids = read_ids(path)
        same &= ids is not None and np.array_equal(ids, beside.ids)
    if not same:
        raise ValueError(f"{printable(path)} does not hold what was written to it")


def _write_table(path: Path, vectors: NDArray[np.float32] | None, known: dict[str, Texts]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name.removesuffix("s"): pa.array(values.tolist(), pa.string()) for name, values in known.items()}
    if vectors is not None:
        lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        columns = {"embedding": lists} | columns
    pq.write_table(pa.table(columns), path)
