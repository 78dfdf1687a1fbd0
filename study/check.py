"""Check study files without their data: python -m study.check search_spaces/*.yaml

Exit status: 0 if all files are valid; 2 if one is not (a message names file, line, path, value and what is allowed).
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from codim.text.command_line import parsed
from study.errors import SpecError
from study.plan.plan import load_plan
from study.study_files import study_file


@dataclass(frozen=True)
class Arguments:
    """Check study files against the published shapes of their data sets, without reading images or label files."""

    files: Positional[tuple[Path, ...]]
    """Study files to check, or names of those that come with the package."""


def main(arguments: Arguments) -> int:
    """Print one line per file and return the exit status."""
    faults = 0
    for path in arguments.files:
        try:
            plan = load_plan(study_file(path), nominal=True)
        except SpecError as error:
            faults += 1
            print(f"error: {error}", file=sys.stderr)
        else:
            print(f"{path}: {plan.trials} trials over {', '.join(c.id for c in plan.conditions)}")
    return 2 if faults else 0


if __name__ == "__main__":
    sys.exit(main(parsed(Arguments, "python -m study.check", sys.argv[1:])))
