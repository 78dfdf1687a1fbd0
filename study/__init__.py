"""The study: Ray Tune and Optuna over many noise levels."""
