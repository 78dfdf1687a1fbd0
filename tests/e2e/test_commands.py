"""The inner parts of the README's commands, as a person calls them: the study, its report, and a single training."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from ruamel.yaml import YAML

from analysis.frames.load import load_trials
from tests.support import ROOT

ENV = os.environ | {"OMP_NUM_THREADS": "1"}
DIGITS = ROOT / "search_spaces" / "digits.yaml"


def run(*arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=ENV, capture_output=True, text=True, timeout=500, check=False)


@pytest.fixture(scope="module")
def small_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits study, cut down to a minute: the same conditions, space and baselines, short trainings."""
    folder = tmp_path_factory.mktemp("digits")
    yaml = YAML(typ="safe", pure=True)
    spec = yaml.load(DIGITS)
    spec["fixed"] |= {"pretrain": {"epochs": 1}, "warmup": {"epochs": 1}}
    spec["fixed"]["mixmatch"] = {"rampup_epochs": 1}
    spec["fixed"]["train"] = {"samples": 7000}
    spec["pruner"] |= {"min_budget": 5000}
    spec["budget"] |= {"trials_per_condition": 2}
    spec["confirm"] |= {"seeds": 1}
    with (folder / "digits.yaml").open("w") as file:
        yaml.dump(spec, file)
    done = run("study/run.py", "--space", folder / "digits.yaml", "--results", folder / "results")
    assert done.returncode == 0, done.stderr
    return folder / "results" / "digits"


