"""Location of a user's cache, for files that can be made again."""

import os
import tempfile
from pathlib import Path

CACHE_VARIABLE = "CODIM_CACHE"


def user_cache() -> Path:
    """Return the folder CODIM_CACHE; else `codim` in XDG_CACHE_HOME or ~/.cache; else, if these are not writable, a
    per-user one in the folder for temporary files. The latter two are created.

    Raises:
        ValueError: that folder for temporary files belongs to another user.
    """
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named).expanduser().absolute()
    for parent in (os.environ.get("XDG_CACHE_HOME", ""), "~/.cache"):
        try:
            folder = Path(parent).expanduser() / "codim"
            if folder.is_absolute():
                folder.mkdir(parents=True, exist_ok=True)
                if os.access(folder, os.W_OK):
                    return folder
        except (OSError, RuntimeError):  # RuntimeError: a user without a home
            pass
    folder = Path(tempfile.gettempdir()) / f"codim-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise ValueError(f"data/cache: {folder} belongs to another user; set {CACHE_VARIABLE} to a folder of your own")
    return folder
