"""The code that runs in worker processes: trials and shared stages. The driver imports it, to hand it to Ray."""

from codim.lazy import lazily

__getattr__ = lazily(__name__, Job="job")