def test_make_study_calls_what_is_tested_here() -> None:
    lines = subprocess.run(["make", "-n", "study"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "python study/run.py --space search_spaces/digits.yaml" in lines
    assert "python -m analysis results/digits" in lines


def test_study_runs_every_trial_it_planned(small_study: Path) -> None:
    loaded = load_trials(small_study)
    trials = loaded.trials
    assert len(trials) == 4 * (4 + 2)
    assert len(loaded.confirmations) == 4 * (4 + 1)
    assert set(loaded.confirmations.status) == {"complete"}
    assert set(trials.status) <= {"complete", "pruned"}
    assert trials[trials.baseline != ""].status.eq("complete").all()
    assert trials[trials.status == "complete"].objective.between(0, 1).all()


def test_epochs_of_a_complete_trial_reach_its_budget(small_study: Path) -> None:
    loaded = load_trials(small_study)
    last = loaded.epochs.groupby("trial").samples.max()
    complete = loaded.trials[loaded.trials.status == "complete"]
    assert (complete.trial.map(last) >= complete.budget).all()


def test_the_same_command_again_has_nothing_left_to_do(small_study: Path) -> None:
    before = (small_study / "trials.parquet").read_bytes()
    done = run("study/run.py", "--space", small_study.parents[1] / "digits.yaml", "--results", small_study.parent)
    assert done.returncode == 0, done.stderr
    assert pq.read_table(small_study / "trials.parquet").equals(pq.read_table(pa.BufferReader(before)))


def test_report_of_the_study(small_study: Path) -> None:
    done = run("-m", "analysis", small_study)
    assert done.returncode == 0, done.stderr
    page = small_study / "report" / "index.html"
    assert str(page) in done.stdout.replace("\n", "")
    assert "symmetric-0.8" in page.read_text()
    assert f"codim-study {version('codim-study')}" in page.read_text()
    for name in ("history", "learning_curves", "split_quality", "slices", "methods", "budget"):
        assert {f.suffix for f in (small_study / "report" / "figures").glob(f"{name}*")} >= {".png", ".svg", ".csv"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("single") / "settings.json"
    content = {
        "method": "codim-sup",
        "network": {"width": 4},
        "pretrain": {"epochs": 1},
        "warmup": {"epochs": 1},
        "mixmatch": {"rampup_epochs": 1},
        "train": {"samples": 6000},
    }
    path.write_text(json.dumps(content))
    return path


def test_single_training_leaves_metrics_checkpoint_audit_and_evaluation(settings: Path) -> None:
    output = settings.parent / "once"
    done = run("-m", "codim", "--config", settings, "--noise", "symmetric:0.5", "--output", output)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(len(rows)))
    assert {row["phase"] for row in rows} == {"pretrain", "warmup", "cotrain"}
    assert (output / "checkpoint.pt").exists()
    noise = json.loads((output / "noise.json").read_text())
    assert (noise["kind"], noise["rate"]) == ("symmetric", 0.5)
    assert noise["realised_rate"] == pytest.approx(0.45, abs=0.02)
    assert [sum(line) for line in noise["transition"]] == pytest.approx([1.0] * 10)
    audit = pq.read_table(output / "label_audit.parquet").to_pandas()
    assert len(audit) == 1347
    assert audit.clean_probability.between(0, 1).all()
    assert set(audit.columns) == {
        "index", "given_label", "clean_probability", "suggested_label", "confidence_a", "confidence_b",
        "mean_probability", "mean_margin", "contradicted", "trusted",
    }  # fmt: skip
    evaluation = json.loads((output / "evaluation.json").read_text())
    assert evaluation["images"] == {"train": 1078, "test": 450, "second_test": 0, "validation": 269}
    for model, column in (("ensemble", "oracle_test_acc"), ("network_b", "oracle_test_acc_b")):
        assert evaluation["models"][model]["test"]["accuracy"] == rows[-1][column]
    assert evaluation["models"]["ensemble"]["validation"]["accuracy"] == rows[-1]["val_acc"]
    assert f"{100 * rows[-1]['oracle_test_acc']:.1f}" in done.stdout


def test_co_divide_finds_the_clean_labels_at_half_noise(tmp_path: Path) -> None:
    """The bar: area under the ROC curve above .95, with the defaults of the digits."""
    done = run("-m", "codim", "--method", "codim-sup", "--noise", "symmetric:0.5", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    auc = [row["oracle_split_auc"] for row in rows if row["phase"] == "cotrain"]
    assert min(auc) > 0.95
    assert rows[-1]["oracle_split_precision"] > 0.95
    assert rows[-1]["oracle_test_acc"] > 0.95


def test_single_training_goes_on_after_an_interruption(settings: Path, tmp_path: Path) -> None:
    """A run cut short (a checkpoint and rows too many) ends with the rows of a run in one piece."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    command = ["-m", "codim", "--config", settings, "--noise", "symmetric:0.5", "--output"]
    assert run(*command, whole).returncode == 0
    process = subprocess.Popen(
        [sys.executable, *map(str, command), str(cut)], cwd=ROOT, env=ENV, stderr=subprocess.DEVNULL
    )
    while not (cut / "checkpoint.pt").exists():
        assert process.poll() is None
    process.kill()
    process.wait()
    assert run(*command, cut).returncode == 0

    def rows(folder: Path) -> list[dict[str, object]]:
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line) | {"seconds": None} for line in lines]

    assert rows(cut) == rows(whole)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--method", "codm"], ["--method", "codm", "codim-sup"]),
        (["--data", "svhn"], ["--data", "svhn", "digits"]),
        (["--noise", "gaussian:0.5"], ["noise", "gaussian", "symmetric"]),
        (["--noise", "symmetric:1.5"], ["noise/rate", "1.5", "less than or equal to 1"]),
        (["--noise", "symmetric:0.5:a:b"], ["--noise", "KIND"]),
        (["--config", "nowhere.json"], ["nowhere.json"]),
        (["--config", "settings.yaml"], ["settings.yaml", ".json"]),
    ],
)
def test_single_training_refuses_bad_input(flags: list[str], words: list[str], tmp_path: Path) -> None:
    done = run("-m", "codim", *flags, "--output", tmp_path / "out")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without GPU")
def test_single_training_refuses_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "cuda.json").write_text('{"train": {"device": "cuda"}}')
    done = run("-m", "codim", "--config", tmp_path / "cuda.json", "--output", tmp_path / "out")
    assert done.returncode == 2
    assert "train/device" in done.stderr
    assert not (tmp_path / "out").exists()


def test_report_in_a_folder_that_cannot_be_written(small_study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "digits"
    shutil.copytree(small_study, copy, ignore=shutil.ignore_patterns("report"))
    (copy / "report").touch()
    done = run("-m", "analysis", copy)
    assert done.returncode == 2
    assert str(copy / "report") in done.stderr
    assert "Traceback" not in done.stderr


def test_single_training_refuses_a_folder_of_other_settings(settings: Path, tmp_path: Path) -> None:
    command = ["-m", "codim", "--config", settings, "--output", tmp_path]
    assert run(*command, "--noise", "symmetric:0.5").returncode == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done = run(*command, "--noise", "symmetric:0.2")
    assert done.returncode == 2
    assert "noise/rate" in done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_is_done_with_a_training(settings: Path, tmp_path: Path) -> None:
    """Audit, export, predict; also with the previous checkpoint, where the newest is damaged; an error without it."""
    once = tmp_path / "once"
    assert run("-m", "codim", "--config", settings, "--noise", "symmetric:0.5", "--output", once).returncode == 0
    (tmp_path / "images").mkdir()
    for k in range(3):
        Image.new("L", (20, 30), 80 * k).save(tmp_path / "images" / f"{k}.png")
    for command, output in (
        (["audit", "--output", tmp_path / "audit"], tmp_path / "audit" / "label_audit.html"),
        (["export", "--output", tmp_path / "m.pt2"], tmp_path / "m.pt2"),
        (["predict", "--images", tmp_path / "images", "--output", tmp_path / "p.csv"], tmp_path / "p.csv"),
    ):
        done = run("-m", "codim", *command, "--checkpoint", once)
        assert done.returncode == 0, done.stderr
        assert output.exists()
        assert "is used instead" not in done.stderr
    (once / "checkpoint.pt").write_bytes((once / "checkpoint.pt").read_bytes()[:-1])
    done = run("-m", "codim", *command, "--checkpoint", once)
    assert done.returncode == 0, done.stderr
    assert "the previous one is used instead" in done.stderr
    (once / "checkpoint.previous.pt").unlink()
    done = run("-m", "codim", "predict", "--images", tmp_path / "images", "--checkpoint", once)
    assert done.returncode == 2
    assert "checkpoint.pt is damaged" in done.stderr
    assert "Traceback" not in done.stderr


def test_single_training_goes_on_from_the_previous_checkpoint(settings: Path, tmp_path: Path) -> None:
    """Where the newest is damaged, the last epoch is trained again; its row is the same."""
    command = ["-m", "codim", "--config", settings, "--noise", "symmetric:0.5", "--output", tmp_path]
    assert run(*command).returncode == 0
    rows = [json.loads(line) | {"seconds": 0} for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    (tmp_path / "checkpoint.pt").write_bytes(b"damaged")
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path}/checkpoint.pt is damaged" in done.stderr
    again = [json.loads(line) | {"seconds": 0} for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert again == rows


@pytest.mark.parametrize("command", ["predict", "audit", "export"])
def test_the_commands_explain_themselves(command: str) -> None:
    done = run("-m", "codim", command, "--help")
    assert done.returncode == 0
    assert f"python -m codim {command}" in done.stdout
    assert f"python -m codim {command}" in run("-m", "codim", "--help").stdout
