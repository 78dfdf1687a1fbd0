"""Display of a study: a live table in a terminal; elsewhere a line now and then, and one per trial that ends."""

import math
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from codim.runtime.progress_bar import LINE_SECONDS, clock
from codim.text.safe_text import message
from study.plan.plan import Plan
from study.results.records import TrialRecord

MOST_NAMES = 8
"""Maximum number of waiting trials that a progress line names."""


class Progress:
    """Shows the progress of a study on stderr. Use as a context around its trials."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.searches = plan.trials
        """Trials of the search; an upper bound until they have begun."""
        self.confirmations = plan.confirmations
        """Trials that this run expects besides those of the search; an upper bound until they are chosen."""
        self.console = Console(stderr=True)
        self._live = Live(console=self.console, auto_refresh=False) if sys.stderr.isatty() else None
        self._started = self._begun = self._shown = time.monotonic()
        self._before: int | None = None
        """Samples that earlier runs of the study drew; None before the first `show`."""

    def __enter__(self) -> None:
        if self._live:
            self._live.start()

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def say(self, text: str) -> None:
        self.console.print(message(text), highlight=False, soft_wrap=True, markup=False)

    def ended(self, record: TrialRecord) -> None:
        """Report a trial that ended; with the live table, only one that failed."""
        if not self._live or record.status == "failed":
            value = "" if math.isnan(record.objective) else f" {record.objective:.4f}"
            name = f"{record.trial} ({record.baseline})" if record.baseline else record.trial
            cause = f": {' '.join(record.cause.split())}" if record.cause else ""
            self.say(f"{name} {record.status}{value} in {clock(record.seconds)}{cause}")

    def show(self, records: Iterable[TrialRecord], waiting: Collection[str] = (), now: bool = False) -> None:
        """Update the display; cheap to call often. `waiting`: trials that have begun but have no worker."""
        records = list(records)
        if self._before is None:
            self._before, self._begun = sum(map(_drawn, records)), time.monotonic()
        wait = 1.0 if self._live else LINE_SECONDS
        if not now and time.monotonic() - self._shown < wait:
            return
        self._shown = time.monotonic()
        if self._live:
            self._live.update(self._table(records, waiting), refresh=True)
        else:
            self.say(self.line(records, waiting))

    @property
    def trials(self) -> int:
        return self.searches + self.confirmations

    def line(self, records: list[TrialRecord], waiting: Collection[str] = ()) -> str:
        """Return counts, times and the best objective of each condition, in one line."""
        best = " ".join(f"{name} {record.objective:.3f}" for name, record in self._best(records).items())
        return f"{self._counts(records, waiting)} | best: {best or 'none yet'}"

    def _counts(self, records: list[TrialRecord], waiting: Collection[str]) -> str:
        count = Counter(record.status for record in records)
        now = time.monotonic()
        elapsed, left = now - self._started, self.seconds_left(records, now - self._begun)
        names = ", ".join(sorted(waiting)[:MOST_NAMES]) + (" ..." if len(waiting) > MOST_NAMES else "")
        wait = f", {len(waiting)} waiting for room: {names}" if waiting else ""
        return (
            f"{len(records) - count['running']}/{self.trials} trials "
            f"({count['pruned']} pruned, {count['failed']} failed, {count['running'] - len(waiting)} running{wait}), "
            f"{clock(elapsed)} elapsed, {'?' if left is None else clock(left)} left"
        )

    def seconds_left(self, records: list[TrialRecord], elapsed: float) -> float | None:
        """Estimate the seconds left from the samples drawn per second in `elapsed`, the time of this run's trials, and
        the share of their budgets that ended searched trials drew; a confirmation draws all of it, and shares fewer
        stages. Shared stages are left out: a trial has their samples from the start. None: unknown."""
        rate = (sum(map(_drawn, records)) - (self._before or 0)) / elapsed if elapsed else 0.0
        search, confirmed = ([r for r in records if r.phase == phase] for phase in ("search", "confirm"))
        ended = [record for record in search if record.status != "running"]
        planned = sum(map(_own_budget, ended))
        if not planned or rate <= 0:
            return None
        share = sum(map(_drawn, ended)) / planned
        mean = sum(map(_own_budget, search)) / len(search)
        each = sum(map(_own_budget, confirmed)) / len(confirmed) if confirmed else mean
        confirm = each * self.confirmations - sum(map(_drawn, confirmed))
        left = mean * share * self.searches - sum(map(_drawn, search))
        searched = len(ended) == self.searches
        return (max(0.0, confirm) + (0.0 if searched else max(0.0, left))) / rate

    def _best(self, records: list[TrialRecord]) -> dict[str, TrialRecord]:
        """Return condition -> best complete trial of the search, without conditions that have none."""
        best: dict[str, TrialRecord] = {}
        found = [r for r in records if r.phase == "search" and r.can_be_best]
        for condition in self.plan.conditions:
            own = [record for record in found if record.condition == condition.id]
            if own:
                best[condition.id] = max(own, key=lambda record: record.objective)
        return best

    def _table(self, records: list[TrialRecord], waiting: Collection[str]) -> Table:
        table = Table(title=self._counts(records, waiting), title_justify="left", title_style="")
        for name in ("condition", "done", "pruned", "failed", "running", "best", "trial"):
            table.add_column(name, justify="left" if name in ("condition", "trial") else "right")
        leaders = self._best(records)
        for condition in self.plan.conditions:
            own = [record for record in records if record.condition == condition.id]
            count = Counter(record.status for record in own)
            best = leaders.get(condition.id)
            numbers = [str(count[s]) for s in ("complete", "pruned", "failed", "running")]
            found = (f"{best.objective:.4f}", best.baseline or best.trial) if best else ("", "")
            table.add_row(condition.id, *numbers, *map(Text, found))
        return table


def _drawn(record: TrialRecord) -> int:
    return max(record.samples - record.shared_samples, 0)


def _own_budget(record: TrialRecord) -> int:
    return record.budget - record.shared_samples
