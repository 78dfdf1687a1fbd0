# %% [markdown]
# # The trials of a study
#
# This file is a notebook and a script at once (jupytext's percent format). Jupyter with jupytext, VS Code, PyCharm
# and Spyder open it as a notebook; `python analysis/notebooks/trials.py` runs it; neither needs jupytext to read it.
#
# It shows the small study of the digits in `analysis/example`. For another one set `CODIM_RESULTS`, or `RESULTS`
# here.

# %%
import os
from pathlib import Path

import analysis

EXAMPLE = Path(analysis.__file__).parent / "example"
RESULTS = os.environ.get("CODIM_RESULTS", str(EXAMPLE))

# %%
import pandas as pd
from scipy import stats

from analysis import figure, load_trials
from analysis.figures import best_values, history, learning_curves, slices, split_quality
from analysis.frames.columns import column_table
from analysis.tables.selection import chosen
from analysis.tables.study_tables import comparison_table

pd.set_option("display.max_colwidth", 100, "display.width", 160, "display.max_columns", 20)
study = load_trials(RESULTS)
study.name, len(study.trials), study.conditions

# %% [markdown]
# ## The tables
#
# `study.trials` has one row per trial of the search. Rates and accuracies are in [0, 1]; what begins with `oracle_` is
# known only to an observer with true labels and test images, and is never used to choose.

# %%
study.trials[["trial", "method", "status", "objective", "oracle_test_acc", "oracle_noise_rate", "seconds"]].head()

# %%
column_table(study.trials)

# %% [markdown]
# `study.epochs` has one row per epoch of each; `study.confirmations` one row per training of the confirm phase, with
# the columns of `trials`.

# %%
study.epochs[["trial", "epoch", "phase", "samples", "val_acc", "labelled_fraction", "threshold"]].tail()

# %%
column_table(study.epochs)

# %% [markdown]
# ## What the search chose, against the best baseline
#
# The setting is chosen by the model of all trials where the table has its values, else by the objective, accuracy on
# given (noisy) validation labels, as the baseline is.

# %%
comparison_table(study).round(3)

# %% [markdown]
# ## Figures
#
# Those of the report (`analysis.figures.catalogue.FIGURES` lists them); `compute` of a module returns its data and
# `caption` its explanation.

# %%
print(history.caption(history.compute(study)))
figure(study, "history")

# %%
print(best_values.caption(best_values.compute(study)))
figure(study, "best_values")

# %%
print(slices.caption(slices.compute(study)))
figure(study, "slices")

# %%
print(learning_curves.caption(learning_curves.compute(study)))
figure(study, "learning_curves")

# %%
print(split_quality.caption(split_quality.compute(study)))
figure(study, "split_quality")

# %% [markdown]
# ## The same files without this package
#
# Everything is in Parquet: `trials.parquet`, and `epochs/<trial>.parquet`. In plain pandas:

# %%
trials = pd.read_parquet(f"{RESULTS}/trials.parquet")
searched = trials[(trials["phase"] == "search") & (trials["baseline"] == "") & (trials["status"] == "complete")]
best_objective = searched.groupby("condition")["objective"].max()
best_objective

# %% [markdown]
# In SQL with DuckDB, or with Polars (neither comes with this project: `pip install duckdb polars`); the epochs of all
# trials are one table in both, `epochs/*.parquet`:
#
# ```python
# import duckdb
#
# by_duckdb = duckdb.sql(f"""
#     SELECT condition, max(objective) AS objective FROM '{RESULTS}/trials.parquet'
#     WHERE phase = 'search' AND baseline = '' AND status = 'complete' GROUP BY condition
# """).df()
# ```
#
# ```python
# import polars as pl
#
# by_polars = (
#     pl.scan_parquet(f"{RESULTS}/trials.parquet")
#     .filter(phase="search", baseline="", status="complete")
#     .group_by("condition")
#     .agg(pl.col("objective").max())
#     .collect()
# )
# ```

# %% [markdown]
# ## A question: does the best threshold change with the noise?
#
# The threshold on the clean probability, `divide/p_threshold`, decides which labels co-divide trusts. Of each
# condition with symmetric noise take the best third of the searched trials, and ask whether their thresholds rise or
# fall with the realised noise rate (Spearman's rank correlation). Pruned trials rank behind the complete ones, both by
# the objective.

# %%
THRESHOLD = "param/divide/p_threshold"
ended = study.trials[(study.trials["method"] == "search") & study.trials["status"].isin(["complete", "pruned"])]
ended = ended[ended["noise_kind"] == "symmetric"].sort_values(
    ["status", "objective"], ascending=[True, False], kind="stable"
)
conditions = ended.groupby("condition", observed=True)
top = ended[conditions.cumcount() < conditions["trial"].transform("size") / 3]
top.groupby("condition", observed=True)[THRESHOLD].agg(["min", "median", "max", "size"]).round(2)

# %%
trend = stats.spearmanr(top["oracle_noise_rate"], top[THRESHOLD])
spread = top.groupby("condition", observed=True)[THRESHOLD].agg(lambda column: column.max() - column.min()).mean()
picked = ", ".join(f"{row[THRESHOLD]:.2f} at {name}" for name, row in chosen(study).iterrows())
if trend.pvalue < 0.05:
    verdict = f"So the best threshold {'rises' if trend.statistic > 0 else 'falls'} with the noise."
else:
    verdict = "So these data do not show that the best threshold moves with the noise."
answer = (
    f"The chosen thresholds are {picked}. Over the {len(top)} best symmetric trials the rank correlation of noise and "
    f"threshold is {trend.statistic:+.2f} (p = {trend.pvalue:.2f}); good thresholds of one condition lie "
    f"{spread:.2f} apart on average. {verdict}"
)
print(answer)
