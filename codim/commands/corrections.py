"""Corrections of labels that people made on the page of `audit`, in Label Studio or in FiftyOne: labels to train on."""

import csv
import json
from pathlib import Path
from typing import Any

import torch

from codim.commands.arguments import AuditArguments
from codim.commands.label_tools import Answer, read_answers
from codim.config.train_config import TrainConfig
from codim.data.embedding_files import read_labels
from codim.data.embeddings import Embeddings
from codim.data.images.image_cache import CachedImages
from codim.data.load import TrainingData, load_data
from codim.data.own_files import own_images
from codim.noise.base import NoNoise
from codim.noise.file import FileNoise
from codim.runtime.atomic_file import replaced
from codim.text.label_table import SUFFIXES, read_columns
from codim.text.parts import PARTS
from codim.text.safe_text import printable
from codim.training.checkpoint import load_trained

Corrected = dict[int, tuple[int, str]]
"""Position of a sample -> the class that a person gave it, and who that was."""
Rows = list[tuple[Any, ...]]
SAID_BY_THE_TABLE = {"trusted": None, "trusted_per_class": 0, "labels_are_true": False}
"""Settings of the data whose part a table of corrected labels takes."""
HISTORY = ("label_before", "corrected_by")
"""Columns of a table of corrected labels: the label before the first correction, and all who corrected it."""


def correct(args: AuditArguments, folder: Path) -> int:
    """Write corrected_labels.csv and corrected.json, the settings that train on it; return the exit status. Raises
    ValueError: the corrections do not fit the data of the checkpoint."""
    assert args.corrections
    trained = load_trained(args.checkpoint, torch.device("cpu"))
    config = TrainConfig.model_validate(trained.config)
    data, _ = load_data(config.data, config.noise)
    trained.input.require_samples_of(data, args.checkpoint)
    corrected = read_corrections(args.corrections, data)
    labels, settings = folder / "corrected_labels.csv", config.model_dump(mode="json")
    before = _table_of(config)
    if before is not None and labels.exists() and labels.samefile(before):
        raise ValueError(
            f"--output: {folder} holds the labels that the checkpoint was trained on; allowed: another folder"
        )
    if config.data.own_images:
        header, rows = _own_images(config, data, corrected, before)
        settings["noise"] = NoNoise().model_dump(mode="json")
        settings["data"] |= SAID_BY_THE_TABLE | {"name": "table", "root": str(labels.absolute()), "subset": 0}
    elif config.data.facts.own:
        header, rows = _embeddings(config, data, corrected, before)
        settings["noise"] = NoNoise().model_dump(mode="json")
        settings["data"] |= SAID_BY_THE_TABLE | {"labels": str(labels.absolute())}
    else:
        header, rows = _in_official_order(config, data, corrected, before)
        settings["noise"] = {"kind": "file", "path": str(labels.absolute()), "key": "label"}
    folder.mkdir(parents=True, exist_ok=True)
    with labels.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    with replaced(folder / "corrected.json") as file:
        file.write(json.dumps(settings, indent=2).encode())
    print(
        f"{len(corrected)} of {len(data.labels)} labels are corrected in {labels}; "
        f"{folder / 'corrected.json'} trains on it"
    )
    return 0


def read_corrections(path: Path, data: TrainingData) -> Corrected:
    """Return the labels that people corrected; answers that leave a label as it is are checked too. Raises ValueError,
    which names the row or task."""
    names = [printable(name) for name in data.classes]
    found: Corrected = {}
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


def _table_of(config: TrainConfig) -> Path | None:
    """Return the table of labels that a training read, which may be one of corrected labels."""
    if config.data.own_images:
        return config.data.root if config.data.name == "table" else None
    return config.data.labels or (config.noise.path if isinstance(config.noise, FileNoise) else None)


