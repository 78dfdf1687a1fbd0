"""Folders on object storage (s3://, gs://): each process works on a copy on its own disk and uploads its changes.

An object appears whole or not at all, so that no reader sees half a file. A failure raises OSError, by default with EIO
as a broken disk does; it ends the study, which can be resumed from what was uploaded.
"""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
from pyarrow import fs

from codim.runtime.atomic_file import replacement

CONNECT_SECONDS, REQUEST_SECONDS, ATTEMPTS = 5, 60, 6
"""Timeouts and attempts for S3, which may be away for some 15 s; with Arrow's own it takes minutes to report that."""
OPTIONS = ("endpoint_override", "region", "scheme")
"""Query parameters allowed in an s3:// address; credentials come from the environment."""
AT_ONCE = 16
"""Files transferred at a time."""


def is_remote(place: str | Path) -> bool:
    return "://" in str(place)


def require_address(place: str) -> None:
    """Raise ValueError, without the address, if it has credentials, since messages show it, or unknown parameters."""
    parts = urlsplit(place)
    if "@" in parts.netloc:
        raise ValueError("--results: give credentials in the environment (AWS_ACCESS_KEY_ID, ...), not in the address")
    unknown = [] if parts.scheme != "s3" else [name for name, _ in parse_qsl(parts.query) if name not in OPTIONS]
    if unknown:
        raise ValueError(f"--results: ?{unknown[0]}= is not known; allowed behind the ?: {', '.join(OPTIONS)}")


def join(place: str, *parts: str) -> str:
    """Append `parts` to the path of an address, before its query."""
    head, mark, query = place.partition("?")
    return "/".join((head.rstrip("/"), *parts)) + mark + query


def scratch() -> Path:
    """Return this machine's folder for local copies. Raises OSError if it belongs to another user."""
    base = Path(os.environ.get("CODIM_SCRATCH", tempfile.gettempdir())) / f"codim-study-{os.getuid()}"
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    if base.stat().st_uid != os.getuid():  # in a folder that all may write, another user may have made it
        raise PermissionError(errno.EPERM, "belongs to somebody else", str(base))
    return base


def own_copy(kind: str, uri: str) -> Path:
    """Return the path of this machine's copy of a folder, the same for all its processes."""
    return scratch() / kind / hashlib.sha256(uri.encode()).hexdigest()[:20]


