"""Test accuracy in the layout of papers on noisy labels: methods by conditions, best and last epoch.

Published numbers of other methods (published.csv, each with its source) are shown only if data set, kind, rate and
definition of the noise are the study's; they come from other code, networks and budgets.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from analysis.frames.load import NotApplicable, Trials
from analysis.statistics.comparison import confirmed_methods
from analysis.tables import escape
from analysis.tables.selection import baseline_trials, chosen
from analysis.tables.study_tables import condition_table

LINES = {"oracle_test_acc_best": "best", "oracle_test_acc": "last"}
COLUMNS = ["method", "line", "condition", "mean", "std", "n", "origin", "source"]
PUBLISHED = Path(__file__).with_name("published.csv")
NAMES = {"chosen": "chosen by the search", "robust": "robust setting"}
UNCONFIRMED = "†"


def paper_table(trials: Trials) -> pd.DataFrame:
    """Build the table in long form, one number per row.

    Columns: `method` (a baseline, "chosen", "robust", or a published method), `line` ("best": the epoch with the
    highest test accuracy; "last": mean of the last epochs), `condition`, `mean`, `std` (over trainings; NaN for one),
    `n`, `origin` ("confirm": fresh seeds, on training and validation part; "search": the one training of the search, if
    nothing was confirmed; "published"), `source` (of published numbers).

    Raises NotApplicable: no trial with a test accuracy is complete.
    """
    confirmed = confirmed_methods(trials)[["method", "condition", *LINES]].astype({"condition": str})
    searched = _searched(trials)
    better = pd.MultiIndex.from_frame(confirmed[["method", "condition"]])
    searched = searched[~pd.MultiIndex.from_frame(searched[["method", "condition"]]).isin(better)]
    trainings = pd.concat([confirmed.assign(origin="confirm"), searched.assign(origin="search")])
    keys = ["method", "line", "condition", "origin"]
    numbers = trainings.rename(columns=LINES).melt(["method", "condition", "origin"], list(LINES.values()), "line")
    numbers = numbers.dropna(subset="value")
    if numbers.empty:
        raise NotApplicable("No chosen setting and no baseline has a test accuracy yet.")
    own = numbers.groupby(keys)["value"].agg(mean="mean", std="std", n="size").reset_index().assign(source="")
    table = pd.concat([own, _published(trials)], ignore_index=True)[COLUMNS]
    for column, order in (
        ("method", [*trials.baselines, *NAMES, *table["method"]]),
        ("line", [*LINES.values()]),
        ("condition", [*trials.conditions]),
    ):
        table[column] = pd.Categorical(table[column], list(dict.fromkeys(order)), ordered=True)
    return table.sort_values(["method", "line", "condition"], ignore_index=True)


def as_markdown(trials: Trials) -> str:
    """Format the table as Markdown, followed by notes."""
    table = paper_table(trials)
    wide = _wide(table, "**{}**", escape.markdown)
    head = ["method", "epoch", *map(escape.markdown, wide.columns)]
    cells = [
        head,
        ["---"] * len(head),
        *([*index, *row] for index, row in zip(wide.index, wide.to_numpy(), strict=True)),
    ]
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in cells]
    return "\n".join([*lines, "", *(f"* {escape.markdown(sentence)}" for sentence in _notes(table, trials)), ""])


def as_latex(trials: Trials) -> str:
    """Format the table as LaTeX with the notes as caption; needs the packages booktabs and multirow."""
    table = paper_table(trials)
    wide = _wide(table, r"\textbf{{{}}}", escape.latex)
    kinds = condition_table(trials)["noise_kind"]
    pairs = [(kinds[name], name.removeprefix(f"{kinds[name]}-")) for name in wide.columns]
    wide.columns = pd.MultiIndex.from_tuples([(escape.latex(kind), escape.latex(rest)) for kind, rest in pairs])
    text = wide.style.hide(names=True).to_latex(
        hrules=True,
        clines="skip-last;data",
        column_format="ll" + "c" * len(wide.columns),
        multicol_align="c",
        multirow_align="t",
        position="t",
        position_float="centering",
        caption=escape.latex(" ".join(_notes(table, trials))),
    )
    text = re.sub(r"\\cline{.*}\n(?=\\bottomrule)", "", text).replace(r"\cline", r"\cmidrule")
    return f"% \\usepackage{{booktabs, multirow}}\n{text}"


def _searched(trials: Trials) -> pd.DataFrame:
    """Return one row per baseline and chosen setting, as the search trained them."""
    parts = [baseline_trials(trials), chosen(trials).reset_index().assign(method="chosen")]
    return pd.concat(parts)[["method", "condition", *LINES]].astype({"condition": str})


def _published(trials: Trials) -> pd.DataFrame:
    """Return the published numbers, with the columns of `paper_table`; none if the study trains on a subset."""
    known = pd.read_csv(PUBLISHED).fillna({"map": ""})
    if trials.spec.get("config", {}).get("data", {}).get("subset", 0):
        known = known[:0]
    known = known[known["data"] == trials.spec.get("data")]
    parts = [known[:0].assign(condition="")]
    for entry in trials.spec.get("conditions", []):
        same = (known["kind"] == entry.get("kind")) & (known["rate"] == entry.get("rate"))
        same &= (known["map"] == entry.get("map", "")) & entry.get("include_true", True)
        parts.append(known[same].assign(condition=entry["id"]))
    rows = pd.concat(parts).melt(["method", "condition", "source"], list(LINES.values()), "line", "mean")
    return rows.dropna(subset="mean").assign(std=float("nan"), n=0, origin="published")


def _wide(table: pd.DataFrame, bold: str, escaped: Callable[[str], str]) -> pd.DataFrame:
    """Format the cells as text. Index: method and line; columns: conditions."""
    percent = (100 * table["mean"]).round(1)
    best = percent == percent.groupby([table["line"], table["condition"]], observed=True).transform("max")
    texts = [escaped(_cell(mean, std, origin)) for mean, std, origin in table[["mean", "std", "origin"]].to_numpy()]
    references = _references(table)
    labels = [
        f"{NAMES.get(method, method)} [{references[source]}]" if source else NAMES.get(method, method)
        for method, source in zip(table["method"], table["source"], strict=True)
    ]
    labels = [escaped(label) for label in labels]
    wide = table.assign(
        text=[bold.format(text) if top else text for text, top in zip(texts, best, strict=True)],
        label=pd.Categorical(labels, list(dict.fromkeys(labels)), ordered=True),
    ).pivot(index=["label", "line"], columns="condition", values="text")
    wide.columns = pd.Index([str(name) for name in wide.columns])
    return wide.fillna(escaped("–"))


def _cell(mean: float, std: float, origin: str) -> str:
    spread = "" if pd.isna(std) else f" ± {100 * std:.1f}"
    return f"{100 * mean:.1f}{spread}{UNCONFIRMED if origin == 'search' else ''}"


def _references(table: pd.DataFrame) -> dict[str, int]:
    sources = dict.fromkeys(source for source in table["source"] if source)
    return {source: number for number, source in enumerate(sources, 1)}


def _notes(table: pd.DataFrame, trials: Trials) -> list[str]:
    notes = [
        f"{trials.name}: test accuracy in %. Last: mean of the last epochs, as many as the objective averages; best: "
        "the epoch with the highest test accuracy, which only an observer with true labels knows. Bold: the highest "
        "of its column and epoch."
    ]
    n = table.loc[table["origin"] == "confirm", "n"]
    if len(n):
        count = f"{n.min()}" if n.min() == n.max() else f"{n.min()} to {n.max()}"
        notes.append(f"Mean ± standard deviation over n = {count} trainings with fresh seeds.")
    if (table["origin"] == "search").any():
        notes.append(f"{UNCONFIRMED} not confirmed: the one training of the search (n = 1), on its training part.")
    if references := _references(table):
        notes.append(
            "Published numbers are of other code, networks and budgets; last there: mean of the last 10 epochs."
        )
        notes += [f"[{number}] {source}." for source, number in references.items()]
    return notes