class _Said:
    """Label of each sample as the table tells it, with what it was before and who corrected it."""

    def __init__(self, data: TrainingData, corrected: Corrected, table: Path | None, key: str | None) -> None:
        """`key`: column of `table`, if that is given, which names the samples; None: they are in their order."""
        self.data, self.corrected = data, corrected
        self.trusted = {*corrected, *(data.trusted.nonzero().flatten().tolist() if data.trusted is not None else ())}
        """Labels that a person corrected, or called trusted before: they are trusted from here on."""
        self._earlier: dict[str, tuple[str, str]] = {}
        if table is not None and table.suffix.lower() in SUFFIXES:
            columns = read_columns(table, (key,) if key else (), HISTORY)
            if columns.keys() >= {*HISTORY}:
                pairs = zip(*(columns[name] for name in HISTORY), strict=True)
                names = columns[key] if key else map(str, range(len(columns[HISTORY[0]])))
                self._earlier = dict(zip(names, pairs, strict=True))

    def label(self, i: int) -> int:
        return self.corrected[i][0] if i in self.corrected else int(self.data.labels[i])

    def history(self, i: int, name: str) -> tuple[str, str]:
        """Return the values of HISTORY for a sample and its name in the table."""
        before, people = self._earlier.get(name, ("", ""))
        if i not in self.corrected:
            return before, people
        everyone = [person for person in (*people.split(", "), self.corrected[i][1]) if person]
        return before or self.data.classes[self.data.labels[i]], ", ".join(dict.fromkeys(everyone))


def _own_images(
    config: TrainConfig, data: TrainingData, corrected: Corrected, before: Path | None
) -> tuple[tuple[str, ...], Rows]:
    assert isinstance(data.images, CachedImages)
    own, said = own_images(config.data), _Said(data, corrected, before, "path")
    held_out = set(data.val_index.tolist()) if config.data.validation == "official" else set()
    rows: Rows = []
    for i in range(len(data.labels)):
        name = data.images.name(i)
        part, trusted = "val" if i in held_out else "train", "yes" if i in said.trusted else "no"
        rows.append((str(own.root / name), data.classes[said.label(i)], part, trusted, *said.history(i, name)))
    rows += [(str(own.root / row.path), row.label, "test", "no", "", "") for row in own.rows["test"]]
    return ("path", "label", "split", "trusted", *HISTORY), rows


def _embeddings(
    config: TrainConfig, data: TrainingData, corrected: Corrected, before: Path | None
) -> tuple[tuple[str, ...], Rows]:
    """A row for each embedding of the file, in its order."""
    assert isinstance(data.images, Embeddings)
    if config.data.subset:
        raise ValueError(f"--corrections: not with data/subset {config.data.subset} of embeddings; allowed: 0")
    found, said = read_labels(config.data.place, config.data.labels), _Said(data, corrected, before, None)
    part_of = {row: part for part in PARTS for row in found.rows[part].tolist()}
    place = {row: i for i, row in enumerate(data.images.rows.tolist())}
    rows: Rows = []
    for row, label in enumerate(found.labels.tolist()):
        i = place.get(row)
        known = (data.classes[label], part_of[row], "no", "", "")
        if i is not None:
            trusted = "yes" if i in said.trusted else "no"
            known = (data.classes[said.label(i)], part_of[row], trusted, *said.history(i, str(row)))
        rows.append((*([] if found.ids is None else [found.ids[row]]), *known))
    return (*([] if found.ids is None else ["id"]), "label", "split", "trusted", *HISTORY), rows


def _in_official_order(
    config: TrainConfig, data: TrainingData, corrected: Corrected, before: Path | None
) -> tuple[tuple[str, ...], Rows]:
    """Numbers of classes, as a label file holds them: it says nothing of a subset, of images from elsewhere, and of an
    official validation part."""
    for setting, usual, value in (
        ("data/subset", 0, config.data.subset),
        ("data/validation", "split", config.data.validation),
        ("noise/changes_images", False, config.noise.changes_images),
    ):
        if value != usual:
            raise ValueError(f"--corrections: not with {setting} {value!r}; allowed: {usual!r}, or own images")
    said = _Said(data, corrected, before, None)
    rows: Rows = [(i, said.label(i), *said.history(i, str(i))) for i in range(len(data.labels))]
    return ("index", "label", *HISTORY), rows
