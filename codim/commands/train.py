"""One training, from its arguments to its results folder."""

import json
import logging
import math
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich.console import Console

from codim.commands.arguments import TrainArguments
from codim.commands.prepare import prepared
from codim.evaluation.probe import probe
from codim.evaluation.scorecard import scorecard_table, write_scorecard
from codim.runtime.distributed import broadcast, process_group, rank
from codim.runtime.progress_bar import progress
from codim.text.command_line import as_called
from codim.text.safe_text import message, printable
from codim.training.session import Row, Session


def main(args: TrainArguments) -> int:
    """Train, or go on; returns the exit status."""
    with process_group():
        return _main(args)


def _main(args: TrainArguments) -> int:
    if rank():
        logging.getLogger("codim").setLevel(logging.WARNING)  # the first worker says what was found
    try:
        try:
            session = prepared(args)
            if broadcast(session.state.samples) != session.state.samples:
                raise ValueError(f"--output: {args.output} must lie on storage that all workers share")
            if not rank():
                _write_noise(args.output / "noise.json", session)
        except (ValueError, OSError) as error:
            print(message(as_called(f"python -m codim: {error}")), file=sys.stderr)
            return 2
        if rank():
            _follow(session, args.probe)
        else:
            _train(args.output, session, args.probe)
    except KeyboardInterrupt:
        print("interrupted; run the same command to resume from the last epoch", file=sys.stderr)
        return 130
    except FloatingPointError as error:
        print(as_called(f"python -m codim: {error}, with another --output"), file=sys.stderr)
        return 1
    return 0


def _write_noise(path: Path, session: Session) -> None:
    config, truth = session.config, session.truth
    assert truth
    rate = None if _is_nan(truth.noise_rate) else truth.noise_rate
    realised = {"realised_rate": rate, "transition": truth.transition.tolist()}
    path.write_text(json.dumps(config.noise.model_dump(mode="json") | realised), encoding="utf-8")


def _train(output: Path, session: Session, with_probe: bool) -> None:
    state, rows = session.state, output / "metrics.jsonl"
    kept = rows.read_text(encoding="utf-8").splitlines()[: state.epoch] if rows.exists() else []
    rows.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    done_before = state.samples
    left = session.config.train.samples - done_before
    with progress("training", left, "samples") as meter, rows.open("a", encoding="utf-8") as file:
        meter.done = lambda: state.drawn - done_before
        for row in session.epochs():
            if with_probe and _pretrained(row, session):
                scores = _json(probe(state.networks[0], session.data, session.augmenter)._asdict())
                (output / "probe.json").write_text(scores, encoding="utf-8")
            file.write(_json(row) + "\n")
            file.flush()
            os.fsync(file.fileno())  # a power cut must not leave a checkpoint without its row
            session.save(output / "checkpoint.pt")
            score = "" if _is_nan(row["val_acc"]) else f", val {row['val_acc']:.3f}"
            meter.description = f"after {row['phase']} epoch {row['epoch']}, loss {row['loss']:.3f}{score}"
    with progress("evaluating"):
        logits = session.predict()
        pq.write_table(session.label_audit(logits), output / "label_audit.parquet")
        card = session.scorecard(logits)
    write_scorecard(output / "evaluation.json", card)
    Console().print(scorecard_table(card))
    print(f"results in {printable(output)}")


def _follow(session: Session, with_probe: bool) -> None:
    """Do all that the first worker does but write, since the workers share its passes."""
    for row in session.epochs():
        if with_probe and _pretrained(row, session):
            probe(session.state.networks[0], session.data, session.augmenter)
    session.scorecard(session.predict())


def _pretrained(row: Row, session: Session) -> bool:
    return row["phase"] == "pretrain" and session.state.pretraining is None


def _json(row: Row) -> str:
    return json.dumps({name: None if _is_nan(value) else value for name, value in row.items()})


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
