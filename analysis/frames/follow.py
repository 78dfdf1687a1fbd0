"""A study that is looked at again and again while it runs: of its epochs only new and changed files are read."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from analysis.frames.load import Trials, find_results, read_results


class Follower:
    """Of one results folder, local or on object storage."""

    def __init__(self, path: Path | str) -> None:
        """ValueError: object storage cannot be reached."""
        self._folder = find_results(path)
        self._stamps: dict[str, tuple[int, int]] = {}
        """Trial -> time and size of its file of epochs at the last look."""
        self._epochs: pd.DataFrame | None = None

    def look(self) -> Trials:
        """What `load_trials` gives, its `epochs` read; the same frame as the last time where no file of theirs has
        changed."""
        trials = read_results(self._folder)
        names, kind = trials.trials["trial"], trials.trials["condition"].dtype
        # Before they are read: a file that is replaced in between is then read again the next time.
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
    """The epochs of `trials` in this order: of those that have changed from `new`, else from `known`."""
    both = pd.concat([known[~known["trial"].isin(changed)], new], ignore_index=True)
    places = both["trial"].map({trial: place for place, trial in enumerate(trials)})
    return both.loc[places.dropna().sort_values(kind="stable").index].reset_index(drop=True)
