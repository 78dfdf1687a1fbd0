"""Readers of label tables, CSV or Parquet: text stays text, whatever it looks like.

Column names are compared without byte order mark, surrounding blanks and case. Columns that are not asked for are
ignored. Imports neither torch nor pandas.
"""

import csv
import math
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from codim.text.parts import PARTS, Part, part_of
from codim.text.safe_text import class_name, printable
from codim.text.yes_no import NO, YES, yes

SUFFIXES = (".csv", ".parquet")


class Row(NamedTuple):
    """One image and its label."""

    path: str
    label: str
    part: Part
    number: int = 0
    """Row number in the table, 1: the first below the header; 0: a file in a folder."""
    trusted: bool = False
    """Whether somebody has checked the label."""

    def where(self, place: Path) -> str:
        """Name the row of the table `place`, or the file below the folder `place`, for errors."""
        return f"{printable(place)}, row {self.number}" if self.number else printable(place / self.path)


def read_rows(path: Path) -> list[Row]:
    """Read the images of a table with columns `path`, `label` and optionally `split`, without which all are for
    training, and `trusted`, without which no label is.

    Raises:
        ValueError: names the file and, where one is at fault, the row.
    """
    columns = read_columns(path, ("path", "label"), ("split", "trusted"))
    if not columns["path"]:
        raise ValueError(f"{printable(path)} has no row below its header")
    parts = columns.get("split", ["train"] * len(columns["path"]))
    marks = columns.get("trusted", [""] * len(columns["path"]))
    rows = []
    for i, (name, label, said, mark) in enumerate(zip(columns["path"], columns["label"], parts, marks, strict=True), 1):
        if not name or not label:
            raise ValueError(f"{printable(path)}, row {i}: {'label' if name else 'path'} is empty")
        part = part_of(said)
        if part is None:
            raise ValueError(f"{printable(path)}, row {i}: split is {said!r}; allowed: {', '.join(PARTS)}")
        trusted = yes(mark)
        if trusted is None:
            raise ValueError(f"{printable(path)}, row {i}: trusted is {mark!r}; allowed: {', '.join((*YES, *NO[:-1]))}")
        rows.append(Row(name, class_name(label), part, i, trusted))
    return rows


def read_columns(path: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> dict[str, list[str]]:
    """Read columns as text without surrounding blanks; "" if a cell is missing, NaN or null.

    Raises:
        ValueError: the file is damaged or not a table, a needed column is missing, a column occurs twice, or a cell is
            neither text nor a whole number.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{printable(path)} is not a table; allowed: a .csv or .parquet file")
    return (_read_csv if suffix == ".csv" else _read_parquet)(path, [*needed], [*optional])


def csv_header(path: Path) -> list[str]:
    """Return the column names of a CSV, normalised by `column_name`."""
    return [column_name(name) for name in _csv_lines(path)[0]]


def column_name(text: str) -> str:
    """Normalise a column name for comparison."""
    return text.strip().lstrip("\ufeff").strip().casefold()


def _chosen(path: Path, header: Sequence[str], needed: list[str], optional: list[str]) -> dict[str, int]:
    """Return the position of each requested column by name."""
    names = [column_name(name) for name in header]
    shown = ", ".join(printable(name) for name in header)
    if missing := [name for name in needed if name not in names]:
        hint = "; cells must be separated by commas" if len(header) == 1 and set(header[0]) & set(";\t|") else ""
        raise ValueError(f"{printable(path)} has no column {' and '.join(missing)}; found: {shown}{hint}")
    for name in [*needed, *optional]:
        if names.count(name) > 1:
            raise ValueError(f"{printable(path)}: the column {name} appears twice; found: {shown}")
    return {name: names.index(name) for name in [*needed, *optional] if name in names}


def _csv_lines(path: Path) -> list[list[str]]:
    """Read the header, then the rows; empty lines are skipped."""
    csv.field_size_limit(sys.maxsize)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            try:
                lines = [line for line in reader if line]
            except csv.Error as error:
                raise ValueError(f"line {reader.line_num}: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{printable(path)} is not in UTF-8 ({error.reason}); save it as CSV in UTF-8") from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{printable(path)} cannot be read: {printable(error)}") from error
    if not lines:
        raise ValueError(f"{printable(path)} is empty")
    return lines


def _read_csv(path: Path, needed: list[str], optional: list[str]) -> dict[str, list[str]]:
    header, *lines = _csv_lines(path)
    chosen = _chosen(path, header, needed, optional)
    for i, line in enumerate(lines, 1):
        if len(line) > len(header) and any(line[len(header) :]):
            raise ValueError(
                f"{printable(path)}, row {i} has {len(line)} cells, the header {len(header)}; "
                "a comma within a cell needs quotes around the cell"
            )
    return {
        name: [line[place].strip() if place < len(line) else "" for line in lines] for name, place in chosen.items()
    }


def _read_parquet(path: Path, needed: list[str], optional: list[str]) -> dict[str, list[str]]:
    import pyarrow as pa  # few trainings need it
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            header = file.schema_arrow.names
            chosen = _chosen(path, header, needed, optional)
            content = file.read(columns=[header[place] for place in chosen.values()])
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{printable(path)} cannot be read: {printable(error)}") from error
    return {
        name: [_text(value, path, i, name) for i, value in enumerate(content[header[place]].to_pylist(), 1)]
        for name, place in chosen.items()
    }


def _text(value: Any, path: Path, row: int, name: str) -> str:
    if isinstance(value, str):
        return value.strip()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, int) or (isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value)):
        return str(value if isinstance(value, bool) else int(value))
    raise ValueError(
        f"{printable(path)}, row {row}: {name} is {value!r} ({type(value).__name__}); allowed: text or a whole number"
    )
