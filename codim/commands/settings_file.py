"""Settings of a training from its file and flags."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from codim.commands.arguments import TrainArguments
from codim.config.datasets import DATASET_FACTS
from codim.config.methods import METHODS
from codim.config.train_config import layered, merge
from codim.text.text_file import parse_json, read_text


def settings_of(args: TrainArguments) -> dict[str, Any]:
    """Merge file and flags into nested settings for `train_config`. Raises ValueError, which names the flag."""
    settings: dict[str, Any] = {}
    if args.config is not None:
        settings = _read(args.config)
    if args.data is not None:
        if args.data not in DATASET_FACTS:
            raise ValueError(f"--data: {args.data!r} is unknown, allowed: {', '.join(DATASET_FACTS)}")
        settings = merge(settings, {"data": {"name": args.data}})
    if args.noise is not None:
        settings["noise"] = _noise(args.noise)
    if args.labels_per_class is not None:
        settings = merge(settings, {"divide": {"labels_per_class": args.labels_per_class}})
    if args.method is not None:
        if args.method not in METHODS:
            raise ValueError(f"--method: {args.method!r} is unknown, allowed: {', '.join(METHODS)}")
        settings["method"] = args.method
    return settings


def _read(path: Path) -> dict[str, Any]:
    readers: dict[str, Callable[[str], Any]] = {".json": parse_json, ".toml": tomllib.loads}
    if path.suffix not in readers:
        raise ValueError(f"--config: {path} must end in .json or .toml")
    try:
        settings = readers[path.suffix](read_text(path))
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


def gpu_trains(settings: Mapping[str, Any]) -> bool:
    """Whether a training with these settings runs on a GPU of this machine."""
    import torch  # slow

    return layered(settings).get("train", {}).get("device", "auto") != "cpu" and torch.cuda.is_available()
