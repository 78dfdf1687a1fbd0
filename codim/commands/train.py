"""One training, from its arguments to its results folder."""

import json
import logging
import math
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich.console import Console
from torch import nn

from codim.commands.arguments import TrainArguments
from codim.commands.settings_file import settings_of
from codim.config.budget import milestones, require_even_shares
from codim.config.train_config import TrainConfig, train_config
from codim.data.augment import Augmenter
from codim.data.load import TrainingData, Truth, load_data
from codim.evaluation.label_audit import label_audit
from codim.evaluation.observer import Observer
from codim.evaluation.predict import predict
from codim.evaluation.probe import probe
from codim.evaluation.scorecard import scorecard, scorecard_table, write_scorecard
from codim.metrics import EpochMetrics
from codim.runtime.device import torch_device
from codim.runtime.distributed import from_first, process_group, rank, workers
from codim.runtime.progress_bar import progress
from codim.text.safe_text import message, printable
from codim.training.checkpoint import InputSpec, has_checkpoint, load_checkpoint, save_checkpoint
from codim.training.loop import run_epochs
from codim.training.state import TrainState


def main(args: TrainArguments) -> int:
    """Train, or go on; returns the exit status."""
    with process_group():
        return _main(args)


def _main(args: TrainArguments) -> int:
    if rank():
        logging.getLogger("codim").setLevel(logging.WARNING)  # the first worker says what was found
    try:
        config = train_config(settings_of(args))
        data, truth = load_data(config.data, config.noise, torch_device(config.train.device))
        milestones(config, len(data.images), len(data.train_index))
        require_even_shares(config, workers())
        if args.probe and not config.pretrain.epochs:
            raise ValueError("--probe: pretrain/epochs is 0, there is no pre-training to look at")
        with progress("measuring the brightness of the images"):
            augmenter = Augmenter.fit(config.augment, data.images)
        args.output.mkdir(parents=True, exist_ok=True)
        state = _start(args.output, config, data)
        if from_first(state.samples) != state.samples:
            raise ValueError(f"--output: {args.output} must lie on storage that all workers share")
        if not rank():
            _write_noise(args.output / "noise.json", config, truth)
    except (ValueError, OSError) as error:
        print(message(f"python -m codim: {error}"), file=sys.stderr)
        return 2
    try:
        if rank():
            _follow(config, data, truth, state, augmenter, args.probe)
        else:
            _train(args.output, config, data, truth, state, augmenter, args.probe)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last epoch", file=sys.stderr)
        return 130
    except FloatingPointError as error:
        print(f"python -m codim: {error}, with another --output", file=sys.stderr)
        return 1
    return 0


def _start(output: Path, config: TrainConfig, data: TrainingData) -> TrainState:
    checkpoint = output / "checkpoint.pt"
    if has_checkpoint(checkpoint):
        return load_checkpoint(checkpoint, config, data)
    state = TrainState.create(config, data)
    if rank():
        return state
    (output / "metrics.jsonl").write_text("", encoding="utf-8")
    (output / "config.json").write_text(config.model_dump_json(indent=2), encoding="utf-8")
    return state


def _write_noise(path: Path, config: TrainConfig, truth: Truth) -> None:
    rate = None if _is_nan(truth.noise_rate) else truth.noise_rate
    realised = {"realised_rate": rate, "transition": truth.transition.tolist()}
    path.write_text(json.dumps(config.noise.model_dump(mode="json") | realised), encoding="utf-8")


def _train(
    output: Path,
    config: TrainConfig,
    data: TrainingData,
    truth: Truth,
    state: TrainState,
    augmenter: Augmenter,
    with_probe: bool,
) -> None:
    observer = Observer(data, truth, augmenter)
    spec = InputSpec.of(data, augmenter)
    rows = output / "metrics.jsonl"
    kept = rows.read_text(encoding="utf-8").splitlines()[: state.epoch] if rows.exists() else []
    rows.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    done_before = state.samples
    left = config.train.samples - done_before
    with progress("training", left, "samples") as meter, rows.open("a", encoding="utf-8") as file:
        meter.done = lambda: state.drawn - done_before
        for metrics in run_epochs(config, data, state):
            row = asdict(metrics)
            if with_probe and _pretrained(metrics, state):
                found = probe(state.networks[0], data, augmenter)._asdict()
                scores = {k: None if _is_nan(v) else v for k, v in found.items()}
                (output / "probe.json").write_text(json.dumps(scores), encoding="utf-8")
            if state.evaluation is not None:
                row |= asdict(observer.measure(state.networks, state.evaluation, state.divisions))
            file.write(json.dumps({k: None if _is_nan(v) else v for k, v in row.items()}) + "\n")
            file.flush()
            os.fsync(file.fileno())  # a power cut must not leave a checkpoint without its row
            save_checkpoint(output / "checkpoint.pt", config, state, spec)
            score = "" if _is_nan(metrics.val_acc) else f", val {metrics.val_acc:.3f}"
            meter.description = f"after {metrics.phase} epoch {metrics.epoch}, loss {metrics.loss:.3f}{score}"
    with progress("evaluating"):
        logits = predict(state.networks, data.images, augmenter)
        pq.write_table(label_audit(data, logits, config.divide), output / "label_audit.parquet")
        averaged = _averaged(data, state, augmenter)
        card = scorecard(data, truth, state.networks, logits, state.divisions, augmenter, averaged)
    write_scorecard(output / "evaluation.json", card)
    Console().print(scorecard_table(card))
    print(f"results in {printable(output)}")


def _follow(
    config: TrainConfig, data: TrainingData, truth: Truth, state: TrainState, augmenter: Augmenter, with_probe: bool
) -> None:
    """What the other workers do: all that the first one does but write, since they share its passes."""
    observer = Observer(data, truth, augmenter)
    for metrics in run_epochs(config, data, state):
        if with_probe and _pretrained(metrics, state):
            probe(state.networks[0], data, augmenter)
        if state.evaluation is not None:
            observer.measure(state.networks, state.evaluation, state.divisions)
    logits = predict(state.networks, data.images, augmenter)
    averaged = _averaged(data, state, augmenter)
    scorecard(data, truth, state.networks, logits, state.divisions, augmenter, averaged)


def _pretrained(metrics: EpochMetrics, state: TrainState) -> bool:
    return metrics.phase == "pretrain" and state.pretraining is None


def _averaged(data: TrainingData, state: TrainState, augmenter: Augmenter) -> list[nn.Module] | None:
    if state.average is None or not state.average.started:
        return None
    return state.average.networks(data.images, data.train_index, augmenter)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
