"""`python -m analysis RESULTS`: write the report of a study, print the path of its page."""

import sys
from collections.abc import Iterable
from typing import Annotated

import tyro


def main(results: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RESULTS")]) -> None:
    """Write RESULTS/report/index.html: one page with what a study found, its figures beside it.

    Args:
        results: a study's results folder, finished or still running; of one on object storage (s3://bucket/results/STUDY)
            the report is written below STUDY here.
    """
    # Here, since a help text need not wait for pandas and matplotlib.
    from rich.console import Console
    from rich.progress import track

    from analysis.load import load_trials
    from analysis.report import write_report

    console = Console(stderr=True)

    def steps(names: Iterable[str]) -> Iterable[str]:
        return track(list(names), "Drawing", console=console, transient=True)

    try:
        page = write_report(load_trials(results), steps)
    except (ValueError, OSError) as error:
        print(f"analysis: {error}", file=sys.stderr)
        sys.exit(2)
    print(page)


if __name__ == "__main__":
    tyro.cli(main, prog="python -m analysis")
