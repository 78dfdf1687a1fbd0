"""Run a hyper-parameter study over several noise conditions: `codim-study --space digits`, or in a checkout
`python study/run.py --space search_spaces/digits.yaml`.

The same command resumes a study that was stopped, and extends one whose file now asks for more trials or conditions.
Exit status: 0 done; 1 every trial failed; 2 nothing was started, because the study file, the results folder or the
cluster is not usable, or the run ended because the results folder could no longer be written or the cluster's head
node went away; 130 interrupted.
"""

import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

if not __package__:  # run as a script: Python puts study/ on the path, not its parent
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import tyro

from codim.extras import require_extra
from codim.text.command_line import as_called, parsed
from codim.text.safe_text import message


@dataclass(frozen=True)
class Arguments:
    """Run a hyper-parameter study over several noise conditions, or resume one that was stopped.

        python study/run.py --space digits --dry-run    the plan and its cost; starts nothing
        python study/run.py --space digits              on this machine

    --version prints the version.
    """

    space: Path
    """Study file, e.g. search_spaces/digits.yaml, or the name of one that comes with the package, e.g. digits;
    search_spaces/README.md documents its keys."""
    results: str = "results"
    """Folder that receives <name of the study>/; on a cluster without shared disks s3://bucket/folder or the like."""
    address: str | None = None
    """Ray cluster: auto or host:port. By default a private Ray is started on this machine."""
    phase: Literal["search", "confirm", "all"] = "all"
    """search: the search only. confirm: the confirmation only, based on the trials that have ended so far. all: the
    search, then the confirmation that the study file's `confirm` asks for."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATH=VALUE", help_behavior_hint="")] = ()
    """Entries that override those of the study file and are checked in the same way, for example
    --set resources/gpus_per_trial=0 budget/trials_per_condition=4."""
    dry_run: bool = False
    """Print the plan and its expected cost; start and write nothing."""


def main(arguments: Arguments) -> int:
    """Run the study and return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.signal(signal.SIGINT, _interrupted)
    try:
        require_extra("study", as_called("python study/run.py"))
        from study.driver.start import start  # --help must not wait for pydantic and numpy
        from study.study_files import study_file

        phase = None if arguments.phase == "all" else arguments.phase
        space = study_file(arguments.space)
        finished = start(space, arguments.results, arguments.address, arguments.dry_run, phase, arguments.set)
    except (ValueError, OSError) as error:  # SpecError, ClusterError, errors of the data; failing storage
        print(f"error: {message(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        finished = None
    if finished is None:
        print("interrupted; run the same command to resume", file=sys.stderr)
        return 130
    return 0 if finished else 1


def _interrupted(*_: object) -> None:
    print("interrupted: ending ...", file=sys.stderr, flush=True)
    raise KeyboardInterrupt


def console() -> int:
    """Run the study that the command line describes."""
    return main(parsed(Arguments, "python study/run.py", sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(console())
