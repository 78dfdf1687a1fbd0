"""Clothing1M (Xiao et al. 2015, "Learning from massive noisy labeled data for image classification"): a million photos
of clothes in 14 classes, labelled by the text around them.

Layout as in the authors' repository (github.com/Cysu/noisy_label, "Clothing1M Experiments"), with the class names of
category_names_eng.txt. As in DivideMix's dataloader_clothing1M.py, the training part is noisy_train_key_list.txt, and
the test and official validation parts are those checked by people (clean_test, clean_val); clean_train is not used.
Unlike there, no random subset is drawn on loading: the order is that of the lists.
"""

from pathlib import Path

import numpy as np

from codim.config.data import DataConfig
from codim.data.file_lists import read_labels, read_lines, require_layout
from codim.data.image_source import ImageSource, cached_parts
from codim.noise.transition import Labels

CLASSES = 14
NAMES = "category_names_eng.txt"
PARTS = {
    "noisy_train_key_list.txt": "noisy_label_kv.txt",
    "clean_test_key_list.txt": "clean_label_kv.txt",
    "clean_val_key_list.txt": "clean_label_kv.txt",
}
"""File list of a part -> file with its labels."""
LAYOUT = """\
  noisy_train_key_list.txt, clean_val_key_list.txt, clean_test_key_list.txt    lines `images/7/13/name.jpg`
  noisy_label_kv.txt, clean_label_kv.txt                                       lines `images/7/13/name.jpg 5`
  category_names_eng.txt                                                       14 names, a line each
  images/0/... to images/9/..."""


def clothing1m(config: DataConfig) -> ImageSource:
    """Load 1,000,000 training images with unknown true labels, 14,313 validation and 10,526 test images."""
    root = config.place
    require_layout(root, (*dict.fromkeys([*PARTS, *PARTS.values()]), NAMES), LAYOUT)
    classes = [line for line in read_lines(root / NAMES) if line]
    if len(classes) != CLASSES:
        raise ValueError(f"{root / NAMES} holds {len(classes)} names; allowed: {CLASSES}")
    labels_in = {name: dict(read_labels(root / name, CLASSES)) for name in dict.fromkeys(PARTS.values())}
    parts = [_part(root / keys, labels_in[values], root / values) for keys, values in PARTS.items()]
    images, test_images, val_images = cached_parts(config, root, [names for names, _ in parts])
    labels, test_labels, val_labels = (labels for _, labels in parts)
    return ImageSource(
        images, labels, test_images, test_labels, tuple(classes), val_images, val_labels, truth_known=False
    )


def _part(path: Path, label_of: dict[str, int], source: Path) -> tuple[list[str], Labels]:
    names = []
    for number, name in enumerate(read_lines(path), 1):
        if not name:
            continue
        if name not in label_of:
            raise ValueError(f"{path}, line {number}: {name!r} has no label in {source.name}")
        names.append(name)
    return names, np.array([label_of[name] for name in names], dtype=np.int64)
