"""The size of each named data set as published, to check a study where the data are absent. For planning only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codim.config.data import DataConfig
from codim.config.datasets import DATASET_FACTS
from codim.config.divide import DivideConfig
from codim.data.splits import require_labels, require_unlabelled, stratified_split, subset_rows
from codim.noise.base import NoiseKind
from codim.noise.transition import Labels, transition_matrix


@dataclass(frozen=True)
class NominalData:
    """What planning needs of the data."""

    labels: Labels
    """(N,) the given labels, of training and validation part."""
    train_index: Labels
    val_index: Labels
    classes: int
    noise_rate: float
    """NaN, as the next (0, 0), where nobody knows the true labels."""
    transition: NDArray[np.float64]

    def require_given(self, config: DivideConfig) -> None:
        """Raises ValueError where `given_division` would, but for a labelled file, which need not be here."""
        if config.labelled_file is None:
            counts = np.bincount(self.labels[self.train_index], minlength=self.classes)
            require_labels(config.labels_per_class, counts, [str(k) for k in range(self.classes)])
            require_unlabelled(config.labels_per_class * self.classes, len(self.train_index))


def nominal_data(config: DataConfig, noise: NoiseKind) -> NominalData:
    """What `load_data` would give, with labels spread evenly over the classes.

    The noise is laid on these labels, so that one that does not fit the classes is found; kinds that read files, or
    read or replace images, are left out. Raises ValueError as `load_data`, and for a data set without a nominal shape.
    """
    shape = config.facts.shape
    if shape is None:
        names = ", ".join(name for name, facts in DATASET_FACTS.items() if facts.shape)
        raise ValueError(f"data/name: {config.name!r} has no published shape; allowed: {names}")
    true = np.arange(shape.train) % shape.classes
    given = true
    if noise.draws_labels and not noise.reads_images and not noise.changes_images:
        given = noise.apply(true, shape.classes, np.empty((0, 1, 1, 1), dtype=np.uint8))
    rows = subset_rows(true, config.subset)
    given, true = given[rows], true[rows]
    rate, transition = float((given != true).mean()), transition_matrix(true, given, shape.classes)
    if config.validation == "official":
        if not shape.val:
            raise ValueError(
                f"data/validation: 'official', but {config.name} has no validation part of its own; allowed: split"
            )
        train_index, val_index = np.split(np.arange(len(given) + shape.val), [len(given)])
        given = np.concatenate([given, np.arange(shape.val) % shape.classes])
    else:
        train_index, val_index = stratified_split(given, config.val_fraction, config.split_seed)
    if not shape.truth_known:
        rate, transition = float("nan"), np.empty((0, 0))
    return NominalData(given, train_index, val_index, shape.classes, rate, transition)
