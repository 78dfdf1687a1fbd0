"""Errors with messages for users: a study that is not valid, a cluster that cannot be used."""


class SpecError(ValueError):
    """A study cannot be run as written. The message names file, line, path, value and what is allowed."""


class ClusterError(ValueError):
    """Ray cannot be reached or started, or cannot run the study. The message says what to do."""
