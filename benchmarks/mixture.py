"""How much faster is the mixture of both networks' losses than scikit-learn's?

    python benchmarks/mixture.py [--device cuda]

Both are fitted to the same two-mode losses of two networks, one row each, and give the probability of the lower
component: ours in one call of `fit_mixture` and `posterior`, scikit-learn's as DivideMix's code does, `GaussianMixture`
and `predict_proba` network by network. Two settings, the same for both: 100 steps to a gain below 1e-3 (this project's)
and 10 steps to 1e-2 (DivideMix's). Times are medians; the ratio is the median over pairs measured one after the other,
in which noise of the machine cancels. On processors that others use too, set GOMP_SPINCOUNT=0: threads that wait for
each other by spinning keep each other from running, and take a hundred times as long. On a GPU, ours starts from losses
that are there and ends when the answer is.

Prints the table and writes it to benchmarks/results/.
"""

import os
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median

import numpy as np
import torch
import tyro
from kept import keep
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits
from torch import Tensor

from codim.division.divide import scale_losses
from codim.division.mixture import fit_mixture

REG_COVAR = 5e-4
SETTINGS = {"ours": (100, 1e-3), "DivideMix": (10, 1e-2)}
"""max_iter and tol."""


@dataclass
class Arguments:
    """Time the mixture."""

    device: str = "cpu"
    """Of ours; scikit-learn's runs on the processor."""
    repeats: int = 15
    """Pairs of measurements at N = 50,000."""


@dataclass
class Row:
    settings: str
    n: int
    threads: int
    ours_ms: float
    """Median time."""
    sklearn_ms: float | None
    ratio: float | None
    """Median of the ratios of the pairs."""
    lowest: float | None
    highest: float | None


def two_modes(n: int, seed: int) -> Tensor:
    """(n,) scaled losses of a network at symmetric .4: right labels near 0, wrong ones around the log of 10 classes and
    above."""
    rng = np.random.default_rng(seed)
    wrong = n * 2 // 5
    return scale_losses(torch.from_numpy(np.r_[rng.exponential(0.4, n - wrong), rng.gamma(9, 0.35, wrong)]))


def sklearn_posteriors(x: np.ndarray, max_iterations: int, tolerance: float) -> list[np.ndarray]:
    posteriors = []
    for own in x[:, :, None]:
        mixture = GaussianMixture(2, max_iter=max_iterations, tol=tolerance, reg_covar=REG_COVAR, random_state=0)
        posteriors.append(mixture.fit(own).predict_proba(own)[:, mixture.means_.argmin()])
    return posteriors


def our_posteriors(x: Tensor, max_iterations: int, tolerance: float) -> Tensor:
    w = fit_mixture(x, REG_COVAR, max_iterations, tolerance).posterior(x)
    if x.is_cuda:
        torch.cuda.synchronize()
    return w


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def measure(settings: str, n: int, threads: int, repeats: int, device: str) -> Row:
    """scikit-learn's at N = 1,000,000 is left out: a minute a row tells nothing new."""
    torch.set_num_threads(threads)
    x = torch.stack([two_modes(n, seed) for seed in (0, 1)])
    on_device, array = x.to(device), x.numpy()
    compared = n < 10**6
    pairs = []
    with threadpool_limits(threads):
        for _ in range(repeats + 1):
            ours = seconds(lambda: our_posteriors(on_device, *SETTINGS[settings]))
            theirs = seconds(lambda: sklearn_posteriors(array, *SETTINGS[settings])) if compared else None
            pairs.append((ours, theirs))
    pairs = pairs[1:]  # the first warms up
    times = [1e3 * ours for ours, _ in pairs]
    if not compared:
        return Row(settings, n, threads, median(times), None, None, None, None)
    others = [1e3 * theirs for _, theirs in pairs if theirs is not None]
    ratios = [theirs / ours for ours, theirs in zip(times, others, strict=True)]
    return Row(settings, n, threads, median(times), median(others), median(ratios), min(ratios), max(ratios))


def table(rows: list[Row]) -> str:
    lines = [
        "| settings | N, two rows of it | threads | ours, ms | scikit-learn, ms | ratio [lowest, highest] |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        compared = "| |" if row.ratio is None else f"| {row.sklearn_ms:.1f} | {row.ratio:.1f} "
        if row.ratio is not None:
            compared += f"[{row.lowest:.1f}, {row.highest:.1f}] "
        lines.append(f"| {row.settings} | {row.n:,} | {row.threads} | {row.ours_ms:.1f} {compared}|")
    return "\n".join(lines)


def main(arguments: Arguments) -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    rows = [
        measure(settings, n, threads, max(3, min(arguments.repeats, arguments.repeats * 50_000 // n)), arguments.device)
        for settings in SETTINGS
        for n in (1_000, 50_000, 1_000_000)
        for threads in (1, 2)
    ]
    x = torch.stack([two_modes(50_000, seed) for seed in (0, 1)])
    theirs = torch.from_numpy(np.stack(sklearn_posteriors(x.numpy(), *SETTINGS["ours"])))
    difference = (our_posteriors(x.to(arguments.device), *SETTINGS["ours"]).cpu() - theirs).abs().max().item()
    text = (
        f"{table(rows)}\n\nLargest difference of a posterior at N = 50,000, each from its own start: {difference:.1e}"
    )
    text += f"\nGOMP_SPINCOUNT: {os.environ.get('GOMP_SPINCOUNT', 'not set')}"
    content = {"difference": difference, "rows": [asdict(row) for row in rows]}
    keep("mixture" if arguments.device == "cpu" else "mixture-gpu", text, content, arguments.device)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
