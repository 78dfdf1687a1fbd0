"""Files of tensors and plain values that survive crashes and damage: a checksum in each, the previous one beside it,
and nothing in them is executed on reading.

A file is an ordinary torch file with the SHA-256 of its bytes behind it (torch.load reads it as it is). torch itself
does not notice a flipped bit in a tensor. The checksum finds damage, not forgery; a forged file is still only data.
"""

import hashlib
import os
from pathlib import Path
from typing import IO, Any, cast

import torch

from codim.runtime.atomic_file import replacement, synced


class DamagedFile(ValueError):
    """A file that is missing, cut short, changed, or holds something else than was written."""


def previous(path: Path) -> Path:
    """Where the file that stood at `path` before the last write is kept."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def write_tensors(path: Path, content: dict[str, Any]) -> None:
    """Write beside `path`, then rename; what stood there becomes `previous(path)`.

    A crash at any moment, of the machine too, leaves the new file, or the old one under one of both names, whole. A
    damaged file is overwritten instead of kept, so that it never takes the place of a whole previous one.
    """
    with replacement(path, "new") as scratch:
        with synced(scratch) as file:
            hashed = _Hashed(file)
            torch.save(content, cast(IO[bytes], hashed))
            file.write(hashed.digest.digest())
        if path.exists() and _is_whole(path):
            path.replace(previous(path))


def read_tensors(path: Path) -> dict[str, Any]:
    """The inverse of `write_tensors`, on the CPU. Raises DamagedFile."""
    if not path.exists():
        raise DamagedFile(f"{path} does not exist")
    with path.open("rb") as file:
        if not _checksum_holds(file):
            raise DamagedFile(f"{path} is damaged: its checksum does not match its content")
        try:
            file.seek(0)
            content = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises half a dozen types for what is not its own
            raise DamagedFile(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise DamagedFile(f"{path} holds a {type(content).__name__} instead of named entries")
    return content


class _Hashed:
    """A file that hashes what is written to it, so that the checksum is of what was meant, not of what the disk
    made of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


def _is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        return _checksum_holds(file)


def _checksum_holds(file: IO[bytes]) -> bool:
    digest = hashlib.sha256()
    left = os.fstat(file.fileno()).st_size - digest.digest_size
    while left > 0 and (block := file.read(min(left, 1 << 20))):
        digest.update(block)
        left -= len(block)
    return file.read() == digest.digest()
