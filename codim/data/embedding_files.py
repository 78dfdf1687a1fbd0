"""Files of embeddings, and their labels, parts and ids, without torch.

A file is one of

    .npy        the embeddings (N, D), which stay on disk and are memory-mapped; their labels in `data/labels`
    .npz        arrays `embeddings` (N, D), `labels` (N,), and optionally `split` and `ids` (N,)
    .parquet    columns `embedding` (a list of D numbers), `label`, and optionally `split` and `id`

in whose names an s at the end does not count. `data/labels` is a .csv or .parquet table with the columns `label`,
optionally `split` and `id`, or a .npy of labels, one for each embedding in the same order; it takes precedence over
labels in the file. Nothing in a file is executed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from codim.data.own_files import in_order
from codim.runtime.progress_bar import progress
from codim.text.label_table import column_name, read_columns
from codim.text.parts import PARTS, Part, part_of
from codim.text.safe_text import class_name, printable, shortened

SUFFIXES = (".npy", ".npz", ".parquet")
CHUNK_VALUES = 2**24
"""Numbers that are checked at a time."""

Texts = NDArray[np.str_]
Rows = NDArray[np.int64]


class EmbeddingLabels(NamedTuple):
    """Everything about a file of embeddings but the embeddings."""

    classes: tuple[str, ...]
    """Names of the training part's labels; numerically sorted if all are whole numbers."""
    labels: Rows
    """Number of each embedding's class, (N,)."""
    rows: dict[Part, Rows]
    """Positions of each part's embeddings in the file."""
    ids: Texts | None
    """Id of each embedding, (N,), if there are any."""


def is_embedding_file(path: Path) -> bool:
    """Whether the name is that of a file of embeddings."""
    return path.suffix.lower() in SUFFIXES


def read_labels(path: Path, labels: Path | None) -> EmbeddingLabels:
    """Read the labels of the embeddings in `path`, from the file `labels` if it is given.

    Raises:
        ValueError: a file cannot be read, labels are missing or do not fit the embeddings, there are fewer than two
            classes, a part has a class that the training part lacks, an id is in two parts, or the ids of the two files
            differ.
    """
    beside = _columns(path, ("label", "split", "id"))
    place = path
    columns = beside
    if labels is not None:
        place, columns = labels, _label_columns(labels)
        _require_same_order(path, beside.get("id"), labels, columns.get("id"))
        columns = {name: beside[name] for name in ("id", "split") if name in beside} | columns
    if "label" not in columns:
        raise ValueError(
            f"{printable(path)} holds no labels; give data/labels, a .csv or .parquet table with the column label, a "
            "row for each embedding"
        )
    given = columns["label"]
    for name, values in columns.items():
        if len(values) != len(given):
            raise ValueError(f"{printable(place)}: {len(given)} labels, but {len(values)} values of {name}")
    if (empty := np.flatnonzero(given == "")).size:
        raise ValueError(f"{printable(place)}, row {empty[0] + 1}: label is empty")
    part_rows = _rows_by_part(place, columns.get("split"), len(given))
    _require_one_part(place, columns.get("id"), part_rows)
    return EmbeddingLabels(*_classes(place, given, part_rows), part_rows, columns.get("id"))


def read_vectors(path: Path) -> NDArray[Any]:
    """Return the embeddings (N, D); those of a .npy as a memory map.

    Raises:
        ValueError: the file cannot be read, or does not hold a matrix of finite numbers.
    """
    read = {".npy": _mapped, ".npz": _npz_vectors, ".parquet": _parquet_vectors}.get(path.suffix.lower())
    if read is None:
        raise ValueError(f"{printable(path)} is not a file of embeddings; allowed: {', '.join(SUFFIXES)}")
    vectors = read(path)
    if vectors.ndim != 2 or not vectors.size or vectors.dtype.kind not in "fiu":
        raise ValueError(
            f"{printable(path)}: embeddings of shape {vectors.shape} and type {vectors.dtype}; allowed: numbers (N, D)"
        )
    _require_finite(path, vectors)
    return vectors


def read_ids(path: Path) -> Texts | None:
    """Return the ids (N,) in a file of embeddings, if it has any. Raises ValueError."""
    return _columns(path, ("id",)).get("id")


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


def _mapped(path: Path) -> NDArray[Any]:
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
    return {"archive": archive, "names": {_plain(name): name for name in archive.files}}


def _npz_array(path: Path, name: str) -> NDArray[Any] | None:
    found = _npz(path)
    with found["archive"] as archive:
        if name not in found["names"]:
            return None
        try:
            array: NDArray[Any] = archive[found["names"][name]]
        except Exception as error:
            raise _unreadable(path, error) from error
    return array


