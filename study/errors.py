"""What a study refuses, and why: messages for users."""


class SpecError(ValueError):
    """A study that cannot be run as written. The message names file, line, path, value and what is allowed."""


class ClusterError(ValueError):
    """Ray cannot be reached or started, or cannot run the study. The message says what to do."""
