"""Does the CoDiM setting that a study found hold up? Test accuracy on fresh seeds against every baseline of the study.

    python benchmarks/digits_methods.py --study results/digits

1. Shortlist, per condition: the CoDiM baseline and the searched settings with the best objective. Each is trained
   again on other splits into training and validation part. The searched setting with the best mean validation
   accuracy, against noisy labels, is chosen if it beats the baseline by more than one standard error of their
   difference; else the baseline stands (one-standard-error rule, Breiman et al. 1984: a search must not move a default
   for the sake of noise).
2. Confirm: the chosen setting and each baseline are trained on training and validation part, with fresh seeds for
   noise, weights and order, and the same budget in samples, pre-training counted.

Test images are read in step 2 only. The figure is test accuracy, mean of the last 5 epochs. Runs of one seed share
their noisy labels, so differences are paired. Prints the table and writes it to benchmarks/results/.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import tyro
from kept import keep
from numpy.typing import NDArray
from rich.progress import track
from scipy import stats

from codim.config.train_config import TrainConfig, merge
from codim.data.augment import Augmenter
from codim.data.load import load_data
from codim.evaluation.observer import Observer
from codim.training.loop import run_epochs
from codim.training.state import TrainState
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord

TUNING_SEED = 900
"""First seed of step 1; searches use smaller ones."""
FIRST_SEED = 3000
"""First seed of step 2."""
LAST = 5
STUDIED = "codim (study)"


@dataclass
class Arguments:
    """Confirm a study's choice on fresh seeds."""

    study: Path = Path("results/digits")
    """Folder of a finished study."""
    shortlist: int = 2
    """Searched settings per condition that are trained again before one is chosen."""
    splits: int = 4
    """Splits into training and validation part that each of them gets."""
    seeds: int = 5
    """Fresh seeds per method and condition."""
    workers: int = 2
    """Processes, one thread each."""


def shortlist(records: list[TrialRecord], size: int) -> list[TrialRecord]:
    """The complete CoDiM trials of a condition with the best objective: first the best baseline, then `size` searched
    ones."""
    codim = [r for r in records if r.status == "complete" and r.config["contrastive"]["weight"] > 0]
    codim = [r for r in codim if r.config["pretrain"]["epochs"] > 0]
    codim.sort(key=lambda r: r.objective, reverse=True)
    baselines, searched = [r for r in codim if r.baseline], [r for r in codim if not r.baseline]
    return baselines[:1] + searched[:size]


def again(settings: dict[str, Any], changes: dict[str, dict[str, Any]]) -> dict[str, float]:
    """One training of `settings` with `changes`, in one thread."""
    torch.set_num_threads(1)
    config = TrainConfig.model_validate(merge(settings, changes) | {"noise": settings["noise"] | changes["noise"]})
    data, truth = load_data(config.data, config.noise)
    state = TrainState.create(config, data)
    observer = Observer(data, truth, Augmenter.fit(config.augment, data.images))
    val, test, auc = [], [], []
    for metrics in run_epochs(config, data, state):
        if state.evaluation is not None:
            seen = observer.measure(state.networks, state.evaluation, state.divisions)
            val.append(metrics.val_acc)
            test.append(seen.oracle_test_acc)
            auc.append(seen.oracle_split_auc)
    return {
        "val_acc": sum(val[-LAST:]) / LAST,
        "test_acc": 100 * sum(test[-LAST:]) / LAST,
        "best_epoch": 100 * max(test),
        "split_auc": auc[-1],
        "samples": state.samples,
        "noise_rate": truth.noise_rate,
    }


