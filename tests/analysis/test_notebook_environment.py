"""A notebook hands the name of its backend to whatever is started from it, where no such backend may be."""

import os
import subprocess
import sys

import pytest

DRAW = """
import os, sys
import loky
from analysis.figures import style
import matplotlib
from matplotlib.figure import Figure

def drawn():
    import analysis.figures.render
    return "matplotlib.pyplot" not in sys.modules

assert drawn() and loky.get_reusable_executor(max_workers=1).submit(drawn).result()
print(os.environ["MPLBACKEND"], dict.__getitem__(matplotlib.rcParams, "backend") == os.environ["MPLBACKEND"])
"""


@pytest.mark.parametrize(
    ("backend", "exists"),
    [("module://matplotlib_inline.backend_inline", None), ("inline", None), ("module://nowhere", None),
     ("nonsense", False), ("svg", True)],
)  # fmt: skip
def test_figures_need_no_backend(backend: str, exists: bool | None) -> None:
    """Neither here nor in the processes that draw; one that exists stays the user's, and so does the variable."""
    environment = {**os.environ, "MPLBACKEND": backend}
    done = subprocess.run([sys.executable, "-c", DRAW], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told, kept = done.stdout.split()
    assert told == backend
    if exists is not None:
        assert kept == str(exists)
