"""The search: one Optuna study per condition. The only package that imports Optuna."""