def choose(pool: ProcessPoolExecutor, records: list[TrialRecord], args: Arguments) -> dict[str, TrialRecord]:
    """Step 1: the chosen trial per condition."""
    short = {
        condition: shortlist([r for r in records if r.condition == condition], args.shortlist)
        for condition in dict.fromkeys(r.condition for r in records)
    }
    jobs = {
        r.trial: [
            pool.submit(again, r.config, {"data": {"split_seed": s}, "noise": {}, "train": {"seed": s}})
            for s in range(TUNING_SEED, TUNING_SEED + args.splits)
        ]
        for candidates in short.values()
        for r in candidates
    }
    val = {
        trial: np.array([run.result()["val_acc"] for run in runs])
        for trial, runs in track(jobs.items(), description="shortlist")
    }
    return {condition: one_standard_error(candidates, val) for condition, candidates in short.items()}


def one_standard_error(candidates: list[TrialRecord], val: dict[str, NDArray[np.float64]]) -> TrialRecord:
    """The best searched trial, if it beats the baseline, which comes first, by more than a standard error; else
    that."""
    baseline, *searched = candidates
    best = max(searched, key=lambda r: val[r.trial].mean())
    gain = val[best.trial] - val[baseline.trial]
    error = stats.sem(gain)
    print(f"{best.trial}: {gain.mean():+.4f} +- {error:.4f} over {baseline.trial} on {len(gain)} validation parts")
    return best if gain.mean() > error else baseline


def confirm(pool: ProcessPoolExecutor, contenders: list[tuple[str, str, dict[str, Any]]], seeds: int) -> pd.DataFrame:
    """Step 2: one row a training."""
    rows, jobs = [], []
    for condition, method, settings in contenders:
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            fresh = {section: {"seed": seed} for section in ("noise", "pretrain", "train")}
            rows.append({"condition": condition, "method": method, "seed": seed})
            jobs.append(pool.submit(again, settings, {"data": {"val_fraction": 0.0}, **fresh}))
    runs = [row | job.result() for row, job in zip(rows, track(jobs, description="confirm"), strict=True)]
    return pd.DataFrame(runs).drop(columns="val_acc")  # there is no validation part


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean and 95 % t-interval per condition and method; difference of the study's choice to each, paired by seed."""
    rows = []
    for (condition, method), group in runs.groupby(["condition", "method"], sort=False):
        accuracy = group.set_index("seed").test_acc
        ours = runs[(runs.condition == condition) & (runs.method == STUDIED)].set_index("seed").test_acc
        low, high = stats.ttest_1samp(accuracy, 0).confidence_interval()
        row = {
            "condition": condition,
            "method": method,
            "test accuracy, %": f"{accuracy.mean():.1f} [{low:.1f}, {min(high, 100):.1f}]",
            "n": len(accuracy),
            f"{STUDIED} minus this": "",
            "best epoch": f"{group.best_epoch.mean():.1f}",
            "AUC of the division": f"{group.split_auc.mean():.3f}",
            "realised noise": f"{group.noise_rate.mean():.3f}",
        }
        if method != STUDIED:
            difference = stats.ttest_rel(ours, accuracy[ours.index]).confidence_interval()
            mean = (ours - accuracy).mean()
            row[f"{STUDIED} minus this"] = f"{mean:+.1f} [{difference.low:+.1f}, {difference.high:+.1f}]"
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    args = tyro.cli(Arguments, description=__doc__)
    records = ResultsFolder(args.study).read_trials()
    with ProcessPoolExecutor(args.workers) as pool:
        chosen = choose(pool, records, args)
        contenders = []
        for condition, best in chosen.items():
            baselines = [r for r in records if r.condition == condition and r.baseline]
            contenders += [(condition, r.baseline, r.config) for r in baselines]
            contenders.append((condition, STUDIED, best.config))
        runs = confirm(pool, contenders, args.seeds)
    table = summarise(runs)
    text = (
        f"{table.to_markdown(index=False)}\n\nTest accuracy: mean of the last {LAST} epochs, 95 % t-intervals. "
        f"Chosen: {', '.join(r.trial for r in chosen.values())}."
    )
    settings = {r.trial: r.config for r in chosen.values()}
    keep("digits_methods", text, {"chosen": settings, "runs": runs.to_dict("records")})


if __name__ == "__main__":
    main()
