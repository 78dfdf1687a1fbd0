"""Predictions and their evaluation, with and without true labels. The observer, which alone sees test images and true
labels, stands here. Training and commands import it.
"""

from codim.lazy import lazily

__getattr__ = lazily(__name__, Observer="observer", expected_calibration_error="calibration")
