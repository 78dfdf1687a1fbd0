# %% [markdown]
# # Noisy labels in, audit out
#
# This file is a notebook and a script at once, like `trials.py` beside it. Two fifths of the labels of scikit-learn's
# handwritten digits are drawn anew; `codim.NoisyLabelClassifier` learns from them all the same, and says which of them
# are wrong. It takes about a minute on one CPU core.

# %%
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import train_test_split

import codim

# %%
digits = load_digits()
images = (digits.images * 15).astype(np.uint8)  # (N, 8, 8)
train, test, true, test_labels = train_test_split(images, digits.target, random_state=0, stratify=digits.target)

# %%
rng = np.random.default_rng(0)
given = np.where(rng.random(len(true)) < 0.4, rng.integers(10, size=len(true)), true)
wrong = given != true
f"{wrong.mean():.0%} of {len(given)} labels are wrong"

# %%
model = codim.NoisyLabelClassifier(settings={"train": {"samples": 40_000}}).fit(train, given)

# %% [markdown]
# ## What it learned
#
# The test labels are right. Logistic regression believes every label that it is given.

# %%
plain = LogisticRegression(max_iter=1000).fit(train.reshape(len(train), -1) / 255, given)
accuracy = {
    "NoisyLabelClassifier": model.score(test, test_labels),
    "logistic regression": plain.score(test.reshape(len(test), -1) / 255, test_labels),
}
accuracy

# %% [markdown]
# ## The audit
#
# `label_quality_` is the probability that the networks gave to each label, mean over the training. The least probable
# labels come first; `true`, which nobody knows outside of this notebook, shows whether they are wrong.

# %%
columns = {"given": given, "suggested": model.predict(train), "true": true, "quality": model.label_quality_}
audit = pd.DataFrame(columns).sort_values("quality")
audit.head(10)

# %%
precision = average_precision_score(wrong, 1 - model.label_quality_)
found = audit.head(int(wrong.sum()))
answer = (
    f"Of the {len(found)} least probable labels {(found.given != found.true).mean():.0%} are wrong (average precision "
    f"{precision:.3f}); for {(found.suggested == found.true).mean():.0%} of them the suggested label is the true one."
)
answer
