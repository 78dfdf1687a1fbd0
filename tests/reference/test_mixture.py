"""The mixture against scikit-learn's, and what must hold of any mixture."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture
from torch import Tensor

from codim.divide import fit_mixture, scale_losses

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


def sklearn_posterior(x: Tensor, max_iter: int = 100, tol: float = 1e-3) -> np.ndarray:
    mixture = GaussianMixture(2, reg_covar=REG, max_iter=max_iter, tol=tol, random_state=0).fit(x[:, None].numpy())
    return mixture.predict_proba(x[:, None].numpy())[:, mixture.means_[:, 0].argmin()]


SHAPES = ["separated", "overlapping", "skewed", "mostly_wrong"]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_posterior_is_that_of_scikit_learn(shape: str, seed: int) -> None:
    """Same model, start and stopping rule; k-means ends in the same clusters up to a few samples at their border."""
    x = losses(shape, seed=seed)
    ours = fit_mixture(x, REG).posterior(x).numpy()
    difference = np.abs(ours - sklearn_posterior(x))
    assert difference.max() < 0.05
    assert difference.mean() < 0.005


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("shape", SHAPES)
def test_both_converge_to_the_same_optimum(shape: str) -> None:
    x = losses(shape)
    ours = fit_mixture(x, REG, max_iterations=5000, tolerance=1e-12).posterior(x).numpy()
    np.testing.assert_allclose(ours, sklearn_posterior(x, max_iter=5000, tol=1e-12), atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_one_step_of_expectation_maximisation_is_its_equations(shape: str) -> None:
    """Bishop 2006, eq. 9.23 to 9.27, from the clusters of 2-means."""
    x = losses(shape, n=40)
    low, high = x.min(), x.max()
    for _ in range(50):
        upper = x > (low + high) / 2
        low, high = x[~upper].mean(), x[upper].mean()
    mixture = fit_mixture(x, REG, max_iterations=1)
    for k, members in enumerate([x[~upper].tolist(), x[upper].tolist()]):
        mean = sum(members) / len(members)
        assert mixture.weights[k].item() == pytest.approx(len(members) / len(x))
        assert mixture.means[k].item() == pytest.approx(mean)
        assert mixture.variances[k].item() == pytest.approx(sum((v - mean) ** 2 for v in members) / len(members) + REG)


@pytest.mark.parametrize("shape", SHAPES)
def test_posterior_is_bayes_rule(shape: str) -> None:
    x = losses(shape, n=40)
    mixture = fit_mixture(x, REG)
    density = torch.stack(
        [
            w * torch.distributions.Normal(m, v.sqrt()).log_prob(x).exp()
            for w, m, v in zip(*vars(mixture).values(), strict=True)
        ]
    )
    torch.testing.assert_close(mixture.posterior(x), density[0] / density.sum(0))


@given(shape=st.sampled_from(SHAPES), seed=st.integers(0, 10**6))
def test_invariants(shape: str, seed: int) -> None:
    x = losses(shape, n=50, seed=seed)
    mixture = fit_mixture(x, REG)
    assert mixture.weights.sum().item() == pytest.approx(1)
    assert mixture.means[0] <= mixture.means[1]
    assert (mixture.variances >= REG).all()
    posterior = mixture.posterior(x)
    assert ((posterior >= 0) & (posterior <= 1)).all()
    assert posterior.mean().item() == pytest.approx(mixture.weights[0].item(), abs=0.05)

    assert torch.equal(fit_mixture(x, REG).posterior(x), posterior), "drew a random number"
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(fit_mixture(x[order], REG).posterior(x[order]), posterior[order], atol=1e-6, rtol=0)
