"""The study file: its text, its schema, its conditions and dimensions. No Ray, no Optuna, no torch."""
