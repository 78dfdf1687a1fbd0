"""Where decoded images of the user's own are kept: never beside the photos, and never mixed up."""

import os
from pathlib import Path

import pytest

from codim.data.images.image_cache import ImageCache
from codim.runtime.user_cache import user_cache
from tests.support.loading import config, levels, load
from tests.support.pictures import save_plain


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No variable names a place; home and temporary files are below the folder of the test."""
    for name in ("CODIM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    return tmp_path


def test_the_first_place_that_will_do(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert user_cache() == places / "home" / ".cache" / "codim"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert user_cache() == places / "home" / ".cache" / "codim"
    monkeypatch.setenv("XDG_CACHE_HOME", str(places / "xdg"))
    assert user_cache() == places / "xdg" / "codim"
    monkeypatch.setenv("CODIM_CACHE", str(places / "own"))
    assert user_cache() == places / "own"


@pytest.mark.parametrize("home", ["/proc/nobody", "/dev/null", ""])
def test_a_home_that_cannot_be_written(places: Path, home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", home)
    if not home:
        monkeypatch.setattr(Path, "expanduser", no_home)
    assert user_cache() == places / f"codim-{os.getuid()}"
    assert user_cache().stat().st_mode & 0o777 == 0o700


def no_home(path: Path) -> Path:
    if str(path).startswith("~"):
        raise RuntimeError("Could not determine home directory.")
    return path


def test_a_folder_of_another_user_is_not_trusted(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    user_cache()
    other = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: other)
    (places / f"codim-{other}").mkdir()
    with pytest.raises(ValueError, match="belongs to another user; set CODIM_CACHE"):
        user_cache()


def test_nothing_is_written_beside_own_photos(places: Path) -> None:
    for k, name in enumerate(("a/0.png", "b/1.png")):
        save_plain(places / "photos" / name, k)
    assert levels(load("folder", places / "photos").images.ready("cpu")) == [0, 1]  # type: ignore[union-attr]
    assert {path.name for path in (places / "photos").rglob("*")} == {"a", "b", "0.png", "1.png"}
    assert (places / "home" / ".cache" / "codim").is_dir()


def test_folders_of_the_same_names_are_not_mixed_up(places: Path) -> None:
    """Uncompressed images of one size are files of one length."""
    for start, root in enumerate(("first", "second")):
        for k, name in enumerate("ab"):
            save_plain(places / root / name / "0.png", 100 * start + k)
        images = load("folder", places / root).images
        assert levels(images.ready("cpu")) == [100 * start, 100 * start + 1]  # type: ignore[union-attr]
    given = config("folder", places / "first", cache=places / "given")
    caches = [ImageCache(places / "given", places / root, ["a"], given.cache_size) for root in ("first", "second")]
    assert caches[0].folder != caches[1].folder


def test_a_cache_beside_its_data_is_found_wherever_they_are_mounted(tmp_path: Path) -> None:
    caches = [ImageCache(tmp_path / root / ".codim-cache", tmp_path / root, ["a"], 8).folder for root in ("x", "y")]
    assert caches[0].name == caches[1].name


def test_a_file_that_changed_and_kept_its_length_is_decoded_anew(places: Path) -> None:
    for k, name in enumerate("ab"):
        save_plain(places / "photos" / name / "0.png", k + 10)
    load("folder", places / "photos").images.ready("cpu")  # type: ignore[union-attr]
    path = places / "photos" / "a" / "0.png"
    before = path.stat()
    save_plain(path, 9)
    path.write_bytes(path.read_bytes().ljust(before.st_size, b"\0"))
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert levels(load("folder", places / "photos").images.ready("cpu"))[0] == 9  # type: ignore[union-attr]
