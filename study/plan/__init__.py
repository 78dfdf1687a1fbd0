"""Planning: a study file checked against settings and data, and the trials that follow from it. No Ray, no Optuna."""
