"""One file a figure: `TITLE`, `compute(trials) -> Info`, `draw(info, figure)` and `caption(info)`.

No figure needs a backend of matplotlib. A notebook hands the name of its own to whatever is started from it, and where
that backend is not installed `import matplotlib` fails; so here, before any figure, it is imported without that name.
"""

import os
import sys
from contextlib import suppress

if "matplotlib" not in sys.modules and (_backend := os.environ.pop("MPLBACKEND", "")):
    import matplotlib

    os.environ["MPLBACKEND"] = _backend
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = _backend
