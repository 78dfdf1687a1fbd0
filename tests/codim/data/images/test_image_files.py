"""Which files of a folder are images: the same for training and predictions, and what is left out is counted."""

import os
from pathlib import Path

import pytest

from codim.commands.predict import images_in
from codim.data.images.image_files import SUFFIXES, find_images, listed
from codim.data.own_files import folder_images
from tests.support.loading import load
from tests.support.pictures import save_plain


def names(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in find_images(folder).files]


@pytest.mark.parametrize("suffix", [*SUFFIXES, *(suffix.upper() for suffix in SUFFIXES)])
def test_every_suffix_in_any_capitals(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"x{suffix}").touch()
    assert names(tmp_path) == [f"x{suffix}"]


@pytest.mark.parametrize(
    ("left_out", "kind"),
    [
        ("._a.png", "hidden"),
        (".DS_Store", "hidden"),
        (".ipynb_checkpoints/a.png", "hidden"),
        ("a/.trash/b.png", "hidden"),
        ("__MACOSX/a.png", "folders __MACOSX"),
        ("a/@eaDir/a.png/thumb.png", "folders @eaDir"),
        ("a/scan.tif/b.png", "folders named like images"),
        ("photo.HEIC", ".heic"),
        ("photo.cr2", ".cr2"),
        ("README", "without suffix"),
    ],
)
def test_what_is_no_image_is_left_out_and_counted(tmp_path: Path, left_out: str, kind: str) -> None:
    for name in ("a/good.png", left_out):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert names(tmp_path) == ["a/good.png"]
    assert find_images(tmp_path).left_out == {kind: 1}
    assert listed(find_images(tmp_path).left_out) == f"1 {kind}"


def test_links_are_followed_and_end(tmp_path: Path) -> None:
    photos, more = tmp_path / "photos", tmp_path / "more"
    save_plain(photos / "own.png", 0)
    save_plain(more / "deep" / "far.png", 1)
    (photos / "file.png").symlink_to(more / "deep" / "far.png")
    (photos / "folder").symlink_to(more)
    (photos / "again").symlink_to(more)
    (more / "round").symlink_to(photos)
    (photos / "gone.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(photos / "pipe.png")
    assert names(photos) == ["again/deep/far.png", "file.png", "own.png"]
    assert find_images(photos).left_out == {
        "links to a folder that was already read": 1,
        "links to a folder above": 1,
        "broken links": 1,
        "no regular files": 1,
    }


def test_a_link_to_all_classes_adds_none_of_their_images_to_one(tmp_path: Path) -> None:
    for k, name in enumerate(("a/0.png", "b/1.png")):
        save_plain(tmp_path / name, k)
    (tmp_path / "a" / "all").symlink_to(tmp_path)
    assert [row.path for row in folder_images(tmp_path).rows["train"]] == ["a/0.png", "b/1.png"]


def test_training_and_predictions_take_the_same_files_and_say_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for k, name in enumerate(("a/0.jpe", "a/._0.jpe", "a/x.heic", "b/1.PNG", "b/.git/2.png", "b/y.heic")):
        save_plain(tmp_path / name, k)
    (tmp_path / "c").symlink_to(tmp_path / "b")
    caplog.set_level("INFO", "codim")
    source = load("folder", tmp_path)
    assert source.images.shape[0] == 3
    assert [Path(path).name for path in images_in(tmp_path)] == ["0.jpe", "1.PNG"]
    assert "train part, 3 images of 3 classes: a 1, b 1, c 1" in caplog.text
    assert "1 images of the training part are copies of others" in caplog.text
    assert "left out: 3 hidden, 3 .heic" in caplog.text
    assert "2 images; left out: 2 hidden, 2 .heic" in caplog.text
