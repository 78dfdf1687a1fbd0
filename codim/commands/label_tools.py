"""Files for the programs in which labels are mended: tasks for Label Studio and what people answered there, and the
issues of a data set as a frame of cleanlab."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import pyarrow as pa

from codim.evaluation.label_audit import Suspect
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


def label_studio_tasks(found: Sequence[Suspect]) -> list[dict[str, Any]]:
    """Return a task for each suspect: its image, the suggested label as a prediction, and its priority, by which Label
    Studio can sort.

    An image is an address if its name is one, else a file below the folder that Label Studio serves.

    Raises:
        ValueError: a sample has no name.
    """
    if unnamed := [suspect.index for suspect in found if not suspect.file]:
        raise ValueError(
            f"--to label-studio: sample {unnamed[0]} has no file and no id for Label Studio to show; allowed: images "
            "in files, or embeddings with ids that name them"
        )
    return [
        {
            "data": {
                "image": suspect.file if "://" in suspect.file else LOCAL_FILES + quote(suspect.file),
                "index": suspect.index,
                "given_label": suspect.given_label,
                "priority": (1 - suspect.clean_probability) * (suspect.confidence_a + suspect.confidence_b) / 2,
            },
            "predictions": [
                {
                    "model_version": f"codim {__version__}",
                    "score": (suspect.confidence_a + suspect.confidence_b) / 2,
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


def read_label_studio(path: Path) -> list[Answer]:
    """Read the answers in an export of Label Studio (JSON) of such tasks; those that nobody answered are left out.

    Raises:
        ValueError: the file is none, or people disagree about a label; names the task.
    """
    try:
        tasks = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{printable(path)} cannot be read: {printable(error)}") from error
    if not isinstance(tasks, list):
        raise ValueError(f"{printable(path)} is no export of Label Studio; allowed: its format JSON, a list of tasks")
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
            rows.writerow((given != suggested, quality if known else row["clean_probability"], given, suggested))
