"""The flags of the commands of `python -m analysis`. Imports nothing slow: a help text need not wait for pandas."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

Results = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RESULTS")]


@dataclass
class ExportArguments:
    """A study for other programs and for a paper.

        python -m analysis export results/digits --to optuna --output digits.db
        python -m analysis export results/digits --to latex --output digits.tex

    optuna: one Optuna study a condition, "<study> <condition>", in an SQLite file, or in Optuna's journal where the
    name ends in .journal. Every trial of the search with its state, parameters, objective, the objective's metric at
    every epoch (by samples), and as user attributes all settings, seed, cost, test accuracy and realised noise. A
    baseline's value outside the space, and a 0 beside a range, are user attributes only.

    mlflow: one run a trial of the search in the experiment of the study's name, in an SQLite file (needs the extra
    `watch` of this project); metrics as the study's own logger names them, by samples.

    markdown, latex, csv: test accuracy as papers tabulate it, methods by conditions, best and last epoch; published
    numbers of other methods beside it where data and noise are the same. csv is the long form, a row a number.
    """

    results: Results
    """A study's results folder, or its address on object storage."""
    to: Literal["optuna", "mlflow", "markdown", "latex", "csv"]
    """What is written."""
    output: Path
    """The file. A table replaces it; Optuna studies and MLflow experiments are added to those that it has."""
