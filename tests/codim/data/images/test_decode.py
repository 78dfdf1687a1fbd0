"""Every kind of image file becomes a square of RGB; what is none is named."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codim.data.images.decode import decode_all, decode_square


def ramps(height: int, width: int) -> Image.Image:
    """Red rises from left to right, green from top to bottom."""
    rows, columns = np.mgrid[0:height, 0:width]
    channels = [columns * 255 / (width - 1), rows * 255 / (height - 1), np.full((height, width), 128)]
    return Image.fromarray(np.stack(channels, axis=2).round().astype(np.uint8))


@pytest.mark.parametrize(("height", "width"), [(40, 80), (80, 40), (64, 64), (20, 30)])
def test_the_square_in_the_middle(tmp_path: Path, height: int, width: int) -> None:
    """Of the long side, equal parts are cut off at both ends; of the short side nothing. Smaller ones are enlarged."""
    ramps(height, width).save(tmp_path / "a.png")
    red, green, _ = decode_square(tmp_path / "a.png", 32).astype(float)
    side = min(height, width)
    for values, length in ((red.mean(0), width), (green.mean(1), height)):
        first = (length - side) / 2
        centres = first + (np.arange(32) + 0.5) * side / 32 - 0.5
        expected = centres * 255 / (length - 1)
        np.testing.assert_allclose(values[2:-2], expected[2:-2], atol=2.5)


def test_large_jpegs_come_out_as_if_read_whole(tmp_path: Path) -> None:
    image = ramps(400, 600)
    image.save(tmp_path / "a.jpg", quality=98)
    image.save(tmp_path / "a.png")
    jpeg, png = (decode_square(tmp_path / name, 32).astype(int) for name in ("a.jpg", "a.png"))
    assert abs(jpeg - png).max() <= 6


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB", "1"])
@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_any_colour_mode_becomes_rgb(tmp_path: Path, mode: str, suffix: str) -> None:
    if (mode, suffix) == ("1", "jpg"):
        pytest.skip("JPEG has no black and white")
    Image.new("RGB", (20, 20), (255, 255, 255)).convert(mode).save(tmp_path / f"a.{suffix}")
    square = decode_square(tmp_path / f"a.{suffix}", 8)
    assert square.shape == (3, 8, 8)
    assert square.dtype == np.uint8
    assert square.min() >= 250


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16"])
def test_transparency_palettes_and_deep_greys(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((20, 20), 200 * 257, dtype=np.uint16))
    else:
        image = Image.new("RGB", (20, 20), (200, 200, 200))
        image = image.quantize(4) if mode == "P" else image.convert(mode)
    image.save(tmp_path / "a.png")
    square = decode_square(tmp_path / "a.png", 8).astype(int)
    assert abs(square - 200).max() <= 2


def test_photos_stand_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    image = ramps(40, 40)
    image.save(tmp_path / "a.jpg", exif=exif)
    red, green, _ = decode_square(tmp_path / "a.jpg", 16).astype(float)
    assert red[:, 0].mean() > 200
    assert green[0].mean() > 200


@pytest.mark.parametrize("fault", ["absent", "empty", "text", "truncated", "folder"])
def test_what_is_no_image_is_named(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "broken.jpg"
    if fault == "folder":
        path.mkdir()
    elif fault == "truncated":
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:2000])
    elif fault != "absent":
        path.write_bytes({"empty": b"", "text": b"not an image"}[fault])
    with pytest.raises(ValueError, match=r"broken\.jpg cannot be read as an image"):
        decode_square(path, 8)


def test_many_files_come_in_order_with_their_faults(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(300)]
    for i, path in enumerate(paths):
        if i % 100 != 7:
            Image.new("RGB", (2, 2), (i % 256, 0, 0)).save(path)
    found = list(decode_all(paths, 2, "test"))
    assert [i for i, _ in found] == list(range(300))
    for i, image in found:
        if i % 100 == 7:
            assert isinstance(image, ValueError)
        else:
            assert not isinstance(image, ValueError)
            assert (image[0] == i % 256).all()
