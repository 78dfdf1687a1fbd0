"""One training without Ray.

    python -m codim --method codim-sup --data digits --noise symmetric:0.5
    python -m codim --config train.json

The output folder gets config.json, noise.json (settings, realised rate and transition matrix), metrics.jsonl (one
line an epoch; null: no value), checkpoint.pt and label_audit.parquet. The same command goes on where an interrupted
training stopped.
"""

import json
import math
import sys
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from codim.audit import label_audit
from codim.augment import Augmenter
from codim.checkpoint import load_checkpoint, save_checkpoint
from codim.config import METHODS, TrainConfig, merge, train_config
from codim.datasets import DATASETS, TrainingData, Truth, load_data
from codim.evaluate import Observer, predict
from codim.state import TrainState, milestones
from codim.train import run_epochs


@dataclass
class Arguments:
    """Train once on images with noisy labels. Flags stand over the file."""

    config: Path | None = None
    """Settings as {section: {setting: value}} and `method`, in JSON or TOML."""
    method: str | None = None
    """ce, dividemix, c2d, codim-self or codim-sup."""
    data: str | None = None
    """Name of the data set."""
    noise: str | None = None
    """KIND[:RATE[:MAP]], for example symmetric:0.5 or asymmetric:0.4:digits; other settings: by the file."""
    output: Path = Path("results/single")
    """Folder for the results."""


def main() -> int:
    args = tyro.cli(Arguments, prog="python -m codim", description=__doc__)
    try:
        config = train_config(_settings(args))
        data, truth = load_data(config.data, config.noise, config.train.torch_device())
        milestones(config, data)
        args.output.mkdir(parents=True, exist_ok=True)
        state = _start(args.output, config, data)
        _write_noise(args.output / "noise.json", config, truth)
    except (ValueError, OSError) as error:
        print(f"python -m codim: {error}", file=sys.stderr)
        return 2
    try:
        _train(args.output, config, data, truth, state)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last epoch", file=sys.stderr)
        return 130
    except FloatingPointError as error:
        print(f"python -m codim: {error}; a smaller optim/lr may help", file=sys.stderr)
        return 1
    return 0


def _settings(args: Arguments) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if args.config is not None:
        settings = _read(args.config)
    if args.data is not None:
        if args.data not in DATASETS:
            raise ValueError(f"--data: {args.data!r} is unknown, allowed: {', '.join(DATASETS)}")
        settings = merge(settings, {"data": {"name": args.data}})
    if args.noise is not None:
        settings["noise"] = _noise(args.noise)
    if args.method is not None:
        if args.method not in METHODS:
            raise ValueError(f"--method: {args.method!r} is unknown, allowed: {', '.join(METHODS)}")
        settings["method"] = args.method
    return settings


def _read(path: Path) -> dict[str, Any]:
    readers = {".json": json.loads, ".toml": tomllib.loads}
    if path.suffix not in readers:
        raise ValueError(f"--config: {path} must end in .json or .toml")
    try:
        settings = readers[path.suffix](path.read_text())
    except ValueError as error:
        raise ValueError(f"--config: {path} is not valid {path.suffix[1:].upper()}: {error}") from error
    if not isinstance(settings, dict):
        raise ValueError(f"--config: {path} must hold sections with settings, found a {type(settings).__name__}")
    return settings


def _noise(text: str) -> dict[str, Any]:
    kind, *rest = text.split(":")
    names = ["rate", "map"]
    if len(rest) > len(names):
        raise ValueError(f"--noise: {text!r} must be KIND[:RATE[:MAP]]")
    return {"kind": kind, **dict(zip(names, rest, strict=False))}


def _start(output: Path, config: TrainConfig, data: TrainingData) -> TrainState:
    checkpoint = output / "checkpoint.pt"
    if checkpoint.exists():
        return load_checkpoint(checkpoint, config, data)
    state = TrainState.create(config, data)
    (output / "metrics.jsonl").write_text("")
    (output / "config.json").write_text(config.model_dump_json(indent=2))
    return state


def _write_noise(path: Path, config: TrainConfig, truth: Truth) -> None:
    realised = {"realised_rate": truth.noise_rate, "transition": truth.transition.tolist()}
    path.write_text(json.dumps(config.noise.model_dump(mode="json") | realised))


def _train(output: Path, config: TrainConfig, data: TrainingData, truth: Truth, state: TrainState) -> None:
    console = Console(stderr=True)
    augmenter = Augmenter.fit(config.augment, data.images)
    observer = Observer(data, truth, augmenter)
    rows = output / "metrics.jsonl"
    kept = rows.read_text().splitlines()[: state.epoch] if rows.exists() else []
    rows.write_text("".join(f"{line}\n" for line in kept))
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=console) as progress, rows.open("a") as file:
        task = progress.add_task("start", total=config.train.samples, completed=state.samples)
        for metrics in run_epochs(config, data, state):
            row = asdict(metrics)
            if state.logits is not None:
                row |= asdict(observer.measure(state.networks, state.logits, state.divisions))
            file.write(json.dumps({k: None if _is_nan(v) else v for k, v in row.items()}) + "\n")
            file.flush()
            save_checkpoint(output / "checkpoint.pt", config, state)
            text = f"{metrics.phase} epoch {metrics.epoch}: loss {metrics.loss:.3f}, val {metrics.val_acc:.3f}"
            progress.update(task, completed=metrics.samples, description=text)
    logits = state.logits if state.logits is not None else predict(state.networks, data.images, augmenter)
    pq.write_table(label_audit(data, logits, config.divide), output / "label_audit.parquet")
    accuracy = observer.measure(state.networks, logits, state.divisions).oracle_test_acc
    print(f"test accuracy {accuracy:.3f} ({truth.noise_rate:.1%} wrong labels in training); results in {output}")


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


if __name__ == "__main__":
    sys.exit(main())
