"""The mixture against scikit-learn's, and what must hold of any mixture."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture
from torch import Tensor

from codim.division.divide import scale_losses
from codim.division.mixture import Mixture, _expectation_maximisation, fit_mixture

REG = 5e-4


def losses(shape: str, n: int = 600, seed: int = 0) -> Tensor:
    """Scaled losses of a clean and a wrong part, of shapes that training produces."""
    rng = np.random.default_rng(seed)
    clean, wrong = {
        "separated": lambda: (rng.normal(0.5, 0.1, n), rng.normal(4, 0.5, n // 2)),
        "overlapping": lambda: (rng.normal(1, 0.5, n), rng.normal(2.5, 0.8, n)),
        "skewed": lambda: (rng.exponential(0.2, n), rng.gamma(5, 0.6, n // 3)),
        "mostly_wrong": lambda: (rng.exponential(0.3, n // 10), rng.normal(3, 0.6, n)),
    }[shape]()
    return scale_losses(torch.from_numpy(np.concatenate([clean, wrong])))


def fit(x: Tensor, max_iterations: int = 100, tolerance: float = 1e-3) -> Mixture:
    return fit_mixture(x[None], REG, max_iterations, tolerance)


def posterior(x: Tensor, max_iterations: int = 100, tolerance: float = 1e-3) -> Tensor:
    return fit(x, max_iterations, tolerance).posterior(x[None])[0]


def sklearn_posterior(x: Tensor, max_iter: int = 100, tol: float = 1e-3) -> np.ndarray:
    mixture = GaussianMixture(2, reg_covar=REG, max_iter=max_iter, tol=tol, random_state=0).fit(x[:, None].numpy())
    return mixture.predict_proba(x[:, None].numpy())[:, mixture.means_[:, 0].argmin()]


SHAPES = ["separated", "overlapping", "skewed", "mostly_wrong"]


@st.composite
def hard_values(draw: st.DrawFn) -> Tensor:
    """(N,) values in [0, 1], not all the same: few, nearly constant, with a far outlier, of one or two modes."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    n = draw(st.one_of(st.integers(2, 12), st.integers(13, 2_000)))
    upper = rng.random(n) < draw(st.floats(0, 1))
    width = draw(st.sampled_from([1e-9, 1e-6, 1e-3, 0.05, 0.2]))
    x = np.where(upper, draw(st.floats(0, 1)), draw(st.floats(0, 1))) + width * rng.standard_normal(n)
    x = x.clip(0, 1)
    if draw(st.booleans()):
        x = 0.01 * x
        x[rng.integers(n)] = 1
    if x.min() == x.max():
        x[0] += 0.5 if x[0] < 0.5 else -0.5
    return torch.from_numpy(x)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@settings(max_examples=200)
@given(
    x=hard_values(),
    max_iterations=st.sampled_from([1, 10, 100]),
    tolerance=st.sampled_from([1e-2, 1e-3, 1e-6]),
)
def test_from_the_same_start_it_is_scikit_learns(x: Tensor, max_iterations: int, tolerance: float) -> None:
    """To 1e-6 in weights, means, variances and posteriors, so after the same number of steps."""
    start, ours = fit(x, max_iterations=0), fit(x, max_iterations, tolerance)
    theirs = GaussianMixture(
        2,
        reg_covar=REG,
        max_iter=max_iterations,
        tol=tolerance,
        weights_init=start.weights[0].numpy(),
        means_init=start.means[0, :, None].numpy(),
        precisions_init=1 / start.variances[0, :, None, None].numpy(),
        random_state=0,
    ).fit(x[:, None].numpy())
    expected = torch.from_numpy(np.stack([theirs.weights_, theirs.means_[:, 0], theirs.covariances_[:, 0, 0]]))
    found = torch.cat([ours.weights, ours.means, ours.variances])
    # Means of nearly constant values are equal up to rounding, which then decides their order.
    order = min([0, 1], [1, 0], key=lambda order: (expected[:, order] - found).abs().sum().item())
    torch.testing.assert_close(found, expected[:, order], atol=1e-6, rtol=0)
    theirs_w = torch.from_numpy(theirs.predict_proba(x[:, None].numpy()))[:, order[0]]
    torch.testing.assert_close(ours.posterior(x[None])[0], theirs_w, atol=1e-6, rtol=0)


