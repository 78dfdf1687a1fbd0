"""Advice on a study whose best settings are known: the best temperature grows with the rate (see synthetic)."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.stats import qmc

from analysis.__main__ import main
from analysis.advice.noise_rate import NoiseRate, given
from analysis.advice.recommend import _neighbours, recommend
from analysis.commands.recommend import settings_for
from analysis.frames.load import NotApplicable, Trials, load_trials
from analysis.frames.settings import searched_settings
from analysis.statistics.candidates import candidates
from analysis.statistics.surrogate import fit_model
from codim.config.train_config import train_config
from codim.data.counts import with_counts
from codim.data.load import load_data
from codim.data.own_files import table_images
from study.results.records import TrialRecord
from study.surrogate.task import Task
from tests.support import synthetic
from tests.support.synthetic import CONDITIONS, accuracy, record
from tests.support.vectors import blobs, save

RATES = {name: realised for name, (kind, _, realised, _) in CONDITIONS.items() if kind == "symmetric"}


def searched(n: int = 32) -> list[TrialRecord]:
    """Evenly spread settings in each condition, all complete."""
    rows = []
    for condition in CONDITIONS:
        for i, u in enumerate(qmc.Sobol(4, rng=np.random.default_rng(1)).random(n)):
            params = {
                "contrastive/temperature": float(0.05 * 20 ** u[0]),
                "mixmatch/lambda_u": 0.0 if i % 5 == 0 else float(500 ** u[1]),
                "contrastive/weight": float(0.001 * 1000 ** u[2]),
                "divide/p_threshold": float(0.02 + 0.88 * u[3]),
                "contrastive/kind": "self" if i % 2 else "sup",
            }
            rows.append(record(condition, i, accuracy(params, condition), params=params))
    return rows


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    return load_trials(synthetic.write(tmp_path_factory.mktemp("results") / "digits", searched()))


@pytest.mark.parametrize("condition", list(RATES))
def test_what_matters_is_found_at_a_rate_of_the_study(known: Trials, condition: str) -> None:
    options = recommend(known, given(RATES[condition])).options
    assert options.loc["candidate", "contrastive/temperature"] == pytest.approx(CONDITIONS[condition][3], rel=0.5)
    assert options.loc["candidate", "mixmatch/lambda_u"] > 0
    assert (options["low"] <= options["regret"]).all()
    assert options.loc["candidate", "regret"] == options["regret"].min()


def test_between_two_rates_the_best_value_lies_between_theirs(known: Trials) -> None:
    at = {
        r: recommend(known, given(r)).options.loc["candidate", "contrastive/temperature"] for r in (0.18, 0.315, 0.45)
    }
    assert at[0.18] < at[0.45]
    assert at[0.18] * 0.8 <= at[0.315] <= at[0.45] * 1.25


@pytest.mark.parametrize("held_out", [0.2, 0.35, 0.5])
def test_advice_for_a_rate_that_was_not_studied_leaves_a_bad_default(held_out: float, tmp_path: Path) -> None:
    """The best temperature falls from .8 to .05 along the noise; the default, .3, is right at a rate of .2 only."""

    def regret(temperature: float, rate: float) -> float:
        return 0.05 * math.log(temperature / (0.8 * 0.0625 ** (rate / 0.6))) ** 2

    rng = np.random.default_rng(0)
    rows, rates = [], [rate for rate in (0.05, 0.2, 0.35, 0.5, 0.65) if rate != held_out]
    for rate in rates:
        for i, trial in enumerate(searched(32)[:32]):
            worth = 0.95 - min(regret(float(trial.params["contrastive/temperature"]), rate), 0.3)
            objective = rate / 9 + worth * (1 - rate * 10 / 9) + rng.normal(0, 0.003)
            own = {
                "condition": f"r{rate}",
                "trial": f"r{rate}-{i:04d}",
                "noise_rate": rate,
                "oracle_noise_rate": rate,
                "epochs": 0,
            }
            rows.append(replace(trial, **own, objective=objective))
    spec = synthetic.SPEC | {"conditions": [{"id": f"r{r}", "kind": "symmetric", "rate": r} for r in rates]}
    trials = load_trials(synthetic.write(tmp_path / "study", rows, spec))
    options = recommend(trials, NoiseRate(held_out, held_out - 0.05, held_out + 0.05)).options
    lost = options["contrastive/temperature"].map(lambda temperature: regret(temperature, held_out))
    assert lost["candidate"] < 0.02
    assert lost["recommended"] == lost["candidate" if lost["default"] > 0.05 else "default"]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.4, 0.4, [1]),  # a condition itself
        (0.5, 0.5, [1, 2]),
        (0.35, 0.45, [0, 1, 2]),
        (0.1, 0.15, [0, 1]),
        (0.7, 0.9, [1, 2]),
        (0.1, 0.9, [0, 1, 2]),
    ],
)
def test_advice_must_hold_at_the_conditions_next_to_the_rate(low: float, high: float, expected: list[int]) -> None:
    near = _neighbours(NoiseRate((low + high) / 2, low, high), np.array([0.2, 0.4, 0.6]))
    assert np.flatnonzero(near).tolist() == expected
    assert _neighbours(NoiseRate(0.5, low, high), np.array([0.3])).tolist() == [True]


def test_the_surrogate_knows_its_trials_and_that_it_knows_no_others(known: Trials) -> None:
    model = fit_model(known)

    def at(rate: float) -> list[Task]:
        return [Task("symmetric", rate, slope=1)]

    frame = known.searched[known.searched["condition"] == "symmetric-0.2"]
    truth = frame["oracle_test_acc"].to_numpy()
    found = model.draws(frame, at(RATES["symmetric-0.2"]), 400).mean(0)[0]
    assert np.corrcoef(found, truth)[0, 1] > 0.9
    near, far = (model.draws(frame.head(3), at(rate), 400).std(0).mean() for rate in (RATES["symmetric-0.2"], 1.5))
    assert far > 1.5 * near


def test_the_robust_setting_has_the_least_largest_regret_of_the_options(known: Trials) -> None:
    advice = recommend(known, given(0.3))
    along = advice.robust.set_index("condition")
    assert list(along.index) == list(RATES)
    costs = advice.costs.loc[[round(rate, 3) for rate in RATES.values()]]
    assert costs["robust"].max() <= costs[["recommended", "default"]].max().min() + 1e-9
    assert costs["robust"].to_numpy() == pytest.approx(along["regret"].to_numpy(), abs=5e-3)


def test_nothing_that_only_an_observer_knows_moves_the_advice(known: Trials, tmp_path: Path) -> None:
    rows = searched()
    for i, trial in enumerate(rows):
        trial.oracle_test_acc = (i * 0.37) % 1
    other = load_trials(synthetic.write(tmp_path / "digits", rows))
    first, second = (recommend(trials, given(0.3)) for trials in (known, other))
    pd.testing.assert_frame_equal(first.options, second.options)


@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        (lambda: [], "symmetric", "with 10 finished searched trials"),
        (lambda: searched(8), "symmetric", "with 10 finished searched trials"),
        (lambda: searched(16), "instance", "Kinds in this study: asymmetric, symmetric"),
        (lambda: [record("symmetric-0.5", i, 0.0, status="failed") for i in range(20)], "symmetric", "10 finished"),
    ],
)
def test_too_little_to_advise_from_is_said(rows: object, kind: str, message: str, tmp_path: Path) -> None:
    trials = load_trials(synthetic.write(tmp_path / "s", rows()))  # type: ignore[operator]
    with pytest.raises(NotApplicable, match=message):
        recommend(trials, given(0.3), kind)


def test_pruned_trials_count_but_never_above_a_complete_one(tmp_path: Path) -> None:
    rows = [trial for trial in searched() if trial.condition == "symmetric-0.5"]
    kept = sorted(rows, key=lambda trial: trial.objective)[-4:]
    for trial in rows:
        if trial not in kept:
            trial.status, trial.objective = "pruned", 0.99  # as an early value may be
    trials = load_trials(synthetic.write(tmp_path / "study", rows))
    tried = fit_model(trials).tried
    assert len(tried) == len(rows)
    worst = min(trial.objective for trial in kept)
    assert (tried.loc[tried["status"] == "pruned", "objective"] == worst).all()
    assert any("only 4 searched trials are complete" in caution for caution in recommend(trials, given(0.45)).cautions)


def test_candidates_fill_the_space_as_far_as_it_was_tried(known: Trials) -> None:
    settings = searched_settings(known.spec)
    frame = candidates(settings, known.searched, 256)
    assert all(setting.allows(frame).all() for setting in settings)
    assert frame["param/mixmatch/lambda_u"].eq(0).mean() == pytest.approx(0.2, abs=0.02)
    assert np.log(frame["param/contrastive/temperature"]).median() == pytest.approx(np.log(0.05 * 20**0.5), abs=0.05)
    tried = known.searched[known.searched["param/mixmatch/lambda_u"].gt(0)]
    narrow = candidates(settings, tried[tried["param/contrastive/kind"] == "sup"], 64)
    assert narrow["param/mixmatch/lambda_u"].gt(0).all()
    assert set(narrow["param/contrastive/kind"]) == {"sup"}


def test_the_command_writes_settings_that_a_training_takes(
    known: Trials, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "mine.json"
    assert main(["recommend", "--study", str(known.root), "--noise-rate", "0.45", "--output", str(output)]) == 0
    settings = json.loads(output.read_text())
    config = train_config(settings)
    expected = recommend(known, given(0.45)).options.loc["recommended"]
    assert config.contrastive.temperature == pytest.approx(expected["contrastive/temperature"], rel=1e-3)
    assert config.contrastive.kind == expected["contrastive/kind"]
    told = capsys.readouterr().out
    assert "Settings for symmetric noise of 45.0%" in told
    assert "the study's data, not yours" in told
    assert told.rstrip().endswith(f"python -m codim --config {output} --output results/mine")


def test_who_knows_the_rate_gets_settings_for_own_images_without_a_training(
    known: Trials, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.csv").write_text("path,label\n1.png,a\n2.png,b\n")
    output = tmp_path / "my settings.json"
    flags = ["--labels", str(tmp_path / "labels.csv"), "--images", str(tmp_path), "--output", str(output)]
    assert main(["recommend", "--study", str(known.root), "--noise-rate", "0.45", *flags]) == 0
    data = json.loads(output.read_text())["data"]
    assert data == {"name": "table", "root": str(tmp_path / "my settings-labels.csv"), "cache_size": "auto"}
    assert pd.read_csv(data["root"])["path"].tolist() == [str(tmp_path / f"{i}.png") for i in (1, 2)]
    told = capsys.readouterr().out
    assert "not yours" not in told
    assert f"--config '{output}' --minutes 30" in told


def test_what_is_recommended_for_own_images_can_be_trained(tmp_path: Path) -> None:
    """The study's network is not the one that own images get, and its method has no pre-training."""
    fixed = {"network": {"name": "torchvision:resnet18", "stem": "cifar"}}
    trials = load_trials(synthetic.write(tmp_path / "digits", searched(), synthetic.SPEC | {"fixed": fixed}))
    (tmp_path / "labels.csv").write_text("path,label\n1.png,a\n2.png,b\n")
    data = {"data": {"name": "table", "root": str(tmp_path / "labels.csv")}}
    made = settings_for(fixed | {"method": "dividemix"}, trials, data)
    config = train_config(with_counts(made, gpu=False))
    assert (config.network.name, config.pretrain.epochs) == ("airbench", 0)


