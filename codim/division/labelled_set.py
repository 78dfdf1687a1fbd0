"""Fixed labelled set in place of stages 1 and 2: contrastive semi-supervised learning (CSSL) from few labels."""

from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from codim.config.divide import DivideConfig
from codim.data.load import TrainingData
from codim.data.positions import read_positions
from codim.data.splits import require_labels, require_unlabelled
from codim.division.divide import Division


def given_division(data: TrainingData, config: DivideConfig) -> Division:
    """Divide the training part into a fixed labelled set, `divide/labels_per_class` samples of each class or those of
    `divide/labelled_file`, and the rest. Clean probabilities are 1 and 0. Labels of the rest are not read.

    Raises:
        ValueError: a class has too few samples; the file cannot be read, names an image that is not in the training
            part, or leaves nothing unlabelled.
    """
    index = data.train_index
    if config.labelled_file is None:
        labelled = _drawn(data, config)
    else:
        labelled = torch.isin(index, _read(config.labelled_file, data).to(index.device))
    require_unlabelled(int(labelled.sum()), len(index))
    return Division(index, labelled.float(), labelled, 0.5, float("nan"), "given")


def _drawn(data: TrainingData, config: DivideConfig) -> Tensor:
    generator = Generator().manual_seed(config.labels_seed)
    labels = data.labels[data.train_index].cpu()
    labelled = torch.zeros(len(labels), dtype=torch.bool)
    require_labels(config.labels_per_class, labels.bincount(minlength=len(data.classes)).tolist(), data.classes)
    for k in range(len(data.classes)):
        members = torch.nonzero(labels == k)[:, 0]
        labelled[members[torch.randperm(len(members), generator=generator)[: config.labels_per_class]]] = True
    return labelled.to(data.train_index.device)


def _read(path: Path, data: TrainingData) -> Tensor:
    index = read_positions(path, "divide/labelled_file")
    outside = np.setdiff1d(index, data.train_index.cpu().numpy())
    if len(outside):
        raise ValueError(
            f"divide/labelled_file: {path} names image {outside[0]} and {len(outside) - 1} more that are not in the "
            f"training part; allowed: 0 to {len(data.images) - 1}, but none of the validation part "
            "(data/val_fraction: 0 leaves it out)"
        )
    return torch.from_numpy(index)
