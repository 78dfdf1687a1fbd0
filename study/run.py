"""Run a hyper-parameter study over several noise conditions: python study/run.py --space search_spaces/digits.yaml

The same command goes on where an earlier one was stopped, and widens a study whose file now asks for more trials or
conditions. Exit status: 0 done; 1 every trial failed; 2 the study file, the results folder or the cluster is not as it
must be, and nothing was started, or the results folder could not be written any more, or the cluster's head went away;
130 interrupted.
"""

import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

if not __package__:  # called as a script: Python then puts study/ on the path, not the folder above it
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import tyro

from codim.text.safe_text import message


@dataclass(frozen=True)
class Arguments:
    """Run a hyper-parameter study over several noise conditions, or go on where an earlier run of it was stopped."""

    space: Path
    """Study file, e.g. search_spaces/digits.yaml; search_spaces/README.md has its words."""
    results: str = "results"
    """Folder that receives <name of the study>/; of a cluster without shared disks s3://bucket/folder or the like."""
    address: str | None = None
    """Ray cluster: auto or host:port. Left out: a Ray of its own on this machine."""
    phase: Literal["search", "confirm", "all"] = "all"
    """search: only that. confirm: only that, of what the trials that have ended say so far. all: search, then confirm
    what the study file's `confirm` asks for."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATH=VALUE", help_behavior_hint="")] = ()
    """Entries over those of the study file, checked as they are there, for example
    --set resources/gpus_per_trial=0 budget/trials_per_condition=4."""
    dry_run: bool = False
    """Show the plan and what it costs; start and write nothing."""


def main(arguments: Arguments) -> int:
    """Run the study; returns the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.signal(signal.SIGINT, _interrupted)
    try:
        from study.driver.start import start  # a help text need not wait for pydantic and numpy

        phase = None if arguments.phase == "all" else arguments.phase
        finished = start(arguments.space, arguments.results, arguments.address, arguments.dry_run, phase, arguments.set)
    except (ValueError, OSError) as error:  # SpecError, ClusterError, the data's own; storage that takes no more
        print(f"error: {message(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        finished = None
    if finished is None:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0 if finished else 1


def _interrupted(*_: object) -> None:
    print("interrupted: ending ...", file=sys.stderr, flush=True)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments)))
