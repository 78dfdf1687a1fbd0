"""Selection of images: the subset, the training / validation split, and limits on the number of labelled samples."""

from collections.abc import Iterable, Sequence

import numpy as np

from codim.noise.transition import Labels


def subset_rows(labels: Labels, size: int) -> Labels:
    """Return sorted indices of `size` samples (0: of all), stratified by label; deterministic."""
    if not size:
        return np.arange(len(labels))
    if size > len(labels):
        raise ValueError(f"data/subset: {size} images, the training part has {len(labels)}")
    rng = np.random.default_rng(0)
    place = np.empty(len(labels))
    for k in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == k))
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.sort(np.argsort(place, kind="stable")[:size])


def first_of_each(labels: Labels, count: int) -> Labels:
    """Return sorted indices of `count` samples of each class, or of all that it has, in an order that is always the
    same: more of them hold the fewer.

    Example:
        >>> first_of_each(np.array([0, 1, 1, 0, 0, 0]), 2).size
        4
    """
    order = np.random.default_rng(0).permutation(len(labels))
    return np.sort(np.concatenate([order[labels[order] == k][:count] for k in np.unique(labels)]))


def stratified_split(
    labels: Labels, val_fraction: float, seed: int, images: Labels | None = None
) -> tuple[Labels, Labels]:
    """Return sorted (train, validation) indices; each class gives its share, rounded, and keeps one training sample or
    more.

    scikit-learn's stratified split refuses a class with a single sample, which noise can produce.

    Args:
        images: (N,) id of each sample's image, if images may repeat: all copies go where the first one goes.
    Example:
        >>> stratified_split(np.array([0] * 3 + [1] * 3), 1 / 3, seed=0)[1].tolist()
        [2, 5]
    """
    if images is not None and len(first := np.unique(images, return_index=True)[1]) < len(images):
        held_out = np.isin(images, images[first][stratified_split(labels[first], val_fraction, seed)[1]])
        for k in np.setdiff1d(labels, labels[~held_out]):
            held_out[images == images[labels == k][0]] = False
        return np.flatnonzero(~held_out), np.flatnonzero(held_out)
    rng = np.random.default_rng(seed)
    val: list[Labels] = []
    for k in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == k))
        val.append(members[: min(round(val_fraction * len(members)), len(members) - 1)])
    val_index = np.sort(np.concatenate(val))
    return np.setdiff1d(np.arange(len(labels)), val_index), val_index


def stratified_folds(labels: Labels, folds: int, seed: int, images: Labels | None = None) -> Labels:
    """Return each sample's fold, (N,), from 0; classes and their remainders are spread evenly. `images` as in
    `stratified_split`."""
    if images is not None:
        _, first, place = np.unique(images, return_index=True, return_inverse=True)
        if len(first) < len(images):
            return stratified_folds(labels[first], folds, seed)[place]
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(np.flatnonzero(labels == k)) for k in np.unique(labels)])
    fold = np.empty(len(labels), dtype=np.int64)
    fold[order] = np.arange(len(labels)) % folds
    return fold


def require_labels(per_class: int, counts: Iterable[int], classes: Sequence[str]) -> None:
    """Check that each class has `divide/labels_per_class` training images. Raises ValueError."""
    for name, count in zip(classes, counts, strict=True):
        if count < per_class:
            raise ValueError(
                f"divide/labels_per_class: {per_class}, but class {name} has {count} samples in the training part"
            )


def require_unlabelled(labelled: int, images: int) -> None:
    """Check that some training images remain unlabelled. Raises ValueError."""
    if labelled == images:
        raise ValueError(f"divide: all {images} images of the training part are labelled; allowed: fewer")
