"""The command `watch`: keeps the page up to date while a study runs, and shows a table in the terminal."""

import time

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from analysis.commands.arguments import WatchArguments
from analysis.frames.follow import Follower
from analysis.frames.load import Trials
from analysis.page.report import write_report
from analysis.page.sentences import is_finished, progress_sentence
from analysis.tables.selection import baseline_trials, chosen
from analysis.tables.study_tables import cost_table


def main(args: WatchArguments) -> None:
    """Run the command until the study has ended."""
    if args.every < 1:
        raise ValueError(f"--every: {args.every:g}; allowed: 1 second or more")
    study, console = Follower(args.results), Console()
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        last: Trials | None = None
        while True:
            started = time.monotonic()
            trials = study.look()
            live.update(overview(trials), refresh=True)
            if last is None or trials.epochs is not last.epochs or _records(trials) != _records(last):
                page = write_report(trials)
            if is_finished(trials):
                break
            last = trials
            time.sleep(max(args.every - (time.monotonic() - started), 1))
    print(page)


def overview(trials: Trials) -> Table:
    """Build the table: one row per condition with progress, objective and number of its best trial, best baseline."""
    # Fits into 80 columns without cutting off conditions, which share a prefix.
    title = Text(f"{trials.name}. {progress_sentence(trials)}")
    table = Table(title=title, box=SIMPLE_HEAD, collapse_padding=True)
    table.add_column("condition", no_wrap=True)
    for name in ("complete", "pruned", "failed", "running", "best (%)", "trial", "baseline (%)"):
        table.add_column(name, justify="right")
    best = chosen(trials)[["number", "objective"]].to_dict("index")
    rivals = baseline_trials(trials).groupby("condition", observed=True)["objective"].max().to_dict()
    for row in cost_table(trials).to_dict("records"):
        counts = [str(row[status]) for status in ("complete", "pruned", "failed", "running")]
        found = best.get(row["condition"])
        shown = [_percent(found["objective"]), str(found["number"])] if found else ["–", "–"]
        table.add_row(Text(row["condition"]), *counts, *shown, _percent(rivals.get(row["condition"])))
    return table


def _records(trials: Trials) -> list[str]:
    return [frame[["trial", "status", "value"]].to_json() for frame in (trials.trials, trials.confirmations)]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
