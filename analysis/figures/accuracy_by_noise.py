"""Figure: test accuracy against the noise rate, for the chosen setting and every baseline."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import hover, style
from analysis.frames.load import NotApplicable, Trials
from analysis.statistics.confirmation import confirmation_table
from analysis.tables.study_tables import condition_table, method_table

TITLE = "Accuracy against noise"
_COLUMNS = ["condition", "method", "trial", "oracle_test_acc", "low", "high", "n"]


@dataclass(frozen=True)
class Info:
    frame: pd.DataFrame
    """One row per condition and method ("chosen", or a baseline): `noise_kind`, `noise_rate` (realised where it is
    known), `trial` of the search with the setting, `oracle_test_acc`, `low`, `high` (95%, NaN without confirmations),
    `n` trainings."""
    baselines: tuple[str, ...]


def compute(trials: Trials) -> Info:
    """Collect confirmed accuracies; without any, those of the single trials. Raises NotApplicable: there is no test
    accuracy."""
    confirmed = confirmation_table(trials).rename(columns={"setting": "trial"})
    confirmed["method"] = confirmed["method"].replace("chosen, robust", "chosen")
    frame = confirmed[confirmed["method"].isin(["chosen", *trials.baselines])].reindex(columns=_COLUMNS)
    # With several settings a condition (top_k), the one that the search ranked first.
    frame = frame.drop_duplicates(["condition", "method"])
    if frame["oracle_test_acc"].isna().all():
        single = method_table(trials).assign(n=1)
        frame = single[single["method"] != "hindsight"].reindex(columns=_COLUMNS)
    frame = frame[frame["oracle_test_acc"].notna()]
    if frame.empty:
        raise NotApplicable("No complete trial has a test accuracy.")
    known = condition_table(trials)
    rate = known["oracle_noise_rate"].fillna(known["noise_rate"])
    name = frame["condition"].astype(object)
    frame = frame.assign(noise_kind=name.map(known["noise_kind"]), noise_rate=name.map(rate).astype(float))
    return Info(frame.sort_values(["noise_kind", "noise_rate"], kind="stable", ignore_index=True), trials.baselines)


def finding(info: Info) -> str:
    """Say in how many conditions the chosen setting has the highest mean."""
    first = info.frame.loc[info.frame.groupby("condition", observed=True)["oracle_test_acc"].idxmax(), "method"]
    ahead, compared = int((first == "chosen").sum()), len(first)
    return f"The chosen setting has the highest mean accuracy in {ahead} of {compared} conditions."


def caption(info: Info) -> str:
    few, many = info.frame["n"].min(), info.frame["n"].max()
    sure = (
        "Bands and bars are 95% intervals (Student's t) over fresh seeds and fresh noise."
        if info.frame["low"].notna().any()
        else "One training each: nothing was confirmed, so small distances mean nothing."
    )
    return (
        f"Mean accuracy on true test labels. {sure} A kind of noise with one condition has no line. "
        f"n = {few if few == many else f'{few} to {many}'} trainings of each setting in each condition."
    )


def draw(info: Info, figure: Figure) -> None:
    kinds = {str(kind): rows for kind, rows in info.frame.groupby("noise_kind", sort=True)}
    # Kinds with several rates first: they have lines.
    order = sorted(kinds, key=lambda kind: -kinds[kind]["noise_rate"].nunique())
    # Narrower than others, so that its letters stay readable in half a page.
    figure.set_size_inches(0.8 * style.WIDTH, 4.0)
    widths = [max(kinds[kind]["noise_rate"].nunique(), 1) for kind in order]
    axes = figure.subplots(1, len(order), sharey=True, squeeze=False, width_ratios=widths)[0]
    marks = {**style.marks(info.baselines), "chosen": style.CHOSEN}
    for kind, ax in zip(order, axes, strict=True):
        _draw_kind(ax, kinds[kind], marks)
        ax.set_title(kind)
    style.percent(axes[0].yaxis)
    axes[0].set_ylabel("test accuracy on true labels (%)")
    figure.supxlabel("wrong labels (%)", fontsize=9.5)
    shown = [style.CHOSEN, *(mark for name, mark in marks.items() if name in set(info.frame["method"]) - {"chosen"})]
    style.legend(figure, [style.handle(mark) for mark in shown])


def _draw_kind(ax: Axes, rows: pd.DataFrame, marks: dict[str, style.Mark]) -> None:
    beside = {method: i - (len(marks) - 1) / 2 for i, method in enumerate(marks)}
    alone = rows["noise_rate"].nunique() == 1
    for method, mark in marks.items():
        own = rows[rows["method"] == method].sort_values("noise_rate")
        # Intervals at one rate would cover each other.
        x = own["noise_rate"] + 0.006 * beside[method] * alone
        if alone:
            ax.vlines(x, own["low"], own["high"], color=mark.color, linewidth=1.5)
        else:
            ax.fill_between(x, own["low"], own["high"], color=mark.color, alpha=0.15, linewidth=0)
        (line,) = ax.plot(
            x, own["oracle_test_acc"], mark.marker, linestyle="-", color=mark.color, ms=style.size(mark), mec="white"
        )
        hover.name(line, own["trial"])
    style.percent(ax.xaxis)
    ax.margins(x=0.3 if alone else 0.08)
    if alone:
        ax.set_xticks([round(rows["noise_rate"].mean(), 2)])
