"""Data sets: their loaders, noise and splits, views, and index streams. `load_data` returns what training may see and,
apart from it, the truth for an observer. Division, evaluation, training and commands import it, and so does the study.
"""

from codim.lazy import lazily

__getattr__ = lazily(__name__, load_data="load", TrainingData="load", Truth="load", register_dataset="load")
