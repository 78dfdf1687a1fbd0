"""Stage 0: NT-Xent on two strong views of every image, without labels.

The result depends on the images, the network, the augmentation, the settings here and their seed, and on nothing
else: above all not on the noise, so every noise level of a study shares it. It sees the images of training and
validation part, never a test image.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from operator import index
from typing import Any

import torch
from torch import Generator, Tensor

from codim.config.budget import steps_per_epoch
from codim.config.network import NetworkConfig
from codim.config.pretrain import PretrainConfig
from codim.data.augment import Augmenter
from codim.data.batches import endless_batches
from codim.data.stored import Images
from codim.losses.contrastive import nt_xent
from codim.models.network import FITTED_IMAGES, Network, compiled, seeded_network
from codim.runtime.distributed import gather, require_even, shard, synchronise_batch_norm
from codim.training.optim import sgd, step
from codim.training.schedules import cosine


@dataclass
class PretrainState:
    """State of stage 0."""

    network: Network
    optimizer: torch.optim.Optimizer
    generator: Generator
    epoch: int = 0
    under_way: int = 0
    """Images drawn in the current epoch; for the display only, never saved."""

    @classmethod
    def create(
        cls, config: PretrainConfig, network: NetworkConfig, images: Images, num_classes: int
    ) -> "PretrainState":
        net = synchronise_batch_norm(
            seeded_network(network, images.shape[1], num_classes, config.seed).to(images.device)
        )
        net.fit(images[:FITTED_IMAGES])
        compiled(net, network.compile)
        generator = Generator(images.device).manual_seed(config.seed)
        return cls(net, sgd(net, config.lr, 0.9, config.weight_decay), generator)

    def saved(self) -> dict[str, Any]:
        """Return the state as plain values and tensors, for a checkpoint."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "epoch": self.epoch,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Resume from `saved()` of a stage with the same settings."""
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.generator.set_state(saved["generator"])
        self.epoch = index(saved["epoch"])

    def result(self) -> dict[str, Tensor]:
        """Weights of encoder and projection head: all that later stages take over."""
        state = self.network.state_dict()
        return {k: copy.deepcopy(v) for k, v in state.items() if not k.startswith("classifier.")}


def pretrain_epochs(
    config: PretrainConfig, images: Images, augmenter: Augmenter, state: PretrainState
) -> Iterator[tuple[float, float]]:
    """Yield (mean loss, learning rate) after each epoch until the stage is done; `state` is advanced in place."""
    require_even("pretrain/batch_size", config.batch_size)
    steps = steps_per_epoch(config, len(images))
    every = torch.arange(len(images), device=images.device)
    while state.epoch < config.epochs:
        state.network.train()
        total = torch.zeros((), device=images.device)
        batches = endless_batches(every, config.batch_size, state.generator)
        lr = config.lr
        for i in range(steps):
            batch = images[shard(next(batches))]
            views = [augmenter.strong(batch, state.generator) for _ in range(2)]
            z1, z2 = state.network.project(torch.cat(views)).chunk(2)
            loss = nt_xent(gather(z1), gather(z2), config.temperature)
            lr = cosine(config.lr, (state.epoch + i / steps) / config.epochs)
            step(state.optimizer, loss, lr)
            total += loss.detach()
            state.under_way += config.batch_size
        state.epoch += 1
        state.under_way = 0
        yield total.item() / steps, lr
