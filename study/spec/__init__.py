"""The study file: its text, its schema and its conditions. No Ray, no Optuna, no torch. All but the results may import
it."""

from codim.lazy import lazily

__getattr__ = lazily(__name__, StudySpec="study_spec", load_study="study_spec")
