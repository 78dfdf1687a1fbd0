"""The search: one Optuna study per condition. Only this package and study/dimensions import Optuna. The driver imports
it."""

from codim.lazy import lazily

__getattr__ = lazily(__name__, Search="optuna_search")
