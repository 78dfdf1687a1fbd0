"""The study file: its text, its schema and its conditions. No Ray, no Optuna, no torch."""
