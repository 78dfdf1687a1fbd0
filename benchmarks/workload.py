"""What the benchmarks of speed measure: a training past its warm-up, and the bare passes of its networks.

Bare time is what the plain network needs for exactly the forward and backward passes of the algorithm: same batch,
precision, memory format, compiled or not; no data, no augmentation, no bookkeeping. Efficiency = bare time / time.
"""

import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Literal

import torch
from torch import Tensor

from codim.config.budget import milestones, steps
from codim.config.train_config import TrainConfig, train_config
from codim.data.augment import Augmenter
from codim.data.load import TrainingData, load_data
from codim.metrics import EpochMetrics
from codim.models.network import Network
from codim.runtime.device import torch_device
from codim.training.cssl import Batch, cssl_losses
from codim.training.loop import run_epochs
from codim.training.optim import step
from codim.training.state import TrainState

EVALUATION_BATCH = 1024
"""Default batch size of `codim.evaluation.predict.predict`."""


@dataclass
class Workload:
    """What is trained, and on what."""

    network: Literal["digits", "preact"] = "digits"
    """digits: small_cnn on the digits. preact: PreAct ResNet-18 on random 32x32 images, with CIFAR-10's settings."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: Literal["off", "default", "graphs"] = "off"
    """network/compile, of the bare passes too."""
    width: int | None = None
    """network/width: fewer channels are for trials."""
    batch_size: int = 64
    """Images of each set in a step."""
    steps: int | None = None
    """preact only: of each network per epoch, 2 on CPU and 100 on GPU by default. Of digits one epoch has 9."""
    rounds: int | None = None
    """Measurements of each contender, by turns: 3 for preact on CPU, else 9 by default."""
    threads: int | None = None
    """Of torch; by default one per core, which on a machine that is not idle makes all slow and erratic."""

    def torch_device(self) -> torch.device:
        return torch_device(self.device)

    @property
    def on_gpu(self) -> bool:
        return self.torch_device().type == "cuda"

    @property
    def measurements(self) -> int:
        return self.rounds or (3 if self.network == "preact" and not self.on_gpu else 9)

    @property
    def name(self) -> str:
        """For the files of results."""
        compiled = "" if self.compile == "off" else f"-{self.compile}"
        return f"{self.network}-{self.torch_device().type}-{self.precision}{compiled}"

    def set_threads(self) -> None:
        torch.set_num_threads(self.threads or torch.get_num_threads())


def prepare(work: Workload) -> tuple[TrainConfig, TrainingData]:
    """Settings that do not change from epoch to epoch, with as many steps whatever the division; the warm-up is as long
    as the history of losses."""
    device = work.torch_device()
    train = {"samples": 10**9, "epoch": "dataset", "device": device.type, "batch_size": work.batch_size}
    settings: dict[str, Any] = {
        "method": "codim-sup",
        "network": {"precision": work.precision, "compile": work.compile, "width": work.width},
        "pretrain": {"epochs": 0},
        "mixmatch": {"rampup_epochs": 0},
        "optim": {"schedule": "constant"},
        "train": train,
    }
    if work.network == "digits":
        noise = {"kind": "symmetric", "rate": 0.5}
        config = train_config(settings | {"data": {"name": "digits"}, "noise": noise, "warmup": {"epochs": 5}})
        return config, load_data(config.data, config.noise, device)[0]
    config = train_config(settings | {"data": {"name": "cifar10"}, "warmup": {"epochs": 1}})
    return config, random_data(2 * work.batch_size * (work.steps or (100 if work.on_gpu else 2)), 10, device)


def random_data(n: int, classes: int, device: torch.device | str = "cpu", side: int = 32) -> TrainingData:
    """Images and labels without meaning, no validation part."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (n, 3, side, side), generator=generator, dtype=torch.uint8).to(device)
    labels = torch.randint(classes, (n,), generator=generator).to(device)
    index = torch.arange(n, device=device)
    return TrainingData(images, labels, index, index[:0], tuple(str(k) for k in range(classes)))


