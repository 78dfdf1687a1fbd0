"""--set: entries over those of a study file, checked as those are; and GPUs that the file leaves open."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from study.errors import SpecError
from study.run import Arguments, main
from study.spec.sections import SHARED_GPU, Resources
from study.spec.study_spec import load_study
from tests.support import ROOT
from tests.support.studies import WriteStudy


@pytest.mark.parametrize(
    ("change", "path", "value"),
    [
        ("resources/cpus_per_trial=0.5", ("resources", "cpus_per_trial"), 0.5),
        ("resources/gpus_per_trial=auto", ("resources", "gpus_per_trial"), "auto"),
        ("name=other", ("name",), "other"),
        ("fixed/train/samples=9000", ("fixed", "train"), {"samples": 9000, "epoch": "dataset"}),
        ("fixed/optim/lr=1e-3", ("fixed", "optim"), {"lr": 0.001}),
        ("pruner={kind: none}", ("pruner", "kind"), "none"),
        ("space/mixmatch/lambda_u/high=50", ("space", "mixmatch/lambda_u", "high"), 50),
        ("space/divide/p_threshold={type: float, low: 0.1, high: 0.9}", ("space", "divide/p_threshold", "low"), 0.1),
        ("baselines/ce={method: ce}", ("baselines", "ce"), {"method": "ce"}),
    ],
)
def test_an_entry_is_as_if_it_stood_in_the_file(
    change: str, path: tuple[str, ...], value: object, write_study: WriteStudy
) -> None:
    spec, _ = load_study(write_study(), [change])
    found = spec.model_dump()
    for key in path:
        found = found[key]
    assert found == value


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("resources/gpus_per_trial=-1", "greater than or equal to 0"),
        ("resources/gpu=0", "unknown key; allowed: gpus_per_trial"),
        ("budget/trials_per_condition=many", "valid integer"),
        ("name/first=x", "name holds no entries that can be set"),
        ("conditions/0/rate=0.1", "conditions holds no entries that can be set"),
        ("name", "allowed: path/to/entry=value"),
        ("/name=x", "allowed: path/to/entry=value"),
        ("=x", "allowed: path/to/entry=value"),
        ("name=[" * 3, "--set"),
        ("name=!!python/name:os.system", "--set"),
        ("name=" + "[" * 100 + "]" * 100, "nested too deep"),
        ("name=" + "x" * 2000, "allowed: path/to/entry=value"),
    ],
)
def test_a_wrong_entry_is_named(change: str, said: str, write_study: WriteStudy) -> None:
    with pytest.raises(SpecError) as told:
        load_study(write_study(), ["checkpoint_seconds=1", change])
    assert said in str(told.value)
    assert f"--set {change}" in str(told.value) or "nested too deep" in said
    assert "\n" not in str(told.value)


def test_other_faults_still_name_their_line(write_study: WriteStudy) -> None:
    with pytest.raises(SpecError, match=r"study\.yaml:\d+: budget"):
        load_study(write_study(budget__trials_per_condition=0), ["name=other"])


def test_gpus_that_the_file_leaves_open() -> None:
    auto = Resources(gpus_per_trial="auto")
    assert auto.where(4).gpus == SHARED_GPU
    assert auto.where(0).gpus == 0
    several = Resources(cpus_per_trial=2, workers_per_trial=2, gpus_per_trial="auto")
    assert several.where(4).gpus_per_worker == 1
    fixed = Resources(gpus_per_trial=0.5)
    assert fixed.where(0) == fixed


def test_a_place_without_gpus_names_the_way_on(
    write_study: WriteStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.driver.start.local_resources", lambda: (2, 0))
    file = write_study(resources={"cpus_per_trial": 1, "gpus_per_trial": 0.25})
    assert main(Arguments(file, str(tmp_path / "results"))) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "asks for 1 CPUs and 0.25 GPUs, this machine has 2 CPUs with 0 GPUs" in said
    assert "to train on CPUs: --set resources/gpus_per_trial=0, and --dry-run forecasts how long" in said


@pytest.mark.parametrize("file", sorted((ROOT / "search_spaces").glob("cifar*.yaml")))
def test_studies_of_small_images_also_run_without_a_gpu(file: Path) -> None:
    assert YAML(typ="safe", pure=True).load(file)["resources"]["gpus_per_trial"] == "auto"
