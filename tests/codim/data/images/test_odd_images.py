"""Odd and damaged image files: read, or refused by name, whatever Pillow makes of them."""

import io
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from codim.data.images.decode import decode_square, read_image
from codim.data.images.image_files import SUFFIXES

MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("L", "P", "RGB"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "I;16", "I;16B", "F"),
    "PPM": ("1", "L", "RGB", "I", "F"),
    "EPS": ("L", "RGB"),
    "TGA": ("L", "RGB"),
}
if ".avif" in SUFFIXES:
    MODES["AVIF"] = ("RGB", "RGBA")
WITH_EXIF = ("JPEG", "PNG", "WEBP", "TIFF")
EXAMPLES = int(os.environ.get("CODIM_ODD_IMAGES", "300"))


def picture(mode: str, height: int = 6, width: int = 9) -> Image.Image:
    ramp = np.linspace(0, 1, height * width).reshape(height, width)
    if mode in ("I", "F", "I;16", "I;16B"):
        levels = {"I": (ramp * 65535).astype(np.int32), "F": ramp.astype(np.float32)}
        image = Image.fromarray(levels.get(mode, (ramp * 65535).astype(np.uint16)))
        return image.convert(mode) if mode == "I;16B" else image
    return Image.fromarray((ramp * 255).astype(np.uint8)).convert("RGB").convert(mode)


def exif_block(entries: list[tuple[int, int, int, bytes]]) -> bytes:
    """Any entries (tag, type, count, four bytes), right or wrong."""
    content = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + content + bytes(4)


ENTRY = st.tuples(
    st.one_of(st.sampled_from([0x0112, 0x0128, 0x011A, 0x8769, 0x8825, 0xA005, 0x010E, 0x0111]), st.integers(0, 65535)),
    st.integers(0, 14),
    st.one_of(st.integers(0, 3), st.integers(0, 2**32 - 1)),
    st.one_of(st.sampled_from([struct.pack("<HH", 6, 0), b"two\0", bytes(4)]), st.binary(min_size=4, max_size=4)),
)


