"""Preparation of a training: its settings with each `auto` resolved, its data, and a forecast of time and memory."""

import sys
from pathlib import Path
from typing import Any

from codim.commands.arguments import TrainArguments
from codim.commands.settings_file import gpu_trains, settings_of
from codim.config.auto import autos, fitted, timed
from codim.config.budget import Speed, drawn_samples, milestones, require_even_shares
from codim.config.train_config import merge, train_config
from codim.data.counts import count_images, with_counts
from codim.data.load import load_data
from codim.runtime.device import peak_memory, torch_device
from codim.runtime.distributed import rank, world_size
from codim.runtime.progress_bar import clock, progress
from codim.text.text_file import parse_json, read_text
from codim.training.checkpoint import has_checkpoint
from codim.training.session import Session
from codim.training.speed import measure_speed

LONG_SECONDS = 3600.0
"""Forecast beyond which a warning names `--minutes`."""


def prepared(args: TrainArguments) -> Session:
    """Return a session that resumes from its checkpoint, or that starts after a forecast of time and memory. Raises
    ValueError and OSError."""
    checkpoint = args.output / "checkpoint.pt"
    given = settings_of(args) if args.minutes is None else timed(settings_of(args))
    if has_checkpoint(checkpoint):
        given = _as_resolved_before(given, args.output / "config.json")
    config = train_config(with_counts(given, gpu_trains(given)))
    data, truth = load_data(config.data, config.noise, torch_device(config.train.device))
    milestones(config, len(data.images), len(data.train_index))
    require_even_shares(config, world_size())
    if args.probe and not config.pretrain.epochs:
        raise ValueError("--probe: pretrain/epochs is 0, so there is no pre-training to probe")
    with progress("measuring the brightness of the images"):
        session = Session(config, data, truth)
    if session.resume(checkpoint):
        return session
    with progress("timing a few steps of each stage"):
        speed = measure_speed(config, data, truth)
    if args.minutes is not None:
        session.config = config = train_config(
            fitted(given, count_images(given, gpu_trains(given)), speed, 60 * args.minutes)
        )
        milestones(config, len(data.images), len(data.train_index))
    args.output.mkdir(parents=True, exist_ok=True)
    session.start()
    if not rank():
        _tell_forecast(session, speed)
        (args.output / "metrics.jsonl").write_text("", encoding="utf-8")
        (args.output / "config.json").write_text(session.config.model_dump_json(indent=2), encoding="utf-8")
    return session


def _as_resolved_before(settings: dict[str, Any], saved: Path) -> dict[str, Any]:
    """Return the settings with the values that each `auto` had when the training began."""
    paths = autos(settings)
    before = parse_json(read_text(saved)) if paths else {}
    for path in paths:
        section, _, name = path.partition("/")
        settings = merge(settings, {section: {name: before[section][name]}})
    return settings


def _tell_forecast(session: Session, speed: Speed) -> None:
    config, data = session.config, session.data
    seconds = speed.seconds(drawn_samples(config, len(data.images), len(data.train_index)))
    device = data.images.device
    network = config.network.name if config.network.width is None else f"{config.network.name} {config.network.width}"
    print(
        f"forecast: {clock(seconds)} for {config.train.samples:,} samples of {len(data.train_index):,} images "
        f"({network}, {device.type}), {peak_memory(device) / 2**30:.1f} GiB of memory; from a few timed steps",
        file=sys.stderr,
    )
    if seconds > LONG_SECONDS:
        print("this takes more than an hour; --minutes 30 fits the training into half an hour", file=sys.stderr)
