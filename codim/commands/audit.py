"""The command `audit`: a page of suspicious labels, for a person to check."""

import base64
import csv
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from codim.commands.arguments import AuditArguments
from codim.commands.corrections import correct
from codim.commands.label_tools import (
    fiftyone_dataset,
    label_studio_interface,
    label_studio_tasks,
    write_cleanlab_issues,
)
from codim.config.train_config import TrainConfig
from codim.data.images.thumbnail import thumbnail
from codim.data.load import TrainingData, load_data
from codim.evaluation.label_audit import ClassAudit, Suspect, Trust, by_class, label_audit, suspects, trust, worst
from codim.evaluation.predict import predict
from codim.runtime.device import torch_device
from codim.runtime.progress_bar import progress
from codim.text.safe_text import cell, printable
from codim.training.checkpoint import load_trained

BATCH = 1024
THUMBNAIL = 128
"""Longest side of a thumbnail, in pixels; larger images are scaled down."""


def main(args: AuditArguments) -> int:
    """Run the command. Raises ValueError and OSError for unusable input."""
    if args.limit < 1:
        raise ValueError(f"--limit: {args.limit} must be at least 1")
    folder = args.output or (args.checkpoint if args.checkpoint.is_dir() else args.checkpoint.parent)
    if args.corrections is not None:
        if args.to != "page":
            raise ValueError(f"--to: {args.to} with --corrections; allowed: one of the two")
        return correct(args, folder)
    config, data, found, known, table = contradicted(args.checkpoint)
    tasks = label_studio_tasks(found) if args.to == "label-studio" else []
    samples = fiftyone_dataset(found, data.classes) if args.to == "fiftyone" else {}
    folder.mkdir(parents=True, exist_ok=True)
    _write_table(folder / "label_audit.csv", Suspect, found)
    _write_table(folder / "label_audit_classes.csv", ClassAudit, by_class(data, found))
    written = []
    if args.to == "label-studio":
        written = [folder / "label_studio.json", folder / "label_studio.xml"]
        written[0].write_text(json.dumps(tasks, indent=1), encoding="utf-8")
        written[1].write_text(label_studio_interface(data.classes), encoding="utf-8")
    elif args.to == "fiftyone":
        written = [folder / "fiftyone.json"]
        written[0].write_text(json.dumps(samples, indent=1), encoding="utf-8")
    elif args.to == "cleanlab":
        written = [folder / "cleanlab_issues.csv"]
        write_cleanlab_issues(written[0], table)
    page = folder / "label_audit.html"
    page.write_text(render(config, data, found, args.limit, known), encoding="utf-8")
    print(
        f"{len(found)} of {len(data.images)} labels are contradicted; {min(len(found), args.limit)} are shown in {page}"
    )
    if written:
        print(f"for {args.to}: {', '.join(map(str, written))}")
    return 0


class Audited(NamedTuple):
    """Audit of the labels of a training."""

    config: TrainConfig
    data: TrainingData
    found: list[Suspect]
    """Images whose given label is contradicted."""
    trust: Trust
    """How far the networks can be trusted."""
    table: pa.Table
    """Row per image (codim/evaluation/label_audit.py)."""


def contradicted(checkpoint: Path) -> Audited:
    """Load the networks of a checkpoint and the data of its training, and audit its labels. Raises ValueError: the data
    are not what they were, or as `load_trained`."""
    device = torch_device()
    trained = load_trained(checkpoint, device)
    config = TrainConfig.model_validate(trained.config)
    data, _ = load_data(config.data, config.noise, device)
    trained.input.require_samples_of(data, checkpoint)
    logits = []
    with progress("predicting", len(data.images), "images") as meter:
        for chunk in data.images.split(BATCH):
            logits.append(predict(trained.networks, chunk, trained.augmenter))
            meter.advance(len(chunk))
    outputs = torch.cat(logits, dim=1)
    table = label_audit(data, outputs, config.divide, trained.statistics)
    return Audited(config, data, suspects(table, data), trust(data, outputs), table)


def _write_table(path: Path, row: type[Suspect] | type[ClassAudit], rows: Sequence[Suspect | ClassAudit]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [field.name for field in fields(row)])
        table.writeheader()
        for own in rows:
            table.writerow({key: cell(v) if isinstance(v, str) else v for key, v in asdict(own).items()})


def render(config: TrainConfig, data: TrainingData, found: list[Suspect], limit: int, known: Trust) -> str:
    """Render the page as self-contained HTML; all names are escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sha256"] = lambda text: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    shown = worst(found, limit)
    images = data.images[torch.tensor([suspect.index for suspect in shown], dtype=torch.int64)].cpu()
    return environment.get_template("audit.html").render(
        data=config.data.name,
        noise=config.noise.kind,
        total=len(data.images),
        samples="images" if len(data.images.shape) == 4 else "embeddings",
        suspects=len(found),
        trust=known,
        classes=[printable(name) for name in data.classes],
        by_class=sorted((row for row in by_class(data, found) if row.images), key=lambda row: -row.share),
        shown=[
            (suspect, thumbnail(image, THUMBNAIL) if image.ndim == 3 else "")
            for suspect, image in zip(shown, images, strict=True)
        ],
        filters=[
            ("given", "Given label", _counts(data.classes, [suspect.given_label for suspect in shown])),
            ("suggested", "Suggested label", _counts(data.classes, [suspect.suggested_label for suspect in shown])),
        ],
        pixelated=max(data.images.shape[2:], default=0) < 96,
    )


def _counts(classes: Sequence[str], labels: list[str]) -> list[tuple[str, int]]:
    counts = Counter(labels)
    return [(name, counts[name]) for name in map(printable, classes) if counts[name]]
