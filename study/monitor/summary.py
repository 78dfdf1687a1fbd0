"""Summary at the end of a study: best settings, Pareto fronts if cost is an objective, and whether pruning was safe."""

import math
import shlex

from codim.text.command_line import as_called
from study.plan.plan import Plan
from study.plan.rungs import rungs_of
from study.results.folder import ResultsFolder
from study.results.records import TrialRecord
from study.results.rules import worth
from study.results.verdicts import UNSAFE_CORRELATION, pareto_front, rank_correlation


def closing(plan: Plan, folder: ResultsFolder) -> list[str]:
    """Return lines about a finished study: its best settings, Pareto fronts, pruning's safety, and the next command."""
    return [*_found(plan, folder), *_fronts(plan, folder), *_correlations(plan, folder), _next(folder)]


def _found(plan: Plan, folder: ResultsFolder) -> list[str]:
    """Return one line per condition, with the best setting of the search and the best baseline."""
    best, metric = [r for r in _search(folder) if r.can_be_best and not math.isnan(r.objective)], plan.spec.objective
    lines = []
    for condition in plan.conditions:
        own = [record for record in best if record.condition == condition.id]
        tried = [record for record in own if not record.baseline]
        ranked = zip(worth((record.objective, record.value) for record in tried), tried, strict=True)
        _, searched = max(ranked, key=lambda pair: pair[0], default=(None, None))
        baseline = max((r for r in own if r.baseline), key=lambda r: r.objective, default=None)
        told = [
            f"best setting {searched.trial} {searched.objective:.4f} ({_in_words(searched)})" if searched else "",
            f"best baseline {baseline.baseline} {baseline.objective:.4f}" if baseline else "",
        ]
        lines.append(f"{condition.id}: {', '.join(filter(None, told)) or 'no trial is complete'} ({metric.metric})")
    return lines


def _in_words(record: TrialRecord) -> str:
    return ", ".join(f"{p} {v:.4g}" if isinstance(v, float) else f"{p} {v}" for p, v in record.params.items())


def _next(folder: ResultsFolder) -> str:
    command = as_called(f"python -m analysis {shlex.quote(folder.at())}")
    return f"next: {command}   (the page: what was found, and how sure it is)"


def _search(folder: ResultsFolder) -> list[TrialRecord]:
    return [record for record in folder.read_trials() if record.phase == "search"]


def _fronts(plan: Plan, folder: ResultsFolder) -> list[str]:
    if plan.spec.objective.cost is None:
        return []
    return [
        f"{condition}: not beaten in both accuracy and seconds: "
        + ", ".join(f"{r.trial} ({r.objective:.4f}, {r.seconds:.1f} s)" for r in front)
        for condition, front in pareto_front(_search(folder)).items()
    ]


def _correlations(plan: Plan, folder: ResultsFolder) -> list[str]:
    objective = plan.spec.objective
    complete = [r for r in _search(folder) if r.status == "complete" and not r.baseline]
    lines = []
    for condition in plan.conditions:
        places = rungs_of(plan, condition)
        if not places:
            continue
        curves = [folder.read_epochs(r.trial) for r in complete if r.condition == condition.id]
        found = [rank_correlation(curves, rung, objective.metric, objective.last) for rung in places]
        told = ", ".join(f"{one.spearman:.2f} at {one.samples} samples (n = {one.n})" for one in found)
        lines.append(f"{condition.id}: rank correlation of a rung's values with the final ones: {told}")
        lines += [
            f"warning: {condition.id}: {one.spearman:.2f} is below {UNSAFE_CORRELATION}: ranks after "
            f"{one.samples} samples hardly predict final ranks, so good settings were probably pruned there; "
            "set a higher pruner -> min_budget, or pruner -> kind: none"
            for one in found
            if one.unsafe
        ]
    return lines
