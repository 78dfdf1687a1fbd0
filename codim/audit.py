"""Which given labels look wrong: a table of all images, and a page with the worst, for a person to check.

    python -m codim audit --checkpoint results/single

Loads the training's data again (as its settings say), and writes label_audit.html, one file that needs no other, and
label_audit.csv: all images whose given label the networks contradict, the most suspicious first.
"""

import base64
import csv
import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import torch
import torch.nn.functional as F
import tyro
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor

from codim.checkpoint import load_trained
from codim.config import TrainConfig
from codim.datasets import TrainingData, load_data
from codim.divide import DivideConfig, divide, scale_losses
from codim.evaluate import predict

BATCH = 1024
THUMBNAIL = 128
"""Pixels: larger images are scaled down to it."""


@dataclass
class Arguments:
    """Rank the training labels that look wrong; write a page with thumbnails and a table."""

    checkpoint: Path
    """A checkpoint, or the folder with checkpoint.pt."""
    output: Path | None = None
    """Folder for label_audit.html and label_audit.csv; by default that of the checkpoint."""
    limit: int = 200
    """Images on the page; the table holds all."""


@dataclass(frozen=True)
class Suspect:
    """An image whose given label the networks contradict; its fields are the columns of the table."""

    rank: int
    index: int
    """In the order of the training images."""
    part: str
    """train or validation."""
    given_label: str
    suggested_label: str
    clean_probability: float
    confidence_a: float
    confidence_b: float


def label_audit(data: TrainingData, logits: Tensor, config: DivideConfig) -> pa.Table:
    """Columns, in the order of the training set: `index`, `given_label`, `clean_probability` (mean over both
    networks' mixtures of the losses now), `suggested_label` (of the ensemble), `confidence_a` and `confidence_b`
    (probability that each network gives to the suggested label).

    Args:
        logits: (2, N, K) over all of data.images.
    """
    losses = [F.cross_entropy(own, data.labels, reduction="none") for own in logits]
    clean = torch.stack([divide(scale_losses(own), config).clean_probability for own in losses]).mean(0)
    suggested = logits.sum(0).argmax(1)
    confidence = logits.softmax(2).gather(2, suggested.expand(2, -1)[..., None])[..., 0]
    columns = {
        "index": torch.arange(len(suggested)),
        "given_label": data.labels,
        "clean_probability": clean,
        "suggested_label": suggested,
        "confidence_a": confidence[0],
        "confidence_b": confidence[1],
    }
    return pa.table({name: column.cpu().numpy() for name, column in columns.items()})


def suspects(table: pa.Table, data: TrainingData) -> list[Suspect]:
    """Of `label_audit`, the images whose suggested label is not the given one, by (1 - clean probability) * (mean
    confidence), the largest first: the label is hard to learn, and both networks know a better one."""
    rows = [row for row in table.to_pylist() if row["suggested_label"] != row["given_label"]]
    rows.sort(
        key=lambda row: ((row["clean_probability"] - 1) * (row["confidence_a"] + row["confidence_b"]), row["index"])
    )
    held_out = set(data.val_index.tolist())
    return [
        Suspect(
            rank=rank,
            index=row["index"],
            part="validation" if row["index"] in held_out else "train",
            given_label=data.classes[row["given_label"]],
            suggested_label=data.classes[row["suggested_label"]],
            clean_probability=row["clean_probability"],
            confidence_a=row["confidence_a"],
            confidence_b=row["confidence_b"],
        )
        for rank, row in enumerate(rows, start=1)
    ]


def main(argv: Sequence[str]) -> int:
    """The command. Raises ValueError and OSError for input that it can do nothing with."""
    args = tyro.cli(Arguments, prog="python -m codim audit", description=__doc__, args=argv)
    if args.limit < 1:
        raise ValueError(f"--limit: {args.limit} must be at least 1")
    folder = args.output or (args.checkpoint if args.checkpoint.is_dir() else args.checkpoint.parent)
    device = TrainConfig().train.torch_device()
    trained = load_trained(args.checkpoint, device)
    config = TrainConfig.model_validate(trained.config)
    data, _ = load_data(config.data, config.noise, device)
    if data.images.shape[1:] != trained.input.shape or data.classes != trained.input.classes:
        raise ValueError(f"--checkpoint: {args.checkpoint} was trained on other images or classes than load now")
    chunks = track(data.images.split(BATCH), "predicting", -(-len(data.images) // BATCH), console=Console(stderr=True))
    logits = torch.cat([predict(trained.networks, chunk, trained.augmenter) for chunk in chunks], dim=1)
    found = suspects(label_audit(data, logits, config.divide), data)
    folder.mkdir(parents=True, exist_ok=True)
    _write_table(folder / "label_audit.csv", found)
    page = folder / "label_audit.html"
    page.write_text(render(config, data, found, args.limit), encoding="utf-8")
    print(
        f"{len(found)} of {len(data.images)} labels are contradicted; {min(len(found), args.limit)} are shown in {page}"
    )
    return 0


def _write_table(path: Path, found: list[Suspect]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(Suspect.__dataclass_fields__))
        table.writeheader()
        table.writerows(asdict(suspect) for suspect in found)


def render(config: TrainConfig, data: TrainingData, found: list[Suspect], limit: int) -> str:
    """The page as text, self-contained; all names are escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sha256"] = lambda text: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    shown = found[:limit]
    images = data.images[torch.tensor([suspect.index for suspect in shown], dtype=torch.int64)].cpu()
    return environment.get_template("audit.html").render(
        data=config.data.name,
        noise=config.noise.kind,
        total=len(data.images),
        suspects=len(found),
        shown=[(suspect, thumbnail(image)) for suspect, image in zip(shown, images, strict=True)],
        filters=[
            ("given", "Given label", _counts(data.classes, [suspect.given_label for suspect in shown])),
            ("suggested", "Suggested label", _counts(data.classes, [suspect.suggested_label for suspect in shown])),
        ],
        pixelated=max(data.images.shape[2:]) < 96,
    )


def _counts(classes: Sequence[str], labels: list[str]) -> list[tuple[str, int]]:
    counts = Counter(labels)
    return [(name, counts[name]) for name in classes if counts[name]]


def thumbnail(image: Tensor) -> str:
    """A data: address of (C, H, W) uint8, C 1 or 3, as PNG of at most THUMBNAIL pixels a side."""
    picture = Image.fromarray(image[0].numpy() if len(image) == 1 else image.permute(1, 2, 0).numpy())
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
