"""Published sizes of the named data sets, to plan and check a study without the data."""

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
    """Counts and labels of a data set, as far as planning needs them."""

    labels: Labels
    """Given labels of training and validation part, (N,)."""
    train_index: Labels
    val_index: Labels
    classes: int
    noise_rate: float
    """Realised noise rate; NaN if the true labels are unknown (`transition` is then (0, 0))."""
    transition: NDArray[np.float64]

    def require_given(self, config: DivideConfig) -> None:
        """Check what `given_division` would, except for a labelled file, which need not exist here. Raises
        ValueError."""
        if config.labelled_file is None:
            counts = np.bincount(self.labels[self.train_index], minlength=self.classes)
            require_labels(config.labels_per_class, counts, [str(k) for k in range(self.classes)])
            require_unlabelled(config.labels_per_class * self.classes, len(self.train_index))


def nominal_data(config: DataConfig, noise: NoiseKind) -> NominalData:
    """Return the counterpart of `load_data` with labels spread evenly over the classes.

    Applies the noise to these labels, to detect one that does not fit the classes; kinds that read files, or read or
    replace images, are skipped. Raises ValueError as `load_data`, and for a data set without a published shape.
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
            raise ValueError(f"data/validation: 'official', but {config.name} has no validation part; allowed: split")
        train_index, val_index = np.split(np.arange(len(given) + shape.val), [len(given)])
        given = np.concatenate([given, np.arange(shape.val) % shape.classes])
    else:
        train_index, val_index = stratified_split(given, config.val_fraction, config.split_seed)
    if not shape.truth_known:
        rate, transition = float("nan"), np.empty((0, 0))
    return NominalData(given, train_index, val_index, shape.classes, rate, transition)
