"""A real S3-compatible server on loopback, and a line to it that can be cut."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from pyarrow import fs

from tests.support.waits import until

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


class Line:
    """Between us and the server; it can be cut."""

    def __init__(self, port: int) -> None:
        self.to, self.open = port, True
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.ends: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def mend(self) -> None:
        self.open = True

    def cut(self) -> None:
        self.open = False
        for end in self.ends:
            end.close()

    def _serve(self) -> None:
        while True:
            ours, _ = self.server.accept()
            if not self.open:
                ours.close()
                continue
            theirs = socket.create_connection(("127.0.0.1", self.to))
            self.ends += [ours, theirs]
            for source, target in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        target.close()


class Bucket(NamedTuple):
    """An empty one, and this machine's scratch folder."""

    results: str
    scratch: Path
    monkeypatch: pytest.MonkeyPatch

    def on_another_node(self) -> None:
        """What is called from here on has another scratch folder."""
        self.monkeypatch.setenv("CODIM_SCRATCH", str(self.scratch / "another" / str(time.monotonic_ns())))


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """Its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _answers(port), process)
        yield port
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def line(server: int, monkeypatch: pytest.MonkeyPatch) -> Line:
    """To the server, in the environment."""
    found = Line(server)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{found.port}")
    return found


@pytest.fixture
def bucket(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setenv("CODIM_SCRATCH", str(tmp_path / "here"))
    direct = fs.S3FileSystem(endpoint_override=f"127.0.0.1:{line.to}", scheme="http", allow_bucket_creation=True)
    name = f"bucket-{time.monotonic_ns()}"
    direct.create_dir(name)
    return Bucket(f"s3://{name}/results", tmp_path, monkeypatch)
