"""The command `python -m analysis RESULTS`: write the page."""

import sys

from analysis.commands.arguments import ReportArguments
from analysis.frames.join import join
from analysis.frames.load import load_trials
from analysis.page.report import _drawn_in_lines, _drawn_on_terminal
from codim.text.safe_text import printable


def main(args: ReportArguments) -> None:
    """Run the command: write the page, print its path."""
    if not args.results:
        raise ValueError("RESULTS is missing: give a study's results folder")
    studies = [load_trials(results) for results in args.results]
    trials = studies[0] if len(studies) == 1 else join(studies)
    for fault in trials.faults:
        print(f"warning: {printable(fault)}", file=sys.stderr)
    print(_drawn_on_terminal(trials) if sys.stderr.isatty() else _drawn_in_lines(trials))
