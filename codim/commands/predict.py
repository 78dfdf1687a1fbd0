"""The command `predict`: classes of image files or embeddings, by the networks of a checkpoint."""

import csv
import logging
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from codim.commands.arguments import PredictArguments
from codim.config.data import DataConfig
from codim.data.embedding_files import is_embedding_file
from codim.data.embeddings import Embeddings, unlabelled
from codim.data.images.decode import decode_blocks, read_image
from codim.data.images.image_files import SUFFIXES, find_images, listed
from codim.evaluation.predict import predict
from codim.runtime.atomic_file import replacement
from codim.runtime.device import torch_device
from codim.runtime.progress_bar import progress
from codim.text.command_line import as_called
from codim.text.safe_text import cell, printable
from codim.training.checkpoint import Trained, load_trained

__all__ = ["main", "predictions", "read_image"]
CHUNK = 2**14
"""Number of embeddings that are read at a time."""
SHOWN_CLASSES = 20
"""Number of classes, the most frequent ones, whose counts are printed."""
log = logging.getLogger(__name__)


class Prediction(NamedTuple):
    """One line of the table; the fields are its columns."""

    file: str
    """Path below the folder, with forward slashes; of embeddings the id, or the row number from 1."""
    label: str
    probability: float
    agree: bool
    confidence_a: float
    confidence_b: float


COLUMNS = tuple("class" if name == "label" else name for name in Prediction._fields)
"""Columns of the table."""


def main(args: PredictArguments) -> int:
    """Run the command. Raises ValueError and OSError for unusable input."""
    samples = samples_in(args.images)
    trained = load_trained(args.checkpoint, torch_device())
    megapixels = args.max_megapixels or DataConfig.model_validate(trained.config["data"]).megapixels
    what = "embeddings" if isinstance(samples, Embeddings) else "images"
    faults = []
    found_of, agreed = Counter[str](), Counter[str]()
    with replacement(args.output, "new") as scratch:
        with (
            scratch.open("w", newline="", encoding="utf-8") as file,
            progress("predicting", len(samples), what) as meter,
        ):
            table = csv.writer(file)
            table.writerow(COLUMNS)
            for found in predictions(trained, args.images, samples, megapixels):
                meter.advance()
                if isinstance(found, Prediction):
                    found_of[found.label] += 1
                    agreed[found.label] += found.agree
                    numbers = [f"{p:.6f}" for p in (found.probability, found.confidence_a, found.confidence_b)]
                    names = [cell(found.file), cell(found.label)]
                    table.writerow([*names, numbers[0], str(found.agree).lower(), *numbers[1:]])
                else:
                    faults.append(found)
        for fault in faults:
            print(as_called(f"python -m codim predict: {fault}"), file=sys.stderr)
        if len(faults) == len(samples):
            raise ValueError(f"none of the {len(samples)} images in {printable(args.images)} could be read")
    left_out = f"; {len(faults)} could not be read" if faults else ""
    print(f"classes of {len(samples) - len(faults)} {what} in {printable(args.output)}{left_out}")
    for name, count in found_of.most_common(SHOWN_CLASSES):
        print(f"{count:>9} {printable(name)}, {agreed[name] / count:.0%} of them by both networks")
    if len(found_of) > SHOWN_CLASSES:
        print(f"{'':>9} and {len(found_of) - SHOWN_CLASSES} more classes")
    return 1 if faults else 0


def samples_in(place: Path) -> list[Path] | Embeddings:
    """Return all image files in and below a folder, or the embeddings in a file. Raises ValueError."""
    if not (place.is_file() and is_embedding_file(place)):
        return images_in(place)
    try:
        return unlabelled(place)
    except ValueError as error:
        raise ValueError(f"--images: {error}") from error


def images_in(folder: Path) -> list[Path]:
    """Return all image files in and below `folder`, sorted; log what is skipped. Raises ValueError if there are
    none."""
    if not folder.is_dir():
        raise ValueError(f"--images: {printable(folder)} is not a folder")
    found = find_images(folder)
    left_out = f"; left out: {listed(found.left_out)}" if found.left_out else ""
    if not found.files:
        raise ValueError(f"--images: {printable(folder)} holds no image; allowed: {', '.join(SUFFIXES)}{left_out}")
    log.info("%s: %d images%s", printable(folder), len(found.files), left_out)
    return found.files


def predictions(
    trained: Trained, root: Path, samples: Sequence[Path] | Embeddings, megapixels: float
) -> Iterator[Prediction | ValueError]:
    """Yield, in their order, the prediction or the error of each file below `root`, or of each embedding in `root`.

    Raises ValueError: the networks were trained on other samples.
    """
    device, shape = trained.augmenter.mean.device, trained.input.shape
    given = f"embeddings of {samples.shape[1]} numbers" if isinstance(samples, Embeddings) else "images"
    wanted = f"embeddings of {shape[0]} numbers" if len(shape) == 1 else "images"
    if given != wanted:
        raise ValueError(f"--images: {printable(root)} holds {given}; allowed: {wanted}, as in training")
    if isinstance(samples, Embeddings):
        yield from _of_embeddings(trained, samples.ready(device))
        return
    channels, height, width = shape
    for block, decoded in decode_blocks(samples, (channels, height, width), megapixels):
        images = [image for image in decoded if not isinstance(image, ValueError)]
        found = iter(classified(trained, torch.from_numpy(np.stack(images)).to(device)) if images else [])
        for path, image in zip(block, decoded, strict=True):
            name = path.relative_to(root).as_posix()
            yield image if isinstance(image, ValueError) else Prediction(name, *next(found))


def _of_embeddings(trained: Trained, samples: Embeddings) -> Iterator[Prediction]:
    for start in range(0, len(samples), CHUNK):
        for i, found in enumerate(classified(trained, samples[start : start + CHUNK]), start):
            yield Prediction(samples.name(i) or str(i + 1), *found)


def classified(trained: Trained, images: torch.Tensor) -> list[tuple[str, float, bool, float, float]]:
    """Return the fields of Prediction after `file` for samples (N, ...) on the device of the networks."""
    logits = predict(trained.networks, images, trained.augmenter)
    probability, label = logits.mean(0).softmax(1).max(1)
    agree = (logits.argmax(2) == label).all(0)
    a, b = logits.softmax(2).gather(2, label.expand(2, -1)[..., None])[..., 0]
    names = [trained.input.classes[k] for k in label.tolist()]
    return list(zip(names, probability.tolist(), agree.tolist(), a.tolist(), b.tolist(), strict=True))
