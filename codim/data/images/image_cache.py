"""Cache of large images, decoded once into a file of uint8 squares that every later training reads.

A cache is a folder, named after a hash of what it depends on (the list of files, their location, and the size), with

    pixels.u8     (N, 3, size, size) uint8; sparse: images that were never requested take no space
    records.i64   (N, 3) int64: size of the image's file in bytes, its mtime in ns, CRC-32 of its pixels + 1; 0: not
                  decoded yet
    about.json    description for people; written last, so that the other two exist once it does
    lock          held while images are decoded: one process decodes, the others wait

An image is written before its record, so interrupted decoding can resume. Each process verifies an image's checksum on
first read (about 0.1 ms for 256x256 pixels); a damaged image is decoded again, as is one whose file has changed its
size or mtime since. Opening checks these for each file in use: half a second per 100,000 files on a local disk.

Memory: reading holds the images asked for; the file is memory-mapped, and the system may evict its pages at any time.
The list of files takes about 100 bytes per image.
"""

import hashlib
import json
import logging
import os
import shutil
import stat
import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codim.config.data import MOST_MEGAPIXELS
from codim.data.images.decode import decode_all
from codim.data.stored import Rows, Stored
from codim.runtime.atomic_file import held, replaced
from codim.text.safe_text import printable

FORMAT = 2
"""Version of the file format and of the decoding; a change of either invalidates older caches."""
RECORD = 3
"""Number of integers per image in records.i64."""
SHOWN = 3
"""Number of unreadable images named in an error."""

log = logging.getLogger(__name__)


class ImageCache:
    """Decoded squares of a list of image files. Several processes may open it at once."""

    def __init__(
        self, parent: Path, root: Path, names: Sequence[str], size: int, megapixels: float = MOST_MEGAPIXELS
    ) -> None:
        """Open or create the cache, decode nothing. `names`: files, absolute or below `root`. ValueError: cannot
        write."""
        # Relative, so that a cache beside the data survives a new mount point, while one elsewhere tells roots apart.
        place = os.path.relpath(root, parent)
        key = hashlib.sha256(json.dumps([FORMAT, size, place, *names]).encode()).hexdigest()[:16]
        self.folder, self.root, self.names, self.size = parent / key, root, names, size
        self.megapixels = megapixels
        self._verified = np.zeros(len(names), dtype=bool)
        try:
            if not (self.folder / "about.json").exists():
                with self._locked():
                    self._create()
            self.pixels: NDArray[np.uint8] = self._map("pixels.u8", np.uint8, (len(names), 3, size, size))
            self._records: Rows = self._map("records.i64", np.int64, (len(names), RECORD))
        except OSError as error:
            raise ValueError(
                f"data/cache: {printable(self.folder)} cannot be used for decoded images ({error.strerror}); "
                f"allowed: a writable folder with {len(names) * self._bytes / 1e9:.1f} GB"
            ) from error

    def fill(self, rows: Rows) -> None:
        """Decode those of `rows` that are missing from the cache, or whose files have changed since.

        Raises:
            ValueError: files are missing or not images (all others are decoded first), or the disk is full.
        """
        files = self._files(rows)
        if not self._missing(rows, files).any():
            return
        with self._locked():
            # Another process may have decoded them while this one waited.
            missing = self._missing(rows, files)
            self._decode(rows[missing], files[missing])

    def read(self, rows: Rows) -> NDArray[np.uint8]:
        """Return a copy of the images, (len(rows), 3, size, size); repairs damaged ones. Raises ValueError as
        `fill`."""
        images = np.asarray(self.pixels[rows])
        for i in np.flatnonzero(~self._verified[rows]):
            if not self._intact(rows[i], images[i]):
                self._repair(rows[i : i + 1])
                images[i] = self.pixels[rows[i]]
        self._verified[rows] = True
        return images

    @property
    def _bytes(self) -> int:
        return 3 * self.size**2

    def _create(self) -> None:
        for name, length in (
            ("pixels.u8", len(self.names) * self._bytes),
            ("records.i64", 8 * RECORD * len(self.names)),
        ):
            with (self.folder / name).open("ab") as file:
                file.truncate(length)
        about = {"root": str(self.root), "images": len(self.names), "pixels": self.size, "format": FORMAT}
        with replaced(self.folder / "about.json") as written:
            written.write((json.dumps(about, indent=1) + "\n").encode())

    def _map(self, name: str, dtype: type, shape: tuple[int, ...]) -> NDArray[Any]:
        if 0 in shape:
            return np.zeros(shape, dtype)
        return np.memmap(self.folder / name, dtype, "r", shape=shape)

    def _locked(self) -> AbstractContextManager[None]:
        told = "waiting for another process that is decoding images into %s"
        return held(self.folder / "lock", lambda: log.warning(told, printable(self.folder)), soft=True)

    def _path(self, row: int) -> Path:
        return self.root / self.names[row]

    def _files(self, rows: Rows) -> Rows:
        """Return (len(rows), 2): size and mtime of each file."""
        files, missing = np.zeros((len(rows), 2), dtype=np.int64), []
        for i, row in enumerate(rows):
            try:
                found = os.stat(self._path(row))  # noqa: PTH116  (a third of the time of Path.stat)
            except (OSError, ValueError):  # ValueError: invalid file name
                missing.append(printable(self._path(row)))
                continue
            if not stat.S_ISREG(found.st_mode):
                raise ValueError(f"{printable(self._path(row))} cannot be read as an image: it is not a regular file")
            files[i] = found.st_size, found.st_mtime_ns
        _raise_for(missing, len(rows), "missing")
        return files

    def _missing(self, rows: Rows, files: Rows) -> NDArray[np.bool_]:
        records = np.asarray(self._records[rows])
        missing: NDArray[np.bool_] = (records[:, :2] != files).any(1) | (records[:, 2] == 0)
        return missing

    def _intact(self, row: int, image: NDArray[np.uint8]) -> bool:
        return bool(self._records[row, 2] == _checksum(image))

    def _repair(self, rows: Rows) -> None:
        files = self._files(rows)
        with self._locked():
            damaged = np.array([not self._intact(row, self.pixels[row]) for row in rows])
            self._decode(rows[damaged], files[damaged])

    def _decode(self, rows: Rows, files: Rows) -> None:
        needed, free = len(rows) * self._bytes, shutil.disk_usage(self.folder).free
        if needed > free:
            raise ValueError(
                f"data/cache: {len(rows)} decoded images need {needed / 1e9:.1f} GB, {printable(self.folder)} has "
                f"{free / 1e9:.1f} GB free; allowed: a folder with more, or a smaller data/cache_size"
            )
        faults = []
        with (self.folder / "pixels.u8").open("r+b") as pixels, (self.folder / "records.i64").open("r+b") as records:
            paths, note = [self._path(row) for row in rows], f"decoding images into {self.folder}"
            for i, found in decode_all(paths, self.size, note, self.megapixels):
                if isinstance(found, ValueError):
                    faults.append(str(found))
                    continue
                row = int(rows[i])
                os.pwrite(pixels.fileno(), found.tobytes(), row * self._bytes)
                record = np.array([*files[i], _checksum(found)], dtype=np.int64)
                os.pwrite(records.fileno(), record.tobytes(), row * record.nbytes)
        _raise_for(faults, len(rows), "unreadable")


