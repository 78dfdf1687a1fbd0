"""An estimator of scikit-learn that trains on labels of which some are wrong: `codim.NoisyLabelClassifier`."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state, check_X_y
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from codim.config.train_config import TrainConfig, merge
from codim.data.arrays import as_samples, inputs
from codim.data.files_as_arrays import is_paths, read_images
from codim.estimator import Training, trained
from codim.evaluation.predict import predict


class NoisyLabelClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classifier of images or embeddings, for training labels of which an unknown share is wrong.

    It keeps scikit-learn's contract: it can be cloned, pickled, and used in pipelines, searches and cross-validation.
    No samples are held out of `fit` unless `settings` say so; the same `random_state` gives the same networks.

    Args:
        method: ce, dividemix, c2d, codim-self, codim-sup or cssl (codim/config/methods.py).
        noise_rate: share of labels that are wrong, if known: that share of the labels, the most doubtful ones, is then
            not trained on as given (`divide/noise_rate`). None: a mixture of the losses decides. `ce` divides nothing.
        minutes: fit the budget into this time; by default it follows from the number of samples (codim/config/auto.py).
        settings: {section: {setting: value}}, as in a settings file, for all that no argument says.
        random_state: seed of weights and order; None or a RandomState draws one.
        verbose: whether `fit` shows a progress bar on stderr.

    Attributes:
        classes_: (K,) classes, sorted.
        label_quality_: (N,) how much the given label of each training sample is to be trusted, in [0, 1]: the
            probability that the networks gave to it, mean over all epochs.
        clean_probability_: (N,) probability that each given label is right, by the mixture of losses.
        n_features_in_: numbers of an embedding. feature_names_in_: their names, of a data frame.

    Example:
        >>> import codim
        >>> rng = np.random.default_rng(0)
        >>> true = np.arange(200) % 2
        >>> embeddings = rng.normal(size=(200, 8)) + 3 * true[:, None]
        >>> given = np.where(rng.random(200) < 0.3, 1 - true, true)
        >>> model = codim.NoisyLabelClassifier(method="dividemix", settings={"train": {"samples": 4000}})
        >>> float((model.fit(embeddings, given).predict(embeddings) == true).mean()) > 0.95
        True
        >>> bool(model.label_quality_[given == true].min() > model.label_quality_[given != true].max())
        True
    """

    def __init__(
        self,
        method: str = "codim-sup",
        *,
        noise_rate: float | None = None,
        minutes: float | None = None,
        settings: Mapping[str, Any] | None = None,
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.method = method
        self.noise_rate = noise_rate
        self.minutes = minutes
        self.settings = settings
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike, trusted: ArrayLike | None = None) -> "NoisyLabelClassifier":
        """Train on samples and their given labels (N,).

        Args:
            X: embeddings, numbers (N, D) or a data frame; or uint8 images, (N, H, W) or (N, H, W, C) with C = 1 or 3;
                or the paths of N image files.
            y: labels: whole numbers, strings or booleans.
            trusted: (N,) booleans, which labels somebody has checked: they are always trained on as given, and neither
                the mixture nor the estimate of the noise counts them. None: none.

        Raises:
            ValueError: unusable samples, labels or parameters; names what is allowed.
        """
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None; allowed: a label for each sample")
        samples, given = self._samples(X, y)
        if self.noise_rate is not None and not 0 <= self.noise_rate < 1:
            raise ValueError(f"noise_rate: {self.noise_rate}; allowed: None, or a share in [0, 1)")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise ValueError(f"minutes: {self.minutes}; allowed: None, or a number above 0")
        self.classes_, numbers = np.unique(given, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y: {len(self.classes_)} class; allowed: two classes or more")
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31 - 1)
        own: dict[str, Any] = {"data": {"val_fraction": 0.0}}
        if self.noise_rate is not None:
            own["divide"] = {"noise_rate": self.noise_rate}
        training = trained(
            samples,
            self.classes_,
            numbers.astype(np.int64),
            trusted,
            self.method,
            self.minutes,
            merge(own, self.settings or {}),
            int(seed),
            shown=self.verbose,
        )
        self._keep(training)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability (M, K) of each class, in the order of `classes_`, by both networks together."""
        check_is_fitted(self)
        samples, _ = self._samples(X, None)
        x = inputs(samples, TrainConfig.model_validate(self._trained.config), self._trained.input.shape)
        logits = predict(self._trained.networks, x, self._trained.augmenter).mean(0)
        found: NDArray[np.float64] = torch.softmax(logits.double(), 1).numpy()
        return found

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class (M,) of each sample, as the labels name it."""
        probabilities = self.predict_proba(X)
        found: NDArray[Any] = self.classes_[probabilities.argmax(1)]
        return found

    def _keep(self, training: Training) -> None:
        """Keep what predicts and what the labels are worth, and let go of the data."""
        audit = training.audit_table()
        self.clean_probability_ = audit["clean_probability"].to_numpy()
        self.label_quality_ = audit["mean_probability"].to_numpy()
        self._trained = training.session.trained()

    def _samples(self, X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
        """Check samples, and labels where there are any, as scikit-learn asks; return them as arrays."""
        fitting = y is not None
        if is_paths(X):
            X = read_images(X, None if fitting else self._trained.input.shape)
        array = np.asarray(X)
        if array.ndim in (3, 4):
            if array.dtype != np.uint8:
                raise ValueError(f"X: images of type {array.dtype}; allowed: uint8, or embeddings (N, D)")
            if not fitting:
                return array, np.empty(0)
            array, given = check_X_y(array, y, dtype=None, allow_nd=True)
        else:
            if not fitting:
                return validate_data(self, X, reset=False, dtype=np.float32), np.empty(0)
            array, given = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(given)
        return as_samples(array), given