class Remote:
    """A folder on object storage or on a disk. All methods raise OSError."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        with _as_broken_disk(uri):
            self._fs, self._path = _opened(uri)

    def names(self, recursive: bool = True) -> list[str]:
        """Return the names of the files in the folder."""
        return list(self._infos(recursive))

    def fetch(self, names: Iterable[str], local: Path) -> None:
        """Download files into `local`, replacing those of the same names; missing ones are skipped."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda name: self._fetch(name, local / name), names))

    def send(self, local: Path, names: Iterable[str]) -> None:
        """Upload files of `local`; missing ones are skipped."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda name: self._send(local / name, name), names))

    def put(self, name: str, content: bytes) -> None:
        with _as_broken_disk(self.uri), self._fs.open_output_stream(f"{self._path}/{name}") as stream:
            stream.write(content)

    def get(self, name: str) -> bytes | None:
        """Return the content of a file; None if it does not exist."""
        path = f"{self._path}/{name}"
        with _as_broken_disk(self.uri):
            while True:
                # Arrow asks for the size and then reads that many bytes: of a file that was replaced in between, it
                # reads a part, or fails.
                before = self._stamp(path)
                try:
                    with self._fs.open_input_file(path) as file:
                        content = bytes(file.read())
                except FileNotFoundError:
                    return None
                except OSError:
                    if self._stamp(path) == before:
                        raise
                    continue
                if self._stamp(path) == before:
                    return content

    def _stamp(self, path: str) -> tuple[int | None, int | None]:
        info = self._fs.get_file_info(path)
        return info.mtime_ns, info.size

    def stamps(self) -> dict[str, tuple[int, int]]:
        """Return name -> (time of writing in ns by the clock of the storage, size in bytes) of each file."""
        return {name: (info.mtime_ns, info.size) for name, info in self._infos(recursive=True).items()}

    def written(self) -> dict[str, float]:
        """Return name -> time of writing of each file, in seconds by the clock of the storage."""
        return {name: mtime_ns / 1e9 for name, (mtime_ns, _) in self.stamps().items()}

    def delete(self, name: str) -> None:
        """Delete a file, if it exists."""
        with _as_broken_disk(self.uri), suppress(FileNotFoundError):
            self._fs.delete_file(f"{self._path}/{name}")

    def delete_all(self) -> None:
        with _as_broken_disk(self.uri):
            self._fs.delete_dir_contents(self._path, missing_dir_ok=True)

    def require_bucket(self) -> None:
        """Check that the bucket exists; the folder need not."""
        bucket = self._path.partition("/")[0]
        with _as_broken_disk(self.uri):
            if self._fs.get_file_info(bucket).type == fs.FileType.NotFound:
                raise OSError(f"there is no bucket {bucket}")

    def _infos(self, recursive: bool) -> dict[str, fs.FileInfo]:
        selector = fs.FileSelector(self._path, allow_not_found=True, recursive=recursive)
        with _as_broken_disk(self.uri):
            infos = self._fs.get_file_info(selector)
        return {str(Path(info.path).relative_to(self._path)): info for info in infos if info.is_file}

    def _fetch(self, name: str, target: Path) -> None:
        content = self.get(name)
        if content is None:  # deleted since it was listed
            return
        with replacement(target) as written:
            written.write_bytes(content)

    def _send(self, source: Path, name: str) -> None:
        try:
            content = source.read_bytes()
        except FileNotFoundError:
            return
        self.put(name, content)


class Copy:
    """A remote folder and its local copy; only changed files are transferred."""

    def __init__(self, remote: Remote, local: Path) -> None:
        self.remote, self.local = remote, local
        self._sent: dict[str, tuple[int, int]] = {}
        """Name -> time and size of the local file, when it was last sent or fetched."""
        self._there: dict[str, tuple[int, int]] = {}
        """Name -> remote stamp, at the last refresh."""

    def fetch(self, names: Iterable[str]) -> None:
        names = list(names)
        self.remote.fetch(names, self.local)
        self._sent |= {name: stamp for name in names if (stamp := self._stamp(name))}

    def refresh(self, stamps: Mapping[str, tuple[int, int]]) -> None:
        """Fetch, of the files with these remote stamps, those that have changed remotely since the last refresh, or
        locally since they were fetched."""
        changed = [
            name
            for name, stamp in stamps.items()
            if stamp != self._there.get(name) or self._stamp(name) != self._sent.get(name)
        ]
        self.fetch(changed)
        self._there = dict(stamps)

    def send(self, names: Iterable[str]) -> None:
        """Send those of these files that have changed since they were last sent or fetched."""
        changed = {name: stamp for name in names if (stamp := self._stamp(name)) and stamp != self._sent.get(name)}
        self.remote.send(self.local, changed)
        self._sent |= changed

    def _stamp(self, name: str) -> tuple[int, int] | None:
        try:
            found = (self.local / name).stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size


@contextmanager
def _as_broken_disk(uri: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        known = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(known) if known else " ".join(str(error).split())
        raise OSError(known or errno.EIO, reason, uri) from error


def _opened(uri: str) -> tuple[fs.FileSystem, str]:
    if not is_remote(uri):
        return fs.LocalFileSystem(), uri
    parts = urlsplit(uri)
    if parts.scheme != "s3":
        other, path = fs.FileSystem.from_uri(uri)
        return other, str(path)
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and "endpoint_override" not in options:
        own = urlsplit(endpoint)
        options |= {"endpoint_override": own.netloc, "scheme": own.scheme}
    named = {"region", "endpoint_override"} & set(options)
    if not named and not {"AWS_REGION", "AWS_DEFAULT_REGION"} & set(os.environ):
        options["region"] = fs.resolve_s3_region(parts.netloc)
    opened = fs.S3FileSystem(
        connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        **options,
    )
    return opened, f"{parts.netloc}{parts.path}".rstrip("/")
