"""Figures, one module each: `TITLE`, `compute(trials) -> Info`, `draw(info, figure)` and `caption(info)`.

No figure needs a matplotlib backend. A notebook exports the name of its own to processes that it starts, and if that
backend is not installed there, `import matplotlib` fails; so it is imported here, before any figure, without that name.
"""

import os
import sys
from contextlib import suppress

if "matplotlib" not in sys.modules and (_backend := os.environ.pop("MPLBACKEND", "")):
    import matplotlib

    os.environ["MPLBACKEND"] = _backend
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = _backend
