"""Running sums over epochs: they are those of a loop, outlive checkpoints, and divide right labels from wrong ones."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

import codim
from codim.commands.audit import contradicted
from codim.config.divide import DivideConfig
from codim.config.train_config import TrainConfig
from codim.data.load import TrainingData
from codim.division.divide import divide
from codim.evaluation.label_audit import STATISTICS, label_audit
from codim.evaluation.label_statistics import LabelStatistics
from codim.runtime.tensor_file import read_tensors, write_tensors
from codim.training.checkpoint import load_trained
from codim.training.session import Session
from tests.support.vectors import NAMES, blobs

Tiny = Callable[..., tuple[TrainConfig, TrainingData]]
EPOCHS, N, K = 5, 7, 4


@pytest.fixture
def history() -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    """Images and logits of each epoch, and the labels of all images; image 6 is never seen."""
    generator = Generator().manual_seed(0)
    labels = torch.randint(0, K, (N,), generator=generator)
    epochs = []
    for _ in range(EPOCHS):
        index = torch.randperm(N - 1, generator=generator)[: N - 3]
        epochs.append((index, torch.randn(2, len(index), K, generator=generator)))
    return epochs, labels


def test_the_means_are_those_of_a_loop(history: tuple[list[tuple[Tensor, Tensor]], Tensor]) -> None:
    epochs, labels = history
    statistics = LabelStatistics.empty(N, "cpu")
    for index, logits in epochs:
        statistics.add(index, logits, labels[index])
    means = statistics.means(torch.arange(N))
    for image in range(N):
        for network in range(2):
            seen = [logits[network, list(index).index(image)] for index, logits in epochs if image in index]
            given = int(labels[image])
            margins = [(x[given] - max(x[k] for k in range(K) if k != given)).item() for x in seen]
            assert statistics.epochs[image] == len(seen)
            if not seen:
                assert math.isnan(means.margin[network, image])
                continue
            expected = {
                "probability": sum(x.softmax(0)[given].item() for x in seen) / len(seen),
                "margin": sum(margins) / len(seen),
                "contradicted": sum(int(x.argmax()) != given for x in seen) / len(seen),
            }
            for name, value in expected.items():
                assert getattr(means, name)[network, image].item() == pytest.approx(value, abs=1e-6)


def test_a_training_counts_every_epoch_of_every_image_and_resumes(tiny: Tiny, tmp_path: Path) -> None:
    config, data = tiny()
    whole = Session(config, data)
    whole.start()
    rows = list(whole.epochs())
    evaluated = sum(row["phase"] != "pretrain" for row in rows)
    assert whole.state.statistics.epochs.tolist() == [evaluated] * len(data.images)
    part = Session(config, data)
    part.start()
    for _ in zip(range(4), part.epochs(), strict=False):
        part.save(tmp_path / "checkpoint.pt")
    again = Session(config, data)
    again.resume(tmp_path / "checkpoint.pt")
    list(again.epochs())
    for own, expected in zip(
        again.state.statistics.saved().values(), whole.state.statistics.saved().values(), strict=True
    ):
        assert torch.equal(own, expected)
    table = whole.label_audit(whole.predict())
    means = whole.state.statistics.means(torch.arange(len(data.images)))
    assert table["mean_margin"].to_pylist() == means.margin.mean(0).tolist()


def test_a_checkpoint_without_them_is_read(tiny: Tiny, tmp_path: Path) -> None:
    config, data = tiny({"train": {"samples": 1_000}})
    session = Session(config, data)
    session.start()
    for _ in session.epochs():
        pass
    session.save(tmp_path / "checkpoint.pt")
    known = contradicted(tmp_path / "checkpoint.pt").found
    assert not any(math.isnan(suspect.mean_probability) for suspect in known)
    saved = read_tensors(tmp_path / "checkpoint.pt")
    del saved["statistics"]
    write_tensors(tmp_path / "old.pt", saved)
    assert Session(config, data).resume(tmp_path / "old.pt")
    assert load_trained(tmp_path / "old.pt", torch.device("cpu")).statistics is None
    found = contradicted(tmp_path / "old.pt").found
    assert [suspect.index for suspect in found] == [suspect.index for suspect in known]
    assert all(math.isnan(suspect.mean_probability) for suspect in found)
    table = label_audit(data, session.predict(), config.divide)
    assert all(math.isnan(value) for name in STATISTICS for value in table[name].to_pylist())


@pytest.mark.parametrize("measure", ["loss", "probability", "margin", "contradictions"])
def test_each_measure_divides_the_right_from_the_wrong(measure: str) -> None:
    vectors, true = blobs(300)
    rng = np.random.default_rng(0)
    given = np.where(rng.random(300) < 0.4, rng.choice(NAMES, 300), true)
    over = {"train": {"samples": 5_000}, "divide": {"measure": measure}, "optim": {"lr": 0.01}}
    trained = codim.train(vectors, given, method="dividemix", settings=over)
    wrong = torch.from_numpy(given != true)
    for division in trained.session.state.divisions:
        member = wrong[division.index]
        assert member[division.labelled].double().mean() < 0.05 < 0.8 < member[~division.labelled].double().mean()


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.5, 0.99])
@pytest.mark.parametrize("by_class", [False, True])
def test_a_known_noise_rate_leaves_that_share_unlabelled(rate: float, by_class: bool) -> None:
    """The images of highest loss, though many clean probabilities are equal; neither set is empty."""
    n = 200
    own: dict[str, Any] = {"noise_rate": rate, "by_class": by_class, "p_threshold": 0.9}
    scaled = torch.cat([torch.linspace(0, 0.1, n // 2), torch.linspace(0.9, 1, n // 2)]).double().expand(2, -1)
    labels = torch.zeros(n, dtype=torch.int64)
    for division in divide(scaled, torch.arange(n), labels, DivideConfig(**own)):
        count = min(max(round((1 - rate) * n), 1), n - 1)
        assert division.labelled.nonzero()[:, 0].tolist() == list(range(count))
        assert division.state == "ok"
