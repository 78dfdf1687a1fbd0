"""Meaning of each column of the data frames, taken from the docstrings of the fields in the code that fills them."""

import ast
import inspect
from itertools import pairwise

import pandas as pd

from codim.metrics import EpochMetrics, OracleMetrics
from study.results.records import TrialRecord


def column_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Describe each column of `Trials.trials`, `epochs` or `confirmations`: its `type` and `meaning` ("" if
    undocumented), indexed by name. Accuracies, rates and shares are in [0, 1]."""
    # Both tables have `samples` and `oracle_test_acc`, one per epoch, the other per trial.
    order: list[type] = [EpochMetrics, OracleMetrics, TrialRecord]
    known: dict[str, str] = {}
    for cls in reversed(order) if "epoch" in frame else order:
        known |= meanings(cls)
    known |= {"number": "The trial's place in its condition.", "method": 'Name of the baseline, or "search".'}
    names = [str(name) for name in frame.columns]
    return pd.DataFrame(
        {
            "type": [str(kind) for kind in frame.dtypes],
            "meaning": [_setting(name) if name.startswith("param/") else known.get(name, "") for name in names],
        },
        index=pd.Index(names, name="column"),
    )


def meanings(cls: type) -> dict[str, str]:
    """Return field -> the docstring below it, on one line; "" if it has none."""
    (definition,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, after in pairwise([*definition.body, ast.Pass()]):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            found[field.target.id] = " ".join(str(text).split())
    return found


def _setting(name: str) -> str:
    section, _, setting = name.removeprefix("param/").partition("/")
    return f"The setting `{setting}` of codim/config/{section}.py."
