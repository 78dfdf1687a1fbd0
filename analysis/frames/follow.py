"""Repeated reading of a running study: only new and changed files of epochs are read."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from analysis.frames.load import Trials, read_results
from study.results.opened import find_results


class Follower:
    """Reader of one results folder, local or on object storage, that keeps what it has read."""

    def __init__(self, path: Path | str) -> None:
        """Open the results folder `path`. Raises ValueError: object storage cannot be reached."""
        self._folder = find_results(path)
        self._stamps: dict[str, tuple[int, int]] = {}
        """Trial -> mtime and size of its file of epochs at the last `look`."""
        self._epochs: pd.DataFrame | None = None

    def look(self) -> Trials:
        """Return the same as `load_trials`, with its `epochs` read; they are the same frame as last time if none of
        their files has changed."""
        trials = read_results(self._folder)
        names, kind = trials.trials["trial"], trials.trials["condition"].dtype
        # Taken before reading, so that a file replaced in between is read again the next time.
        stamps = {name: stamp for name in names if (stamp := self._stamp(name))}
        changed = [name for name, stamp in stamps.items() if stamp != self._stamps.get(name)]
        if self._epochs is None:
            self._epochs = trials.epochs
        elif changed or stamps.keys() != self._stamps.keys() or kind != self._epochs["condition"].dtype:
            known = self._epochs.astype({"condition": kind})
            self._epochs = _merged(known, trials.read_epochs(trials=changed), stamps, changed)
        self._stamps = stamps
        vars(trials)["epochs"] = self._epochs  # in place of reading them all
        return trials

    def _stamp(self, trial: str) -> tuple[int, int] | None:
        try:
            found = (self._folder.epochs / f"{trial}.parquet").stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size


def _merged(known: pd.DataFrame, new: pd.DataFrame, trials: Iterable[str], changed: Iterable[str]) -> pd.DataFrame:
    """Merge the epochs of `trials`, in this order: `changed` ones from `new`, the others from `known`."""
    both = pd.concat([known[~known["trial"].isin(changed)], new], ignore_index=True)
    places = both["trial"].map({trial: place for place, trial in enumerate(trials)})
    return both.loc[places.dropna().sort_values(kind="stable").index].reset_index(drop=True)
