"""Settings of the data."""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from codim.config.datasets import DATASET_FACTS, DatasetFacts
from codim.section import Section

ROOT_VARIABLE = "CODIM_DATA"
MOST_MEGAPIXELS = 178.0
"""Largest image that is read where nothing else is set: Pillow's limit against files that fill the memory."""


class DataConfig(Section):
    """Which images, and which share of them is held out for validation."""

    name: str = "digits"
    """Data set: digits, cifar10, cifar100, webvision, clothing1m, folder or table."""
    root: Path | None = None
    """Where the official files lie; for `folder` the folder, for `table` the .csv or .parquet file. Default: the
    environment variable CODIM_DATA, else `data` in the working directory; webvision and clothing1m in a folder of their
    name in it. Made absolute when the settings are read, because workers have other working directories."""
    download: bool = False
    """Fetch the official files where they are missing (cifar10, cifar100)."""
    subset: int = Field(default=0, ge=0)
    """Number of training images, stratified by the labels of the source, always the same ones: a smaller data set of
    the same kind, whatever the noise. 0: all."""
    validation: Literal["split", "official"] = "split"
    """split: a share of the training images with the noise of their labels. official: the validation part of the data
    set, added to the images, its labels as they are (clothing1m: checked by people; own data: split or folder `val`);
    then the whole training part is trained on."""
    val_fraction: float = Field(default=0.2, ge=0, lt=1)
    """With `validation: split`: share of the training images held out, stratified by given label. 0: train on all (for
    confirmed settings)."""
    split_seed: int = Field(default=0, ge=0)
    """Seed of the train / validation split."""
    cache: Path | None = None
    """Folder for the decoded images of webvision, clothing1m, folder and table: cache_size^2 * 3 bytes an image.
    Default: for the first two `.codim-cache` in the folder of the data, for own images the user's cache: CODIM_CACHE,
    else codim in XDG_CACHE_HOME or ~/.cache, else in the folder for temporary files."""
    cache_size: int = Field(default=256, ge=8)
    """Pixels: the same data sets keep their images at this size, the short side resized to it, then cropped to the
    square in the middle. (256: DivideMix)"""
    max_megapixels: float | None = Field(default=None, gt=0)
    """Larger image files are refused. Default: MOST_MEGAPIXELS; a file takes 3 bytes a pixel while it is decoded."""

    @model_validator(mode="before")
    @classmethod
    def _with_places(cls, settings: Any) -> Any:
        if not isinstance(settings, dict):
            return settings
        places = {key: settings.get(key) for key in ("root", "cache")}
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
    def _own_images_have_a_place(self) -> "DataConfig":
        if self.facts.own and self.root is None:
            raise ValueError(f"data/root is missing: {self.name} needs {self.facts.own}")
        return self

    @property
    def facts(self) -> DatasetFacts:
        """Facts about the data set."""
        return DATASET_FACTS[self.name]

    def images(self) -> dict[str, Any]:
        """The settings that decide which images training sees, and how: what a stage without labels depends on."""
        own = {"name", "root", "subset", "validation", "cache_size"} if self.root else {"name", "subset", "validation"}
        return self.model_dump(mode="json", include=own)

    @property
    def megapixels(self) -> float:
        """The largest image that is decoded."""
        return self.max_megapixels or MOST_MEGAPIXELS

    @property
    def place(self) -> Path:
        """`root` of a data set that lies in files."""
        assert self.root is not None
        return self.root


def _absolute(setting: str, place: str | Path) -> Path:
    path = Path(place).expanduser().absolute()
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise ValueError(
            f"data/{setting}: {path} cannot be spelt in this locale's letters ({error.encoding}); "
            "set PYTHONUTF8=1 or LC_ALL=C.UTF-8"
        ) from error
    return path
