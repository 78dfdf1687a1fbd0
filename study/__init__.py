"""Hyper-parameter studies over many noise levels, with Ray Tune and Optuna.

In a program or a notebook:

    import study

    results = study.run_study("digits")
    results.read_trials()
"""

from typing import TYPE_CHECKING

from codim.lazy import lazily

if TYPE_CHECKING:
    from study.api import load_study, run_study
    from study.dimensions.types import register_dimension_type
    from study.results.opened import open_results

__all__ = ["load_study", "open_results", "register_dimension_type", "run_study"]
__getattr__ = lazily(
    __name__,
    load_study="api",
    open_results="results.opened",
    register_dimension_type="dimensions.types",
    run_study="api",
)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
