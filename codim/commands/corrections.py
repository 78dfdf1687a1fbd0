"""Corrections of labels that people made on the page of `audit`, in Label Studio or in FiftyOne: labels to train on."""

import csv
import json
from pathlib import Path
from typing import Any

import torch

from codim.commands.arguments import AuditArguments
from codim.commands.label_tools import Answer, read_answers
from codim.config.train_config import TrainConfig
from codim.data.images.image_cache import CachedImages
from codim.data.load import TrainingData, load_data
from codim.data.own_files import own_images
from codim.noise.base import NoNoise
from codim.noise.file import FileNoise
from codim.runtime.atomic_file import replaced
from codim.text.label_table import read_columns
from codim.text.safe_text import printable
from codim.training.checkpoint import load_trained


def correct(args: AuditArguments, folder: Path) -> int:
    """Write corrected_labels.csv and corrected.json, the settings that train on it; return the exit status. Raises
    ValueError: the corrections do not fit the data of the checkpoint."""
    assert args.corrections
    trained = load_trained(args.checkpoint, torch.device("cpu"))
    config = TrainConfig.model_validate(trained.config)
    data, _ = load_data(config.data, config.noise)
    trained.input.require_samples_of(data, args.checkpoint)
    corrected = read_corrections(args.corrections, data)
    folder.mkdir(parents=True, exist_ok=True)
    labels, settings = folder / "corrected_labels.csv", config.model_dump(mode="json")
    numbers = {**dict(enumerate(data.labels.tolist())), **{place: label for place, (label, _) in corrected.items()}}
    checked = {*corrected, *(data.trusted.nonzero().flatten().tolist() if data.trusted is not None else ())}
    if config.data.own_images:
        _write_own(labels, config, data, numbers, checked, {place: by for place, (_, by) in corrected.items()})
        settings["noise"] = NoNoise().model_dump(mode="json")
        settings["data"] |= {"name": "table", "root": str(labels.absolute()), "subset": 0, "trusted": None}
    else:
        _require_order(config)
        _write(labels, ("index", "label"), sorted(numbers.items()))
        settings["noise"] = FileNoise(path=labels, key="label").model_dump(mode="json")
    with replaced(folder / "corrected.json") as file:
        file.write(json.dumps(settings, indent=2).encode())
    print(
        f"{len(corrected)} of {len(numbers)} labels are corrected in {labels}; {folder / 'corrected.json'} trains on it"
    )
    return 0


def read_corrections(path: Path, data: TrainingData) -> dict[int, tuple[int, str]]:
    """Return position -> class of the labels that people corrected, and by whom; answers that leave a label as it is
    are checked too. Raises ValueError, which names the row or task."""
    names = [printable(name) for name in data.classes]
    found: dict[int, tuple[int, str]] = {}
    for place, index, given, label, by in _answers(path):
        where = f"--corrections: {place}"
        if not index.isdecimal() or int(index) >= len(data.labels):
            raise ValueError(f"{where}: index is {index!r}; allowed: 0 to {len(data.labels) - 1}")
        image = int(index)
        if given != names[data.labels[image]]:
            raise ValueError(
                f"{where}: given_label is {given!r}, image {index} of this training has {names[data.labels[image]]!r}; "
                "allowed: corrections of this checkpoint's audit"
            )
        if label not in names:
            raise ValueError(f"{where}: label is {label!r}; allowed: {', '.join(names)}")
        if image in found:
            raise ValueError(f"{where}: image {index} stands in two rows; allowed: one")
        found[image] = names.index(label), by
    return {image: answer for image, answer in found.items() if answer[0] != data.labels[image]}


def _answers(path: Path) -> list[Answer]:
    if path.suffix.lower() == ".json":
        return read_answers(path)
    columns = read_columns(path, ("index", "given_label", "label"), ("corrected_by",))
    people = columns.pop("corrected_by", None) or [""] * len(columns["index"])
    return [
        Answer(f"{printable(path)}, row {row}", *values)
        for row, values in enumerate(zip(*columns.values(), people, strict=True), 1)
    ]


def _write_own(
    path: Path,
    config: TrainConfig,
    data: TrainingData,
    labels: dict[int, int],
    checked: set[int],
    people: dict[int, str],
) -> None:
    """`checked`: images whose label a person corrected or called trusted before: they are trusted from here on.
    `people`: who corrected an image, of all that were corrected now."""
    assert isinstance(data.images, CachedImages)
    own = own_images(config.data)
    held_out = set(data.val_index.tolist()) if config.data.validation == "official" else set()
    rows = [
        (
            str(own.root / data.images.name(i)),
            data.classes[label],
            "val" if i in held_out else "train",
            "yes" if i in checked else "no",
            data.classes[data.labels[i]] if i in people else "",
            people.get(i, ""),
        )
        for i, label in labels.items()
    ]
    rows += [(str(own.root / row.path), row.label, "test", "no", "", "") for row in own.rows["test"]]
    _write(path, ("path", "label", "split", "trusted", "label_before", "corrected_by"), rows)


def _require_order(config: TrainConfig) -> None:
    """A label file says nothing of a subset, of images from elsewhere, and of an official validation part."""
    for setting, usual, value in (
        ("data/subset", 0, config.data.subset),
        ("data/validation", "split", config.data.validation),
        ("noise/changes_images", False, config.noise.changes_images),
    ):
        if value != usual:
            raise ValueError(f"--corrections: not with {setting} {value!r}; allowed: {usual!r}, or own images")


def _write(path: Path, header: tuple[str, ...], rows: list[Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows(rows)
