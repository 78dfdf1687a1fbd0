"""Files of vectors (N, D), without torch: codim/data/embedding_files.py says what each format holds."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codim.runtime.progress_bar import progress
from codim.text.label_table import column_name
from codim.text.safe_text import printable

SUFFIXES = (".npy", ".npz", ".parquet")
OF_OBJECTS = ("Object arrays cannot be loaded", "Python objects in dtype")
"""Parts of numpy's messages about arrays that only unpickling would read."""
CHUNK_VALUES = 2**24
"""Numbers that are checked at a time."""


def read_vectors(path: Path) -> NDArray[Any]:
    """Return the embeddings (N, D); those of a .npy as a memory map.

    Raises:
        ValueError: the file cannot be read, or does not hold a matrix of finite numbers.
    """
    require_suffix(path)
    vectors = {".npy": mapped, ".npz": _npz_vectors, ".parquet": _parquet_vectors}[path.suffix.lower()](path)
    if vectors.ndim != 2 or not vectors.size or vectors.dtype.kind not in "fiu":
        raise ValueError(
            f"{printable(path)}: embeddings of shape {vectors.shape} and type {vectors.dtype}; allowed: numbers (N, D)"
        )
    _require_finite(path, vectors)
    return vectors


def require_suffix(path: Path) -> None:
    """Raise ValueError if the name is not that of a file of embeddings."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{printable(path)} is not a file of embeddings; allowed: {', '.join(SUFFIXES)}")


def finite_rows(vectors: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each row of (N, D) is finite in single precision, (N,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        # A sum in double precision is infinite or NaN only where a value is, and needs no array of as many flags.
        sums = vectors.astype(np.float32).sum(1, dtype=np.float64)
    return np.asarray(np.isfinite(sums))


def _require_finite(path: Path, vectors: NDArray[Any]) -> None:
    step = max(CHUNK_VALUES // vectors.shape[1], 1)
    with progress(f"checking {path}", len(vectors), "embeddings") as meter:
        for start in range(0, len(vectors), step):
            fine = finite_rows(vectors[start : start + step])
            if not fine.all():
                row = start + int(np.argmin(fine))
                raise ValueError(
                    f"{printable(path)}, row {row + 1}: an embedding with NaN, or a number that is infinite in single "
                    "precision; allowed: finite numbers"
                )
            meter.advance(step)


def mapped(path: Path) -> NDArray[Any]:
    """Open a .npy as a memory map. Raises ValueError."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(found, np.ndarray):  # an archive under the name of an array
        raise ValueError(f"{printable(path)} is not one array; name it .npz if it holds several")
    return found


def _npz(path: Path) -> dict[str, Any]:
    """Open the arrays of an archive by name; none is read yet."""
    try:
        archive = np.load(path, allow_pickle=False)
    except Exception as error:  # zipfile and numpy have half a dozen types for a damaged file
        raise _unreadable(path, error) from error
    if isinstance(archive, np.ndarray):
        raise ValueError(f"{printable(path)} is one array; name it .npy")
    return {"archive": archive, "names": {plain_name(name): name for name in archive.files}}


def npz_array(path: Path, name: str) -> NDArray[Any] | None:
    """Read an array of a .npz by its plain name; None if it is not there. Raises ValueError."""
    found = _npz(path)
    with found["archive"] as archive:
        if name not in found["names"]:
            return None
        try:
            array: NDArray[Any] = archive[found["names"][name]]
        except Exception as error:
            raise _unreadable(path, error, f", array {printable(found['names'][name])}") from error
    return array


def names_in(path: Path) -> str:
    """Return the names of the arrays of a .npz, or of the columns of a .parquet. Raises ValueError."""
    import pyarrow as pa  # few trainings need it
    import pyarrow.parquet

    if path.suffix.lower() == ".npz":
        return ", ".join(map(printable, _npz(path)["names"].values()))
    try:
        return ", ".join(map(printable, pyarrow.parquet.read_schema(path).names))
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def _npz_vectors(path: Path) -> NDArray[Any]:
    array = npz_array(path, "embedding")
    if array is None:
        raise ValueError(f"{printable(path)} has no array embeddings; found: {names_in(path)}")
    return array


def _parquet_vectors(path: Path) -> NDArray[np.float32]:
    import pyarrow as pa  # few trainings need it
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = {plain_name(name): name for name in file.schema_arrow.names}
            if "embedding" not in names:
                raise ValueError(f"{printable(path)} has no column embedding; found: {names_in(path)}")
            rows, vectors, done = file.metadata.num_rows, np.empty((0, 0), dtype=np.float32), 0
            for batch in file.iter_batches(columns=[names["embedding"]]):
                block = _block(path, batch.column(0), done)
                if not done:
                    vectors = np.empty((rows, block.shape[1]), dtype=np.float32)
                elif block.shape[1] != vectors.shape[1]:
                    raise _ragged(path, done, block.shape[1], vectors.shape[1])
                with np.errstate(over="ignore"):  # what becomes infinite is refused later, by its row
                    vectors[done : done + len(block)] = block
                done += len(block)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    return vectors


def _block(path: Path, lists: Any, start: int) -> NDArray[Any]:
    """Return a pyarrow array of lists of numbers as (n, D)."""
    import pyarrow.compute as pc

    if not hasattr(lists.type, "value_type"):
        raise ValueError(f"{printable(path)}: embedding is {lists.type}; allowed: a list of numbers in each row")
    if lists.null_count:
        row = int(np.argmax(lists.is_null().to_numpy(zero_copy_only=False)))
        raise ValueError(f"{printable(path)}, row {start + row + 1}: embedding is missing")
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    if (other := np.flatnonzero(lengths != lengths[0])).size:
        raise _ragged(path, start + int(other[0]), int(lengths[other[0]]), int(lengths[0]))
    values = lists.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values).reshape(len(lists), int(lengths[0]))


def _ragged(path: Path, row: int, length: int, wanted: int) -> ValueError:
    return ValueError(f"{printable(path)}, row {row + 1}: an embedding of {length} numbers, those before have {wanted}")


def plain_name(name: str) -> str:
    """Return the name of an array or column without an s at the end."""
    return column_name(name).removesuffix("s")


def _unreadable(path: Path, error: Exception, array: str = "") -> ValueError:
    if any(said in str(error) for said in OF_OBJECTS):
        return ValueError(
            f"{printable(path)}{array} holds Python objects, which are not read; allowed: numbers or text, as "
            ".astype(str) makes of them"
        )
    return ValueError(f"{printable(path)}{array} cannot be read: {printable(error)}")
