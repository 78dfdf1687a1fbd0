"""Preparation of a training: its settings with each `auto` resolved, its data, and a forecast of time and memory."""

import sys

from codim.commands.arguments import TrainArguments
from codim.commands.settings_file import gpu_trains, settings_of
from codim.config.auto import AUTO, TIMED, Counts, autos, fitted, put, timed
from codim.config.budget import Speed, drawn_samples, milestones, require_even_shares
from codim.config.train_config import TrainConfig, train_config
from codim.data.counts import side_of, with_counts
from codim.data.load import TrainingData, load_data
from codim.runtime.device import peak_memory, torch_device
from codim.runtime.distributed import rank, world_size
from codim.runtime.progress_bar import clock, progress
from codim.training.checkpoint import has_checkpoint, saved_config
from codim.training.session import Session
from codim.training.speed import measure_speed

LONG_SECONDS = 3600.0
"""Forecast beyond which a warning names `--minutes`."""


def prepared(args: TrainArguments) -> Session:
    """Return a session that resumes from its checkpoint, or that starts after a forecast of time and memory. Raises
    ValueError and OSError."""
    checkpoint = args.output / "checkpoint.pt"
    given = settings_of(args) if args.minutes is None else timed(settings_of(args))
    paths = autos(given)
    resumes = has_checkpoint(checkpoint)
    if resumes and paths:
        before = saved_config(checkpoint)
        for path in paths:
            section, _, name = path.partition("/")
            given = put(given, path, before[section][name])
    gpu = gpu_trains(given)
    settings = with_counts(given, gpu)
    config = train_config(settings)
    data, truth = load_data(config.data, config.noise, torch_device(config.train.device))
    if resumes or args.minutes is None:
        _require_possible(args, config, data)
    with progress("measuring the brightness of the images"):
        session = Session(config, data, truth)
    if session.resume(checkpoint):
        if args.minutes is not None and not rank():
            print(f"resuming with the budget it began with, {config.train.samples:,} samples", file=sys.stderr)
        return session
    pretrains = config.pretrain.epochs > 0 or "pretrain/epochs" in paths
    with progress("timing a few steps of each stage"):
        speed = measure_speed(config, data, truth, pretrains, config.train.co_training)
    if args.minutes is not None:
        for path in {*paths} & {*TIMED}:
            settings = put(settings, path, AUTO)
        counts = Counts(len(data.images), len(data.train_index), side_of(data.images.shape[1:]), gpu)
        session.config = train_config(fitted(settings, counts, speed, args.minutes))
        _require_possible(args, session.config, data)
    args.output.mkdir(parents=True, exist_ok=True)
    session.start()
    if not rank():
        _tell_forecast(session, speed, "train/samples" in paths and args.minutes is None)
        (args.output / "metrics.jsonl").write_text("", encoding="utf-8")
        (args.output / "config.json").write_text(session.config.model_dump_json(indent=2), encoding="utf-8")
    return session


def _require_possible(args: TrainArguments, config: TrainConfig, data: TrainingData) -> None:
    milestones(config, len(data.images), len(data.train_index))
    require_even_shares(config, world_size())
    if args.probe and not config.pretrain.epochs:
        raise ValueError("--probe: pretrain/epochs is 0, so there is no pre-training to probe")


def _tell_forecast(session: Session, speed: Speed, computed: bool) -> None:
    """Print time and memory. `computed`: whether the budget was computed from the data, and a limit may replace it."""
    config, data = session.config, session.data
    seconds = speed.seconds(drawn_samples(config, len(data.images), len(data.train_index)))
    device = data.images.device
    width = f" of width {config.network.width}" if config.network.width else ""
    print(
        f"forecast: {clock(seconds)} to draw {config.train.samples:,} times from {len(data.train_index):,} images "
        f"({config.network.name}{width}, {device.type}), {peak_memory(device) / 2**30:.1f} GiB of memory; from a few "
        "timed steps",
        file=sys.stderr,
    )
    if seconds > LONG_SECONDS:
        hint = "; --minutes 30 fits it into half an hour" if computed else ""
        print(f"this takes more than an hour{hint}", file=sys.stderr)