def test_a_study_of_other_data_leaves_to_own_images_what_follows_from_them(tmp_path: Path) -> None:
    """Network, budget and lengths of stages; other settings stay."""
    fixed = {"network": {"name": "small_cnn", "width": 4}, "train": {"samples": 9, "seed": 3}, "method": "codim-sup"}
    study = synthetic.write(tmp_path / "digits", searched(), synthetic.SPEC | {"fixed": fixed})
    (tmp_path / "labels.csv").write_text("path,label\n1.png,a\n2.png,b\n")
    flags = ["--labels", str(tmp_path / "labels.csv"), "--output", str(tmp_path / "mine.json"), "--noise-rate", "0.4"]
    assert main(["recommend", "--study", str(study), *flags]) == 0
    made = json.loads((tmp_path / "mine.json").read_text())
    assert made["method"] == "codim-sup"
    assert made["network"] == {"name": "auto", "width": "auto"}
    assert made["train"] == {"samples": "auto", "seed": 3, "batch_size": "auto"}
    assert made["pretrain"]["epochs"] == made["augment"]["size"] == "auto"
    assert made["contrastive"]["temperature"] != "auto"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_names_that_look_like_missing_values_reach_the_training(known: Trials, tmp_path: Path, suffix: str) -> None:
    names = ["None", "NA", "null", "nan", "01", "1", "two\nlines"]
    labels = tmp_path / f"labels.{suffix}"
    table = pa.table({"path": [f"{name}.png" for name in names], "label": names, "other": [math.nan] * len(names)})
    pq.write_table(table, labels) if suffix == "parquet" else table.to_pandas().to_csv(labels, index=False)
    flags = ["--labels", str(labels), "--images", str(tmp_path), "--output", str(tmp_path / "mine.json")]
    assert main(["recommend", "--study", str(known.root), "--noise-rate", "0.45", *flags]) == 0
    made = table_images(Path(json.loads((tmp_path / "mine.json").read_text())["data"]["root"]))
    assert [(row.path, row.label) for row in made.rows["train"]] == [(str(tmp_path / f"{n}.png"), n) for n in names]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "give --noise-rate, or --labels"),
        (["--noise-rate", "0.3", "--predictions", "x"], "not both"),
        (["--labels", "nowhere.csv"], "--labels: nowhere.csv is not a file"),
        (["--noise-rate", "0.3", "--labels", "empty.csv"], "--labels: empty.csv is empty"),
        (
            ["--noise-rate", "0.3", "--labels", "header.csv"],
            "--labels: header.csv has no row below its header",
        ),
        (
            ["--noise-rate", "0.3", "--labels", "other.csv"],
            "--labels: other.csv has no column path; found: file, label",
        ),
        (["--noise-rate", "0.3", "--output", "."], "--output: . is a folder"),
        (["--noise-rate", "1.5"], "--noise-rate: 1.5; allowed"),
        (["--predictions", "nowhere.parquet"], "cannot be read"),
    ],
)
def test_bad_flags_end_with_one_message_and_status_2(
    known: Trials,
    flags: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {"empty": "", "header": "path,label\n", "other": "file,label\n1.png,a\n"}.items():
        Path(f"{name}.csv").write_text(text)
    output = tmp_path / "new" / "mine.json"
    assert main(["recommend", "--study", str(known.root), "--output", str(output), *flags]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize(("agree", "weak"), [(0.5, True), (0.9, False), (None, False)])
def test_networks_that_hardly_agree_are_called_too_weak(
    known: Trials, tmp_path: Path, capsys: pytest.CaptureFixture[str], agree: float | None, weak: bool
) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=300)
    probabilities = rng.dirichlet(np.ones(3), 300) + np.eye(3)[labels]
    columns = {"given_label": labels, "probabilities": list(probabilities / 2)}
    if agree is not None:
        columns["agree"] = np.arange(300) < 300 * agree
    pq.write_table(pa.table(columns), tmp_path / "predictions.parquet")
    flags = ["--predictions", str(tmp_path / "predictions.parquet"), "--output", str(tmp_path / "mine.json")]
    assert main(["recommend", "--study", str(known.root), *flags]) == 0
    assert ("The two networks agree on only 50.0% of the images: they are" in capsys.readouterr().out) == weak


def test_the_noise_of_own_images_is_estimated_by_a_short_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Blank images of three greys, a third of the labels wrong; the study is of own images, too."""
    fixed = {"network": {"name": "small_cnn", "width": 4}, "augment": {"size": 16}, "warmup": {"epochs": 6}}
    study = synthetic.write(tmp_path / "digits", searched(), synthetic.SPEC | {"data": "folder", "fixed": fixed})
    rng = np.random.default_rng(0)
    true = np.repeat([0, 1, 2], 40)
    given_label = np.where(rng.random(120) < 1 / 3, (true + rng.integers(1, 3, 120)) % 3, true)
    lines = ["path,label"]
    for i, (grey, label) in enumerate(zip(true, given_label, strict=True)):
        path = tmp_path / "photos" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = np.clip(rng.normal(40 + 85 * grey, 10, (16, 16)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        lines.append(f"{i}.png,{'abc'[label]}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    output = tmp_path / "mine.json"
    flags = ["--labels", str(tmp_path / "labels.csv"), "--images", str(tmp_path / "photos"), "--output", str(output)]
    assert main(["recommend", "--study", str(study), *flags]) == 0
    told = capsys.readouterr().out
    low, high = (float(part) for part in told.split(" plausibly ")[1].split("\n")[0].replace("%", "").split(" to "))
    assert low <= 100 * (true != given_label).mean() <= high
    config = train_config(with_counts(json.loads(output.read_text()), gpu=False))
    assert (config.network.width, config.augment.size, config.warmup.epochs) == (4, 16, 6)
    assert load_data(config.data, config.noise)[0].classes == ("a", "b", "c")


@pytest.mark.parametrize("of", ["digits", "embeddings"])
def test_embeddings_get_settings_from_a_study_of_images_or_of_embeddings(of: str, tmp_path: Path) -> None:
    """What fits the study's images alone is computed from the embeddings, whose own study keeps its network."""
    theirs = {"data": {"name": "embeddings", "root": "theirs.npz"}, "network": {"name": "mlp", "width": 64}}
    fixed: dict[str, Any] = theirs if of == "embeddings" else {}
    study = synthetic.write(tmp_path / "study", searched(), synthetic.SPEC | {"data": of, "fixed": fixed})
    place = save(tmp_path / "x.npy", *blobs(300)[:1])
    (tmp_path / "labels.csv").write_text("\n".join(["label", *blobs(300)[1]]))
    output = tmp_path / "mine.json"
    flags = ["--study", str(study), "--noise-rate", "0.3", "--output", str(output)]
    assert main(["recommend", *flags, "--images", str(place), "--labels", str(tmp_path / "labels.csv")]) == 0
    settings = json.loads(output.read_text())
    config = train_config(with_counts(settings, gpu=False))
    assert config.data.labels == tmp_path / "labels.csv"
    assert (config.network.name, config.network.width) == ("mlp", 64 if of == "embeddings" else None)
    assert load_data(config.data, config.noise)[0].images.shape == (300, 6)


def test_embeddings_without_labels_end_with_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = synthetic.write(tmp_path / "study", searched())
    place = save(tmp_path / "x.npy", blobs(30)[0])
    assert main(["recommend", "--study", str(study), "--noise-rate", "0.3", "--images", str(place)]) == 2
    error = capsys.readouterr().err
    assert "--images: " in error
    assert "holds no labels; give data/labels" in error
    assert error.count("\n") == 1
