"""Initial weights of an encoder from a file that others made; nothing in it is executed."""

import pickle
import warnings
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from codim.extras import require_extra
from codim.text.safe_text import printable

Weights = dict[str, Any]
WRAPPERS = ("state_dict", "model", "teacher")
"""Names under which files of training code keep the weights, beside those of an optimiser, say."""
SHOWN = 3
"""Number of entries that do not fit which an error names."""


def load_weights(
    net: nn.Module, name: str, path: Path, ignored: Set[str], adapted: Callable[[Weights], Weights] | None
) -> None:
    """Load the weights in `path` into `net`, all of them and nothing else.

    Args:
        name: of the encoder, for messages.
        ignored: names of entries that the encoder has no use for: those of the classifier.
        adapted: function that brings weights of other sources into the form of this model; for those that do not fit.
    Raises:
        ValueError: the file cannot be read, holds no state dict, or that of another model; names what does not fit.
    """
    saved, own = _read(path, name), net.state_dict()
    kept = _without(saved, ignored)
    if (faults := _faults(own, kept)) and adapted is not None:
        try:
            kept = _without(adapted(dict(saved)), ignored)
        except Exception:  # it expects the names of some model, and fails in many ways with those of another
            kept = {}
        if kept and not _faults(own, kept):
            faults = []
    if faults:
        more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise ValueError(
            f"network/weights: {printable(path)} does not hold the weights of {name}: {'; '.join(faults[:SHOWN])}{more}"
        )
    own.update(kept)  # not `kept` alone: a state dict also tells which version of its layers it is of
    net.load_state_dict(own)


def _read(path: Path, name: str) -> Weights:
    saved: Any
    try:
        if path.suffix == ".safetensors":
            require_extra("encoders", "network/weights: .safetensors")
            from safetensors.torch import load_file

            saved = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch asks for a report to itself of pickles that it refuses
                saved = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"network/weights: {printable(path)} cannot be read: it is damaged, or a pickle with more in it than "
            "weights, of which nothing was executed"
        ) from error
    except Exception as error:  # torch raises errors of many types for damaged files
        reason = printable(str(error).strip().partition("\n")[0])
        raise ValueError(f"network/weights: {printable(path)} cannot be read as weights of {name}: {reason}") from error
    if isinstance(saved, dict):
        saved = next((saved[key] for key in WRAPPERS if isinstance(saved.get(key), dict)), saved)
    if not isinstance(saved, dict):
        raise ValueError(
            f"network/weights: {printable(path)} does not hold the weights of {name}, but a {type(saved).__name__}"
        )
    return {str(key): value for key, value in saved.items()}


def _without(saved: Weights, ignored: Set[str]) -> Weights:
    return {key: value for key, value in saved.items() if key not in ignored}


def _faults(own: dict[str, Tensor], saved: Weights) -> list[str]:
    # Older files have no batch counters; torch sets them to 0.
    faults = [f"no {key}" for key in own if key not in saved and not key.endswith(".num_batches_tracked")]
    faults += [f"unknown {printable(key)}" for key in saved if key not in own]
    return faults + [
        f"{key} is {_kind(saved[key])}, not {_kind(value)}"
        for key, value in own.items()
        if key in saved and _kind(saved[key]) != _kind(value)
    ]


def _kind(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__
