"""`codim.NoisyLabelClassifier` keeps scikit-learn's contract on embeddings, images and files; it finds wrong labels."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cleanlab.classification import CleanLearning
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from codim import NoisyLabelClassifier
from tests.support.vectors import NAMES, blobs

FAST: dict[str, Any] = {"train": {"samples": 1_500, "batch_size": 16}, "network": {"width": 32}, "optim": {"lr": 0.02}}
EXPECTED_FAILURES: dict[str, str] = {}
"""Checks of scikit-learn that are not meant to pass, each with its reason: none."""
N = 300


def fast(**own: Any) -> NoisyLabelClassifier:
    return NoisyLabelClassifier(**{"method": "dividemix", "settings": FAST} | own)


@pytest.fixture(scope="module")
def samples() -> tuple[NDArray[np.float32], NDArray[np.str_], NDArray[np.str_]]:
    """Embeddings, true and given labels; three in ten are drawn anew."""
    vectors, true = blobs(N)
    rng = np.random.default_rng(0)
    return vectors, true, np.where(rng.random(N) < 0.3, rng.choice(NAMES, N), true)


@pytest.fixture(scope="module")
def fitted(samples: Any) -> NoisyLabelClassifier:
    vectors, _, given = samples
    return fast(method="codim-sup").fit(vectors, given)


def test_scikit_learn_finds_no_fault() -> None:
    """On embeddings; what its checks skip needs array libraries that are not installed."""
    results = check_estimator(fast(), expected_failed_checks=EXPECTED_FAILURES, on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 50
    assert {r["check_name"] for r in results if r["status"] == "xfail"} == {*EXPECTED_FAILURES}


def test_it_learns_and_tells_wrong_labels(fitted: NoisyLabelClassifier, samples: Any) -> None:
    vectors, true, given = samples
    assert fitted.score(vectors, true) > 0.95
    assert list(fitted.classes_) == sorted(NAMES)
    assert fitted.predict_proba(vectors).sum(1) == pytest.approx(1)
    wrong = given != true
    for found in (fitted.label_quality_, fitted.clean_probability_):
        assert found.shape == (N,)
        assert 0 <= found.min() <= found.max() <= 1
        assert (wrong[np.argsort(found)[: wrong.sum()]]).mean() > 0.9


def test_a_known_noise_rate_is_the_share_left_unlabelled(samples: Any) -> None:
    vectors, true, given = samples
    assert fast(noise_rate=0.2).fit(vectors, given).score(vectors, true) > 0.9


def test_labels_that_were_checked_are_trusted(samples: Any) -> None:
    vectors, true, given = samples
    checked = np.arange(N) < 60
    given = np.where(checked, true, given)
    model = fast().fit(vectors, given, trusted=checked)
    assert (model.clean_probability_[checked] == 1).all()
    assert (model.clean_probability_[~checked] < 0.5).any()
    search = GridSearchCV(fast(), {"method": ["ce", "dividemix"]}, cv=2).fit(vectors, given, trusted=checked)
    assert search.best_score_ > 0.6


def test_copies_and_pickles_are_the_same(fitted: NoisyLabelClassifier, samples: Any) -> None:
    vectors, _, given = samples
    expected = fitted.predict_proba(vectors)
    stored = pickle.dumps(fitted)
    assert len(stored) < 200_000, "it keeps the training data"
    assert (pickle.loads(stored).predict_proba(vectors) == expected).all()
    again = clone(fitted)
    assert again.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        again.predict(vectors)
    assert (again.fit(vectors, given).predict_proba(vectors) == expected).all()
    assert not (clone(fitted).set_params(random_state=1).fit(vectors, given).predict_proba(vectors) == expected).all()


def test_it_works_with_the_tools_of_scikit_learn_and_cleanlab(samples: Any) -> None:
    vectors, true, given = samples
    pipeline = make_pipeline(StandardScaler(), fast())
    search = GridSearchCV(pipeline, {"noisylabelclassifier__method": ["ce", "dividemix"]}, cv=2).fit(vectors, given)
    assert search.best_estimator_.score(vectors, true) > 0.9
    probabilities = cross_val_predict(fast(), vectors, given, cv=3, method="predict_proba")
    number = np.searchsorted(NAMES, given)
    alone: dict[str, Any] = {"n_jobs": 1}  # cleanlab forks beside the threads of others, which may never end
    found = find_label_issues(number, probabilities, **alone)
    assert (found == (given != true)).mean() > 0.95
    assert (
        CleanLearning(fast(), cv_n_folds=2, find_label_issues_kwargs={"n_jobs": 1})
        .fit(vectors, number)
        .score(vectors, np.searchsorted(NAMES, true))
        > 0.9
    )


def test_data_frames_keep_the_names_of_their_columns(samples: Any) -> None:
    vectors, _, given = samples
    frame = pd.DataFrame(vectors, columns=[f"v{i}" for i in range(vectors.shape[1])])
    model = fast().fit(frame, pd.Series(given))
    assert list(model.feature_names_in_) == list(frame)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[frame.columns[::-1]])


@pytest.fixture(scope="module")
def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images, labels = load_digits(return_X_y=True)
    return (images[:N].reshape(-1, 8, 8) * 15).astype(np.uint8), labels[:N] % 2


def test_images(digits: Any) -> None:
    images, labels = digits
    tiny = {"train": {"samples": 4_000}, "network": {"name": "small_cnn", "width": 8}}
    model = fast(method="ce", settings=tiny).fit(images, labels)
    assert model.score(images, labels) > 0.8
    assert (model.predict(images[..., None]) == model.predict(images)).all()
    with pytest.raises(ValueError, match=r"images: .* 3 channels; allowed"):
        model.predict(np.repeat(images[..., None], 3, axis=3))
    with pytest.raises(ValueError, match="images of type float64; allowed: uint8"):
        fast().fit(images / 255, labels)


def test_files_of_images(digits: Any, tmp_path: Path) -> None:
    images, labels = digits
    paths = [tmp_path / f"{i}.png" for i in range(20)]
    for path, image in zip(paths, images, strict=False):
        Image.fromarray(image).resize((40, 30)).save(path)
    tiny = {"train": {"samples": 64}, "network": {"name": "small_cnn", "width": 4}, "augment": {"size": 16}}
    model = fast(method="ce", settings=tiny).fit(paths, labels[:20])
    assert model.predict([str(path) for path in paths[:3]]).shape == (3,)
    column = pd.DataFrame({"path": [str(path) for path in paths[:3]]})
    assert list(model.predict(column)) == list(model.predict(paths[:3]))
    with pytest.raises(ValueError, match=r"missing\.png"):
        model.predict([tmp_path / "missing.png"])


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"noise_rate": 1.0}, r"noise_rate: 1.0; allowed: None, or a share in \[0, 1\)"),
        ({"minutes": 0}, "minutes: 0; allowed"),
        ({"method": "magic"}, "magic"),
        ({"settings": {"optim": {"lr": -1}}}, "optim/lr"),
        ({"settings": {"network": {"name": "airbench"}}}, "airbench takes images"),
    ],
)
def test_parameters_that_cannot_be_are_told(own: dict[str, Any], message: str, samples: Any) -> None:
    vectors, _, given = samples
    with pytest.raises(ValueError, match=message):
        fast(**own).fit(vectors, given)