@given(rows=st.lists(st.tuples(st.sampled_from([*SHAPES, "constant"]), st.integers(0, 10**6)), min_size=2, max_size=4))
def test_a_row_is_fitted_as_if_it_were_alone(rows: list[tuple[str, int]]) -> None:
    """Bit for bit; up to rounding where all rows are iterated together, as on a GPU. They converge after 5 to 30 steps;
    a step more would move them by far more than rounding."""
    x = torch.stack([losses_or_constant(shape, seed) for shape, seed in rows])
    together = fit_mixture(x, REG)
    w = together.posterior(x)
    on_device = _expectation_maximisation(x, REG, 100, 1e-3)
    for k, own in enumerate(x):
        alone = fit(own)
        for name, value in vars(alone).items():
            assert torch.equal(getattr(together, name)[k], value[0]), name
        assert torch.equal(w[k], alone.posterior(own[None])[0])
        assert w[k].isfinite().all()
        torch.testing.assert_close(
            on_device[:, k], _expectation_maximisation(own[None], REG, 100, 1e-3)[:, 0], atol=1e-12, rtol=0
        )


def losses_or_constant(shape: str, seed: int) -> Tensor:
    """(101,)"""
    if shape == "constant":
        return torch.full((101,), 0.5, dtype=torch.float64)
    x = losses(shape, seed=seed)
    return x[torch.linspace(0, len(x) - 1, 101).long()]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_posterior_is_that_of_scikit_learn(shape: str, seed: int) -> None:
    """Same model, start and stopping rule; k-means ends in the same clusters up to a few samples at their border."""
    x = losses(shape, seed=seed)
    difference = np.abs(posterior(x).numpy() - sklearn_posterior(x))
    assert difference.max() < 0.05
    assert difference.mean() < 0.005


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("shape", SHAPES)
def test_both_converge_to_the_same_optimum(shape: str) -> None:
    x = losses(shape)
    ours = posterior(x, max_iterations=5000, tolerance=1e-12).numpy()
    np.testing.assert_allclose(ours, sklearn_posterior(x, max_iter=5000, tol=1e-12), atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_one_step_of_expectation_maximisation_is_its_equations(shape: str) -> None:
    """Bishop 2006, eq. 9.23 to 9.27: the start from the clusters of 2-means, and a step from there."""
    x = losses(shape, n=40)
    low, high = x.min(), x.max()
    for _ in range(50):
        upper = x > (low + high) / 2
        low, high = x[~upper].mean(), x[upper].mean()
    start, step = fit(x, max_iterations=0), fit(x, max_iterations=1)
    r = start.posterior(x[None])[0]
    for mixture, lower in [(start, (~upper).double()), (step, r)]:
        for k, share in enumerate([lower.tolist(), (1 - lower).tolist()]):
            mass = sum(share)
            mean = sum(r * v for r, v in zip(share, x.tolist(), strict=True)) / mass
            variance = sum(r * (v - mean) ** 2 for r, v in zip(share, x.tolist(), strict=True)) / mass + REG
            assert mixture.weights[0, k].item() == pytest.approx(mass / len(x))
            assert mixture.means[0, k].item() == pytest.approx(mean)
            assert mixture.variances[0, k].item() == pytest.approx(variance)


@pytest.mark.parametrize("shape", SHAPES)
def test_posterior_is_bayes_rule(shape: str) -> None:
    x = losses(shape, n=40)
    mixture = fit(x)
    density = torch.stack(
        [
            w * torch.distributions.Normal(m, v.sqrt()).log_prob(x).exp()
            for w, m, v in zip(mixture.weights[0], mixture.means[0], mixture.variances[0], strict=True)
        ]
    )
    torch.testing.assert_close(mixture.posterior(x[None])[0], density[0] / density.sum(0))


@given(shape=st.sampled_from(SHAPES), seed=st.integers(0, 10**6))
def test_invariants(shape: str, seed: int) -> None:
    x = losses(shape, n=50, seed=seed)
    mixture = fit(x)
    assert mixture.weights.sum().item() == pytest.approx(1)
    assert mixture.means[0, 0] <= mixture.means[0, 1]
    assert (mixture.variances >= REG).all()
    w = posterior(x)
    assert ((w >= 0) & (w <= 1)).all()
    assert w.mean().item() == pytest.approx(mixture.weights[0, 0].item(), abs=0.05)

    assert torch.equal(posterior(x), w), "drew a random number"
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(posterior(x[order]), w[order], atol=1e-6, rtol=0)
