"""The command `export`: a study for other programs and for a paper."""

from collections.abc import Callable
from pathlib import Path

from analysis.commands.arguments import ExportArguments
from analysis.export.mlflow_runs import write_mlflow
from analysis.export.optuna_studies import write_optuna
from analysis.export.paper import as_latex, as_markdown, paper_table
from analysis.frames.load import Trials, load_trials
from analysis.tables import escape

WRITERS: dict[str, Callable[[Trials, Path], str]] = {
    "optuna": write_optuna,
    "mlflow": write_mlflow,
    "markdown": lambda trials, path: _table(as_markdown(trials), path),
    "latex": lambda trials, path: _table(as_latex(trials), path),
    "csv": lambda trials, path: _table(escape.csv(paper_table(trials)), path),
}
"""Writer of each format; it returns a description of what it wrote."""


def main(args: ExportArguments) -> None:
    """Run the command. Raises ValueError and OSError for unusable input."""
    trials = load_trials(args.results)
    if trials.trials.empty:
        raise ValueError(f"{args.results} holds no trial yet, so there is nothing to export")
    args.output.parent.mkdir(parents=True, exist_ok=True)
    print(f"{args.output}: {WRITERS[args.to](trials, args.output)}")


def _table(text: str, path: Path) -> str:
    path.write_text(text, encoding="utf-8")
    return "test accuracy by method and condition"
