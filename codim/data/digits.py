"""Handwritten digits (UCI), as shipped with scikit-learn."""

import numpy as np

from codim.config.data import DataConfig
from codim.data.image_source import ImageSource


def _digits(config: DataConfig) -> ImageSource:
    """Load 1,797 handwritten digits of 8x8 pixels with 17 grey levels (Alpaydin & Kaynak, UCI; shipped with
    scikit-learn).

    This copy has no test part: ours is a fixed quarter, stratified.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    images = (pixels.reshape(-1, 1, 8, 8) * (255 / 16)).round().astype(np.uint8)
    train, test = train_test_split(np.arange(len(labels)), test_size=0.25, stratify=labels, random_state=0)
    labels = labels.astype(np.int64)
    classes = tuple(str(k) for k in range(10))
    return ImageSource(images[train], labels[train], images[test], labels[test], classes)
