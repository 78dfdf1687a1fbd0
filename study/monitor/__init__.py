"""Monitoring: the driver's display, records and loggers while a study runs. The driver imports it."""

from codim.lazy import lazily

__getattr__ = lazily(__name__, Progress="console", Recorder="recorder")
