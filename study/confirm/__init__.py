"""The second phase of a study: choose the settings to confirm, and train them again. The driver imports it."""

from codim.lazy import lazily

__getattr__ = lazily(__name__, choose="choice")
