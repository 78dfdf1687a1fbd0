"""An average of each network's weights over its training, to be evaluated beside the networks; training never reads it.

Each network is averaged with itself over time. The average of the two networks with each other is not offered: they are
trained apart, from classifiers of their own, and nothing keeps them in one basin of the loss, without which the network
between them can be as bad as chance (Frankle et al. 2020, on linear mode connectivity).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, get_swa_multi_avg_fn, update_bn

from codim.config.average import AverageConfig
from codim.data.augment import Augmenter
from codim.data.stored import Images
from codim.models.network import Network


def _moving(decay: float) -> Callable[[Any, Any, Any], None]:
    def update(average: Any, weights: Any, steps: Any) -> None:
        now = min(decay, (1 + int(steps)) / (10 + int(steps)))
        get_ema_multi_avg_fn(now)(average, weights, steps)

    return update


class WeightAverage:
    """The averages of both networks. It draws no random number and leaves the networks as they are."""

    def __init__(self, config: AverageConfig, networks: list[Network]) -> None:
        assert config.kind != "none"
        self.config = config
        rule = _moving(config.decay) if config.kind == "ema" else get_swa_multi_avg_fn()
        self.models = [AveragedModel(net, multi_avg_fn=rule) for net in networks]

    def after_step(self, k: int, network: Network) -> None:
        """Update the average of network k after a step."""
        if self.config.kind == "ema":
            self.models[k].update_parameters(network)

    def after_epoch(self, networks: list[Network], progress: float) -> None:
        """Update both averages after an epoch, at a share `progress` of the samples of stages 1 to 3."""
        if self.config.kind == "swa" and progress >= self.config.start:
            for model, net in zip(self.models, networks, strict=True):
                model.update_parameters(net)

    @property
    def started(self) -> bool:
        """Whether anything has been averaged yet."""
        return all(int(model.n_averaged) > 0 for model in self.models)

    def networks(self, images: Images, index: Tensor, augmenter: Augmenter, batch_size: int = 256) -> list[nn.Module]:
        """Return the averaged networks, in evaluation mode, with batch norm statistics of their own.

        Statistics do not average like weights: they are taken anew, in one pass over `images[index]` without
        augmentation. Batches are drawn at large (by a fixed seed) because the mean of the variances within batches is
        the variance of the whole only then, and are of equal size because each counts the same. Meant for the end of a
        training: dropout, in a network that has it, draws from torch's global random state.

        Args:
            images: uint8 (N, C, H, W). index: (M,) int64, M >= 2: the training part.
        """
        assert self.started
        order = index[torch.randperm(len(index), generator=Generator().manual_seed(0)).to(index.device)]
        batches = order.tensor_split(-(-len(order) // batch_size))
        for model in self.models:
            update_bn((augmenter.plain(images[batch]) for batch in batches), model)
        return [model.module.eval() for model in self.models]

    def state_dict(self) -> list[dict[str, Any]]:
        """State of both averages, for a checkpoint."""
        return [model.state_dict() for model in self.models]

    def load_state_dict(self, saved: list[dict[str, Any]]) -> None:
        for model, weights in zip(self.models, saved, strict=True):
            model.load_state_dict(weights)
