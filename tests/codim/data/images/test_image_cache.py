"""The cache of decoded images: what is read is what was decoded, whatever happened in between."""

import multiprocessing
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from codim.data.images import image_cache
from codim.data.images.decode import decode_square
from codim.data.images.image_cache import CachedImages, ImageCache
from tests.support.pictures import save_plain

SIZE = 8
LEVELS = [10 * i for i in range(12)]
NAMES = [f"{i}.png" for i in range(12)]
ALL = np.arange(12)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, level in zip(NAMES, LEVELS, strict=True):
        save_plain(tmp_path / "images" / name, level)
    return tmp_path / "images"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all files that are decoded."""
    seen: list[str] = []
    real: Callable[..., Iterator[Any]] = image_cache.decode_all

    def spy(paths: list[Path], *more: Any) -> Iterator[Any]:
        seen.extend(path.name for path in paths)
        return real(paths, *more)

    monkeypatch.setattr(image_cache, "decode_all", spy)
    return seen


def opened(root: Path) -> ImageCache:
    return ImageCache(root / "cache", root, NAMES, SIZE)


def levels(images: np.ndarray | torch.Tensor) -> list[int]:
    assert (images == images[:, :1, :1, :1]).all()
    found: list[int] = images[:, 0, 0, 0].tolist()
    return found


def test_images_are_decoded_once_and_read_back(root: Path, decoded: list[str]) -> None:
    cache = opened(root)
    cache.fill(ALL)
    again = opened(root)
    again.fill(ALL)
    assert decoded == NAMES
    for i in ALL:
        assert np.array_equal(again.read(ALL)[i], decode_square(root / NAMES[i], SIZE))


def test_only_what_is_asked_for_is_decoded(root: Path, decoded: list[str]) -> None:
    cache = opened(root)
    cache.fill(np.array([5, 2]))
    cache.fill(np.array([2, 3, 5]))
    assert decoded == ["5.png", "2.png", "3.png"]
    assert levels(cache.read(np.array([3, 5, 2]))) == [30, 50, 20]


def test_an_interrupted_decoding_goes_on_where_it_stopped(
    root: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = image_cache.decode_all

    def breaks(*arguments: Any) -> Iterator[Any]:
        for i, found in real(*arguments):
            if i == 7:
                raise KeyboardInterrupt
            yield i, found

    monkeypatch.setattr(image_cache, "decode_all", breaks)
    with pytest.raises(KeyboardInterrupt):
        opened(root).fill(ALL)
    monkeypatch.setattr(image_cache, "decode_all", real)
    decoded.clear()
    cache = opened(root)
    cache.fill(ALL)
    assert decoded == NAMES[7:]
    assert levels(cache.read(ALL)) == LEVELS


@pytest.mark.parametrize("seen", [False, True], ids=["in_a_new_process", "in_this_process"])
def test_a_damaged_image_is_decoded_anew(root: Path, decoded: list[str], seen: bool) -> None:
    cache = opened(root)
    cache.fill(ALL)
    if seen:
        cache.read(ALL[:4])
    with (cache.folder / "pixels.u8").open("r+b") as file:
        file.seek(5 * 3 * SIZE**2 + 17)
        file.write(b"\xff\xfe")
    decoded.clear()
    reader = cache if seen else opened(root)
    assert levels(reader.read(np.array([6, 5]))) == [60, 50]
    assert decoded == ["5.png"]
    assert levels(opened(root).read(ALL)) == LEVELS
    assert decoded == ["5.png"]


def test_a_record_without_its_image_is_found(root: Path) -> None:
    """As after a power cut, when the record reached the disk and the image did not."""
    cache = opened(root)
    cache.fill(ALL)
    with (cache.folder / "pixels.u8").open("r+b") as file:
        file.truncate(0)
        file.truncate(12 * 3 * SIZE**2)
    assert levels(opened(root).read(ALL)) == LEVELS


def test_a_changed_file_is_decoded_anew_and_the_others_are_not(root: Path, decoded: list[str]) -> None:
    opened(root).fill(ALL)
    save_plain(root / "4.png", 200, width=40, height=40)
    decoded.clear()
    cache = opened(root)
    cache.fill(ALL)
    assert decoded == ["4.png"]
    assert levels(cache.read(np.array([4, 3]))) == [200, 30]


def test_another_list_or_size_is_another_cache(root: Path) -> None:
    folders = {
        ImageCache(root / "cache", root, names, size).folder
        for names, size in ((NAMES, 8), (NAMES, 9), (NAMES[::-1], 8), (NAMES[:-1], 8))
    }
    assert len(folders) == 4


def test_missing_files_are_named(root: Path) -> None:
    for name in NAMES[:5]:
        (root / name).unlink()
    with pytest.raises(ValueError, match=r"5 of 12 images are missing: .*0\.png; .*1\.png; .*2\.png, and 2 more"):
        opened(root).fill(ALL)


def test_unreadable_files_are_named_after_all_others_are_decoded(root: Path, decoded: list[str]) -> None:
    (root / "3.png").write_bytes(b"none")
    (root / "9.png").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"2 of 12 images are unreadable: .*3\.png.*; .*9\.png"):
        opened(root).fill(ALL)
    save_plain(root / "3.png", 1)
    save_plain(root / "9.png", 2)
    decoded.clear()
    opened(root).fill(ALL)
    assert decoded == ["3.png", "9.png"]


def test_a_disk_that_is_too_small_is_named_before_anything_is_decoded(
    root: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=12 * 3 * SIZE**2 - 1))
    with pytest.raises(ValueError, match=r"data/cache: 12 decoded images need .* GB free"):
        opened(root).fill(ALL)
    assert not decoded


def test_a_place_that_cannot_be_written_is_named(root: Path) -> None:
    (root / "cache").write_text("a file")
    with pytest.raises(ValueError, match=r"data/cache: .*cache.* cannot be used"):
        opened(root)


def _fill_and_report(root: Path, barrier: Any, results: Any) -> None:
    count = 0
    real = image_cache.decode_all

    def counting(paths: list[Path], *more: Any) -> Iterator[Any]:
        nonlocal count
        count += len(paths)
        return real(paths, *more)

    image_cache.decode_all = counting
    cache = opened(root)
    barrier.wait()
    cache.fill(ALL)
    results.put((count, levels(cache.read(ALL))))


def test_of_two_processes_at_once_one_decodes(root: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    both = [context.Process(target=_fill_and_report, args=(root, barrier, results)) for _ in range(2)]
    for process in both:
        process.start()
    found = [results.get(timeout=60) for _ in both]
    for process in both:
        process.join()
    assert sorted(count for count, _ in found) == [0, 12]
    assert [seen for _, seen in found] == [LEVELS, LEVELS]


def test_reading_holds_the_images_asked_for_and_no_more(tmp_path: Path) -> None:
    """600 images are 30 MB; opening and reading a batch of 8 (0.4 MB) allocates little more than that."""
    n, side = 600, 128
    for i in range(4):
        save_plain(tmp_path / f"{i}.png", i)
    names = [f"{i % 4}.png" for i in range(n)]
    ImageCache(tmp_path, tmp_path, names, side).fill(np.arange(n))
    batch = torch.arange(0, n, 75)
    tracemalloc.start()
    images = CachedImages(ImageCache(tmp_path, tmp_path, names, side), np.arange(n)).ready("cpu")
    part = images[batch]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert levels(part) == [i % 4 for i in batch.tolist()]
    assert peak < 2e6


@pytest.fixture
def images(root: Path) -> CachedImages:
    return CachedImages(opened(root), ALL).ready("cpu")


def test_any_index_of_a_tensor_will_do(images: CachedImages) -> None:
    whole = torch.stack([torch.from_numpy(decode_square(images.cache.root / name, SIZE)) for name in NAMES])
    mask = torch.arange(12) % 3 == 1
    indices: list[torch.Tensor | slice] = [torch.tensor([7, 0, 7, 3]), mask, torch.tensor([], dtype=torch.int64)]
    indices += [slice(None), slice(3, 9, 2), slice(-2, None)]
    for index in indices:
        found = images[index]
        assert torch.equal(found, whole[index]), index
        assert found.dtype == torch.uint8
    assert images.shape == whole.shape
    assert len(images) == 12
    assert images.device == whole.device
    assert all(torch.equal(a, b) for a, b in zip(images.split(5), whole.split(5), strict=True))
    before = images[torch.tensor([1])]
    before += 1
    assert levels(images[torch.tensor([1])]) == [10], "a batch is a copy"


def test_parts_of_a_cache(images: CachedImages) -> None:
    some = images.take(np.array([9, 4, 6]))
    assert levels(some[:]) == [90, 40, 60]
    assert levels(some.followed_by(images.take(np.array([0])))[torch.tensor([3, 1])]) == [0, 40]
    none = images.take(ALL[:0])
    assert none.shape == (0, 3, SIZE, SIZE)
    assert list(none.split(4)) == []
    assert none[:].shape == (0, 3, SIZE, SIZE)
