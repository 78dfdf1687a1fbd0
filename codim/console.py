"""The console commands `codim-study` and `codim-report`, which run the packages `study` and `analysis`.

These names are common ones, and Python imports whatever it finds first under a name. So this looks before it imports.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path


def study() -> int:
    """Run `study.run`; return the exit status."""
    return _run("codim-study", ("study",), lambda: import_module("study.run").console())


def report() -> int:
    """Run `analysis`; return the exit status."""
    return _run("codim-report", ("study", "analysis"), lambda: import_module("analysis.__main__").main())


def _run(command: str, packages: tuple[str, ...], run: Callable[[], int]) -> int:
    for package in packages:
        own, found = Path(__file__).resolve().parents[1] / package, _place(package)
        if found != own:
            print(
                f"{command}: Python finds another package `{package}` first: {found}; that of this project is {own}. "
                "Rename the other one, take its folder out of PYTHONPATH, or use an environment of its own.",
                file=sys.stderr,
            )
            return 2
    return run()


def _place(package: str) -> Path | None:
    """Return the folder or file from which Python would import a package; None if it finds none."""
    spec = find_spec(package)
    if spec is None:
        return None
    places = [*(spec.submodule_search_locations or []), *([spec.origin] if spec.origin else [])]
    return Path(places[0]).resolve()
