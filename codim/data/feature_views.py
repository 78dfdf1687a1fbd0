"""Views of embeddings (N, D): they have no pixels to crop or colour, so feature space is where views differ.

Weak views get Gaussian noise in proportion to each number's standard deviation (DeVries & Taylor 2017, "Dataset
augmentation in feature space", arXiv 1702.05538, section 3.2). Strong views also lose numbers at random, as dropout
makes positive pairs in SimCSE (Gao et al. 2021, arXiv 2104.08821, section 3), and are mixed with another embedding of
the batch, of which they keep the larger part, as Mixup makes them in DACL (Verma et al. 2021, "Towards domain-agnostic
contrastive learning", arXiv 2011.04419, section 3.1).
"""

import torch
from torch import Generator, Tensor

from codim.config.augment import AugmentConfig
from codim.config.train_config import TrainConfig
from codim.data.augment import Augmenter, require_room
from codim.data.stored import Images
from codim.runtime.distributed import drawn, gather, shard

FIT_EMBEDDINGS = 10_000
"""Maximum number of embeddings from which mean and standard deviation are computed."""


class FeatureAugmenter(Augmenter):
    """Plain, weak and strong views of embeddings, standardised by the given mean and deviation of each number."""

    def __init__(self, config: AugmentConfig, mean: Tensor, std: Tensor) -> None:
        self.config, self.mean, self.std = config, mean, std

    @classmethod
    def fit(cls, config: AugmentConfig, images: Images) -> "FeatureAugmenter":
        """Build an augmenter from the mean and standard deviation of each number of the embeddings, or of every n-th if
        there are more than 10,000. Needs no labels.

        Raises:
            ValueError: `augment/size` asks for views in pixels.
        """
        if config.size:
            raise ValueError(f"augment/size: {config.size}, but embeddings have no pixels; allowed: 0")
        std, mean = torch.std_mean(images[:: -(-len(images) // FIT_EMBEDDINGS)].double(), 0)
        return cls(config, mean.float(), torch.where(std > 0, std, 1).float())

    def plain(self, images: Tensor) -> Tensor:
        return (images.float() - self.mean) / self.std

    def weak(self, images: Tensor, generator: Generator) -> Tensor:
        return self._noisy(self.plain(images), generator)

    def strong(self, images: Tensor, generator: Generator) -> Tensor:
        x = self.plain(images)
        if self.config.feature_mixup:
            x = _mixed(x, self.config.feature_mixup, generator)
        x = self._noisy(x, generator)
        if share := self.config.feature_dropout:
            kept = drawn(lambda n: torch.rand(n, x.shape[1], generator=generator, device=x.device), len(x)) >= share
            x = x * kept / (1 - share)
        return x

    def _noisy(self, x: Tensor, generator: Generator) -> Tensor:
        if not self.config.feature_noise:
            return x
        noise = drawn(lambda n: torch.randn(n, x.shape[1], generator=generator, device=x.device), len(x))
        return x + self.config.feature_noise * noise


def _mixed(x: Tensor, share: float, generator: Generator) -> Tensor:
    """Mix each row with another of the global batch, whose part is drawn from [0, share]."""
    everyone = gather(x)
    partner = torch.randperm(len(everyone), generator=generator, device=x.device)
    part = share * drawn(lambda n: torch.rand(n, 1, generator=generator, device=x.device), len(x))
    return torch.lerp(x, shard(everyone[partner]), part)


def augmenter_of(shape: torch.Size | tuple[int, ...]) -> type[Augmenter]:
    """Return the class of the views of samples of one shape: images (C, H, W), or embeddings (D,).

    Example:
        >>> augmenter_of((3, 32, 32)).__name__, augmenter_of((384,)).__name__
        ('Augmenter', 'FeatureAugmenter')
    """
    return FeatureAugmenter if len(shape) == 1 else Augmenter


def fitted_augmenter(config: TrainConfig, images: Images) -> Augmenter:
    """Return the views of these samples, normalised as the encoder's published weights expect, or by the samples' own
    mean and standard deviation. Raises ValueError as `Augmenter.fit`."""
    wanted = config.network.published
    if wanted is None:
        return augmenter_of(images.shape[1:]).fit(config.augment, images)
    require_room(config.augment, *images.shape[2:])
    mean, std = (torch.tensor(values).to(images.device) for values in (wanted.mean, wanted.std))
    return Augmenter(config.augment, mean, std)
