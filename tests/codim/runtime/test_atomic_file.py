"""A file is seen whole or not at all, wherever its write ends; a lock ends with its process."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from codim.runtime.atomic_file import held, replaced, replacement
from tests.support.waits import until


class Crash(BaseException):
    """As a kill: nothing that handles an Exception runs."""


def crash(*_: object, **__: object) -> Any:
    raise Crash


def write(path: Path, content: bytes) -> None:
    with replaced(path) as file:
        file.write(content)


def test_the_new_file_takes_the_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "more" / "x"
    for content in (b"old", b"new"):
        write(path, content)
        assert path.read_bytes() == content
    assert [*path.parent.iterdir()] == [path]


def test_nobody_sees_half_of_it(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write(path, b"old")
    with replaced(path) as file:
        for _ in range(3):
            file.write(b"n" * 100_000)
            file.flush()
            assert path.read_bytes() == b"old"
    assert path.stat().st_size == 300_000


def half_written(path: Path) -> None:
    with replaced(path) as file:
        file.write(b"half")
        raise Crash


@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
@pytest.mark.parametrize("before", [[], [b"old"]], ids=["first", "second"])
def test_a_failure_leaves_what_was_there_and_no_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, before: list[bytes]
) -> None:
    path = tmp_path / "x"
    for content in before:
        write(path, content)
    with monkeypatch.context() as patch:
        if step == "fsync":
            patch.setattr(os, "fsync", crash)
        elif step == "rename":
            patch.setattr(Path, "replace", crash)
        with pytest.raises(Crash):
            half_written(path) if step == "write" else write(path, b"new")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == before


def test_a_full_disk_is_told_and_leaves_no_scratch(tmp_path: Path) -> None:
    (tmp_path / ".x.full").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space"), replacement(tmp_path / "x", "full") as scratch:
        scratch.write_bytes(b"new")
    assert not [*tmp_path.iterdir()]


def test_the_bytes_are_on_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = tmp_path / "x", []
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append((os.fstat(handle).st_size, path.exists())))
    write(path, b"four")
    assert seen == [(4, False)]


KILLED = """
import os, sys
from pathlib import Path
from codim.runtime.atomic_file import replacement
with replacement(Path(sys.argv[1]), sys.argv[2]) as scratch:
    scratch.write_bytes(b"half")
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(("ending", "left"), [("", 2), ("new", 1)])
def test_what_a_killed_process_left_is_overwritten_where_the_ending_is_the_same(
    tmp_path: Path, ending: str, left: int
) -> None:
    path = tmp_path / "x"
    assert subprocess.run([sys.executable, "-c", KILLED, path, ending]).returncode == -9
    assert not path.exists()
    with replacement(path, ending) as scratch:
        scratch.write_bytes(b"new")
    assert path.read_bytes() == b"new"
    assert len([*tmp_path.iterdir()]) == left


HOLDER = """
import os, sys, time
from pathlib import Path
from codim.runtime.atomic_file import held
with held(Path(sys.argv[1])):
    if not os.fork():  # the child has let go of the lock once it runs
        print("held", flush=True)
    time.sleep(600)
"""


def refuse() -> None:
    raise InterruptedError("busy")


def taken(path: Path) -> bool:
    try:
        with held(path, refuse):
            return False
    except InterruptedError:
        return True


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    """Killed, and though a child that it forked lives on."""
    path = tmp_path / "more" / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, start_new_session=True
    ) as holder:
        try:
            assert holder.stdout
            holder.stdout.readline()
            assert taken(path)
            holder.kill()
            holder.wait()
            assert not taken(path)
        finally:
            os.killpg(holder.pid, 9)
    assert path.exists()


def test_who_comes_second_is_told_once_and_waits(tmp_path: Path) -> None:
    path, told, done = tmp_path / "lock", list[str](), list[str]()

    def second() -> None:
        with held(path, lambda: told.append("busy")):
            done.append("second")

    thread = threading.Thread(target=second)
    with held(path, refuse):
        thread.start()
        until(lambda: told)
        thread.join(0.5)
        assert (told, done) == (["busy"], [])
    thread.join()
    assert (told, done) == (["busy"], ["second"])


def test_it_is_the_lock_of_flock(tmp_path: Path) -> None:
    """So that programs of two versions, or on two nodes of a network file system, exclude each other."""
    with held(tmp_path / "lock", refuse), (tmp_path / "lock").open("w") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_failure_in_the_context_gives_it_back(tmp_path: Path) -> None:
    with pytest.raises(Crash), held(tmp_path / "lock"):
        raise Crash
    assert not taken(tmp_path / "lock")


def without_flock(handle: int, what: int) -> None:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def test_a_file_system_without_locks_is_refused_unless_a_soft_one_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", without_flock)
    with pytest.raises(OSError, match="not implemented"), held(tmp_path / "lock"):
        pass
    with pytest.warns(UserWarning, match="flock not supported"), held(tmp_path / "soft", soft=True):
        assert (tmp_path / "soft").exists()
