"""A changed bit anywhere is found, and a crash at any step of a write leaves a whole file."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codim.runtime.tensor_file import DamagedFile, previous, read_tensors, write_tensors

CONTENT = {"weights": torch.linspace(-1, 1, 500), "names": ["a", "b"], "epoch": 3}


def write(path: Path, number: int) -> None:
    write_tensors(path, {"number": number, "weights": torch.full((100,), float(number))})


def number(path: Path) -> int:
    """That both entries agree on."""
    content = read_tensors(path)
    assert content["weights"].tolist() == [content["number"]] * 100
    found: int = content["number"]
    return found


def whole_ones(path: Path) -> list[int]:
    found = []
    for file in (path, previous(path)):
        try:
            found.append(number(file))
        except DamagedFile:
            continue
    return found


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_tensors(tmp_path / "more" / "x.pt", CONTENT)
    found = read_tensors(tmp_path / "more" / "x.pt")
    assert torch.equal(found.pop("weights"), CONTENT["weights"])
    assert found == {"names": ["a", "b"], "epoch": 3}


def test_it_is_an_ordinary_torch_file(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.pt", CONTENT)
    assert torch.load(tmp_path / "x.pt", weights_only=True)["epoch"] == 3


@given(share=st.floats(0, 1), bit=st.integers(0, 7))
def test_a_changed_bit_is_found(tmp_path: Path, share: float, bit: int) -> None:
    path = tmp_path / "x.pt"
    write_tensors(path, CONTENT)
    content = bytearray(path.read_bytes())
    content[round(share * (len(content) - 1))] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"x\.pt is damaged"):
        read_tensors(path)


def test_every_changed_byte_of_a_tensor_is_found_and_torch_finds_none(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    write_tensors(path, CONTENT)
    whole = path.read_bytes()
    data = CONTENT["weights"].numpy().tobytes()  # type: ignore[attr-defined]
    start = whole.index(data)
    for place in range(start, start + len(data)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DamagedFile):
            read_tensors(path)
    assert not torch.equal(torch.load(path, weights_only=True)["weights"], CONTENT["weights"])


@given(share=st.floats(0, 1, exclude_max=True))
def test_a_cut_file_is_found(tmp_path: Path, share: float) -> None:
    path = tmp_path / "x.pt"
    write_tensors(path, CONTENT)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DamagedFile, match=r"x\.pt is damaged"):
        read_tensors(path)


def test_bytes_behind_the_end_are_found(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.pt", CONTENT)
    with (tmp_path / "x.pt").open("ab") as file:
        file.write(b"0")
    with pytest.raises(DamagedFile):
        read_tensors(tmp_path / "x.pt")


def test_the_file_before_is_kept_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    for k in range(4):
        write(path, k)
        assert whole_ones(path) == [k, k - 1][: k + 1]
    assert len([*tmp_path.iterdir()]) == 2


class Crash(BaseException):
    """As a kill: nothing that handles an Exception runs."""


def crash(*_: object, **__: object) -> Any:
    raise Crash


def crash_at(step: int, whole: Callable[..., Any]) -> Callable[..., Any]:
    calls = iter(range(step + 1))
    return lambda *args, **named: crash() if next(calls) == step else whole(*args, **named)


STEPS = [("fsync", 0), ("rename", 0), ("rename", 1), ("save", 0)]


@pytest.mark.parametrize(("what", "step"), STEPS)
@pytest.mark.parametrize("damaged", [False, True], ids=["whole", "damaged"])
def test_a_crash_leaves_a_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, step: int, damaged: bool
) -> None:
    """Files 0 and 1 are there (or 0, and a damaged 1) when the write of 2 crashes; the next write then heals all."""
    path = tmp_path / "x.pt"
    write(path, 0)
    write(path, 1)
    if damaged:
        path.write_bytes(path.read_bytes()[:-1])
    with monkeypatch.context() as patch:
        if what == "save":

            def half(content: object, file: Any) -> None:
                file.write(b"half")
                raise Crash

            patch.setattr(torch, "save", half)
        elif what == "fsync":
            patch.setattr(os, "fsync", crash)
        else:
            patch.setattr(Path, "replace", crash_at(0 if damaged else step, Path.replace))
        with pytest.raises(Crash):
            write(path, 2)
    assert max(whole_ones(path)) == (0 if damaged else 1)
    write(path, 3)
    assert whole_ones(path)[0] == 3
    assert len(whole_ones(path)) == 2
    assert len([*tmp_path.iterdir()]) == 2


def test_the_bytes_are_on_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsync comes after the last byte, and before the rename."""
    path, seen = tmp_path / "x.pt", []
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append((os.fstat(handle).st_size, path.exists())))
    write(path, 0)
    assert seen == [(path.stat().st_size, False)]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match=r"x\.pt does not exist"):
        read_tensors(tmp_path / "x.pt")


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), 3])
def test_what_holds_no_entries_is_refused(tmp_path: Path, content: Any) -> None:
    write_tensors(tmp_path / "x.pt", content)
    with pytest.raises(DamagedFile, match="instead of named entries"):
        read_tensors(tmp_path / "x.pt")
