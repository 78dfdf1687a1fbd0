"""A study with known properties, written through the study's own records."""

import json
import math
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.load import Trials, load_trials
from codim.metrics import EpochMetrics, OracleMetrics
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord

CLASSES = 10
IMAGES = 2000
BUDGET = 40_000
EPOCHS = 20
NAN = float("nan")
# condition: kind, nominal rate, realised rate, best temperature
CONDITIONS: dict[str, tuple[str, float, float, float]] = {
    "symmetric-0.2": ("symmetric", 0.2, 0.18, 0.1),
    "symmetric-0.5": ("symmetric", 0.5, 0.45, 0.2),
    "symmetric-0.8": ("symmetric", 0.8, 0.72, 0.4),
    "asymmetric-0.4": ("asymmetric", 0.4, 0.2, 0.2),
}
BASELINES = {"ce": 0.74, "dividemix": 0.86, "codim-self": 0.88, "codim-sup": 0.89}
SPEC: dict[str, Any] = {
    "name": "digits",
    "conditions": [{"id": name, "kind": kind, "rate": rate} for name, (kind, rate, _, _) in CONDITIONS.items()],
    "space": {
        "contrastive/temperature": {"type": "float", "low": 0.05, "high": 1.0, "log": True},
        "mixmatch/lambda_u": {"type": "float", "low": 1, "high": 500, "log": True, "zero": True},
        "contrastive/weight": {"type": "float", "low": 0.001, "high": 1.0, "log": True},
        "divide/p_threshold": {"type": "float", "low": 0.02, "high": 0.9},
        "contrastive/kind": {"type": "categorical", "choices": ["self", "sup"]},
    },
    "baselines": {name: {} for name in BASELINES},
    "objective": {"metric": "val_acc", "reduction": "mean_last_5"},
    "budget": {"samples": BUDGET, "trials_per_condition": 24 - len(BASELINES)},
}
ENVIRONMENT = {
    "versions": {"codim-study": "0.1.0", "torch": "2.11.0"},
    "cpus": 2,
    "started": "2026-11-24T08:00:00+00:00",
    "forecast": {"trials": 96, "hours": 1.5, "concurrent": 2},
    "validation_images": IMAGES,
    "training_images": 4 * IMAGES,
    "rungs": {name: [BUDGET // 4, BUDGET // 2] for name in CONDITIONS},
    "classes": CLASSES,
}


def transition(condition: str) -> list[list[float]]:
    """(K, K): symmetric noise spreads, asymmetric noise moves the first half of the classes to the next class."""
    kind, _, rate, _ = CONDITIONS[condition]
    if kind == "symmetric":
        return [[1 - rate if i == j else rate / (CLASSES - 1) for j in range(CLASSES)] for i in range(CLASSES)]
    matrix = np.eye(CLASSES)
    for i in range(CLASSES // 2):
        matrix[i, i], matrix[i, i + 1] = 1 - 2 * rate, 2 * rate
    return matrix.tolist()


def noisy(accuracy: float, condition: str) -> float:
    """Expected accuracy on given labels."""
    rate = CONDITIONS[condition][2]
    return rate / (CLASSES - 1) + accuracy * (1 - rate * CLASSES / (CLASSES - 1))


def accuracy(params: dict[str, Any], condition: str) -> float:
    """Test accuracy falls with the distance of log temperature from its best value, and by 4 points without L_U."""
    distance = math.log10(params["contrastive/temperature"] / CONDITIONS[condition][3])
    return 0.95 - 0.25 * distance**2 - 0.04 * (params["mixmatch/lambda_u"] == 0)


def sample(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "contrastive/temperature": float(np.exp(rng.uniform(np.log(0.05), 0))),
        "mixmatch/lambda_u": 0.0 if rng.random() < 0.25 else float(np.exp(rng.uniform(0, np.log(500)))),
        "contrastive/weight": float(np.exp(rng.uniform(np.log(0.001), 0))),
        "divide/p_threshold": float(rng.uniform(0.02, 0.9)),
        "contrastive/kind": str(rng.choice(["self", "sup"])),
    }


def record(condition: str, number: int, test: float, **changes: Any) -> TrialRecord:
    """A complete trial with this test accuracy; its objective is the expected accuracy on given labels."""
    kind, nominal, realised, _ = CONDITIONS[condition]
    facts: dict[str, Any] = {
        "trial": f"{condition}-{number:04d}",
        "condition": condition,
        "noise_kind": kind,
        "noise_rate": nominal,
        "status": "complete",
        "cause": "",
        "baseline": "",
        "params": {},
        "config": {"data": {"name": "digits"}},
        "seed": number,
        "budget": BUDGET,
        "samples": BUDGET,
        "epochs": EPOCHS,
        "seconds": 120.0,
        "objective": noisy(test, condition),
        "started": datetime(2026, 11, 24, 8, tzinfo=UTC),
        "ended": datetime(2026, 11, 24, 9, tzinfo=UTC),
        "split_states": {"ok": EPOCHS},
        "oracle_noise_rate": realised,
        "oracle_transition": transition(condition),
        "oracle_test_acc": test,
        "oracle_test_acc_best": min(test + 0.01, 1.0),
    }
    return TrialRecord(**(facts | changes))


def epochs(trial: TrialRecord) -> list[dict[str, Any]]:
    """Curves that rise to the trial's values; two epochs of pre-training, without any accuracy, then two of warm-up."""
    rows = []
    for epoch in range(trial.epochs):
        early, rise = epoch < 2, 1 - math.exp(-(epoch + 1) / 4)
        split = epoch >= 4 and trial.baseline != "ce"
        test = NAN if early else trial.oracle_test_acc * rise
        metrics = EpochMetrics(
            epoch=epoch,
            phase="pretrain" if early else "cotrain" if split else "warmup",
            samples=BUDGET * (epoch + 1) // EPOCHS,
            seconds=6.0,
            learning_rate=0.02,
            loss=1.0,
            loss_x=1.0,
            loss_u=NAN,
            loss_c=NAN,
            loss_reg=NAN,
            lambda_u=25.0,
            val_acc=NAN if early else trial.objective * rise,
            val_acc_a=NAN,
            val_acc_b=NAN,
            val_loss=NAN,
            labelled_fraction=0.6 if split else NAN,
            threshold=0.5 if split else NAN,
            separation=2.0 if split else NAN,
            split_state="ok" if split else "none",
            classes_without_labelled=0,
            loss_histogram=histograms(trial, rise)[0] if split else [],
        )
        oracle = OracleMetrics(
            oracle_test_acc=test,
            oracle_test_acc_a=test,
            oracle_test_acc_b=test,
            oracle_test_top5=NAN if early else 1 - (1 - test) / 5,
            oracle_test_ece=NAN if early else 0.1 * (1 - test),
            oracle_test2_acc=NAN,
            oracle_test2_top5=NAN,
            oracle_split_auc=0.5 + 0.5 * test * rise if split else NAN,
            oracle_split_precision=0.8 + 0.15 * rise if split else NAN,
            oracle_split_recall=0.9 * rise if split else NAN,
            oracle_split_recall_min=0.8 * rise if split else NAN,
            oracle_memorised=NAN if early else (0.5 if trial.baseline == "ce" else 0.05) * rise,
            oracle_loss_histogram=histograms(trial, rise)[1] if split else [],
        )
        rows.append({"trial": trial.trial, "condition": trial.condition, **asdict(metrics), **asdict(oracle)})
    return rows


def histograms(trial: TrialRecord, rise: float) -> tuple[list[int], list[int]]:
    """Of the losses under both networks: all labels, and the wrong ones. Two humps that draw apart."""
    centres = (np.arange(20) + 0.5) / 20
    humps = [np.exp(-(((centres - mean) / 0.12) ** 2)) for mean in (0.4 - 0.25 * rise, 0.5 + 0.2 * rise)]
    rate = 0.0 if math.isnan(trial.oracle_noise_rate) else trial.oracle_noise_rate
    right, wrong = (
        np.rint(8 * IMAGES * share * hump / hump.sum()).astype(int)
        for share, hump in zip((1 - rate, rate), humps, strict=True)
    )
    return (right + wrong).tolist(), wrong.tolist()


def records(seed: int = 0) -> list[TrialRecord]:
    """Per condition: four baselines, 18 searched trials of which the worst five are pruned, one failed, one running."""
    rng = np.random.default_rng(seed)
    result = []
    for condition in CONDITIONS:
        outside = {"contrastive/temperature": 0.3, "mixmatch/lambda_u": 25.0, "contrastive/weight": 0.0}
        for number, (name, test) in enumerate(BASELINES.items()):
            result.append(record(condition, number, test, baseline=name, params=outside))
        searched = [
            record(condition, 4 + i, accuracy(params, condition), params=params)
            for i, params in enumerate(sample(rng) for _ in range(18))
        ]
        for trial in sorted(searched, key=lambda t: t.objective)[:5]:
            trial.status, trial.cause = "pruned", "successive halving at 12k samples"
            trial.samples, trial.epochs, trial.seconds = BUDGET // 4, EPOCHS // 4, 30.0
            trial.objective *= 0.7
            trial.oracle_test_acc = trial.oracle_test_acc_best = NAN
        result += searched
        blank = {"objective": NAN, "oracle_test_acc": NAN, "oracle_test_acc_best": NAN, "params": sample(rng)}
        failed = {"status": "failed", "cause": "the loss became NaN at epoch 3", "samples": 6000, "epochs": 0}
        result.append(record(condition, 22, 0.0, **blank, **failed))
        running = {"status": "running", "samples": 0, "epochs": 0, "seconds": 0.0, "ended": None}
        result.append(record(condition, 23, 0.0, **blank, **running))
    return result


def confirmations(seed: int = 0) -> list[TrialRecord]:
    """Of each condition: two baselines, two searched settings and one setting of another condition, four repeats. A
    noise draw moves all of its trainings by a point, the seed each of them by half of one (standard deviations)."""
    rng = np.random.default_rng(seed)
    result = []
    for condition in CONDITIONS:
        settings = [(f"{condition}-0001", "dividemix", 0.86), (f"{condition}-0003", "codim-sup", 0.89)]
        settings += [(f"{condition}-0005", "", 0.93), (f"{condition}-0006", "", 0.92), ("symmetric-0.2-0007", "", 0.9)]
        for repeat in range(4):
            draw = rng.normal(0, 0.01)
            for setting, baseline, test in settings:
                own = record(condition, repeat, test + draw + rng.normal(0, 0.005), baseline=baseline)
                named = {"trial": f"{setting}@{condition}-r{repeat}", "setting": setting, "phase": "confirm"}
                result.append(replace(own, **named, objective=NAN))
    return result


def write(
    root: Path,
    trials: list[TrialRecord],
    spec: dict[str, Any] = SPEC,
    environment: dict[str, Any] = ENVIRONMENT,
) -> Path:
    """A results folder, as the study leaves it."""
    folder = ResultsFolder(root)
    root.mkdir(parents=True, exist_ok=True)
    folder.spec.write_text(json.dumps(spec))
    folder.environment.write_text(json.dumps(environment))
    folder.write_trials(trials)
    for trial in trials:
        if trial.epochs:
            folder.write_epochs(trial.trial, epochs(trial))
    return root


def read(root: Path, trials: list[TrialRecord], **files: dict[str, Any]) -> Trials:
    """What the analysis finds in such a folder. `files`: `spec` and `environment` where they are others."""
    return load_trials(write(root, trials, **files))


def with_epochs(trials: Trials, frame: pd.DataFrame) -> Trials:
    """The study with these epochs in place of those in its files."""
    changed = replace(trials)
    vars(changed)["epochs"] = frame
    return changed
