"""The command `trusted`: what trusted labels are worth, as a figure of several studies."""

import textwrap

from analysis.commands.arguments import TrustedArguments
from analysis.figures import drawing, trusted
from analysis.frames.load import load_trials


def main(args: TrustedArguments) -> None:
    """Run the command. Raises ValueError and OSError for unusable input."""
    if args.output.suffix != ".png":
        raise ValueError(f"--output: {args.output} is not a .png")
    info = trusted.compute([load_trials(path) for path in args.results])
    args.output.parent.mkdir(parents=True, exist_ok=True)
    drawing.saved(trusted, info, *(args.output.with_suffix(end) for end in (".png", ".svg", ".csv")))
    print(f"{args.output}: {trusted.finding(info)}\n\n{textwrap.fill(trusted.caption(info), 100)}")
