"""Results of a study on object storage: the driver works on a local copy and uploads its changes."""

import io
import json
import os
import socket
import tarfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from codim.runtime.announce import repeated
from study.errors import SpecError
from study.results.folder import ResultsFolder
from study.results.object_storage import Copy, Remote, join, require_address, scratch

SEND_SECONDS, SEND_SHARE = 5.0, 0.1
"""Minimum seconds between two uploads of the tables; and maximum share of the driver's time spent on them."""
LEASE_SECONDS = 60.0
"""Seconds for which the lease of a killed driver blocks others."""
DRIVERS = ".drivers"
"""Folder with one file per driver that runs the study, or tries to."""
STATE = "state.tar"
"""Archive of the journal and the table of trials, both from the same moment."""


class RemoteResults(ResultsFolder):
    """Results folder of one study on object storage. The storage is authoritative: each start begins with a copy of it,
    which is deleted when the process ends."""

    def __init__(self, results: str, name: str) -> None:
        """`results`: the value of `--results`. Raises SpecError if it cannot be reached."""
        try:
            require_address(results)
        except ValueError as error:
            raise SpecError(str(error)) from None
        self._scratch = TemporaryDirectory(prefix="results-", dir=scratch())
        super().__init__(Path(self._scratch.name) / name)
        self.results, self.address = results, join(results, name)
        self._lease = f"{uuid.uuid4().hex}.json"
        self._wait = self._sent = 0.0
        self._ended: list[str] = []
        """Ended trials, whose files may be deleted once the tables that record their end are uploaded."""
        with self._reached():
            self._copy, self._drivers = Copy(Remote(self.address), self.root), Remote(self.at(DRIVERS))

    @classmethod
    def of(cls, address: str) -> "RemoteResults":
        """Return the folder of a study for reading; it is empty before the first `refresh`. Raises SpecError."""
        head, mark, query = address.partition("?")
        results, _, name = head.rstrip("/").rpartition("/")
        return cls(results + mark + query, name)

    def at(self, *parts: str) -> str:
        return join(self.address, *parts)

    @property
    def stages_address(self) -> str:
        return join(self.results, self.stages.name)

    def fetch(self) -> None:
        """Fetch the folder, without checkpoints. Raises SpecError if it cannot be read."""
        with self._reached():
            self._copy.fetch(self._listed())
            self._unpack()

    def refresh(self) -> None:
        """Fetch what has changed since the last refresh. Raises SpecError if the folder cannot be read."""
        with self._reached():
            self._copy.refresh(self._listed())
            self._unpack()

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Keep other drivers away, and fetch what the last one left. Raises SpecError if another driver is running.

        Each driver writes its own file, and then looks for others: of two that begin at once, at least one sees the
        other. A file that was not renewed for LEASE_SECONDS belongs to a driver that was killed.
        """
        ours = json.dumps({"host": socket.gethostname(), "pid": os.getpid()}).encode()

        def renew() -> None:
            with suppress(OSError):
                if self._holds_lease():
                    self._drivers.put(self._lease, ours)

        try:
            with self._reached():
                self._drivers.put(self._lease, ours)
                self._require_alone()
            with repeated(LEASE_SECONDS / 4, renew):
                self.fetch()
                yield
        finally:
            with suppress(OSError):
                self._drivers.delete(self._lease)

    @property
    def due(self) -> bool:
        return time.monotonic() - self._sent >= self._wait

    def keep(self, now: bool = False) -> None:
        """Upload what has changed, if the last upload is long enough ago or `now`. Raises OSError.

        Journal and table of trials are sent as one file, so that they are always consistent. If the driver is killed, a
        trial that ended since the last upload resumes from its checkpoint, which is kept until the next one.
        """
        if not (self.due or now):
            return
        if not self._holds_lease():
            raise OSError(
                f"{self.address}: this driver did not respond for so long that another one may have taken over"
            )
        started, ended = time.monotonic(), self._ended
        files = (str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())
        own = (self.journal.name, self.ray.name, ".")
        self._copy.send(name for name in files if not name.startswith(own))
        state = io.BytesIO()
        with tarfile.open(fileobj=state, mode="w") as archive:
            for path in (self.journal, self.trials):
                if path.exists():
                    archive.add(path, path.name)
        self._copy.remote.put(STATE, state.getvalue())
        for trial in ended:
            Remote(self.at("ray", "trials", trial)).delete_all()
        self._ended, self._sent = self._ended[len(ended) :], time.monotonic()
        self._wait = max(SEND_SECONDS, (self._sent - started) / SEND_SHARE)

    def resumable(self) -> set[str]:
        return {name.partition("/")[0] for name in Remote(self.at("ray", "trials")).names()}

    def remove(self, trial: str) -> None:
        self._ended.append(trial)

    def _listed(self) -> dict[str, tuple[int, int]]:
        """Return the files to copy, with their remote stamps."""
        self._copy.remote.require_bucket()
        stamps = self._copy.remote.stamps().items()
        return {name: stamp for name, stamp in stamps if not name.startswith((f"{DRIVERS}/", "ray/"))}

    def _holds_lease(self) -> bool:
        return self._lease in self._drivers.names()

    def _require_alone(self) -> None:
        """Remove the files of killed drivers. Raises SpecError if another driver is running."""
        written = self._drivers.written()
        for name in set(written) - {self._lease}:
            age = written[self._lease] - written[name]
            if age < LEASE_SECONDS:
                who = json.loads(self._drivers.get(name) or b'{"pid": "?", "host": "?"}')
                raise SpecError(
                    f"--results: another driver is running the study in {self.address} (process {who['pid']} on "
                    f"{who['host']}); if it was killed, its lease ends in {LEASE_SECONDS - age:.0f} s"
                )
            self._drivers.delete(name)

    def _unpack(self) -> None:
        """Extract journal and table of trials, and delete the epochs of trials that are not in this table."""
        state = self.root / STATE
        if not state.exists():
            return
        with tarfile.open(state) as archive:
            archive.extractall(self.root, filter="data")
        state.unlink()
        known: set[str] = set()
        if self.trials.exists():
            with pq.ParquetFile(self.trials) as table:
                known = set(table.read(["trial"])["trial"].to_pylist())
        for path in self.epochs.glob("*.parquet"):
            if path.stem not in known:
                path.unlink()

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Turn an OSError of the storage in this context into a SpecError."""
        try:
            yield
        except OSError as error:
            raise SpecError(f"--results: {self.results} cannot be used: {error.strerror}") from None
