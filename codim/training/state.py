"""State of a training: everything that changes during it."""

from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from codim.config.budget import epoch_images, pretrain_samples
from codim.config.train_config import TrainConfig
from codim.data.load import TrainingData
from codim.division.divide import Division
from codim.division.labelled_set import given_division
from codim.evaluation.evaluate import Evaluation
from codim.evaluation.label_statistics import LabelStatistics
from codim.models.network import FITTED_IMAGES, Network, compiled, seeded_network
from codim.runtime.distributed import synchronise_batch_norm
from codim.training.optim import sgd
from codim.training.pretrain import PretrainState
from codim.training.weight_average import WeightAverage


@dataclass
class TrainState:
    """State of a training. With it and the config, training resumes bit for bit (on a CPU)."""

    networks: list[Network]
    optimizers: list[torch.optim.Optimizer]
    generator: Generator
    pretraining: PretrainState | None
    """State of stage 0; None after it."""
    active: Tensor
    """Indices of the training images of the next epoch, (N_epoch,) int64."""
    statistics: LabelStatistics
    """Sums over the epochs so far of how the networks judged each label, for all images."""
    average: WeightAverage | None = None
    """Average of both networks' weights, where `average/kind` asks for one."""
    epoch: int = 0
    """Number of epochs done, in all stages."""
    samples: int = 0
    """Images drawn by one network (mean of both), in all stages."""
    loss_history: list[Tensor] = field(default_factory=list)
    """Losses of `active` in the last epochs of warm-up and co-training, each (2, N_epoch) float32."""
    divisions: list[Division] = field(default_factory=list)
    """Divisions by network A and by B at the start of the last epoch; empty before co-training, unless they are
    given."""
    under_way: int = 0
    """Images drawn in the current epoch; for the display only, never saved."""
    evaluation: Evaluation | None = None
    """Evaluation after the last epoch; None if this process has not evaluated yet."""

    @classmethod
    def create(
        cls, config: TrainConfig, data: TrainingData, pretrained: dict[str, Tensor] | None = None
    ) -> "TrainState":
        """Return the initial state. With the result of stage 0 (PretrainState.result) that stage counts as done."""
        channels, num_classes = data.images.shape[1], len(data.classes)
        device = data.images.device
        networks = [
            seeded_network(config.network, channels, num_classes, 2 * config.first_seed + k).to(device)
            for k in range(2)
        ]
        if config.train.sync_batch_norm:
            networks = [synchronise_batch_norm(net) for net in networks]
        for net in networks:
            net.fit(data.images[:FITTED_IMAGES])
        networks = [compiled(net, config.network.compile) for net in networks]
        optimizers: list[torch.optim.Optimizer] = [
            sgd(net, config.optim.lr, config.optim.momentum, config.optim.weight_decay, config.encoder_lr_factor)
            for net in networks
        ]
        generator = Generator(device).manual_seed(config.first_seed)
        average = None if config.average.kind == "none" else WeightAverage(config.average, networks)
        statistics = LabelStatistics.empty(len(data.images), device)
        state = cls(networks, optimizers, generator, None, draw_active(config, data, generator), statistics, average)
        if config.divide.split == "given":
            state.divisions = [given_division(data, config.divide)] * 2
        if pretrained is not None:
            state.take_over(pretrained)
            state.epoch, state.samples = config.pretrain.epochs, pretrain_samples(config.pretrain, len(data.images))
        elif config.pretrain.epochs:
            state.pretraining = PretrainState.create(config.pretrain, config.network, data.images, num_classes)
        return state

    @property
    def drawn(self) -> int:
        """Images drawn, including those of the current epoch."""
        stage = self.pretraining  # another thread reads this while the stage ends
        return self.samples + self.under_way + (stage.under_way if stage else 0)

    def take_over(self, pretrained: dict[str, Tensor]) -> None:
        """Load encoder and projection head into both networks. Raises ValueError: they are of another network."""
        for net in self.networks:
            try:
                missing, unexpected = net.load_state_dict(pretrained, strict=False)
            except RuntimeError as error:  # other shapes
                raise ValueError(f"the pre-trained weights belong to another network: {error}") from error
            if unexpected or any(not key.startswith("classifier.") for key in missing):
                raise ValueError(f"the pre-trained weights belong to another network: {unexpected or missing}")


def draw_active(config: TrainConfig, data: TrainingData, generator: Generator) -> Tensor:
    """Draw the images of the next epoch: all of the training part, or `train/epoch_images` of them without replacement,
    balanced over the given classes as far as these have enough."""
    size = epoch_images(config, len(data.train_index))
    if size == len(data.train_index):
        return data.train_index
    order = torch.randperm(len(data.train_index), generator=generator, device=generator.device)
    index = data.train_index[order]
    # Every class's first image, then every class's second, and so on, until there are enough.
    labels = data.labels[index]
    place = torch.empty_like(labels)
    for k in labels.unique():
        members = labels == k
        place[members] = torch.arange(int(members.sum()), device=labels.device)
    return index[place.argsort(stable=True)[:size]].sort().values
