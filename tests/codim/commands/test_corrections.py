"""Corrected labels come back, and are trained on as labels that somebody has checked."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from codim.commands import audit as audit_page
from codim.commands.arguments import AuditArguments
from codim.config.train_config import TrainConfig, train_config
from codim.data.augment import Augmenter
from codim.data.counts import with_counts
from codim.data.images.image_cache import CachedImages
from codim.data.load import TrainingData, load_data
from codim.training.checkpoint import InputSpec, save_checkpoint
from codim.training.session import Session
from tests.support.pictures import save_plain
from tests.support.runs import train
from tests.support.vectors import blobs, save
from tests.support.vectors import settings as vector_settings


@pytest.fixture
def trained(tiny: Callable[..., tuple[TrainConfig, TrainingData]], tmp_path: Path) -> tuple[Path, TrainingData]:
    """The folder of a checkpoint, and its data."""
    config, data = tiny({"method": "ce", "train": {"samples": 200}})
    _, state = train(config, data)
    save_checkpoint(
        tmp_path / "checkpoint.pt", config, state, InputSpec.of(data, Augmenter.fit(config.augment, data.images))
    )
    return tmp_path, data


def test_what_was_corrected_is_trained_on(
    trained: tuple[Path, TrainingData], few_digits: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two labels are answered, one of them as it was: one changes, and no other."""
    folder, data = trained
    given = [data.classes[label] for label in data.labels]
    other = data.classes[(int(data.labels[7]) + 1) % 10]
    rows = [f"3,,{given[3]},{given[3]}", f"7,,{given[7]},{other}"]
    (folder / "corrections.csv").write_text("\n".join(["index,file,given_label,label", *rows]))
    assert audit_page.main(AuditArguments(folder, corrections=folder / "corrections.csv")) == 0
    assert "1 of 240 labels are corrected" in capsys.readouterr().out
    config = TrainConfig.model_validate_json((folder / "corrected.json").read_text())
    again, _ = load_data(config.data, config.noise)
    changed = (again.labels != data.labels).nonzero().flatten().tolist()
    assert changed == [7]
    assert again.classes[again.labels[7]] == other
    rows = pd.read_csv(folder / "corrected_labels.csv", dtype=str, keep_default_na=False)
    assert rows.label_before.tolist() == ["" if i != 7 else given[7] for i in range(240)]


def left(folder: Path, settings: dict[str, Any]) -> TrainingData:
    """Leave the checkpoint of a short training in a folder; return its data."""
    stages = {"method": "ce", "train": {"samples": 32, "batch_size": 8}, "warmup": {"epochs": 1}}
    config = train_config(with_counts(settings | stages, gpu=False))
    session = Session.load(config)
    session.start()
    for _ in session.epochs():
        pass
    session.save(folder / "checkpoint.pt")
    return session.data


def answered(folder: Path, data: TrainingData, answers: dict[int, str], by: str) -> Path:
    """Have somebody correct labels; return the file that says so."""
    rows = [f"{i},{data.classes[data.labels[i]]},{label},{by}" for i, label in answers.items()]
    path = folder / f"{by}.csv"
    path.write_text("\n".join(["index,given_label,label,corrected_by", *rows]))
    return path


def test_corrections_of_own_images_keep_who_changed_what(tmp_path: Path) -> None:
    """Two rounds, the second on what the first one left."""
    for i in range(12):
        save_plain(tmp_path / "photos" / f"class{i % 2}" / f"{i}.png", 20 * i)
    own = {"data": {"name": "folder", "root": tmp_path / "photos", "cache_size": 8, "val_fraction": 0.25}}
    data = left(tmp_path / "a", own)
    other = {i: data.classes[1 - int(data.labels[i])] for i in range(12)}
    file = answered(tmp_path, data, {2: other[2], 5: other[5]}, "bob")
    assert audit_page.main(AuditArguments(tmp_path / "a", corrections=file)) == 0
    assert isinstance(data.images, CachedImages)
    names = [Path(data.images.name(i)).name for i in range(12)]
    given = json.loads((tmp_path / "a" / "corrected.json").read_text())
    again = left(tmp_path / "b", given)
    place = {Path(again.images.name(i)).name: i for i in range(12)}  # type: ignore[union-attr]
    found = {name: again.classes[again.labels[i]] for name, i in place.items()}
    assert {i for i in range(12) if found[names[i]] == other[i]} == {2, 5}
    assert again.trusted is not None
    assert {names.index(name) for name, i in place.items() if again.trusted[i]} == {2, 5}
    file = answered(tmp_path, again, {place[names[5]]: data.classes[data.labels[5]], place[names[7]]: other[7]}, "eve")
    assert audit_page.main(AuditArguments(tmp_path / "b", corrections=file)) == 0
    rows = pd.read_csv(tmp_path / "b" / "corrected_labels.csv", dtype=str, keep_default_na=False)
    by_name = rows.set_index(rows.path.map(lambda path: Path(path).name))
    before = {i: data.classes[data.labels[i]] for i in (2, 5, 7)}
    said = {i: tuple(by_name.loc[names[i], ["label", "label_before", "corrected_by"]]) for i in (2, 5, 7)}
    assert said == {
        2: (other[2], before[2], "bob"),
        5: (before[5], before[5], "bob, eve"),
        7: (other[7], before[7], "eve"),
    }
    assert (by_name.corrected_by != "").sum() == (by_name.trusted == "yes").sum() == 3
    table = (tmp_path / "a" / "corrected_labels.csv").read_bytes()
    with pytest.raises(ValueError, match=r"--output: .*a holds the labels that the checkpoint was trained on"):
        audit_page.main(AuditArguments(tmp_path / "b", corrections=file, output=tmp_path / "a"))
    assert (tmp_path / "a" / "corrected_labels.csv").read_bytes() == table


