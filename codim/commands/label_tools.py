"""Files for the programs in which labels are mended: tasks for Label Studio, samples for FiftyOne, what people answered
in both, and the issues of a data set as a frame of cleanlab."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import pyarrow as pa

from codim.evaluation.label_audit import Suspect, doubted
from codim.text.safe_text import printable, shortened
from codim.version import __version__

LOCAL_FILES = "/data/local-files/?d="
"""Address in Label Studio of files below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT."""


class Answer(NamedTuple):
    """Label that a person gave to a sample."""

    where: str
    """Place in the file, for errors."""
    position: str
    """Position of the sample in the training set, as it is written."""
    given_label: str
    label: str
    by: str = ""
    """Person; empty if unknown."""


def _require_named(found: Sequence[Suspect], program: str) -> None:
    """Check that the program can show each sample. Raises ValueError."""
    if unnamed := [suspect.index for suspect in found if not suspect.file]:
        raise ValueError(
            f"--to {program}: sample {unnamed[0]} has no file and no id for {program} to show; allowed: images in "
            "files, or embeddings with ids that name them"
        )


def _priority(suspect: Suspect) -> float:
    """Return how soon a person should look, in [0, 1]: doubt in the given label times trust in the suggested one."""
    return (1 - suspect.clean_probability) * _confidence(suspect)


def _confidence(suspect: Suspect) -> float:
    return (suspect.confidence_a + suspect.confidence_b) / 2


def label_studio_tasks(found: Sequence[Suspect]) -> list[dict[str, Any]]:
    """Return a task for each suspect: its image, the suggested label as a prediction, and its priority, by which Label
    Studio can sort.

    An image is an address if its name is one, else a file below the folder that Label Studio serves.

    Raises:
        ValueError: a sample has no name.
    """
    _require_named(found, "label-studio")
    return [
        {
            "data": {
                "image": suspect.file if "://" in suspect.file else LOCAL_FILES + quote(suspect.file),
                "index": suspect.index,
                "given_label": suspect.given_label,
                "priority": _priority(suspect),
            },
            "predictions": [
                {
                    "model_version": f"codim {__version__}",
                    "score": _confidence(suspect),
                    "result": [_choice(suspect.suggested_label)],
                }
            ],
        }
        for suspect in found
    ]


def _choice(label: str) -> dict[str, Any]:
    return {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [label]}}


def label_studio_interface(classes: Sequence[str]) -> str:
    """Return the labelling interface of these tasks, with a choice for each class."""
    choices = "\n".join(f"    <Choice value={quoteattr(printable(name))}/>" for name in classes)
    return (
        '<View>\n  <Image name="image" value="$image"/>\n  <Header value="Given label: $given_label"/>\n'
        f'  <Choices name="label" toName="image" choice="single">\n{choices}\n  </Choices>\n</View>\n'
    )


def fiftyone_dataset(found: Sequence[Suspect], classes: Sequence[str]) -> dict[str, Any]:
    """Return the suspects as FiftyOne's `Dataset.from_json` reads a data set: the labels `suggested` and `label`, the
    latter as it was given, for a person to change.

    Raises:
        ValueError: a sample has no name.
    """
    _require_named(found, "fiftyone")
    return {
        "name": "codim-audit",
        "media_type": "image",
        "default_classes": [printable(name) for name in classes],
        "samples": [
            {
                "filepath": suspect.file,
                "index": suspect.index,
                "given_label": suspect.given_label,
                "label": _classification(suspect.given_label),
                "suggested": _classification(suspect.suggested_label, confidence=_confidence(suspect)),
                "priority": _priority(suspect),
            }
            for suspect in found
        ],
    }


def _classification(label: str, **more: float) -> dict[str, Any]:
    return {"_cls": "Classification", "label": label} | more


def read_answers(path: Path) -> list[Answer]:
    """Read the answers in an export of Label Studio (format JSON, a list of tasks), or in what FiftyOne's `write_json`
    makes of the data set. Raises ValueError: the file is neither, or as `_label_studio_answers`."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{printable(path)} cannot be read: {printable(error)}") from error
    if isinstance(content, list):
        return _label_studio_answers(path, content)
    if isinstance(content, dict) and isinstance(content.get("samples"), list):
        return _fiftyone_answers(path, content["samples"])
    raise ValueError(
        f"{printable(path)} is no export of Label Studio or FiftyOne; allowed: a list of tasks, or a data set "
        "with samples"
    )


def _fiftyone_answers(path: Path, samples: list[Any]) -> list[Answer]:
    """Return the labels that differ from those given."""
    found = []
    for number, sample in enumerate(samples, 1):
        where = f"{printable(path)}, sample {number}"
        try:
            answer = Answer(
                where, *(str(part) for part in (sample["index"], sample["given_label"], sample["label"]["label"]))
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"{where}: {printable(repr(error))}; allowed: samples that --to fiftyone made") from error
        if answer.label != answer.given_label:
            found.append(answer)
    return found


def _label_studio_answers(path: Path, tasks: list[Any]) -> list[Answer]:
    """Return the answers to such tasks; those that nobody answered are left out.

    Raises:
        ValueError: a task is not one of them, or people disagree about a label; names the task.
    """
    found = []
    for number, task in enumerate(tasks, 1):
        where = f"{printable(path)}, task {number}"
        try:
            index, given = str(task["data"]["index"]), str(task["data"]["given_label"])
            said = [answer for annotation in task.get("annotations", []) if (answer := _answer(annotation))]
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ValueError(
                f"{where}: {printable(repr(error))}; allowed: tasks that --to label-studio made, exported as JSON"
            ) from error
        labels = sorted({label for label, _ in said})
        if len(labels) > 1:
            raise ValueError(f"{where}: people say {' and '.join(map(shortened, labels))}; allowed: one label")
        if said:
            people = sorted({person for _, person in said} - {""})
            found.append(Answer(where, index, given, labels[0], ", ".join(people)))
    return found


def _answer(annotation: dict[str, Any]) -> tuple[str, str] | None:
    """Return the label of an annotation, and who made it; None if it was skipped."""
    choices = [row["value"]["choices"][0] for row in annotation["result"] if row["from_name"] == "label"]
    if annotation.get("was_cancelled") or not choices:
        return None
    person = annotation.get("completed_by", "")
    if isinstance(person, dict):
        person = person.get("email") or person.get("id", "")
    return str(choices[0]), "" if person is None else str(person)


def write_cleanlab_issues(path: Path, table: pa.Table) -> None:
    """Write the audit of all samples, in their order, with the columns of cleanlab's `CleanLearning.get_label_issues`;
    labels are numbers of classes."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("is_label_issue", "label_quality", "given_label", "predicted_label"))
        for row in table.to_pylist():
            quality, given, suggested = row["mean_probability"], row["given_label"], row["suggested_label"]
            known = quality == quality  # NaN without statistics of the epochs
            rows.writerow((doubted(row), quality if known else row["clean_probability"], given, suggested))
