"""The console commands `codim-study` and `codim-report`, which run the packages `study` and `analysis`.

`study` and `analysis` are common names, and Python imports whatever it finds first under a name. The commands therefore
look where it would be found before they import it.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path


def study() -> int:
    """Run `study.run`; return the exit status."""
    return _run("codim-study", ("codim", "study"), lambda: import_module("study.run").console())


def report() -> int:
    """Run `analysis`; return the exit status."""
    return _run("codim-report", ("study", "analysis"), lambda: import_module("analysis.__main__").main())


def _run(command: str, packages: tuple[str, ...], run: Callable[[], int]) -> int:
    for package in packages:
        own = Path(__file__).resolve().parents[1] / package
        # Ray puts the working folder first on the path of its workers, on which a console command has none.
        in_folder = PathFinder.find_spec(package, [str(Path.cwd())])
        found = _place(in_folder if in_folder and in_folder.loader else find_spec(package))
        if found != own:
            print(
                f"{command}: Python finds another package `{package}` first: {found}; that of this project is {own}. "
                "Rename the other one, take its folder out of PYTHONPATH, or call the command in another folder.",
                file=sys.stderr,
            )
            return 2
    return run()


def _place(spec: ModuleSpec | None) -> Path | None:
    """Return the folder or file from which a package is imported."""
    if spec is None:
        return None
    places = [*(spec.submodule_search_locations or []), *([spec.origin] if spec.origin else [])]
    return Path(places[0]).resolve()
