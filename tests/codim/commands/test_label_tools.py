"""What the audit writes for other programs is what they read, and their answers come back."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from cleanlab.classification import CleanLearning
from sklearn.linear_model import LogisticRegression

from codim.commands import audit
from codim.commands.arguments import AuditArguments
from codim.commands.corrections import read_corrections
from codim.commands.label_tools import (
    fiftyone_dataset,
    label_studio_interface,
    label_studio_tasks,
    read_answers,
    write_cleanlab_issues,
)
from codim.data.load import TrainingData
from codim.evaluation.label_audit import Suspect
from codim.training.session import Session
from tests.codim.training.test_embeddings import config_of
from tests.support.vectors import blobs, save

CLASSES = ("cat", '<b>"dog" & co</b>', "emu")
GIVEN = [0, 1, 2, 0]


def suspect(index: int, suggested: str, file: str = "a b/1.png", clean: float = 0.25) -> Suspect:
    given = CLASSES[GIVEN[index]]
    return Suspect(1, 1, index, file, "train", given, suggested, clean, 0.9, 0.7, 0.1, -1.0, 0.5)


@pytest.fixture
def data() -> TrainingData:
    rows = torch.arange(len(GIVEN))
    return TrainingData(torch.zeros(len(GIVEN), 1, 8, 8), torch.tensor(GIVEN), rows, rows[:0], CLASSES)


def annotation(label: str | None, person: Any = 7, **more: Any) -> dict[str, Any]:
    result = [] if label is None else [{"from_name": "label", "to_name": "image", "value": {"choices": [label]}}]
    return {"result": result, "completed_by": person} | more


def exported(folder: Path, found: list[Suspect], annotations: list[list[dict[str, Any]]]) -> Path:
    """As Label Studio exports: the tasks, with what people answered."""
    tasks = json.loads(json.dumps(label_studio_tasks(found)))
    for task, own in zip(tasks, annotations, strict=True):
        task["annotations"] = own
    (folder / "export.json").write_text(json.dumps(tasks))
    return folder / "export.json"


def test_a_task_shows_the_image_and_what_the_networks_say() -> None:
    (task,) = label_studio_tasks([suspect(0, "emu")])
    assert task["data"]["image"] == "/data/local-files/?d=a%20b/1.png"
    assert task["data"]["priority"] == pytest.approx(0.75 * 0.8)
    (prediction,) = task["predictions"]
    assert prediction["score"] == pytest.approx(0.8)
    assert prediction["result"][0]["value"] == {"choices": ["emu"]}
    (away,) = label_studio_tasks([suspect(0, "emu", "https://example.org/1 2.png")])
    assert away["data"]["image"] == "https://example.org/1 2.png"
    with pytest.raises(ValueError, match="--to label-studio: sample 2 has no file and no id"):
        label_studio_tasks([suspect(0, "emu"), suspect(2, "cat", "")])


def test_the_interface_offers_every_class_and_shows_what_tasks_hold() -> None:
    root = ElementTree.fromstring(label_studio_interface(CLASSES))
    assert [choice.get("value") for choice in root.iter("Choice")] == [*CLASSES]
    (image,), (choices,) = root.iter("Image"), root.iter("Choices")
    (task,) = label_studio_tasks([suspect(0, "emu")])
    (result,) = task["predictions"][0]["result"]
    assert (result["from_name"], result["to_name"]) == (choices.get("name"), choices.get("toName"))
    assert image.get("name") == result["to_name"]
    assert str(image.get("value")).removeprefix("$") in task["data"]


def test_label_studio_accepts_them() -> None:
    """With its own package, where that is installed."""
    interface = pytest.importorskip("label_studio_sdk.label_interface").LabelInterface(label_studio_interface(CLASSES))
    interface.validate()
    for task in label_studio_tasks([suspect(0, "emu"), suspect(2, CLASSES[1])]):
        (prediction,) = task["predictions"]
        assert interface.validate_task({"data": task["data"]})
        assert interface.validate_prediction(prediction)
        prediction["result"][0]["value"]["choices"] = ["yak"]
        assert not interface.validate_prediction(prediction)


def test_answers_come_back(tmp_path: Path, data: TrainingData) -> None:
    """One is corrected by two people, one is left as it is, one was skipped, one nobody has seen."""
    found = [suspect(i, "emu") for i in range(4)]
    both = [annotation(CLASSES[1], {"id": 3, "email": "b@c.de"}), annotation(CLASSES[1], {"id": 4})]
    answers = [both, [annotation(CLASSES[1])], [annotation("cat", was_cancelled=True), annotation(None)], []]
    assert read_corrections(exported(tmp_path, found, answers), data) == {0: (1, "4, b@c.de")}


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ([annotation("cat"), annotation("emu")], "task 1: people say cat and emu; allowed: one label"),
        ([{"completed_by": 1}], "task 1: KeyError.*; allowed: tasks that --to label-studio made"),
        ([annotation("yak")], "task 1: label is 'yak'; allowed: cat, "),
        (["odd"], "task 1: TypeError"),
    ],
)
def test_exports_that_do_not_fit_are_refused(
    annotations: list[Any], message: str, tmp_path: Path, data: TrainingData
) -> None:
    with pytest.raises(ValueError, match=message):
        read_corrections(exported(tmp_path, [suspect(0, "emu")], [annotations]), data)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "cannot be read"), ("{}", "is no export of Label Studio"), ('[{"data": {"image": "x"}}]', "KeyError")],
)
def test_other_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_answers(tmp_path / "x.json")


def test_fiftyone_reads_its_samples() -> None:
    """By the real package where it is installed."""
    fiftyone = pytest.importorskip("fiftyone")
    (own,) = fiftyone_dataset([suspect(0, "emu")], CLASSES)["samples"]
    sample = fiftyone.Sample.from_dict(json.loads(json.dumps(own)))
    assert (sample.label.label, sample.suggested.label, sample["index"]) == (CLASSES[0], "emu", 0)
    assert sample.suggested.confidence == pytest.approx(0.8)


def test_samples_have_to_be_those_of_an_audit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--to fiftyone: sample 2 has no file and no id"):
        fiftyone_dataset([suspect(2, "cat", "")], CLASSES)
    for content, told in (
        (
            {"samples": [{"filepath": "a.jpg"}]},
            r"x\.json, sample 1: KeyError\('index'\); allowed: samples that --to fiftyone",
        ),
        (
            {"version": 1},
            "is no export of Label Studio or FiftyOne; allowed: a list of tasks, or a data set with samples",
        ),
    ):
        (tmp_path / "x.json").write_text(json.dumps(content))
        with pytest.raises(ValueError, match=told):
            read_answers(tmp_path / "x.json")


def test_cleanlab_leaves_out_what_the_audit_calls_an_issue(tmp_path: Path) -> None:
    x, names = blobs(60)
    true = np.unique(names, return_inverse=True)[1]
    given = true.copy()
    given[:6] = (true[:6] + 1) % 3
    columns = {"given_label": given, "suggested_label": true, "clean_probability": np.linspace(0, 1, 60)}
    for statistics in (np.linspace(0, 0.5, 60), np.full(60, np.nan)):
        write_cleanlab_issues(
            tmp_path / "i.csv", pa.table(columns | {"mean_probability": statistics, "trusted": [False] * 60})
        )
        issues = pd.read_csv(tmp_path / "i.csv")
        expected = columns["clean_probability"] if np.isnan(statistics).any() else statistics
        np.testing.assert_allclose(issues.label_quality, expected)
        model = CleanLearning(LogisticRegression(), verbose=False).fit(x, given, label_issues=issues)
        assert model.get_label_issues().is_label_issue.tolist() == (given != true).tolist()
        assert (model.predict(x) == true).all()


@pytest.mark.parametrize(
    ("to", "written"),
    [("label-studio", "label_studio.json"), ("fiftyone", "fiftyone.json"), ("cleanlab", "cleanlab_issues.csv")],
)
def test_the_command(to: Any, written: str, tmp_path: Path) -> None:
    """Photos of wrong labels go out by their names, and the labels that are given to them come back."""
    vectors, labels = blobs(360)
    ids = [f"photos/{i}.jpg" for i in range(360)]
    path = save(tmp_path / "x.npy", vectors, label=labels, split=["train"] * 300 + ["test"] * 60, id=ids)
    session = Session.load(config_of(path, "ce"))
    session.start()
    for _ in session.epochs():
        pass
    session.save(tmp_path / "checkpoint.pt")
    assert audit.main(AuditArguments(tmp_path, to=to)) == 0
    if to == "cleanlab":
        assert len(pd.read_csv(tmp_path / written)) == 300
        return
    tasks = json.loads((tmp_path / written).read_text())
    if to == "fiftyone":
        first, *_ = tasks["samples"]
        assert first["filepath"] == f"photos/{first['index']}.jpg"
        assert read_corrections(tmp_path / written, session.data) == {}, "nobody has changed a label"
        first["label"]["label"] = first["suggested"]["label"]
        (tmp_path / written).write_text(json.dumps(tasks))
        ((index, (label, _)),) = read_corrections(tmp_path / written, session.data).items()
        assert (index, session.data.classes[label]) == (first["index"], first["suggested"]["label"])
        return
    assert all(task["data"]["image"].endswith(f"photos/{task['data']['index']}.jpg") for task in tasks)
    for task in tasks[:2]:
        (prediction,) = task["predictions"]
        task["annotations"] = [{"result": prediction["result"], "completed_by": 1}]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    with pytest.raises(ValueError, match="--to: label-studio with --corrections"):
        audit.main(AuditArguments(tmp_path, to=to, corrections=tmp_path / "export.json"))
    corrected = read_corrections(tmp_path / "export.json", session.data)
    assert {*corrected} == {task["data"]["index"] for task in tasks[:2]}
