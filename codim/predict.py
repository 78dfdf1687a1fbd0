"""Classes of image files, by the networks of a checkpoint."""

import csv
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import track

from codim.arguments import PredictArguments
from codim.checkpoint import Trained, load_trained
from codim.device import torch_device
from codim.evaluate import predict

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
"""Files that count as images, in upper case too."""
BATCH = 128
"""Images decoded and predicted at a time."""


class Prediction(NamedTuple):
    """A line of the table; its fields are the columns."""

    file: str
    """Below the folder, with forward slashes."""
    label: str
    probability: float
    agree: bool
    confidence_a: float
    confidence_b: float


def main(args: PredictArguments) -> int:
    """The command. Raises ValueError and OSError for input that it can do nothing with."""
    paths = find_images(args.images)
    trained = load_trained(args.checkpoint, torch_device())
    args.output.parent.mkdir(parents=True, exist_ok=True)
    scratch = args.output.with_name(f".{args.output.name}.new")
    faults = []
    with scratch.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["class" if name == "label" else name for name in Prediction._fields])
        bar = track(predictions(trained, args.images, paths), "predicting", len(paths), console=Console(stderr=True))
        for found in bar:
            if isinstance(found, Prediction):
                numbers = [f"{p:.6f}" for p in (found.probability, found.confidence_a, found.confidence_b)]
                table.writerow([found.file, found.label, numbers[0], str(found.agree).lower(), *numbers[1:]])
            else:
                faults.append(found)
    for fault in faults:
        print(f"python -m codim predict: {fault}", file=sys.stderr)
    if len(faults) == len(paths):
        scratch.unlink()
        raise ValueError(f"none of the {len(paths)} images in {args.images} could be read")
    scratch.replace(args.output)
    left_out = f"; {len(faults)} could not be read" if faults else ""
    print(f"classes of {len(paths) - len(faults)} images in {args.output}{left_out}")
    return 1 if faults else 0


def find_images(folder: Path) -> list[Path]:
    """All image files in and below `folder`, sorted. Raises ValueError where there are none."""
    if not folder.is_dir():
        raise ValueError(f"--images: {folder} is not a folder")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise ValueError(f"--images: {folder} holds no image; allowed: {', '.join(SUFFIXES)}")
    return paths


def read_image(path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The file as uint8 (C, H, W) of the given shape. Raises ValueError: missing, truncated or no image."""
    channels, height, width = shape
    try:
        with Image.open(path) as file:
            file.draft("L" if channels == 1 else "RGB", (width, height))
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith("I"):  # 16 bits, which Pillow's conversion would cut off at 255
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            image = image.convert("L" if channels == 1 else "RGB")
        fitted = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read as an image: {error}") from error
    return np.asarray(fitted).reshape(height, width, channels).transpose(2, 0, 1)


def predictions(trained: Trained, root: Path, paths: Sequence[Path]) -> Iterator[Prediction | ValueError]:
    """In the order of `paths`: the prediction, or what is wrong with the file. At most BATCH images are held."""

    def attempt(path: Path) -> NDArray[np.uint8] | ValueError:
        try:
            return read_image(path, trained.input.shape)
        except ValueError as error:
            return error

    device = trained.augmenter.mean.device
    with ThreadPoolExecutor() as pool:  # Pillow decodes outside Python's lock
        for start in range(0, len(paths), BATCH):
            chunk = paths[start : start + BATCH]
            read = list(pool.map(attempt, chunk))
            images = [image for image in read if not isinstance(image, ValueError)]
            found = iter(_predict(trained, torch.from_numpy(np.stack(images)).to(device)) if images else [])
            for path, image in zip(chunk, read, strict=True):
                name = path.relative_to(root).as_posix()
                yield image if isinstance(image, ValueError) else Prediction(name, *next(found))


def _predict(trained: Trained, images: torch.Tensor) -> list[tuple[str, float, bool, float, float]]:
    logits = predict(trained.networks, images, trained.augmenter)
    probability, label = logits.mean(0).softmax(1).max(1)
    agree = (logits.argmax(2) == label).all(0)
    a, b = logits.softmax(2).gather(2, label.expand(2, -1)[..., None])[..., 0]
    names = [trained.input.classes[k] for k in label.tolist()]
    return list(zip(names, probability.tolist(), agree.tolist(), a.tolist(), b.tolist(), strict=True))
