"""A Ray of our own where the machine makes it hard: what is taken in place, or said."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.errors import ClusterError
from study.ray_cluster import own_ray
from study.ray_cluster.own_ray import SESSION, SOCKET_BYTES
from study.run import Arguments, main
from tests.support import ROOT

START = """
import os, sys
from pathlib import Path
from study.ray_cluster.connection import connected
with connected(None, 1, 0):
    import ray
    print(ray._private.worker._global_node.get_session_dir_path())
    print(ray.get(ray.remote(lambda: os.environ["RAY_AUTH_TOKEN"] != "").remote()))
print("RAY_AUTH_TOKEN" in os.environ)
"""


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("RAY_TMPDIR", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("name", ["TMPDIR", "RAY_TMPDIR"])
@given(length=st.integers(5, 300), letter=st.sampled_from("aé实"))
def test_a_long_folder_is_replaced_by_a_short_one(name: str, length: int, letter: str) -> None:
    with TemporaryDirectory() as short, pytest.MonkeyPatch.context() as patch:
        for other in ("RAY_TMPDIR", "TMPDIR"):
            patch.delenv(other, raising=False)
        wanted = Path("/tmp") / (letter * length)
        patch.setenv(name, str(wanted))
        patch.setattr(own_ray, "SHORT_FOLDERS", (short,))
        fits = len(os.fsencode(str(wanted) + SESSION)) <= SOCKET_BYTES
        assert own_ray._folder() == (wanted if fits else Path(short))


@pytest.mark.parametrize("short", ["/proc/1/nowhere", "/etc/passwd", "/tmp/" + "x" * 90])
def test_where_no_folder_will_do_it_says_what_to_set(short: str, fresh: pytest.MonkeyPatch) -> None:
    fresh.setenv("TMPDIR", "/tmp/" + "7" * 90)
    fresh.setattr(own_ray, "SHORT_FOLDERS", (short,))
    with pytest.raises(ClusterError, match=r"nothing was started.*at most \d+ bytes.*set RAY_TMPDIR"):
        own_ray._folder()


@pytest.mark.parametrize("error", [OSError("no port"), RuntimeError("a\nb"), Exception("timed out"), StopIteration()])
def test_whatever_ray_raises_is_one_line_without_a_promise(error: Exception, fresh: pytest.MonkeyPatch) -> None:
    asked, ended = [], []

    def init(**_: object) -> None:
        asked.append(1)
        raise error

    fresh.setattr(own_ray.ray, "init", init)
    fresh.setattr(own_ray.ray, "shutdown", lambda: ended.append(1))  # another test's Ray may be up in this process
    with pytest.raises(ClusterError, match="Ray cannot start on this machine") as told, own_ray.own_ray(1, 0):
        pass
    assert "\n" not in str(told.value)
    assert "RAY_TMPDIR" in str(told.value)
    assert "run the same command to resume" not in str(told.value)
    assert len(asked) == (2 if "timed out" in str(error) else 1)
    assert len(ended) > len(asked), "what each try began is ended, and so is Ray as a whole"


def test_storage_that_fails_before_anything_is_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the promise that the same command resumes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("study.driver.start.load_study", lambda *_: (_ for _ in ()).throw(OSError("Input/output error")))
        assert main(Arguments(tmp_path / "study.yaml", str(tmp_path))) == 2
    assert capsys.readouterr().err == "error: Input/output error\n"


def test_it_starts_without_a_home_and_with_a_long_tmpdir(tmp_path: Path) -> None:
    """The sockets of Python's own processes, in Ray's, lie in TMPDIR too."""
    long = tmp_path / ("x" * 90)
    long.mkdir()
    poor = {**os.environ, "HOME": "/proc/1/nowhere", "TMPDIR": str(long), "PYTHONPATH": str(ROOT)}
    for name in ("RAY_TMPDIR", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        poor.pop(name, None)
    done = subprocess.run([sys.executable, "-c", START], env=poor, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    session, token, left = done.stdout.splitlines()[-3:]
    assert (token, left) == ("True", "False")
    assert not session.startswith(str(long))
    assert not Path(session).exists()
    assert not list(long.iterdir())
