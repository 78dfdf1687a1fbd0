"""Version of the project as it is installed; pyproject.toml sets it."""

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "codim-study"

try:
    __version__ = version(DISTRIBUTION)
except PackageNotFoundError:  # run from a folder, without being installed
    __version__ = "unknown"
