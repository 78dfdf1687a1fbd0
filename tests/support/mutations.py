"""Results folders that were damaged: one change each to one file, drawn from a seed."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DEEP = "[" * 5000 + "]" * 5000
ODD = ["null", '"text"', '""', "-1", "0.5", "1e308", "1" + "0" * 30, "1" + "0" * 5000, "true", "[]", "{}", "[[null]]"]
ODD += ["NaN", "Infinity", '"\\ud800"', '"<script>"', '"../../x"', '{"a": {"a": null}}', DEEP]
"""JSON values in place of others."""
CELLS: list[tuple[pa.DataType, Any]] = [
    (pa.null(), None),
    (pa.string(), "text"),
    (pa.string(), "../../x"),
    (pa.string(), "\x1b[2J\n"),
    (pa.string(), '{"a": null}'),
    (pa.string(), DEEP),
    (pa.binary(), b"\xff\x00"),
    (pa.bool_(), True),
    (pa.int64(), -1),
    (pa.int64(), 2**62),
    (pa.uint64(), 2**64 - 1),
    (pa.float64(), 1e308),
    (pa.float64(), float("inf")),
    (pa.float64(), float("nan")),
    (pa.float64(), -3.5),
    (pa.list_(pa.int32()), [1, -2]),
    (pa.timestamp("us", tz="UTC"), datetime(9999, 1, 1, tzinfo=UTC)),
    (pa.timestamp("s"), datetime(1, 1, 1)),
]


class Mutation(NamedTuple):
    name: str
    root: Path


def mutations(whole: Path, scratch: Path, count: int, seed: int = 0) -> Iterator[Mutation]:
    """`count` copies of a results folder in turn, each with one change; the next one takes the place of the last."""
    rng = np.random.default_rng(seed)
    kinds: list[Callable[[Path, np.random.Generator], str]] = [of_json, of_json, of_cells, of_cells, of_rows, of_bytes]
    for number in range(count):
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(whole, scratch, ignore=shutil.ignore_patterns("report"))
        name = kinds[number % len(kinds)](scratch, rng)
        yield Mutation(f"{number}: {name}", scratch)


def of_json(root: Path, rng: np.random.Generator) -> str:
    """One value of a JSON file, at any depth, is another or missing."""
    path = root / str(rng.choice(["spec.json", "spec.json", "environment.json"]))
    content = json.loads(path.read_text())
    place, at = content, []
    while True:
        key = (list(place) if isinstance(place, dict) else range(len(place)))[rng.integers(len(place))]
        at.append(str(key))
        if not isinstance(place[key], dict | list) or not place[key] or rng.random() < 0.4:
            break
        place = place[key]
    odd = str(rng.choice([*ODD, ""]))
    if odd:
        place[key] = "@@"
        path.write_text(json.dumps(content).replace('"@@"', odd))
    else:
        del place[key]
        path.write_text(json.dumps(content))
    return f"{path.name}: {' -> '.join(at)} = {odd[:30] or 'missing'}"


def of_cells(root: Path, rng: np.random.Generator) -> str:
    """A column of a table has another type, or one of its cells is odd."""
    path = _table(root, rng)
    table = pq.read_table(path)
    name = str(rng.choice(table.column_names))
    kind, value = CELLS[rng.integers(len(CELLS))]
    place = table.column_names.index(name)
    values: list[Any] = table[name].to_pylist()
    whole = rng.random() < 0.5
    if whole or not values:
        column, what = pa.array([value] * len(table), kind), f"all {value!r:.20} ({kind})"
    else:
        row = int(rng.integers(len(values)))
        try:
            column = pa.array([*values[:row], value, *values[row + 1 :]], table.schema.field(name).type)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            column = pa.array([None if i == row else v for i, v in enumerate(values)], table.schema.field(name).type)
            value = None
        what = f"row {row} {value!r:.20}"
    _write(table.set_column(place, name, column), path, table)
    return f"{path.name}: {name} {what}"


def of_rows(root: Path, rng: np.random.Generator) -> str:
    """Rows, columns or the version of a table are other ones."""
    path = _table(root, rng)
    table = pq.read_table(path)
    how = str(rng.choice(["twice", "none", "column missing", "column twice", "shuffled", "version", "no metadata"]))
    changed, names = table, table.column_names
    at = int(rng.integers(len(names)))
    if how == "twice":
        changed = pa.concat_tables([table, table.slice(int(rng.integers(max(len(table), 1))), 1)])
    elif how == "none":
        changed = table.slice(0, 0)
    elif how == "column missing":
        changed = table.remove_column(at)
    elif how == "column twice":
        changed = table.append_column(names[at], table[at])
    elif how == "shuffled":
        changed = table.take(rng.permutation(len(table))).select(rng.permutation(names))
    elif how == "version":
        changed = table.replace_schema_metadata({"codim_schema": str(rng.choice(["0", "2", "x" * 500, "\x1b"]))})
    _write(changed, path, None if how in ("version", "no metadata") else table)
    if how == "no metadata":
        _write(table.replace_schema_metadata(None), path, None)
    return f"{path.name}: {how} {names[at] if 'column' in how else ''}"


def of_bytes(root: Path, rng: np.random.Generator) -> str:
    """A file was cut, has other bits, or is another one."""
    path = root / "spec.json" if (draw := rng.random()) < 0.2 else root / "environment.json" if draw < 0.3 else None
    path = path or _table(root, rng)
    how = str(rng.choice(["cut", "bits", "empty", "zeros", "folder", "other", "utf-16"]))
    data = path.read_bytes()
    if how == "cut":
        path.write_bytes(data[: int(rng.integers(len(data)))])
    elif how == "bits":
        bits = bytearray(data)
        for place in rng.integers(len(data), size=8):
            bits[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(bits))
    elif how in ("empty", "zeros"):
        path.write_bytes(b"" if how == "empty" else bytes(len(data)))
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "other":
        path.write_bytes(_table(root, rng).read_bytes())
    else:
        path.write_text(data.decode(errors="replace"), encoding="utf-16")
    return f"{path.name}: {how}"


def _table(root: Path, rng: np.random.Generator) -> Path:
    if rng.random() < 0.6:
        return root / "trials.parquet"
    return Path(rng.choice(sorted((root / "epochs").iterdir())))


def _write(table: pa.Table, path: Path, like: pa.Table | None) -> None:
    pq.write_table(table.replace_schema_metadata(like.schema.metadata) if like is not None else table, path)
