"""A study file checked against settings and data, and what follows from it. No Ray, no Optuna."""