@pytest.mark.parametrize("validation", ["split", "official"])
def test_corrections_of_embeddings_are_trusted(validation: str, tmp_path: Path) -> None:
    """One of them corrects a label that counted as trusted; noise that was added stays, as the labels given."""
    vectors, labels = blobs(80)
    split = ["train"] * 50 + ["val" if validation == "official" else "train"] * 10 + ["test"] * 20
    trusted = ["yes" if i < 4 else "no" for i in range(80)]
    columns = {"label": labels, "split": split, "trusted": trusted, "id": [f"photo {i}" for i in range(80)]}
    path = save(tmp_path / "x.npy", vectors, **columns)
    noise = {"kind": "symmetric", "rate": 0.5}
    own = vector_settings(path, labels_are_true=True, validation=validation)
    data = left(tmp_path / "a", {"data": own, "noise": noise})
    answers = {i: data.classes[(int(data.labels[i]) + 1) % 3] for i in (1, 30)}
    file = answered(tmp_path, data, answers, "bob")
    assert audit_page.main(AuditArguments(tmp_path / "a", corrections=file)) == 0
    again = left(tmp_path / "b", json.loads((tmp_path / "a" / "corrected.json").read_text()))
    assert (again.labels != data.labels).nonzero().flatten().tolist() == [1, 30]
    assert {i: again.classes[again.labels[i]] for i in answers} == answers
    assert again.trusted is not None
    assert again.trusted.nonzero().flatten().tolist() == [0, 1, 2, 3, 30]
    assert (again.val_index.tolist() == [*range(50, 60)]) == (validation == "official")
    assert (
        audit_page.main(AuditArguments(tmp_path / "b", corrections=answered(tmp_path, again, {8: "cat"}, "eve"))) == 0
    )
    rows = pd.read_csv(tmp_path / "b" / "corrected_labels.csv", dtype=str, keep_default_na=False)
    assert rows.id.tolist() == columns["id"]
    assert rows.label[60:].tolist() == labels[60:].tolist()
    corrected = {i: (rows.label_before[i], rows.corrected_by[i]) for i in rows.index if rows.corrected_by[i]}
    expected = {i: (data.classes[data.labels[i]], "bob") for i in answers}
    assert corrected == expected | ({8: (again.classes[again.labels[8]], "eve")} if again.labels[8] != 2 else {})


def test_corrections_of_a_subset_of_embeddings_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "x.npz", blobs(80)[0], label=blobs(80)[1])
    data = left(tmp_path / "a", {"data": vector_settings(path, subset=40)})
    with pytest.raises(ValueError, match="--corrections: not with data/subset 40 of embeddings"):
        audit_page.main(AuditArguments(tmp_path / "a", corrections=answered(tmp_path, data, {0: "bee"}, "bob")))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("240,,0,1", "row 1: index is '240'; allowed: 0 to 239"),
        ("-1,,0,1", "row 1: index is '-1'"),
        ("0,,emu,1", "given_label is 'emu', image 0 of this training has"),
        ("0,,{given},emu", "label is 'emu'; allowed: 0, 1, 2"),
        ("0,,{given},1\n0,,{given},2", "row 2: image 0 stands in two rows"),
    ],
)
def test_corrections_that_do_not_fit_are_refused(trained: tuple[Path, TrainingData], row: str, message: str) -> None:
    folder, data = trained
    path = folder / "corrections.csv"
    path.write_text("index,file,given_label,label\n" + row.format(given=data.classes[data.labels[0]]))
    with pytest.raises(ValueError, match=message):
        audit_page.main(AuditArguments(folder, corrections=path))
    assert not (folder / "corrected.json").exists()
