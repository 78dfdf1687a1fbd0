"""Tables of labels: text stays text, in CSV and in Parquet, whatever it looks like; what is none is named."""

import csv
import math
import unicodedata
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codim.data.own_files import in_order, table_images
from codim.text.label_table import read_columns, read_rows

MISSING_ELSEWHERE = [
    "None",
    "NA",
    "N/A",
    "null",
    "nan",
    "NaN",
    "-",
    "#N/A",
    "",
    "true",
    "1e3",
    "01",
    "+1",
    "1_000",
    "∞",
]
TEXT = st.one_of(
    st.sampled_from(MISSING_ELSEWHERE), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
)


def write(path: Path, columns: dict[str, list[Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.table({name: pa.array(values, from_pandas=False) for name, values in columns.items()}), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows([list(columns), *zip(*columns.values(), strict=True)])
    return path


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@given(cells=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8))
def test_text_stays_text(tmp_path: Path, suffix: str, cells: list[tuple[str, str]]) -> None:
    paths, labels = ([*column] for column in zip(*cells, strict=True))
    path = write(tmp_path / f"t.{suffix}", {"note": labels[::-1], "path": paths, "label": labels})
    assert read_columns(path, ("path", "label"), ("split",)) == {
        "path": [text.strip() for text in paths],
        "label": [text.strip() for text in labels],
    }


@pytest.mark.parametrize("suffix", ["csv", "CSV", "parquet"])
def test_classes_that_look_like_missing_values(tmp_path: Path, suffix: str) -> None:
    names = [name for name in MISSING_ELSEWHERE if name]
    path = write(tmp_path / f"t.{suffix}", {"path": names, "label": names, "split": ["Train"] * len(names)})
    assert table_images(path).classes == tuple(sorted(names))


@pytest.mark.parametrize("header", ["\ufeffpath,label", " Path , LABEL ", '\ufeff"path","Label"', "label,path"])
def test_headers_as_programs_write_them(tmp_path: Path, header: str) -> None:
    (tmp_path / "t.csv").write_bytes(f"{header}\r\nx,x\r\n\r\ny,y\r\n".encode())
    assert [(row.path, row.label) for row in read_rows(tmp_path / "t.csv")] == [("x", "x"), ("y", "y")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,label,label\nx,a,b\n", "the column label appears twice; found: path, label, label"),
        (b"path,label,Label \nx,a,b\n", "the column label appears twice"),
        (b"path,label,split,SPLIT\nx,a,train,test\n", "the column split appears twice"),
        (b"path;label\nx;a\n", "has no column path and label; found: path;label; cells must be separated by commas"),
        (b"path,label\nx,y,a\n", "row 1 has 3 cells, the header 2; a comma within a cell needs quotes"),
        (b"path,label\nx,a\nz\n", "row 2: label is empty"),
        (b'path,label\nx,"a\ny,b\n', "cannot be read: line 3: unexpected end of data"),
        (b"path,label\n\xe9,a\n", "is not in UTF-8"),
        ("path,label\nx,a\n".encode("utf-16"), "is not in UTF-8"),
        (b"path,label\n", "has no row below its header"),
        (b"", "is empty"),
        (b"\x1b[2J,label\n", r"found: \\x1b\[2J, label"),
    ],
)
def test_faults_of_a_csv_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_rows(tmp_path / "t.csv")
    assert str(error.value).startswith(str(tmp_path / "t.csv"))


def test_columns_that_nobody_asks_for_do_not_matter(tmp_path: Path) -> None:
    """Twice one name, a cell of 3 MB, line breaks within quotes, trailing commas."""
    (tmp_path / "t.csv").write_text(f'note,path,label,note\n{"1 " * 1_500_000},x,a,\n"two\nlines",y,b,"c",,\n')
    assert [(row.path, row.label) for row in read_rows(tmp_path / "t.csv")] == [("x", "a"), ("y", "b")]
    note = pa.array([[1], [2]])
    table = pa.Table.from_arrays([note, pa.array(["x", "y"]), note, pa.array([1, 2])], ["n", " Path", "n", "LABEL"])
    pq.write_table(table, tmp_path / "t.parquet")
    assert [row.label for row in read_rows(tmp_path / "t.parquet")] == ["1", "2"]


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([2.0, 10.0], ["2", "10"]),
        ([2, 10], ["2", "10"]),
        ([Decimal("2.00"), Decimal(10)], ["2", "10"]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        ([True, False], ["True", "False"]),
    ],
)
def test_numbers_of_a_parquet(tmp_path: Path, labels: Any, found: list[str]) -> None:
    path = write(tmp_path / "t.parquet", {"path": ["x", "y"], "label": labels})
    assert [row.label for row in read_rows(path)] == found


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (None, "row 2: label is empty"),
        (math.nan, "row 2: label is empty"),
        (2.5, r"row 2: label is 2\.5 \(float\); allowed: text or a whole number"),
        (math.inf, r"row 2: label is inf"),
        (Decimal("0.5"), r"row 2: label is Decimal\('0\.5'\)"),
    ],
)
def test_labels_that_are_none_are_refused_by_row(tmp_path: Path, label: Any, message: str) -> None:
    first = {float: 1.0, Decimal: Decimal(1)}.get(type(label), "a")
    path = write(tmp_path / "t.parquet", {"path": ["x", "y"], "label": [first, label]})
    with pytest.raises(ValueError, match=message):
        read_rows(path)


@pytest.mark.parametrize("label", [b"cat", [1, 2], {"a": 1}, date(2020, 1, 2)])
@pytest.mark.parametrize("column", ["path", "label"])
def test_cells_of_no_text_are_refused_by_row(tmp_path: Path, label: Any, column: str) -> None:
    path = write(tmp_path / "t.parquet", {"path": ["x"], "label": ["y"], column: [label]})
    with pytest.raises(
        ValueError, match=rf"row 1: {column} is .* \({type(label).__name__}\); allowed: text or a whole"
    ):
        read_rows(path)


@given(st.lists(st.one_of(st.sampled_from(["1", "01", "001", "-1", "2", "10", "٣"]), st.text(max_size=3)), unique=True))
def test_the_order_of_classes_is_the_same_from_any_order(names: list[str]) -> None:
    orders = {tuple(in_order(set(some))) for some in (names, names[::-1], sorted(names), sorted(names, key=hash))}
    assert len(orders) == 1


def test_numbers_of_one_value_are_classes_of_their_own(tmp_path: Path) -> None:
    labels = ["10", "2", "01", "1", "001", "-3"]
    path = write(tmp_path / "t.csv", {"path": [f"{i}.png" for i in range(6)], "label": labels})
    assert table_images(path).classes == ("-3", "001", "01", "1", "2", "10")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_an_accent_is_one_however_it_is_written(tmp_path: Path, form: str) -> None:
    labels = ["café", "thé", unicodedata.normalize("NFD", "café"), unicodedata.normalize(form, "thé")]
    path = write(tmp_path / "t.csv", {"path": list("abcd"), "label": labels, "split": ["train"] * 3 + ["test"]})
    found = table_images(path)
    assert found.classes == ("café", "thé")
    assert [row.label for row in found.rows["test"]] == ["thé"]