def _checksum(image: NDArray[np.uint8]) -> int:
    return zlib.crc32(np.ascontiguousarray(image).data) + 1


def _raise_for(faults: list[str], total: int, what: str) -> None:
    if faults:
        more = f", and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise ValueError(f"{len(faults)} of {total} images are {what}: {'; '.join(faults[:SHOWN])}{more}")


class CachedImages(Stored):
    """Selection of a cache's images, in any order; behaves like a uint8 tensor (N, 3, size, size) on `device`."""

    def __init__(self, cache: ImageCache, rows: Rows, device: torch.device | str = "cpu") -> None:
        super().__init__(rows, device)
        self.cache = cache

    @property
    def shape(self) -> torch.Size:
        return torch.Size([len(self.rows), 3, self.cache.size, self.cache.size])

    def read(self, rows: Rows) -> Tensor:
        return torch.from_numpy(self.cache.read(rows))

    @property
    def repeats(self) -> Rows:
        return self.rows

    def name(self, i: int) -> str:
        """Return the file of an image, absolute or below the root of the cache."""
        return self.cache.names[int(self.rows[i])]

    def selected(self, rows: Rows) -> "CachedImages":
        return CachedImages(self.cache, rows, self.device)

    def mapped(self) -> NDArray[np.uint8]:
        """Decode all and return (N, 3, size, size) without verifying checksums; a memory map, or a copy in memory
        unless the rows are the cache's first in order. Raises ValueError as ImageCache.fill."""
        self.cache.fill(self.rows)
        in_order = np.array_equal(self.rows, np.arange(len(self)))
        return self.cache.pixels[: len(self)] if in_order else self.cache.pixels[self.rows]

    def ready(self, device: torch.device | str) -> "CachedImages":
        """Decode all images and return them on `device`. Raises ValueError as ImageCache.fill."""
        self.cache.fill(self.rows)
        return CachedImages(self.cache, self.rows, device)
