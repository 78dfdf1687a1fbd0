"""Does a digits study pay? What it chose and confirmed, against its baselines, in whole studies with other seeds.

    python benchmarks/digits_study.py                     # the same call resumes
    python benchmarks/digits_study.py --seeds 1 --set     # one study as its file is

Each study is `search_spaces/digits.yaml` with a seed of its own for the sampler and for the noise of every condition:
the studies share neither settings nor noisy labels. Differences are paired by the confirming trainings, which have
fresh noise. The best baseline is the one with the highest mean test accuracy of these very trainings: its luck counts
against the study.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import tyro
from kept import Bar, judge, keep
from rivals import difference, told

from analysis.frames.load import load_trials
from analysis.statistics.comparison import confirmed_scores
from codim.config.train_config import TrainConfig
from study import load_study, run_study

DEFAULT = f"codim-{TrainConfig().contrastive.kind}"
"""Baseline with the settings that hold where none is given."""
APART = 1_000
"""Between the noise seeds of two studies: each repeat adds one to its study's."""
CONFUSED = "asymmetric-0.4"
"""Condition in which the study has to be ahead of every baseline beyond chance."""


@dataclass
class Arguments:
    """Run digits studies."""

    results: Path = Path("results/digits_studies")
    """Folder that receives the studies."""
    seeds: tuple[int, ...] = (1, 2, 3, 4)
    set: tuple[str, ...] = ("confirm/most_seeds=40",)
    """Entries that override those of the study file: path/to/entry=value."""


def studied(seed: int, args: Arguments) -> list[dict[str, Any]]:
    """Run a study, or what it lacks; return a row of each confirming training."""
    noise = json.dumps([{**condition, "seed": APART * seed} for condition in load_study("digits").conditions])
    changes = [f"sampler/seed={seed}", f"conditions={noise}", *args.set]
    folder = run_study("digits", args.results / str(seed), changes=changes)
    scores = confirmed_scores(load_trials(folder.root))
    return scores[["condition", "method", "repeat", "oracle_test_acc"]].assign(study=seed).to_dict("records")


def paired(rows: pd.DataFrame, rival: str) -> tuple[float, float, float]:
    """Return the difference of the chosen setting to a rival, over the repeats that both completed."""
    wide = rows.pivot(index="repeat", columns="method", values="oracle_test_acc")[["chosen", rival]].dropna()
    return difference(wide["chosen"].tolist(), wide[rival].tolist())


def main(args: Arguments) -> None:
    frame = pd.DataFrame([row for seed in args.seeds for row in studied(seed, args)])
    lines = ["| study | condition | n | chosen (%) | best baseline | over it | over the default |", "|---" * 7 + "|"]
    ahead, behind = 0, []
    for (seed, condition), own in frame.groupby(["study", "condition"], sort=False):
        mean = own.groupby("method")["oracle_test_acc"].mean()
        best = str(mean.drop(["chosen", "robust"], errors="ignore").idxmax())
        over, default = paired(own, best), paired(own, DEFAULT)
        ahead += condition == CONFUSED and over[1] > 0
        behind += [f"{condition} of study {seed}"] if default[2] < 0 else []
        n = own.groupby("method").size()["chosen"]
        cells = (seed, condition, n, f"{100 * mean['chosen']:.1f}", best, told(over), told(default))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    keep("digits_study", "\n".join(lines), {"rows": frame.to_dict("records")})
    needed = -(-3 * len(args.seeds) // 4)
    judge(
        [
            Bar(f"above the best baseline, {CONFUSED}", f"{ahead} of {len(args.seeds)}", f"{needed}", ahead >= needed),
            Bar("below the default beyond chance", ", ".join(behind) or "nowhere", "nowhere", not behind),
        ]
    )


if __name__ == "__main__":
    main(tyro.cli(Arguments))
