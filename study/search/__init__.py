"""The search: one Optuna study per condition. Only this package and study/dimensions import Optuna."""
