"""Files of tensors and plain values that survive crashes and damage: each has a checksum, the previous version is kept,
and reading executes no code.

A file is an ordinary torch file followed by the SHA-256 of its bytes (torch.load reads it unchanged). torch itself does
not detect a flipped bit in a tensor. The checksum detects damage, not forgery; a forged file is still only data.
"""

import hashlib
import os
from pathlib import Path
from typing import IO, Any, cast

import torch

from codim.runtime.atomic_file import replacement, synced


class DamagedFile(ValueError):
    """Error for a file that is missing, truncated, changed, or holds other content than expected."""


def previous(path: Path) -> Path:
    """Return the path at which the version before the last write is kept."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def write_tensors(path: Path, content: dict[str, Any]) -> None:
    """Write to a scratch file, then rename it to `path`; the old file becomes `previous(path)`.

    After a crash at any moment, of the machine too, the new file or the old one, under one of the two names, is intact.
    A damaged file is overwritten instead of kept, so that it never replaces an intact previous one.
    """
    with replacement(path, "new") as scratch:
        with synced(scratch) as file:
            hashed = _Hashed(file)
            torch.save(content, cast(IO[bytes], hashed))
            file.write(hashed.digest.digest())
        if path.exists() and _is_whole(path):
            path.replace(previous(path))


def read_tensors(path: Path) -> dict[str, Any]:
    """Read a file of `write_tensors` to the CPU. Raises DamagedFile."""
    if not path.exists():
        raise DamagedFile(f"{path} does not exist")
    with path.open("rb") as file:
        if not _checksum_holds(file):
            raise DamagedFile(f"{path} is damaged: its checksum does not match its content")
        try:
            file.seek(0)
            content = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises errors of many types for foreign files
            raise DamagedFile(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise DamagedFile(f"{path} holds a {type(content).__name__} instead of named entries")
    return content


class _Hashed:
    """File wrapper that hashes what is written, so that the checksum is of the intended bytes, not those on disk."""

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