def _npz_vectors(path: Path) -> NDArray[Any]:
    array = _npz_array(path, "embedding")
    if array is None:
        names = ", ".join(map(printable, _npz(path)["names"].values()))
        raise ValueError(f"{printable(path)} has no array embeddings; found: {names}")
    return array


def _parquet_vectors(path: Path) -> NDArray[np.float32]:
    import pyarrow as pa  # few trainings need it
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = {_plain(name): name for name in file.schema_arrow.names}
            if "embedding" not in names:
                found = ", ".join(map(printable, names.values()))
                raise ValueError(f"{printable(path)} has no column embedding; found: {found}")
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


def _columns(path: Path, names: tuple[str, ...]) -> dict[str, Texts]:
    """Read columns of text beside the embeddings, those that are there."""
    if path.suffix.lower() == ".npz":
        found = {name: _npz_array(path, name) for name in names}
        return {name: _texts(path, name, array) for name, array in found.items() if array is not None}
    if path.suffix.lower() == ".parquet":
        optional = [*names, *(f"{name}s" for name in names)]
        return _singular(path, read_columns(path, (), optional))
    return {}


def _label_columns(path: Path) -> dict[str, Texts]:
    if path.suffix.lower() == ".npy":
        return {"label": _texts(path, "label", _mapped(path))}
    return _singular(path, read_columns(path, (), ("label", "labels", "split", "id", "ids")))


def _singular(path: Path, columns: Mapping[str, list[str]]) -> dict[str, Texts]:
    named = {_plain(name): np.array(values, dtype=str) for name, values in columns.items()}
    if len(named) < len(columns):
        raise ValueError(f"{printable(path)}: two of the columns {', '.join(columns)} are the same; allowed: one")
    return named


def _plain(name: str) -> str:
    return column_name(name).removesuffix("s")


def _texts(path: Path, name: str, array: NDArray[Any]) -> Texts:
    """Return (N,) whole numbers, booleans or text as text."""
    if array.ndim != 1 or array.dtype.kind not in "iubU":
        raise ValueError(
            f"{printable(path)}: {name} of shape {array.shape} and type {array.dtype}; allowed: (N,), whole numbers or "
            "text"
        )
    values, place = np.unique(array, return_inverse=True)
    return np.asarray(np.array([str(value).strip() for value in values.tolist()])[place])


def _require_same_order(path: Path, own: Texts | None, labels: Path, given: Texts | None) -> None:
    if own is None or given is None:
        return
    if len(own) != len(given):
        raise ValueError(f"{printable(labels)} has {len(given)} rows, {printable(path)} {len(own)} embeddings")
    if (differ := np.flatnonzero(own != given)).size:
        row = int(differ[0])
        raise ValueError(
            f"{printable(labels)}, row {row + 1}: id {shortened(given[row])!r}, but {printable(path)} has "
            f"{shortened(own[row])!r} there ({differ.size} differ); allowed: the same ids in the same order"
        )


def _rows_by_part(place: Path, split: Texts | None, count: int) -> dict[Part, Rows]:
    if split is None:
        return {"train": np.arange(count), "val": np.arange(0), "test": np.arange(0)}
    words, which = np.unique(split, return_inverse=True)
    parts = [part_of(word) for word in words.tolist()]
    if None in parts:
        unknown = parts.index(None)
        row = int(np.argmax(which == unknown)) + 1
        raise ValueError(
            f"{printable(place)}, row {row}: split is {shortened(words[unknown])!r}; allowed: {', '.join(PARTS)}"
        )
    number = np.array([PARTS.index(part) for part in parts if part])[which]
    return {part: np.flatnonzero(number == k) for k, part in enumerate(PARTS)}


def _require_one_part(place: Path, ids: Texts | None, rows: Mapping[Part, Rows]) -> None:
    if ids is None:
        return
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        if (both := np.intersect1d(ids[rows[first]], ids[rows[second]])).size:  # type: ignore[index]
            raise ValueError(f"{printable(place)}: id {shortened(both[0])!r} is in 2 parts; allowed: one")


def _classes(place: Path, given: Texts, rows: Mapping[Part, Rows]) -> tuple[tuple[str, ...], Rows]:
    names, number = np.unique(given, return_inverse=True)
    plain = [class_name(name) for name in names.tolist()]
    classes = tuple(in_order({plain[k] for k in np.unique(number[rows["train"]]).tolist()}))
    if len(classes) < 2:
        shown = [printable(name) for name in classes]
        raise ValueError(
            f"{printable(place)}: the training part has {len(classes)} classes {shown}; allowed: 2 or more"
        )
    place_of = {name: k for k, name in enumerate(classes)}
    if unknown := [name for name in plain if name not in place_of]:
        raise ValueError(f"{printable(place)}: no training embedding has the label {shortened(unknown[0])!r}")
    return classes, np.array([place_of[name] for name in plain], dtype=np.int64)[number]


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{printable(path)} cannot be read: {printable(error)}")
