"""Large images, decoded once into a file of uint8 squares that every later training reads.

A cache is a folder, named after a hash of what it depends on (the list of files, where they lie, and the size), with

    pixels.u8     (N, 3, size, size) uint8; sparse: images that nobody asked for take no space
    records.i64   (N, 3) int64: bytes of the image's file, its time of change in ns, CRC-32 of its pixels + 1; 0: not
                  decoded yet
    about.json    what it holds, for people; written last, so that whoever sees it finds the other two
    lock          held while images are decoded: one process decodes, the others wait

An image is written before its record: decoding goes on where it was interrupted. Its checksum is verified by each
process when it first reads it (about 0.1 ms for 256x256 pixels); an image that is damaged is decoded anew, as is one
whose file has another length or time than when it was decoded. Opening looks these up for each file that is used: half
a second per 100,000 files on a local disk.

Memory: reading holds the images asked for; the file is mapped, and what the system keeps of it can be given up at any
time. The list of files takes about 100 bytes an image.
"""

import hashlib
import json
import logging
import os
import shutil
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codim.config.data import MOST_MEGAPIXELS
from codim.data.images.decode import decode_all
from codim.runtime.atomic_file import held, replaced
from codim.text.safe_text import printable

FORMAT = 2
"""Of the files, and of the way in which images are decoded: a change of either makes older caches useless."""
RECORD = 3
"""Numbers of an image in records.i64."""
SHOWN = 3
"""Unreadable images named in an error."""

Rows = NDArray[np.int64]
log = logging.getLogger(__name__)


class ImageCache:
    """The squares of a list of image files. Several processes may open it at once."""

    def __init__(
        self, parent: Path, root: Path, names: Sequence[str], size: int, megapixels: float = MOST_MEGAPIXELS
    ) -> None:
        """`names`: files, absolute or below `root`. Decodes nothing. Raises ValueError: `parent` cannot be written."""
        # Beside the data this stays the same wherever their disk is mounted; elsewhere it tells one root from another.
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
                f"allowed: a folder that can be written, with {len(names) * self._bytes / 1e9:.1f} GB"
            ) from error

    def fill(self, rows: Rows) -> None:
        """Decode those of `rows` that are missing here, or whose files have changed since.

        Raises:
            ValueError: files are missing or no images (all others are decoded first), or the disk is too small.
        """
        files = self._files(rows)
        if not self._missing(rows, files).any():
            return
        with self._locked():
            # Another process may have decoded them while this one waited.
            missing = self._missing(rows, files)
            self._decode(rows[missing], files[missing])

    def read(self, rows: Rows) -> NDArray[np.uint8]:
        """(len(rows), 3, size, size), a copy. Damaged images are decoded anew. Raises ValueError as `fill`."""
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
        told = "waiting for another process, which decodes images into %s"
        return held(self.folder / "lock", lambda: log.warning(told, printable(self.folder)), soft=True)

    def _path(self, row: int) -> Path:
        return self.root / self.names[row]

    def _files(self, rows: Rows) -> Rows:
        """(len(rows), 2): bytes and time of change of each file."""
        files, missing = np.zeros((len(rows), 2), dtype=np.int64), []
        for i, row in enumerate(rows):
            try:
                found = os.stat(self._path(row))  # noqa: PTH116  (a third of the time of Path.stat)
            except (OSError, ValueError):  # the latter: no name of a file
                missing.append(printable(self._path(row)))
                continue
            if not stat.S_ISREG(found.st_mode):
                raise ValueError(f"{printable(self._path(row))} cannot be read as an image: it is no regular file")
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


class CachedImages:
    """Some images of a cache, in any order; behaves like a uint8 tensor (N, 3, size, size) on `device`."""

    def __init__(self, cache: ImageCache, rows: Rows, device: torch.device | str = "cpu") -> None:
        self.cache, self.rows, self.device = cache, rows, torch.device(device)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> torch.Size:
        return torch.Size([len(self.rows), 3, self.cache.size, self.cache.size])

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """The images at an index (n,) of integers or bools, or a slice, as a tensor on the device."""
        chosen = index.cpu().numpy() if isinstance(index, Tensor) else index
        return torch.from_numpy(self.cache.read(self.rows[chosen])).to(self.device)

    def split(self, size: int) -> Iterator[Tensor]:
        """Chunks of `size` images in order, one at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def file(self, i: int) -> str:
        """Of one image, absolute or below the root of the cache."""
        return self.cache.names[int(self.rows[i])]

    def take(self, index: Rows) -> "CachedImages":
        """Those at `index` (n,), still undecoded."""
        return CachedImages(self.cache, self.rows[index], self.device)

    def followed_by(self, other: "CachedImages") -> "CachedImages":
        """These, then those of `other`, which is of the same cache."""
        assert other.cache is self.cache
        return CachedImages(self.cache, np.concatenate([self.rows, other.rows]), self.device)

    def mapped(self) -> NDArray[np.uint8]:
        """(N, 3, size, size), decoded; their checksums are not verified. Read into memory only where they do not stand
        in the cache's own order, from its first on. Raises ValueError as ImageCache.fill."""
        self.cache.fill(self.rows)
        in_order = np.array_equal(self.rows, np.arange(len(self)))
        return self.cache.pixels[: len(self)] if in_order else self.cache.pixels[self.rows]

    def decoded(self, device: torch.device | str) -> "CachedImages":
        """The same, all of them decoded, on `device`. Raises ValueError as ImageCache.fill."""
        self.cache.fill(self.rows)
        return CachedImages(self.cache, self.rows, device)


Images = Tensor | CachedImages
"""What training indexes."""
