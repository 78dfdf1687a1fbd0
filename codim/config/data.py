"""Settings of the data set and its validation split."""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from codim.config.datasets import DATASET_FACTS, DatasetFacts
from codim.section import Section

ROOT_VARIABLE = "CODIM_DATA"
MOST_MEGAPIXELS = 178.0
"""Default limit on image size in megapixels: Pillow's limit against decompression bombs."""


class DataConfig(Section):
    """Data set to train on, and its validation part."""

    name: str = "digits"
    """Data set: digits, mnist, fashion_mnist, cifar10, cifar100, webvision, clothing1m, folder, table or embeddings;
    arrays, vectors: what `codim.train` was given."""
    root: Path | None = None
    """Location of the official files; for `folder` the folder, for `table` the .csv or .parquet file, for
    `embeddings` a .npy, .npz or .parquet file (codim/data/embedding_files.py says what it holds). Default: the
    environment variable CODIM_DATA, else `data` in the working directory; webvision and clothing1m in subfolders of
    that name. Made absolute when the settings are read, because workers have other working directories."""
    labels: Path | None = None
    """embeddings: labels that are not in `root`: a .csv or .parquet table with the columns label, optionally split,
    id and trusted, or a .npy; one for each embedding in the same order."""
    labels_are_true: bool = False
    """folder, table, embeddings: whether somebody vouches for all labels, so that a study may add noise and compare
    with them. False: they are as noisy as they are, and true labels count as unknown."""
    download: bool = False
    """Download the official files if they are missing (cifar10, cifar100, mnist, fashion_mnist)."""
    subset: int = Field(default=0, ge=0)
    """Number of training images to use, stratified by the source's labels and always the same ones: a smaller data set
    of the same kind, whatever the noise. 0: all."""
    trusted: Path | None = None
    """Training images whose labels somebody has checked: .npy, or text with one number per line, zero-based positions
    in the training set; a column `trusted` (yes or no) of a table or of embeddings says the same. With `folder` and
    `table` also a folder, for `folder` outside of `root`, that holds a folder of images for each class; they join the
    training images. Added noise does not change them, they are always in the labelled set with clean probability 1, and
    neither the mixture nor the estimate of the noise counts them."""
    trusted_per_class: int = Field(default=0, ge=0)
    """That many training images of each class, always the same ones, count as trusted too, as if somebody had checked
    them: to find out what that is worth. Needs known true labels."""
    validation: Literal["split", "official", "trusted"] = "split"
    """split: hold out a share of the training images, with their noisy labels. official: use the data set's own
    validation part, which is added to the images with its labels unchanged (clothing1m: checked by people; own data:
    split or folder `val`); the whole training part is then trained on. trusted: hold out the trusted images, which are
    not trained on then."""
    val_fraction: float = Field(default=0.2, ge=0, lt=1)
    """With `validation: split`: share of the training images held out, stratified by given label. 0: train on all (to
    confirm settings)."""
    split_seed: int = Field(default=0, ge=0)
    """Seed of the training / validation split."""
    cache: Path | None = None
    """Folder for the decoded images of webvision, clothing1m, folder and table: cache_size^2 * 3 bytes per image.
    Default: `.codim-cache` in the data folder for the first two, the user's cache for own images: CODIM_CACHE, else
    codim in XDG_CACHE_HOME or ~/.cache, else in the folder for temporary files."""
    cache_size: int = Field(default=256, ge=8)
    """Side length in pixels of cached images: the short side is resized to it, then the central square cropped. (256:
    DivideMix)"""
    max_megapixels: float | None = Field(default=None, gt=0)
    """Size limit of image files in megapixels; larger ones are refused. Default: MOST_MEGAPIXELS. Takes 3 bytes a
    pixel."""

    @model_validator(mode="before")
    @classmethod
    def _with_places(cls, settings: Any) -> Any:
        if not isinstance(settings, dict):
            return settings
        places = {key: settings.get(key) for key in ("root", "cache", "labels", "trusted")}
        facts = DATASET_FACTS.get(str(settings.get("name")))
        if places["root"] is None and facts and facts.folder is not None:
            places["root"] = Path(os.environ.get(ROOT_VARIABLE) or "data", facts.folder)
        absolute = {key: _absolute(key, p) for key, p in places.items() if isinstance(p, str | Path)}
        return {**settings, **absolute}

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in DATASET_FACTS:
            raise ValueError(f"unknown data set; allowed: {', '.join(DATASET_FACTS)}")
        return name

    @model_validator(mode="after")
    def _own_data_have_a_place(self) -> "DataConfig":
        if self.facts.own and self.root is None:
            raise ValueError(f"data/root is missing: {self.name} needs {self.facts.own}")
        if self.labels is not None and not (self.facts.own and self.facts.vectors):
            raise ValueError(f"data/labels: {self.name} has labels of its own; allowed with data/name: embeddings")
        if self.trusted_folder is not None and not self.own_images:
            raise ValueError(
                f"data/trusted: {self.trusted} is a folder; allowed with data/name: {self.name}: a file of positions"
            )
        if self.labels_are_true and not self.facts.own:
            raise ValueError(f"data/labels_are_true: {self.name} says so itself; allowed with your own data")
        return self

    @property
    def facts(self) -> DatasetFacts:
        """Facts about the data set."""
        return DATASET_FACTS[self.name]

    @property
    def own_images(self) -> bool:
        """Whether the samples are image files of the user."""
        return bool(self.facts.own) and not self.facts.vectors

    @property
    def trusted_folder(self) -> Path | None:
        """Folder of trusted images; None if `trusted` is a file of positions, or not given."""
        return self.trusted if self.trusted is not None and self.trusted.is_dir() else None

    def images(self) -> dict[str, Any]:
        """Return the settings that decide which images training sees, and how: all that label-free stages depend on."""
        own = {"name", "root", "subset", "validation", "cache_size"} if self.root else {"name", "subset", "validation"}
        for name, place in (("labels", self.labels), ("trusted", self.trusted_folder)):
            own |= {name} if place else set()
        return self.model_dump(mode="json", include=own)

    @property
    def megapixels(self) -> float:
        """Size limit of decoded images, in megapixels."""
        return self.max_megapixels or MOST_MEGAPIXELS

    @property
    def place(self) -> Path:
        """Absolute `root` of a data set that is stored in files."""
        assert self.root is not None
        return self.root


def _absolute(setting: str, place: str | Path) -> Path:
    path = Path(place).expanduser().absolute()
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise ValueError(
            f"data/{setting}: {path} has characters that this locale cannot encode ({error.encoding}); "
            "set PYTHONUTF8=1 or LC_ALL=C.UTF-8"
        ) from error
    return path
