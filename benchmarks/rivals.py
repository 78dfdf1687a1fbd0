"""Shared by the benchmarks of the estimator, of embeddings and of trusted labels: what users would train otherwise, the
data, and paired figures."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from cleanlab.classification import CleanLearning
from numpy.typing import NDArray
from scipy import stats
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

OURS = "NoisyLabelClassifier"
PLAIN = ("logistic regression", "random forest", "kNN")
CLEANED = "CleanLearning"


class Parts(NamedTuple):
    """Embeddings (N, D) of a file, or images (N, H, W, C) of a data set, and their true labels (N,), by part."""

    train: NDArray[Any]
    labels: NDArray[np.int64]
    test: NDArray[Any]
    test_labels: NDArray[np.int64]


def read_parts(path: str | Path, images: int) -> Parts:
    """Read a .npz with embeddings, labels and split (train, test): the first `images` of the training part, and the
    whole test part."""
    with np.load(path, allow_pickle=False) as file:
        vectors, labels, split = file["embeddings"], file["labels"].astype(np.int64), file["split"]
    train, test = np.flatnonzero(split == "train")[:images], np.flatnonzero(split == "test")
    return Parts(vectors[train], labels[train], vectors[test], labels[test])


def plain(name: str, seed: int) -> Any:
    """Return a classifier of scikit-learn whose strength follows from cross-validation on the given labels."""
    made: dict[str, tuple[Any, dict[str, Any]]] = {
        "logistic regression": (LogisticRegression(max_iter=1000), {"C": [1e-4, 1e-3, 1e-2, 1e-1]}),
        "random forest": (RandomForestClassifier(200, random_state=seed), {"min_samples_leaf": [1, 5, 20]}),
        "kNN": (KNeighborsClassifier(), {"n_neighbors": [5, 20, 50, 100]}),
    }
    model, grid = made[name]
    return make_pipeline(StandardScaler(), GridSearchCV(model, grid, cv=3))


def cleaned(name: str, seed: int) -> Any:
    """Return cleanlab's CleanLearning around one of them."""
    return CleanLearning(plain(name, seed), cv_n_folds=3, seed=seed)


def symmetric(labels: NDArray[np.int64], rate: float, seed: int) -> NDArray[np.int64]:
    """Return labels of which a share was drawn anew over all classes."""
    rng = np.random.default_rng(seed)
    given, chosen = labels.copy(), rng.permutation(len(labels))[: round(rate * len(labels))]
    given[chosen] = rng.choice(np.unique(labels), len(chosen))
    return given


def difference(own: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of paired differences in points, and its 95% interval (t); the interval is all with one pair."""
    gaps = 100 * (np.array(own) - np.array(others))
    if len(gaps) < 2:
        return float(gaps.mean()), -math.inf, math.inf
    half = stats.t.ppf(0.975, len(gaps) - 1) * stats.sem(gaps)
    return float(gaps.mean()), float(gaps.mean() - half), float(gaps.mean() + half)


def told(gap: tuple[float, float, float]) -> str:
    """Format a difference."""
    mean, low, high = gap
    return f"{mean:+.1f} points" + ("" if math.isinf(low) else f" [{low:+.1f}, {high:+.1f}]")


def table(lines: Mapping[str, Mapping[str, Sequence[float]]], columns: Sequence[str]) -> str:
    """Format accuracies in [0, 1], by line and column, as a Markdown table of their means in percent."""
    rows = [["test accuracy (%)", *columns], ["---", *["--:"] * len(columns)]]
    for name, values in lines.items():
        rows.append([name, *(f"{100 * np.mean(values[column]):.1f}" for column in columns)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
