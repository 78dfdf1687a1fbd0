"""Mini-WebVision: the first 50 classes of the Google part of WebVision 1.0 (Li et al. 2017, arXiv 1708.02862), 65,944
images labelled by the search queries that found them.

Layout as in the official archives ("Google Images Resized", "Validation Images Resized", "Training & Validation
Labels"; data.vision.ee.ethz.ch/cvl/webvision/dataset2017.html) and as DivideMix's dataloader_webvision.py reads it:
paths in the training list are relative to the root, those in the validation list to val_images_256. The subset is that
of MentorNet (Jiang et al. 2018). Test parts, as in the literature: WebVision's validation images of these classes
(2,500, checked by people), and second, ILSVRC 2012's (2,500).
"""

from pathlib import Path

import numpy as np

from codim.config.data import DataConfig
from codim.data.file_lists import read_labels, read_lines, require_layout
from codim.data.image_source import ImageSource, cached_parts

CLASSES, ALL_CLASSES = 50, 1000
VALIDATION_IMAGES = 50_000
TRAIN_LIST, VAL_LIST, SYNSETS = "info/train_filelist_google.txt", "info/val_filelist.txt", "info/synsets.txt"
ILSVRC, DEVKIT = "ILSVRC2012_img_val", "ILSVRC2012_devkit_t12/data"
GROUND_TRUTH, META = f"{DEVKIT}/ILSVRC2012_validation_ground_truth.txt", f"{DEVKIT}/meta.mat"
LAYOUT = f"""\
  {TRAIN_LIST}    lines `google/q0001/name.jpg 0`
  {VAL_LIST}             lines `val000001.jpg 0`
  {SYNSETS}                  line i + 1: synset and names of class i
  google/q0001/...                   images of the training list
  val_images_256/...                 images of the validation list
  {ILSVRC}/n01440764/*.JPEG   optional second test part: a folder per synset, or all images in one folder
                                     with {GROUND_TRUTH} and meta.mat beside it"""


def webvision(config: DataConfig) -> ImageSource:
    """Load 65,944 training images with unknown true labels, and up to two test parts."""
    root = config.place
    require_layout(root, (TRAIN_LIST, VAL_LIST, SYNSETS), LAYOUT)
    train, test = (
        [e for e in read_labels(root / name, ALL_CLASSES) if e[1] < CLASSES] for name in (TRAIN_LIST, VAL_LIST)
    )
    synsets = _synsets(root / SYNSETS)
    second = _ilsvrc(root, list(synsets)) if (root / ILSVRC).is_dir() else []
    names = [
        [name for name, _ in train],
        [f"val_images_256/{name}" for name, _ in test],
        [name for name, _ in second],
    ]
    images, test_images, second_images = cached_parts(config, root, names)
    labels, test_labels, second_labels = (
        np.array([y for _, y in part], dtype=np.int64) for part in (train, test, second)
    )
    return ImageSource(
        images,
        labels,
        test_images,
        test_labels,
        tuple(synsets.values()),
        second_test_images=second_images if second else None,
        second_test_labels=second_labels if second else None,
        truth_known=False,
    )


def _synsets(path: Path) -> dict[str, str]:
    """Return synset -> its first name, for the 50 classes in order."""
    lines = read_lines(path)[:CLASSES]
    synsets = {line.partition(" ")[0]: line.partition(" ")[2].partition(",")[0] for line in lines}
    if len(synsets) < CLASSES or not all(synsets.values()):
        raise ValueError(f"{path}: the first {CLASSES} lines must each be a synset and its names, as `n01440764 tench`")
    return synsets


def _ilsvrc(root: Path, synsets: list[str]) -> list[tuple[str, int]]:
    """List ILSVRC 2012's validation images of these synsets, in either layout: (file below root, label)."""
    if any((root / ILSVRC).glob("*.JPEG")):
        return _flat_ilsvrc(root, synsets)
    found = []
    for k, synset in enumerate(synsets):
        files = sorted((root / ILSVRC / synset).glob("*.JPEG"))
        if not files:
            raise ValueError(f"{root / ILSVRC / synset} holds no *.JPEG; expected below {root}:\n{LAYOUT}")
        found += [(str(file.relative_to(root)), k) for file in files]
    return found


def _flat_ilsvrc(root: Path, synsets: list[str]) -> list[tuple[str, int]]:
    """List them in the flat layout; the ground truth file has its own class numbers, which meta.mat maps to synsets."""
    from scipy.io import loadmat

    require_layout(root, (GROUND_TRUTH, META), LAYOUT)
    try:
        table = loadmat(root / META, squeeze_me=True)["synsets"]
        synset_of = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in table}
    except Exception as error:  # scipy raises half a dozen types for a damaged file
        raise ValueError(f"{root / META} cannot be read: {error}") from error
    lines = [line for line in read_lines(root / GROUND_TRUTH) if line]
    label_of = {synset: k for k, synset in enumerate(synsets)}
    found = []
    for number, line in enumerate(lines, 1):
        if not line.isdecimal() or int(line) not in synset_of:
            raise ValueError(f"{root / GROUND_TRUTH}, line {number}: {line!r} is not a class of meta.mat")
        label = label_of.get(synset_of[int(line)])
        if label is not None:
            found.append((f"{ILSVRC}/ILSVRC2012_val_{number:08d}.JPEG", label))
    return found
