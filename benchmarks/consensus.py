"""Does the consensus of trials rank them better than their accuracy on the given validation labels?

The kept trials (kept_trials.py) are judged; those that --table lacks are trained. Then the validation labels are
drawn anew --repetitions times with the noise of the condition (no training has seen them), each time for a crowd of
trials drawn at random. Ways to judge are compared by their rank correlation (Spearman) with accuracy on the test
images, and by the regret of their best trial, in points:

* given: accuracy on the given labels, of the predictions' mean over the last 5 epochs; nearly the study's objective
* consensus: study/surrogate/consensus.py. The scale of its weights was chosen on the first 60 digits trials at
  symmetric .8 and asymmetric .4, the priors of its sharpness and of its transition matrix and the range of the power
  that calibrates on the first 75 and the first 33 of Fashion-MNIST, and that it counts the errors which objective and
  agreement share after it had been seen on all of Fashion-MNIST without; nothing was chosen on the later digits trials
  (--first 75)
* true: accuracy on the true labels of the validation images, which no user has

Crowds: of 5 to 100 searched trials; of 30 with 100 and 300 validation images; of 5 and 10 with twice as many trials
of `ce`; of 30, two thirds of which take one class for another together. Intervals: 95 %, of the mean over the
repetitions, which share one table of trials. Bars: consensus at least .8 at symmetric .8, and nowhere below the given
labels beyond chance.

    CODIM_DATA=/folder/of/the/data python benchmarks/consensus.py [--data fashion_mnist]
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import tyro
from kept import Bar, finished, judge, keep
from kept_trials import CONDITIONS, MEMORISING, Trial, kept_at, train
from numpy.typing import NDArray
from scipy import stats
from scipy.stats import spearmanr

from codim.noise.kinds import NOISE_ADAPTER
from study.results.predictions import SCALE, decode
from study.surrogate.consensus import consensus

NEEDS = 0.8


@dataclass(frozen=True)
class Arguments:
    """Compare the consensus of trials with their accuracy on given labels."""

    data: Literal["digits", "fashion_mnist"] = "digits"
    conditions: tuple[str, ...] = CONDITIONS
    trials: int = 150
    """Searched trials of each condition."""
    first: int = 0
    """Number of the first searched trial that is judged."""
    memorising: int = 20
    """Trials of `ce` of each condition."""
    repetitions: int = 200
    quick: bool = False
    """20 repetitions."""
    table: Path | None = None
    """Trials with their predictions; by default the one kept in results/."""
    workers: int = 2
    """Processes, one thread each, for the trials that the table lacks."""


class Judged(NamedTuple):
    """A trial that was trained."""

    searched: bool
    probability: NDArray[np.float64]
    """(N, K)."""
    test_acc: float


class Crowd(NamedTuple):
    """How a crowd is drawn."""

    name: str
    searched: int
    memorising: int = 0
    images: int = 0
    """Validation images; 0: all."""
    misled: bool = False
    """Two thirds of the trials take one class for another."""


CROWDS = (
    Crowd("5 trials", 5),
    Crowd("10 trials", 10),
    Crowd("30 trials", 30),
    Crowd("75 trials", 75),
    Crowd("100 trials", 100),
    Crowd("30 trials, 100 images", 30, images=100),
    Crowd("30 trials, 300 images", 30, images=300),
    Crowd("5 trials, 10 of ce", 5, 10),
    Crowd("10 trials, 20 of ce", 10, 20),
    Crowd("30 trials, 20 misled", 30, misled=True),
)


def compared(
    trials: Sequence[Judged], labels: NDArray[np.int64], condition: str, data: str, crowd: Crowd, repetitions: int
) -> Iterator[dict[str, float]]:
    """Rank correlation and regret of each way to judge, a repetition at a time. `labels`: true ones."""
    kind, rate = condition.rsplit("-", 1)
    classes = int(labels.max()) + 1
    groups = [[i for i, trial in enumerate(trials) if trial.searched == of] for of in (True, False)]
    for seed in range(repetitions):
        rng = np.random.default_rng([3, seed])
        noise = NOISE_ADAPTER.validate_python(
            {"kind": kind, "rate": float(rate), "seed": seed} | ({"map": data} if kind == "asymmetric" else {})
        )
        given = noise.apply(labels, classes, labels)
        counts = (crowd.searched, crowd.memorising)
        drawn = [i for own, n in zip(groups, counts, strict=True) for i in rng.permutation(own)[:n]]
        rows = rng.permutation(len(labels))[: crowd.images or None]
        probability = np.stack([trials[i].probability for i in drawn])[:, rows]
        worth = np.array([trials[i].test_acc for i in drawn])
        if crowd.misled:
            one, other = rng.permutation(classes)[:2]
            led = rng.permutation(len(drawn))[: 2 * len(drawn) // 3]
            worth[led] -= worth[led] * (labels == one).mean()
            probability[led, :, other] += probability[led, :, one]
            probability[led, :, one] = 0
        named = probability.argmax(2)
        ways = {
            "given": (named == given[rows]).mean(1),
            "consensus": consensus(list(probability), given[rows], noise.slope(classes)).value,
            "true": (named == labels[rows]).mean(1),
        }
        found = {f"rank, {name}": float(spearmanr(of, worth)[0]) for name, of in ways.items()}
        yield found | {f"regret, {name}": 100 * float(worth.max() - worth[of.argmax()]) for name, of in ways.items()}


def interval(values: pd.Series, form: str) -> str:
    """Mean with its 95 % t-interval."""
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    return f"{values.mean():{form}} [{low:{form}}, {high:{form}}]"


def main() -> None:
    args = tyro.cli(Arguments, description=__doc__)
    repetitions = 20 if args.quick else args.repetitions
    numbers = [*range(args.trials), *range(MEMORISING, MEMORISING + args.memorising)]
    asked = [Trial(args.data, condition, number) for number in numbers for condition in args.conditions]
    path = args.table or kept_at(args.data)
    rows = [row for row in finished(path, asked, train, args.workers, "trainings") if row["number"] >= args.first]
    table, bars = [], list[Bar]()
    for condition in args.conditions:
        own = [row for row in rows if row["condition"] == condition]
        seen = [decode(row["predictions"]) for row in own]
        pairs = zip(own, seen, strict=True)
        trials = [Judged(row["number"] < MEMORISING, of.probability / SCALE, row["test_acc"]) for row, of in pairs]
        for crowd in CROWDS:
            if crowd.searched > args.trials - args.first or crowd.memorising > args.memorising:
                continue
            found = pd.DataFrame(compared(trials, seen[0].labels, condition, args.data, crowd, repetitions)).dropna()
            gain, saved = (found[f"{of}, consensus"] - found[f"{of}, given"] for of in ("rank", "regret"))
            row = {"condition": condition, "crowd": crowd.name}
            row |= {name: f"{values.mean():.2f}" for name, values in found.items()}
            table.append(row | {"rank gained": interval(gain, "+.2f"), "regret saved": interval(-saved, "+.2f")})
            if condition == "symmetric-0.8" and crowd.name == "30 trials":
                rank = found["rank, consensus"]
                bars.append(Bar("rank at symmetric .8", interval(rank, ".2f"), f">= {NEEDS}", rank.mean() >= NEEDS))
            held = bool(stats.ttest_1samp(gain, 0).confidence_interval().high >= 0)
            bars.append(Bar(f"rank gained, {condition}, {crowd.name}", interval(gain, "+.2f"), "not below 0", held))
    text = pd.DataFrame(table).to_markdown(index=False, disable_numparse=True)
    text += f"\n\nMeans of {repetitions} repetitions over the same {len(rows)} trials."
    name = f"consensus-{args.data}" + f"-from-{args.first}" * bool(args.first) + "-quick" * args.quick
    keep(name, text, {"table": table})
    judge(bars)


if __name__ == "__main__":
    main()
