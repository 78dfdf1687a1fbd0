"""Trials that were trained once and kept with their predictions: those of random settings of the digits study, of the
same space on 2,500 images of Fashion-MNIST (14x14, 1,000 for validation, 10 epochs of pre-training, the rest as in
real_images.py's K), and of `ce`, which memorises. `consensus.py` trains those that results/tabulated-DATA.jsonl lacks.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from real_images import BASE, BY_DATA, K, _half, _merged
from scipy.stats import qmc

from codim.config.budget import pretrain_samples
from codim.config.methods import METHODS
from codim.config.train_config import TrainConfig, merge, train_config
from codim.evaluation.predict import predict
from codim.training.loop import run_epochs
from codim.training.session import Session
from study.results.predictions import encode

CONDITIONS = ("symmetric-0.2", "symmetric-0.5", "symmetric-0.8", "asymmetric-0.4", "symmetric-0.65")
SPACE = ("contrastive/temperature", "contrastive/weight", "mixmatch/lambda_u", "divide/p_threshold")
MEMORISING = 1_000
"""Number of the first trial of `ce`; those below are searched ones."""
LAST = 5
"""Epochs over which predictions and test accuracy are averaged."""
VALIDATION, TRAINING, PASSES = 1_000, 1_500, 20
"""Images of Fashion-MNIST, and passes over those of them that are trained on."""


@dataclass(frozen=True)
class Trial:
    """One training."""

    data: str
    condition: str
    number: int


def settings(trial: Trial) -> dict[str, Any]:
    """Settings of a trial: quasi-random ones of the digits study, of `codim-self` and `codim-sup` by turns; or `ce`."""
    if trial.number >= MEMORISING:
        lr, samples = (np.random.default_rng(trial.number) for _ in range(2))
        train = {"samples": int(samples.choice([20_000, 40_000, 60_000]))}
        return merge(METHODS["ce"], {"optim": {"lr": float(10 ** lr.uniform(-2, -0.7))}, "train": train})
    u = qmc.Sobol(len(SPACE), seed=CONDITIONS.index(trial.condition)).random(256)[trial.number]
    lambda_u = 0.0 if u[2] < 0.2 else 100 ** ((u[2] - 0.2) / 0.8)
    values = (0.05 * 20 ** u[0], 0.001 * 1000 ** u[1], lambda_u, 0.02 + 0.88 * u[3])
    found = METHODS["codim-sup" if trial.number % 2 else "codim-self"]
    for path, value in zip(SPACE, values, strict=True):
        section, name = path.split("/")
        found = merge(found, {section: {name: float(value)}})
    return found


def point(trial: Trial) -> dict[str, Any]:
    """Searched values of a trial: `section/setting` -> value."""
    own = settings(trial)
    return {path: own[path.split("/")[0]][path.split("/")[1]] for path in (*SPACE, "contrastive/kind")}


def config(trial: Trial) -> TrainConfig:
    kind, rate = trial.condition.rsplit("-", 1)
    noise = {"kind": kind, "rate": float(rate)} | ({"map": trial.data} if kind == "asymmetric" else {})
    own = merge(settings(trial), {"noise": noise, "train": {"seed": trial.number, "device": "cpu"}})
    if trial.data == "digits":
        return train_config(merge({"data": {"name": "digits", "val_fraction": 0.25}, "warmup": {"seed": 0}}, own))
    images = VALIDATION + TRAINING
    data = {"name": trial.data, "subset": images, "val_fraction": VALIDATION / images}
    base = _merged(BASE, BY_DATA[trial.data], K, {"data": data, "pretrain": {"epochs": 10}})
    if trial.number >= MEMORISING:
        del base["pretrain"]
        return train_config(merge(base, own))
    without = train_config(merge(merge(base, own), {"train": {"samples": 10**9}}))
    samples = TRAINING * PASSES + pretrain_samples(without.pretrain, images)
    return train_config(merge(merge(base, own), {"train": {"samples": samples}}))


def train(trial: Trial) -> dict[str, Any]:
    """Train; return the predictions with the *true* labels of the validation images, and the test accuracy."""
    torch.set_num_threads(1)
    session = Session.load(config(trial))
    data, truth = session.data, session.truth
    assert truth
    if trial.data != "digits":
        data, truth = replace(data, images=_half(data.images)), replace(truth, test_images=_half(truth.test_images))
        session = Session(session.config, data, truth)
    session.start()
    seen: list[tuple[NDArray[np.float64], float]] = []
    for _ in run_epochs(session.config, data, session.state):
        if session.state.samples >= 0.7 * session.config.train.samples:
            own = session.predict(data.val_index).mean(0).double().softmax(1).numpy()
            found = predict(session.state.networks, truth.test_images, session.augmenter).sum(0).argmax(1)
            seen.append((own, (found == truth.test_labels).double().mean().item()))
    probability, test_acc = zip(*seen[-LAST:], strict=True)
    told = encode(np.mean(probability, 0), truth.labels[data.val_index].numpy())
    return {"predictions": told, "test_acc": float(np.mean(test_acc))}


def kept_at(data: str) -> Path:
    """Where the trials of a data set are kept."""
    return Path(__file__).with_name("results") / f"tabulated-{data}.jsonl"
