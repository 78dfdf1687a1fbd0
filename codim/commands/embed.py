"""The command `embed`: what a pre-trained encoder makes of images, as a file of embeddings to train on."""

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from codim.commands.arguments import EmbedArguments, TrainArguments
from codim.commands.predict import images_in
from codim.commands.settings_file import settings_of
from codim.config.augment import AugmentConfig
from codim.config.network import OF_LIBRARIES
from codim.config.pretrained import library_of
from codim.config.train_config import TrainConfig, checked, layered
from codim.data.embedding_writer import Beside, labels_beside, write_embeddings
from codim.data.feature_views import fitted_augmenter
from codim.data.image_source import cached_parts
from codim.data.load import DATASETS
from codim.data.stored import Images, Pixels, Stored
from codim.data.vector_files import finite_rows, require_suffix
from codim.models.network import compiled, seeded_network
from codim.runtime.atomic_file import replacement
from codim.runtime.device import set_up, torch_device
from codim.runtime.progress_bar import progress
from codim.text.parts import PARTS
from codim.text.safe_text import printable

BATCH = 64
"""Number of images that the encoder is given at a time."""


def main(args: EmbedArguments) -> int:
    """Run the command. Raises ValueError and OSError for unusable input."""
    try:
        require_suffix(args.output)
    except ValueError as error:
        raise ValueError(f"--output: {error}") from error
    if args.images is None and not args.labels:
        raise ValueError("--no-labels: --images is missing, a folder of images")
    config = _config(args)
    samples, beside = _labelled(config) if args.labels else _unlabelled(config)
    vectors = embed(config, samples)
    if not (fine := finite_rows(vectors)).all():
        name = printable(beside.ids[int(np.argmin(fine))])
        raise ValueError(
            f"--weights: with {config.network.weights} the embedding of {name} is not finite; allowed: weights that "
            "were trained to an end"
        )
    labels = labels_beside(args.output) if args.labels else None
    with ExitStack() as written:
        # The ending stays: it says of which format a file is.
        scratch = [
            written.enter_context(replacement(path, f"{os.getpid()}{path.suffix}"))
            for path in (args.output, labels)
            if path is not None
        ]
        write_embeddings(scratch[0], scratch[1] if labels else None, vectors, beside)
    print(f"{len(vectors)} embeddings of {vectors.shape[1]} numbers in {printable(args.output)}")
    if args.labels:
        print(f"to train on them: {json.dumps({'data': _reading(args.output, labels, beside)})}")
    return 0


def embed(config: TrainConfig, samples: Sequence[Pixels]) -> NDArray[np.float32]:
    """Return the embeddings (N, D) of all these images by the encoder that the settings name, one after the other.
    Raises ValueError: they cannot be read, or the encoder cannot take them."""
    device = torch_device(config.train.device)
    set_up(device, config.network.precision)
    net = seeded_network(config.network, samples[0].shape[1], 2, 0).to(device).eval()
    compiled(net, config.network.compile)
    ready: list[Images] = [
        images.ready(device) if isinstance(images, Stored) else torch.from_numpy(images).to(device)
        for images in samples
    ]
    # Photos were decoded with margins; images of a fixed size are used whole.
    published = config.network.published
    assert published is not None
    size = published.side if isinstance(ready[0], Stored) else 0
    augmenter = fitted_augmenter(config.model_copy(update={"augment": AugmentConfig(size=size)}), ready[0])
    vectors = np.empty((sum(map(len, ready)), net.classifier.in_features), dtype=np.float32)
    done = 0
    with torch.no_grad(), progress("embedding", len(vectors), "images") as meter:
        for images in ready:
            for batch in images.split(BATCH) if len(images) else ():
                vectors[done : done + len(batch)] = net.embed(augmenter.plain(batch)).cpu().numpy()
                done += len(batch)
                meter.advance(len(batch))
    return vectors


def _config(args: EmbedArguments) -> TrainConfig:
    """Return the settings of the data and of the encoder. Photos are decoded to the size of which the encoder's
    published weights expect the centre."""
    given = settings_of(TrainArguments(args.config))
    layered(given)  # refuses what is no section
    data, network, train = (dict(given.get(section, {})) for section in ("data", "network", "train"))
    if args.images is not None:
        data |= {"name": "table" if args.images.is_file() else "folder", "root": args.images}
    if "name" not in data:
        raise ValueError("--images: a folder or a table of images is missing, or --config with data/name")
    flags = {"name": args.encoder, "weights": args.weights, "input_size": args.input_size}
    network |= {name: value for name, value in flags.items() if value is not None}
    if not library_of(str(network.get("name"))):
        raise ValueError(f"--encoder: {network.get('name')!r}; allowed: {', '.join(OF_LIBRARIES)}")
    wanted = checked({"network": network}).network
    if wanted.weights is None or wanted.published is None:
        raise ValueError(f"--weights: a file with weights of {wanted.name} is missing")
    data |= {"validation": "official", "cache_size": wanted.published.resized}
    return checked({"data": data, "network": network, "train": {"device": train.get("device", "auto")}})


def _labelled(config: TrainConfig) -> tuple[list[Pixels], Beside]:
    """Return the images of each part, and what is known of them all. Raises ValueError as their loader."""
    try:
        source = DATASETS[config.data.name](config.data)
    except ValueError as error:
        raise ValueError(f"{error} (--no-labels embeds a folder of any form)") from error
    parts = {"train": (source.images, source.labels), "test": (source.test_images, source.test_labels)}
    if source.val_images is not None and source.val_labels is not None:
        parts["val"] = (source.val_images, source.val_labels)
    classes = np.array(source.classes)
    own = [(part, *parts[part]) for part in PARTS if part in parts]
    trusted = None
    if source.trusted is not None and source.trusted.any():
        others = sum(len(labels) for part, _, labels in own if part != "train")
        trusted = np.where(np.concatenate([source.trusted, np.zeros(others, dtype=bool)]), "yes", "no")
    beside = Beside(
        np.array([name for part, images, _ in own for name in _ids(part, images)]),
        np.concatenate([classes[labels] for _, _, labels in own]),
        np.concatenate([np.repeat(part, len(labels)) for part, _, labels in own]),
        trusted,
    )
    return [images for _, images, _ in own], beside


def _unlabelled(config: TrainConfig) -> tuple[list[Pixels], Beside]:
    """Return all images in a folder, and their names. Raises ValueError: there are none."""
    folder = config.data.place
    names = [path.relative_to(folder).as_posix() for path in images_in(folder)]
    return [*cached_parts(config.data, folder, [names])], Beside(np.array(names))


def _ids(part: str, images: Pixels) -> list[str]:
    return [images.name(i) if isinstance(images, Stored) else f"{part} {i}" for i in range(len(images))]


def _reading(output: Path, labels: Path | None, beside: Beside) -> dict[str, str]:
    """Return the settings of a data set that is read from these files."""
    settings = {"name": "embeddings", "root": str(output)}
    if labels is not None:
        settings["labels"] = str(labels)
    if beside.split is not None and (beside.split == "val").any():
        settings["validation"] = "official"
    return settings
