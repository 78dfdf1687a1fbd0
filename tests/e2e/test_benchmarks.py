"""Every benchmark of speed and memory still runs and keeps its table; the figures here mean nothing."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cifar10_gpu import Arguments, Run, train_all

from tests.support import ROOT
from tests.support.vectors import blobs

TINY = "--rounds 1 --threads 1 --network preact --width 2 --batch-size 8 --steps 1"
REAL = (
    "--data digits --images 200 --samples 2000 --seeds 2 --width 4 --noise symmetric:0.5"
    " --variants 'dividemix K' 'codim-sup K' --rows FOLDER/rows.jsonl --stages FOLDER/stages"
)
OWN = (
    "--data digits --images 100 --samples 3000 --seeds 2 --noise symmetric:0.5 asymmetric:0.4 --balance balanced"
    " --methods ce dividemix --rows FOLDER/rows.jsonl"
)
CONSENSUS = "--conditions asymmetric-0.4 --trials 5 --memorising 1 --repetitions 3 --table FOLDER/rows.jsonl"
TO_REGRET = "--studies 2 --trials 5 --families fixed --rows FOLDER/rows.jsonl"
EMBEDDED = "--embeddings FOLDER/x.npz --images 150 --passes 6 --seeds 2 --workers 1"
STUDIED = (
    "--embeddings FOLDER/x.npz --study FOLDER --count 2000 --threads 1 "
    "--set 'conditions=[{kind: symmetric, rate: 0.5}]' baselines={} budget/trials_per_condition=2 confirm/seeds=2 "
    "fixed/train/samples=1500"
)
PAID = (
    "--results FOLDER --seeds 1 --set 'conditions=[{kind: asymmetric, rate: 0.4, map: digits, seed: 1}]' "
    "budget/trials_per_condition=1 'baselines={codim-sup: {method: codim-sup}}' "
    "'confirm={seeds: 2}' 'fixed/pretrain={epochs: 0}' fixed/train/samples=22000"
)

CASES = {
    "step_efficiency": (TINY, "step_efficiency-preact-cpu-fp32"),
    "epoch_breakdown": (f"{TINY} --precision bf16", "epoch_breakdown-preact-cpu-bf16"),
    "memory": (f"{TINY} --batch-sizes 4 --settings-of cifar10", "memory-preact-cpu-fp32"),
    "scaling": (f"{TINY} --batch-sizes 4 8 --times 1 2 --trials 2 --workers 2", "scaling-preact-cpu-fp32"),
    "augmentation": (f"{TINY} --images 4 --repeats 1", "augmentation-preact-cpu"),
    "two_networks": (TINY, "two_networks-preact-cpu-fp32"),
    "baseline_loop": (f"{TINY} --workers 0", "baseline_loop-preact-cpu"),
    "analysis_cost": ("--trials 16 --epochs 6 --pages 16", "analysis_cost"),
    "real_images": (REAL, "real_images-digits-200"),
    "trials_to_regret": (TO_REGRET, "trials_to_regret"),
    "stop_when": (f"{TO_REGRET} --thresholds 0.01", "stop_when"),
    "choice": ("--trials 6 --repetitions 2", "choice-digits"),
    "own_data": (OWN, "own_data"),
    "consensus": (CONSENSUS, "consensus-digits"),
    "noise_interval": ("--cases 3 --data digits --rows FOLDER/rows.jsonl", "noise_interval"),
    "embeddings": (STUDIED, "embeddings"),
    "digits_study": (PAID, "digits_study"),
    "trusted": (f"{EMBEDDED} --per-class 5", "trusted"),
    "estimator": ("--data digits --images 100 --seeds 1 --minutes 0.03 --workers 1", "estimator"),
    "detection": ("--images 100 --seeds 1 --only 'symmetric .2' --workers 1", "detection"),
    "recommend": ("--repetitions 2 --held-out symmetric-0.5", "recommend-digits"),
}
"""Script -> arguments, and what it keeps."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Path]]]:
    """Script -> folder of what it keeps. Two at a time: most of their time is that of imports."""
    with ThreadPoolExecutor(2) as pool:
        yield {
            script: pool.submit(run, script, shlex.split(arguments.replace("FOLDER", str(folder))), folder)
            for script, (arguments, _) in CASES.items()
            for folder in [with_embeddings(tmp_path_factory.mktemp(script))]
        }


@pytest.mark.parametrize("script", CASES)
def test_a_benchmark_runs(script: str, results: dict[str, Future[Path]]) -> None:
    _, kept = CASES[script]
    (text,) = results[script].result().glob("*.md")
    assert text.stem.endswith(f"-{kept}")
    assert "|" in text.read_text()
    assert json.loads(text.with_suffix(".json").read_text())["machine"]


def test_the_runs_on_cifar10_go_on_where_they_stopped(tmp_path: Path) -> None:
    """On a part of the digits."""
    folder = tmp_path / "runs"
    tiny = "--data digits --subset 200 --network small_cnn --device cpu --precision fp32 --epochs 12"
    arguments = f"{tiny} --pretrain-epochs 2 --methods ce codim-sup --rates 0.5 --minutes 0.0001"
    run("cifar10_gpu", ["--output", str(folder), *arguments.split()], tmp_path)
    first = (folder / "ce-0.5.jsonl").read_text()
    assert len(first.splitlines()) == 1

    methods = ("ce", "codim-sup")
    small = {"data": "digits", "subset": 200, "network": "small_cnn", "device": "cpu", "precision": "fp32"}
    args = Arguments(folder, epochs=12, pretrain_epochs=2, methods=methods, **small)
    runs = [Run(args, *of) for of in (("ce", 0.5), ("codim-sup", 0.5), ("codim-sup", 0.8))]
    train_all(runs, 60)
    assert runs[0].rows.read_text().startswith(first)
    for own in runs:
        rows = own.past()
        assert own.finished()
        assert [row["epoch"] for row in rows] == list(range(rows[0]["epoch"], rows[0]["epoch"] + len(rows)))
        assert rows[-1]["reference_epochs"] >= 12
        assert rows[-1]["oracle_test_acc"] > 0.1
    assert [own.past()[0]["epoch"] for own in runs] == [0, 0, 2], "the pre-training is shared"


def test_a_short_run_on_cifar10_trains_every_method(tmp_path: Path) -> None:
    small = {"data": "digits", "subset": 600, "network": "small_cnn", "device": "cpu", "precision": "fp32"}
    args = Arguments(tmp_path, epochs=8, pretrain_epochs=2, short=True, **small)
    runs = [Run(args, method, 0.8) for method in ("ce", "dividemix", "codim-sup")]
    train_all(runs, 60)
    assert all(own.finished() for own in runs)
    assert [own.prepare()[0].train.batch_size for own in runs] == [512] * 3
    assert [own.prepare()[0].contrastive.weight for own in runs[1:]] == [0, 0.03]


def with_embeddings(folder: Path) -> Path:
    """Put x.npz, of 200 embeddings in three classes, into the folder."""
    vectors, names = blobs(200)
    np.savez(
        folder / "x.npz",
        embeddings=vectors,
        labels=np.unique(names, return_inverse=True)[1],
        split=np.repeat(["train", "test"], [150, 50]),
    )
    return folder


def run(script: str, arguments: list[str], results: Path) -> Path:
    command = [sys.executable, f"benchmarks/{script}.py", *arguments]
    env = os.environ | {"BENCHMARK_RESULTS": str(results), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == ("missed" in done.stdout), done.stderr
    return results
