"""Names of a package, imported from its modules when they are first used."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from codim.extras import EXTRAS


def lazily(package: str, **homes: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package: each name comes from the module of the package that `homes` gives.

    So importing a package costs nothing: a help text, or a plan, need not wait for torch, Ray or pandas. Where a
    library is missing, the ModuleNotFoundError names the extra that installs it.

    Example:
        >>> lazily("codim.noise", transition_matrix="transition")("transition_matrix").__module__
        'codim.noise.transition'
    """

    def attribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f"{package}.{homes[name]}"), name)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if extra := next((extra for extra, modules in EXTRAS.items() if missing in modules), ""):
                error.msg = f"{package}.{name} needs {missing}, which is missing; pip install 'codim-study[{extra}]'"
            raise

    return attribute
