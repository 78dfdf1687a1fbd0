"""Trusted labels: noise does not reach them, the division keeps them, the estimate of the noise does without them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from codim.commands import crossval
from codim.commands.arguments import CrossvalArguments
from codim.config.data import DataConfig
from codim.config.divide import DivideConfig
from codim.config.train_config import train_config
from codim.data.counts import count_images
from codim.data.load import load_data
from codim.division.divide import divide
from codim.evaluation.label_audit import label_audit
from codim.noise.kinds import NOISE_ADAPTER
from codim.training.session import Session
from tests.support.loading import levels, load
from tests.support.pictures import save_plain
from tests.support.vectors import blobs, save, settings

N = 120
VECTORS, LABELS = blobs(N)
CHECKED = np.arange(0, N, 4)
MARKS = np.array(["yes" if i % 4 == 0 else "no" for i in range(N)])
NOISE = NOISE_ADAPTER.validate_python({"kind": "symmetric", "rate": 1.0})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save(tmp_path / "x.npy", VECTORS, label=LABELS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.save(tmp_path / "trusted.npy", CHECKED)
    return tmp_path / "trusted.npy"


@pytest.mark.parametrize("way", ["file", "text", "column", "both"])
def test_noise_does_not_reach_them(way: str, path: Path, file: Path, tmp_path: Path) -> None:
    own: dict[str, Any] = {"trusted": str(file)}
    if way == "text":
        np.savetxt(tmp_path / "trusted.txt", CHECKED[::-1], fmt="%d")
        own = {"trusted": str(tmp_path / "trusted.txt")}
    if way in ("column", "both"):
        path = save(tmp_path / "y.npz", VECTORS, label=LABELS)
        np.savez(path, embeddings=VECTORS, labels=LABELS, trusted=MARKS)
        own = {} if way == "column" else own
    data, truth = load_data(DataConfig.model_validate(settings(path, labels_are_true=True, **own)), NOISE)
    assert data.trusted is not None
    assert data.trusted.nonzero()[:, 0].tolist() == CHECKED.tolist()
    assert truth.clean is not None
    assert truth.clean[data.trusted].all()
    assert 0.5 < 1 - truth.clean[~data.trusted].double().mean().item() < 0.8


def test_some_of_each_class_may_stand_for_checked_ones(path: Path, file: Path) -> None:
    def marked(count: int, **own: Any) -> set[int]:
        data, truth = load_data(
            DataConfig.model_validate(settings(path, labels_are_true=True, trusted_per_class=count, **own)), NOISE
        )
        assert data.trusted is not None
        assert truth.clean is not None
        assert truth.clean[data.trusted].all()
        return set(data.trusted.nonzero()[:, 0].tolist())

    few, more = marked(2), marked(5)
    assert few < more
    assert np.unique(LABELS[sorted(more)], return_counts=True)[1].tolist() == [5] * len(np.unique(LABELS))
    assert marked(2, trusted=str(file)) == few | set(CHECKED.tolist())
    assert len(marked(2, subset=30)) == len(few)
    with pytest.raises(ValueError, match=r"data/trusted: all images are trusted"):
        marked(N)
    with pytest.raises(ValueError, match=r"data/trusted_per_class: 2, but the true labels are unknown"):
        load_data(
            DataConfig.model_validate(settings(path, trusted_per_class=2)),
            NOISE_ADAPTER.validate_python({"kind": "none"}),
        )


def test_a_table_of_images_has_the_column_too(tmp_path: Path) -> None:
    for i in range(4):
        save_plain(tmp_path / f"{i}.png", i)
    (tmp_path / "t.csv").write_text("path,label,trusted\n0.png,a,Yes\n1.png,b,\n2.png,a,0\n3.png,b,TRUE\n")
    trusted = load("table", tmp_path / "t.csv").trusted
    assert trusted is not None
    assert trusted.tolist() == [True, False, False, True]
    (tmp_path / "t.csv").write_text("path,label,trusted\n0.png,a,Yes\n1.png,b,perhaps\n")
    with pytest.raises(ValueError, match=r"row 2: trusted is 'perhaps'; allowed: true, yes, 1, false, no, 0"):
        load("table", tmp_path / "t.csv")


def two_folders(tmp_path: Path) -> tuple[Path, Path]:
    """A folder of doubtful images of levels 0 to 2, and one of trusted ones of levels 3 to 5."""
    doubtful, trusted = tmp_path / "photos", tmp_path / "checked"
    for i, name in enumerate(("a/0.png", "b/1.png", "b/2.png")):
        save_plain(doubtful / name, i)
        save_plain(trusted / name, 3 + i)
    return doubtful, trusted


@pytest.mark.parametrize("name", ["folder", "table"])
def test_a_folder_of_them_joins_the_training_images(name: str, tmp_path: Path) -> None:
    root, trusted = two_folders(tmp_path)
    if name == "table":
        root = tmp_path / "t.csv"
        root.write_text("path,label,trusted\nphotos/a/0.png,a,\nphotos/b/1.png,b,yes\nphotos/b/2.png,b,no\n")
    config = DataConfig.model_validate({"name": name, "root": root, "trusted": trusted, "labels_are_true": True})
    source = load(name, root, trusted=trusted)
    assert levels(source.images) == [0, 1, 2, 3, 4, 5]
    assert source.labels.tolist() == [0, 1, 1, 0, 1, 1]
    assert source.trusted is not None
    assert source.trusted.tolist() == [False, name == "table", False, True, True, True]
    assert count_images({"data": config.model_dump()}, gpu=False).images == 6
    data, truth = load_data(config, NOISE)
    assert data.trusted is not None
    assert data.trusted.tolist() == source.trusted.tolist()
    assert truth.clean is not None
    assert truth.clean[data.trusted].all()
    assert set(config.images()) > {"trusted"}, "pre-training sees their images"


def test_a_folder_of_them_has_to_fit(tmp_path: Path) -> None:
    root, trusted = two_folders(tmp_path)
    with pytest.raises(ValueError, match=r"data/trusted: .*photos/a lies in data/root; allowed: a folder beside it"):
        load("folder", root, trusted=root / "a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"data/trusted: .*empty has no folders; allowed: a folder of images for each"):
        load("folder", root, trusted=tmp_path / "empty")
    (trusted / "a" / "0.png").unlink()
    (trusted / "a" / "0.png").symlink_to(root / "a" / "0.png")
    with pytest.raises(ValueError, match=r"data/trusted: a/0\.png is in .*photos, too; allowed: in one of both"):
        load("folder", root, trusted=trusted)
    with pytest.raises(ValueError, match=r"trusted: .*checked is a folder; allowed with data/name: digits: a file"):
        DataConfig(name="digits", trusted=trusted)


def test_they_may_be_the_validation_part(path: Path, file: Path) -> None:
    config = DataConfig.model_validate(settings(path, trusted=str(file), validation="trusted"))
    data, _ = load_data(config, NOISE)
    assert data.val_index.tolist() == CHECKED.tolist()
    assert not set(data.val_index.tolist()) & set(data.train_index.tolist())
    assert len(data.train_index) + len(data.val_index) == N


def test_the_mixture_is_that_of_the_others(path: Path) -> None:
    """Whatever the losses of the trusted images are."""
    generator = torch.Generator().manual_seed(0)
    scaled = torch.rand(2, N, generator=generator, dtype=torch.float64) ** 3
    trusted = torch.zeros(N, dtype=torch.bool)
    trusted[CHECKED] = True
    labels, index = torch.arange(N) % 3, torch.arange(N) + 7
    wild = torch.where(trusted, torch.rand(N, generator=generator).double(), scaled)
    for by_class in (False, True):
        config = DivideConfig(by_class=by_class)
        alone = divide(scaled[:, ~trusted], index[~trusted], labels[~trusted], config)
        for found, others in zip(divide(wild, index, labels, config, trusted), alone, strict=True):
            assert torch.equal(found.index, index)
            assert torch.equal(found.clean_probability[~trusted], others.clean_probability)
            assert torch.equal(found.labelled[~trusted], others.labelled)
            assert (found.clean_probability[trusted] == 1).all()
            assert found.labelled[trusted].all()
            assert found.threshold == others.threshold


def test_a_training_keeps_them_labelled(path: Path, file: Path) -> None:
    own = {"data": settings(path, trusted=str(file), labels_are_true=True), "noise": {"kind": "symmetric", "rate": 0.8}}
    stages = {"pretrain": {"epochs": 0, "batch_size": 8}, "warmup": {"epochs": 1}, "mixmatch": {"rampup_epochs": 0}}
    sizes = {"train": {"samples": 1_000, "batch_size": 8}, "optim": {"weight_decay": 5e-4}}
    config = train_config({**own, **stages, **sizes})
    session = Session.load(config)
    session.start()
    for _ in session.epochs():
        pass
    assert session.data.trusted is not None
    for division in session.state.divisions:
        member = session.data.trusted[division.index]
        assert division.labelled[member].all()
        assert not division.labelled.all()
    table = label_audit(session.data, session.predict(), config.divide)
    assert (table["clean_probability"].to_numpy()[CHECKED] == 1).all()
    assert table["trusted"].to_numpy().nonzero()[0].tolist() == CHECKED.tolist()


def test_the_estimate_of_the_noise_does_without_them(path: Path, file: Path, tmp_path: Path) -> None:
    given = {"data": settings(path, trusted=str(file)), "warmup": {"epochs": 1}, "network": {"width": 4}}
    (tmp_path / "s.json").write_text(json.dumps(given))
    crossval.main(CrossvalArguments(tmp_path / "s.json", folds=2, output=tmp_path / "p.parquet"))
    assert not set(pq.read_table(tmp_path / "p.parquet")["index"].to_pylist()) & set(CHECKED.tolist())


def test_open_set_noise_would_replace_their_images(file: Path) -> None:
    noise = {"kind": "openset", "rate": 0.2, "open_share": 0.5, "source": "mnist"}
    with pytest.raises(ValueError, match="openset replaces images, trusted ones too"):
        load_data(DataConfig(name="digits", trusted=file), NOISE_ADAPTER.validate_python(noise))


@pytest.mark.parametrize(
    ("content", "own", "message"),
    [
        ("-1", {}, r"data/trusted: .*t\.txt names image -1; allowed: 0 to 119"),
        ("3\n120", {}, "names image 120; allowed: 0 to 119"),
        ("one", {}, "data/trusted: .* cannot be read as a list of numbers"),
        ("\n".join(map(str, range(N))), {}, "all images are trusted; allowed: some that are not"),
        (None, {"validation": "trusted"}, "data/validation: 'trusted', but no image is"),
    ],
)
def test_faults_are_named(content: str | None, own: dict[str, Any], message: str, path: Path, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "t.txt").write_text(content)
        own = {**own, "trusted": str(tmp_path / "t.txt")}
    with pytest.raises(ValueError, match=message):
        load_data(DataConfig.model_validate(settings(path, **own)), NOISE)
