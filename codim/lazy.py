"""Names of a package, imported from its modules when they are first used."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazily(package: str, **homes: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package: each name comes from the module of the package that `homes` gives.

    So importing a package costs nothing: a help text, or a plan, need not wait for torch, Ray or pandas.

    Example:
        >>> lazily("codim.noise", transition_matrix="transition")("transition_matrix").__module__
        'codim.noise.transition'
    """

    def attribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return attribute
