"""Hyper-parameter studies over many noise levels, with Ray Tune and Optuna."""
