"""The search: one Optuna study per condition. Besides the distributions of dimensions, only here Optuna is used."""