@st.composite
def files(draw: Any) -> bytes:
    """A whole file of any format and mode with any EXIF data, then cut, flipped or filled at random places."""
    kind = draw(st.sampled_from(sorted(MODES)))
    options: dict[str, Any] = {}
    if kind in WITH_EXIF and draw(st.booleans()):
        options["exif"] = exif_block(draw(st.lists(ENTRY, max_size=6)))
    content = io.BytesIO()
    mode = draw(st.sampled_from(MODES[kind]))
    try:
        picture(mode, draw(st.integers(1, 20)), draw(st.integers(1, 20))).save(content, kind, **options)
    except Exception:  # Pillow itself writes no such EXIF data into this format
        picture(mode).save(content, kind)
    damaged = bytearray(content.getvalue())
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, min(len(damaged), 400)))
        how = draw(st.sampled_from(["flip", "cut", "fill", "drop"]))
        if how == "cut":
            del damaged[place + draw(st.integers(0, len(damaged))) :]
        elif how == "drop":
            del damaged[place : place + draw(st.integers(1, 8))]
        elif how == "fill":
            damaged[place : place + 4] = draw(st.sampled_from([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"]))
        elif place < len(damaged):
            damaged[place] ^= 1 << draw(st.integers(0, 7))
    return bytes(damaged)


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(content=files())
def test_any_file_is_read_or_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.jpg"
    path.write_bytes(content)
    told = []
    for shape in ((3, 8, 8), (1, 8, 8)):
        try:
            image = read_image(path, shape, megapixels=4)
        except ValueError as error:
            told.append(str(error))
        else:
            assert (image.shape, image.dtype) == (shape, np.uint8)
    assert len(told) in (0, 2)
    assert all(text.startswith(f"{path} cannot be read as an image: ") and "\n" not in text for text in told)


@pytest.mark.parametrize("kind", WITH_EXIF)
@pytest.mark.parametrize("orientation", range(10))
def test_any_orientation_is_pillows(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x.{kind.lower()}"
    image = Image.fromarray(np.add.outer(np.arange(16) * 15, np.arange(16)).astype(np.uint8)).convert("RGB")
    image.save(path, kind, exif=exif)
    with Image.open(path) as file:
        expected = np.asarray(ImageOps.exif_transpose(file).convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(decode_square(path, 16), expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("value", [b"two\0", b"\xff\xff\xff\xff"])
@pytest.mark.parametrize(("tag", "form"), [(0x0128, 2), (0x011A, 5), (0x8769, 2), (0x9286, 13), (0x010E, 9)])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_odd_tag_beside_the_orientation_costs_no_picture(
    tmp_path: Path, kind: str, value: bytes, tag: int, form: int
) -> None:
    path = tmp_path / "odd.jpg"
    exif = exif_block([(0x0112, 3, 1, struct.pack("<HH", 6, 0)), (tag, form, 4, value)])
    picture("RGB", 16, 16).save(path, kind, exif=exif)
    upright = decode_square(path, 16)
    assert upright[:, :, 0].mean() > 200 > 50 > upright[:, :, -1].mean(), "its bright lower edge is turned to the left"


@pytest.mark.parametrize("kind", ["EPS", "PDF", "TGA", "ICO", "PCX"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_other_formats_under_a_pictures_name_are_not_opened(
    tmp_path: Path, kind: str, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: Any, **__: Any) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen.__init__", started)
    picture("RGB", 32, 32).save(tmp_path / f"x.{suffix}", kind)
    with pytest.raises(ValueError, match=rf"x\.{suffix} cannot be read as an image: it is not one of JPEG, PNG"):
        decode_square(tmp_path / f"x.{suffix}", 8)


def test_a_scan_may_be_larger_where_it_is_allowed(tmp_path: Path) -> None:
    Image.new("1", (2000, 1000)).save(tmp_path / "scan.png")
    with pytest.raises(ValueError, match=r"scan\.png .* 2 megapixels, allowed by data/max_megapixels: 1\.9"):
        decode_square(tmp_path / "scan.png", 8, 1.9)
    assert not decode_square(tmp_path / "scan.png", 8, 2).any()


GREY = np.tile(np.linspace(0, 255, 32).round().astype(np.uint8), (32, 1))


def deep(path: Path, bits: int) -> Path:
    """GREY with more bits, in the format that the suffix names."""
    values = GREY.astype(np.int64) * (2**bits - 1) // 255
    if path.suffix == ".pgm":
        path.write_bytes(b"P5 32 32 %d\n" % (2**bits - 1) + values.astype(">u2").tobytes())
    elif bits == 12:
        packed = np.array([[a >> 4, (a & 15) << 4 | b >> 8, b & 255] for a, b in values.reshape(-1, 2)], dtype=np.uint8)
        write_tiff(path, packed.tobytes(), 12, 1)
    else:
        Image.fromarray(values.astype(np.uint16)).save(path)
    return path


def write_tiff(path: Path, pixels: bytes, bits: int, sample_format: int, photometric: int = 1) -> Path:
    """A plain grey TIFF of 32 x 32 pixels."""
    tags = [(256, 32), (257, 32), (258, bits), (259, 1), (262, photometric), (273, 134), (277, 1), (278, 32)]
    tags += [(279, len(pixels)), (339, sample_format)]
    content = b"".join(struct.pack("<HHII", tag, 4 if tag == 279 else 3, 1, value) for tag, value in tags)
    header = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + content + bytes(4)
    path.write_bytes(header.ljust(134, b"\0") + pixels)
    return path


@pytest.mark.parametrize(
    ("suffix", "bits"), [("png", 16), ("tif", 16), ("tif", 12), ("pgm", 16), ("pgm", 12), ("pgm", 9)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_deep_greys_are_those_of_8_bits(tmp_path: Path, suffix: str, bits: int, channels: int) -> None:
    found = read_image(deep(tmp_path / f"x.{suffix}", bits), (channels, 32, 32)).astype(int)
    assert abs(found - GREY).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("levels", "bits", "form", "photometric"),
    [
        (GREY.astype("<u4") * 257, 32, 1, 1),
        (GREY.astype("<i4") * 257, 32, 2, 1),
        ((GREY / 255).astype("<f4"), 32, 3, 1),
        (65535 - GREY.astype("<u2") * 257, 16, 1, 0),
        (np.zeros((32, 32), "<u4"), 32, 1, 1),
    ],
    ids=["unsigned", "signed", "floats", "white_is_zero", "black"],
)
def test_levels_of_a_known_range(
    tmp_path: Path, levels: Any, bits: int, form: int, photometric: int, channels: int
) -> None:
    path = write_tiff(tmp_path / "x.tif", levels.tobytes(), bits, form, photometric)
    assert abs(read_image(path, (channels, 32, 32)).astype(int) - (GREY if levels.any() else 0)).max() <= 1


@pytest.mark.parametrize(
    ("levels", "bits", "form"),
    [
        (GREY.astype("<u4"), 32, 1),
        (GREY.astype("<u4") * 2**23, 32, 1),
        (GREY.astype("<i4") - 9, 32, 2),
        (GREY.astype("<i2") * 100, 16, 2),
        (GREY.astype("<f4"), 32, 3),
        (GREY.astype("<f4") - 1, 32, 3),
        (np.where(GREY > 9, np.nan, 0).astype("<f4"), 32, 3),
    ],
    ids=["8_of_32", "all_of_32", "negative", "signed_16", "floats_to_255", "negative_floats", "nan"],
)
def test_levels_of_no_known_range_are_refused(tmp_path: Path, levels: Any, bits: int, form: int) -> None:
    path = write_tiff(tmp_path / "x.tif", levels.tobytes(), bits, form)
    with pytest.raises(ValueError, match=r"x\.tif cannot be read as an image: .* no known black and white"):
        read_image(path, (3, 8, 8))