def repeated(data: TrainingData, times: int) -> TrainingData:
    """Every image, and its place in the parts, so many times."""
    n = len(data.images)
    assert isinstance(data.images, Tensor)

    def places(index: Tensor) -> Tensor:
        return torch.cat([index + k * n for k in range(times)])

    return replace(
        data,
        images=data.images.repeat(times, 1, 1, 1),
        labels=data.labels.repeat(times),
        train_index=places(data.train_index),
        val_index=places(data.val_index),
    )


def past_warmup(config: TrainConfig, data: TrainingData) -> tuple[TrainState, Iterator[EpochMetrics]]:
    """The state before the first epoch of co-training, and the epochs to come."""
    state = TrainState.create(config, data)
    epochs = run_epochs(config, data, state)
    while state.samples < milestones(config, len(data.images), len(data.train_index)).warmup:
        next(epochs)
    return state, epochs


def training_step(config: TrainConfig, data: TrainingData, state: TrainState) -> Callable[[], None]:
    """A whole step of the first network, again and again on one batch."""
    augmenter = Augmenter.fit(config.augment, data.images)
    size = config.train.batch_size
    x, u = data.train_index[:size], data.train_index[-size:]
    batch = Batch(data.images[x], data.labels[x], torch.full((size,), 0.7, device=x.device), data.images[u])
    mix, contrast = config.mixmatch, config.contrastive

    def run() -> None:
        losses = cssl_losses(*state.networks, batch, mix, contrast, mix.lambda_u, augmenter, state.generator)
        step(state.optimizers[0], losses.total, config.optim.lr)

    return run


class Bare:
    """The passes of co-training on networks and inputs of their own."""

    def __init__(self, config: TrainConfig, data: TrainingData) -> None:
        self.net, self.peer = TrainState.create(config, data).networks
        self.net.train()
        self.peer.eval()
        self.batch_size = config.train.batch_size
        self.steps = 2 * steps(len(data.train_index) // 2, config)
        self.evaluated = [len(data.train_index), len(data.val_index)]
        shape, device = data.images.shape[1:], data.images.device
        self.views = channels_last(4 * self.batch_size, shape, device)
        self.images = channels_last(min(EVALUATION_BATCH, len(data.train_index)), shape, device)

    def step(self) -> None:
        """Guesses on two weak views of both sets, the peer's on those of the unlabelled set; then with gradients the
        mixed images and the two strong views of both sets."""
        with torch.no_grad():
            self.net(self.views)
            self.peer(self.views[: 2 * self.batch_size])
        forward_and_backward(self.net, self.views)

    def evaluation(self) -> None:
        """Of both networks, which are alike: of one twice."""
        with torch.no_grad():
            for images in self.evaluated:
                for start in range(0, images, EVALUATION_BATCH):
                    part = self.images[: images - start]
                    self.peer(part)
                    self.peer(part)

    def epoch(self) -> None:
        for _ in range(self.steps):
            self.step()
        self.evaluation()


def channels_last(n: int, shape: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.randn(n, *shape, device=device).contiguous(memory_format=torch.channels_last)


def forward_and_backward(net: Network, views: Tensor) -> None:
    """Of classifier and projection head, by gradients that are given."""
    logits, embeddings = net(views), net.project(views)
    torch.autograd.backward([logits, embeddings], [torch.ones_like(logits), torch.ones_like(embeddings)])
    for parameter in net.parameters():
        parameter.grad = None


# ---- measuring


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_resident() -> int:
    """Bytes, of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def seconds(action: Callable[[], object], device: torch.device, repeats: int = 1) -> float:
    """Of one of `repeats`."""
    synchronise(device)
    started = time.perf_counter()
    for _ in range(repeats):
        action()
    synchronise(device)
    return (time.perf_counter() - started) / repeats


def by_turns(
    contenders: dict[str, Callable[[], object]], rounds: int, device: torch.device, repeats: int = 1
) -> dict[str, list[float]]:
    """Seconds of each, so that noise of the machine meets all alike; a first call of each is not counted: it chooses
    algorithms and fills caches."""
    for action in contenders.values():
        action()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, action in contenders.items():
            times[name].append(seconds(action, device, repeats))
    return times


def ratios(above: list[float], below: list[float]) -> list[float]:
    """Of measurements of the same round."""
    return [a / b for a, b in zip(above, below, strict=True)]


def spread(values: list[float], digits: int = 2) -> str:
    """Median and range."""
    return f"{median(values):.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])
