"""The wheel holds everything that the packages read, and nothing else; `make try-package` installs and runs it."""

import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from ruamel.yaml import YAML

from tests.support import ROOT

PACKAGES = ("codim", "study", "analysis")
BUILD = "import setuptools.build_meta as backend; backend.build_sdist('dist'); backend.build_wheel('dist')"


def tracked(*paths: str) -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z", *paths], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.rstrip("\0").split("\0")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files under version control, with the wheel and the archive that are built from it."""
    folder = tmp_path_factory.mktemp("copy")
    for name in tracked(*PACKAGES, "search_spaces", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink():
            (folder / name).symlink_to((ROOT / name).readlink())
        else:
            (folder / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([sys.executable, "-c", BUILD], cwd=folder, check=True, capture_output=True, timeout=300)
    return folder


def test_the_wheel_holds_all_files_of_the_packages(copy: Path) -> None:
    (wheel,) = (copy / "dist").glob("*.whl")
    found = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    own = {name for name in tracked(*PACKAGES) if name != "study/search_spaces"}
    assert found == own | {f"study/{name}" for name in tracked("search_spaces")}


def test_the_wheel_is_the_same_from_the_archive(copy: Path) -> None:
    (wheel,), (archive,) = (copy / "dist").glob("*.whl"), (copy / "dist").glob("*.tar.gz")
    subprocess.run(["tar", "xzf", str(archive)], cwd=copy / "dist", check=True)
    source = copy / "dist" / archive.name.removesuffix(".tar.gz")
    subprocess.run([sys.executable, "-c", BUILD], cwd=source, check=True, capture_output=True, timeout=300)
    (again,) = (source / "dist").glob("*.whl")
    assert sorted(ZipFile(again).namelist()) == sorted(ZipFile(wheel).namelist())


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = YAML(typ="safe", pure=True).load(ROOT / "CITATION.cff")
    assert cited["version"] == project["version"]
