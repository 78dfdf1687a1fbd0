"""One Optuna study per condition, in one journal.

Each condition's search sees its own trials only. Baselines are kept in a separate Optuna study, "<condition>
baselines": most of them are not points of the space (another method, or a stage left out), and a trial without the
space's parameters would disturb the sampler's joint model and raise the pruner's threshold. A baseline that *is* a
point of the space is copied, once complete, into the condition's study, where it informs the sampler.
"""

import contextlib
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from study.dimensions.base import Value
from study.dimensions.space import in_order, searched
from study.plan.plan import Plan
from study.plan.rungs import common_step, first_step, stages_end
from study.results.json_schema import Status
from study.results.rules import compared, counted
from study.search.distributions import suggested
from study.search.journal import repair_journal
from study.search.optuna_private import handle_of, params_of
from study.search.proposal import Proposed
from study.search.pruners import make_pruner
from study.search.samplers import make_sampler, quasi_random
from study.spec.conditions import Condition
from study.surrogate.task import Known
from study.trial import INTERRUPTED, Outcome

if TYPE_CHECKING:
    from study.search.joint import Joint
    from study.surrogate.improvement import Proposal

REGRET = "expected_regret"
"""Attribute of a condition's Optuna study: the expected regret at which `stop_when` ended its search."""

_STATES: dict[Status, TrialState] = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


class Search:
    """Asks Optuna for trials, reports their epochs and tells their outcomes. Only one process may use a journal."""

    def __init__(
        self,
        plan: Plan,
        journal: Path,
        finished: Mapping[str, Outcome],
        consensus: Callable[[str], Mapping[str, float]] = lambda condition: {},
        stopped: Callable[[str, float], None] = lambda condition, regret: None,
    ) -> None:
        """Open the journal, or create it. The caller holds the lock of the results folder.

        Args:
            finished: identifier -> outcome in the records; a driver that was killed may not have told Optuna of it.
            consensus: returns a condition's complete trials -> consensus, where the study takes one.
            stopped: called with a condition and its expected regret when `stop_when` ends its search.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.plan, self._consensus, self._stopped = plan, consensus, stopped
        repair_journal(journal)
        # Optuna's default lock is a symbolic link, which some file systems refuse.
        storage = JournalStorage(JournalFileBackend(str(journal), JournalFileOpenLock(str(journal))))
        self._distributions = {path: dimension.distribution() for path, dimension in plan.spec.space.items()}
        self._searched: dict[str, optuna.Study] = {}
        self._baselines: dict[str, optuna.Study] = {}
        self._first_steps: dict[str, int] = {}
        self._joint: Joint | None = None
        self._tried: dict[tuple[str, int], dict[str, Value]] = {}
        """Condition and Optuna's number of a finished trial -> its setting."""
        directions = ["maximize", "minimize"] if plan.spec.objective.cost else ["maximize"]
        common: dict[str, Any] = {"storage": storage, "directions": directions, "load_if_exists": True}
        for condition in plan.conditions:
            corner = plan.corner(condition, 0)
            stages = stages_end(corner, plan.data[condition.id])
            pruner = make_pruner(plan.spec.pruner, corner.train.samples, stages)
            self._first_steps[condition.id] = first_step(plan.spec.pruner, stages)
            study = optuna.create_study(study_name=condition.id, pruner=pruner, **common)
            # The number of trials enters the seed: a resumed search must not draw the same points again.
            study.sampler = make_sampler(plan.spec, self._seed(condition, len(study.get_trials(deepcopy=False))))
            self._searched[condition.id] = study
            self._baselines[condition.id] = optuna.create_study(
                study_name=f"{condition.id} baselines", pruner=optuna.pruners.NopPruner(), **common
            )
        self._started: dict[str, set[str]] = {condition.id: set() for condition in plan.conditions}
        self._over = {name for name, study in self._searched.items() if self._enough(study.user_attrs.get(REGRET))}
        """Conditions whose search `stop_when` has ended."""
        self._interrupted: list[tuple[Condition, str, str, dict[str, Any]]] = []
        for condition in plan.conditions:
            for study in (self._searched[condition.id], self._baselines[condition.id]):
                self._take_over(condition, study, finished)

    def ask(self) -> Proposed | None:
        """Return the next trial: an interrupted one, else of the condition with the fewest; None when none is left."""
        if self._interrupted:
            condition, trial, baseline, params = self._interrupted.pop(0)
            return self._baseline(condition, trial, baseline) if baseline else self._point(condition, trial, params)
        for condition in sorted(self.plan.conditions, key=lambda c: len(self._started[c.id])):
            if len(self._started[condition.id]) < self._most(condition.id):
                attempt = self._next(condition)
                if attempt:
                    return attempt
        return None

    @property
    def trials(self) -> int:
        """Number of trials of the whole search: at most, while `stop_when` may still end that of a condition."""
        return sum(self._most(name) for name in self._started)

    def _most(self, condition: str) -> int:
        return len(self._started[condition]) if condition in self._over else self.plan.trials_per_condition

    def _enough(self, regret: float | None) -> bool:
        return regret is not None and regret < self.plan.spec.stop_when.expected_regret

    def _next(self, condition: Condition) -> Proposed | None:
        """Begin a condition's next trial; None: its search ends instead."""
        number, names = len(self._started[condition.id]), list(self.plan.spec.baselines)
        trial, sampler = _named(condition.id, number), self.plan.spec.sampler
        if number < len(names):
            self._started[condition.id].add(trial)
            return self._baseline(condition, trial, names[number])
        point = quasi_random(sampler, self._distributions, self._seed(condition, 0), number - len(names))
        if not point and sampler.kind == "joint":
            best = self._jointly(condition, self._seed(condition, number))
            if best and self._enough(best.regret):
                self._searched[condition.id].set_user_attr(REGRET, best.regret)
                self._over.add(condition.id)
                self._stopped(condition.id, best.regret)
                return None
            point = best.point if best else {}
        self._started[condition.id].add(trial)
        return self._point(condition, trial, point)

    def report(self, attempt: Proposed, row: Mapping[str, Any], *, replayed: bool = False) -> bool:
        """Process one epoch; False: the trial must stop. `replayed`: trained by an earlier attempt, never a stop."""
        metric, epoch = self.plan.spec.objective.metric, row["epoch"]
        attempt.measure(row)
        if row["phase"] == "pretrain":
            return True
        if metric not in row:
            attempt.failure = f"epoch {epoch} reported no {metric}"
        elif not math.isfinite(row[metric]):
            attempt.failure = f"{metric} is {row[metric]} in epoch {epoch}"
        if attempt.failure:
            return False
        attempt.observe(epoch, row[metric])
        budget = attempt.config.train.samples
        own = row["samples"] - stages_end(attempt.config, attempt.data)
        step = common_step(own, self._first_steps[attempt.condition.id], budget)
        if step <= attempt.step:
            return True
        attempt.step = step
        if self.plan.spec.objective.cost:  # Optuna keeps curves of one objective only
            return True
        attempt.handle.report(attempt.objective, step)
        if attempt.baseline or row["samples"] >= budget:
            return True
        if attempt.handle.should_prune() and not replayed:
            attempt.pruned_after = row["samples"]
        return not attempt.pruned_after

    def tell(self, attempt: Proposed, outcome: Outcome) -> None:
        """Tell Optuna the outcome of a trial, after its record has been written."""
        study = (self._baselines if attempt.baseline else self._searched)[attempt.condition.id]
        self._end(study, attempt.handle, outcome)
        if attempt.baseline and outcome.status == "complete":
            self._inform(attempt.condition, attempt.baseline, self._values(outcome), outcome.constraints)

    def _baseline(self, condition: Condition, trial: str, name: str) -> Proposed:
        config = self.plan.baseline_config(condition, name, _number(trial))
        handle = self._baselines[condition.id].ask()
        handle.set_user_attr("baseline", name)
        handle.set_user_attr("trial", trial)
        params, data, spec = self.plan.params_of(config), self.plan.data[condition.id], self.plan.spec
        own = (trial, condition, data, name, params, config, spec.objective.last)
        return Proposed(*own, handle=handle, limits=spec.constraints)

    def _point(self, condition: Condition, trial: str, fixed: dict[str, Any]) -> Proposed:
        study = self._searched[condition.id]
        if fixed:
            study.enqueue_trial(fixed, {"trial": trial})
        handle = study.ask()
        handle.set_user_attr("trial", trial)
        spec = self.plan.spec
        params: dict[str, Value] = {}
        for path in in_order(spec.space):
            if searched(spec.space, path, params):
                value = suggested(handle, path, self._distributions[path])
                params[path] = spec.space[path].decode(value)
        config, data = self.plan.searched_config(condition, params, _number(trial)), self.plan.data[condition.id]
        own = (trial, condition, data, "", params, config, spec.objective.last)
        return Proposed(*own, handle=handle, limits=spec.constraints)

    def _take_over(self, condition: Condition, study: optuna.Study, finished: Mapping[str, Outcome]) -> None:
        """Take over the trials of an earlier driver: end those that were running, and queue them for a retry."""
        while study.get_trials(deepcopy=False, states=[TrialState.WAITING]):
            study.ask()
        for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            outcome = finished.get(trial.user_attrs.get("trial", ""), INTERRUPTED)
            self._end(study, handle_of(study, trial), outcome)
        latest = {t.user_attrs["trial"]: t for t in study.get_trials() if "trial" in t.user_attrs}
        for name, trial in latest.items():
            self._started[condition.id].add(name)
            baseline = trial.user_attrs.get("baseline", "")
            if trial.state == TrialState.FAIL and trial.user_attrs.get("cause") == INTERRUPTED.cause:
                self._interrupted.append((condition, name, baseline, params_of(trial)))
            elif trial.state == TrialState.COMPLETE and baseline:
                self._inform(condition, baseline, trial.values, trial.constraints)

    def _inform(
        self, condition: Condition, name: str, values: Sequence[float], constraints: Mapping[str, float]
    ) -> None:
        """Copy a complete baseline into the condition's search, once, if it is a point of the space."""
        study, space = self._searched[condition.id], self.plan.spec.space
        if any(trial.user_attrs.get("baseline") == name for trial in study.get_trials(deepcopy=False)):
            return
        params = self.plan.baseline_point(condition, name)
        if params is None:
            return
        point = {path: space[path].encode(value) for path, value in params.items()}
        with contextlib.suppress(ValueError):  # a value between the steps of its range
            study.add_trial(
                optuna.trial.create_trial(
                    values=values,
                    params=point,
                    distributions={path: self._distributions[path] for path in point},
                    user_attrs={"baseline": name},
                    constraints=dict(constraints),
                )
            )

    def _jointly(self, condition: Condition, seed: int) -> "Proposal | None":
        """Return the joint sampler's next point of a condition; None: Optuna chooses."""
        if self._joint is None:
            from study.search.joint import Joint  # imports torch, which no other sampler needs

            self._joint = Joint(self.plan)
        known = [trial for name, study in self._searched.items() for trial in self._known(name, study)]
        running = self._searched[condition.id].get_trials(deepcopy=False, states=[TrialState.RUNNING])
        return self._joint.propose(condition, known, [self._setting(trial.params) for trial in running], seed)

    def _known(self, condition: str, study: optuna.Study) -> list[Known]:
        """Return a condition's finished trials. One beyond the study's bounds counts as its worst complete one."""
        trials = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE, TrialState.PRUNED])
        trials = [trial for trial in trials if trial.values]
        within = [all(beyond <= 0 for beyond in trial.constraints.values()) for trial in trials]
        complete = [trial.state == TrialState.COMPLETE for trial in trials]
        statuses = ["complete" if a and b else "pruned" for a, b in zip(complete, within, strict=True)]
        agreed = self._consensus(condition)
        names = (self._name(condition, trial.user_attrs) for trial in trials)
        values = [compared(t.values[0], agreed.get(name, math.nan)) for t, name in zip(trials, names, strict=True)]
        objectives = counted(zip(statuses, values, strict=True))
        for trial in trials:
            if (condition, trial.number) not in self._tried:
                self._tried[condition, trial.number] = self._setting(trial.params)
        settings = (self._tried[condition, trial.number] for trial in trials)
        return [Known(condition, setting, value) for setting, value in zip(settings, objectives, strict=True)]

    def _name(self, condition: str, attributes: Mapping[str, Any]) -> str:
        """Return the identifier of a trial, or of the baseline that was copied into the search as one."""
        if "baseline" not in attributes:
            return str(attributes["trial"])
        baselines = (own.user_attrs for own in self._baselines[condition].get_trials(deepcopy=False))
        return next(str(own["trial"]) for own in baselines if own.get("baseline") == attributes["baseline"])

    def _setting(self, params: Mapping[str, Any]) -> dict[str, Value]:
        return {path: self.plan.spec.space[path].decode(value) for path, value in params.items()}

    def _end(self, study: optuna.Study, handle: optuna.Trial, outcome: Outcome) -> None:
        if outcome.cause:
            handle.set_user_attr("cause", outcome.cause)
        for name, beyond in outcome.constraints.items():
            handle.set_constraint(name, beyond)
        complete = outcome.status == "complete"
        study.tell(handle, self._values(outcome) if complete else None, state=_STATES[outcome.status])

    def _values(self, outcome: Outcome) -> list[float]:
        """Return the objective values for Optuna, in the order of the study's directions."""
        return [outcome.objective, outcome.seconds] if self.plan.spec.objective.cost else [outcome.objective]

    def _seed(self, condition: Condition, trials: int) -> int:
        """Return the seed of a condition, the same on every machine, unlike Python's hash()."""
        text = f"{self.plan.spec.sampler.seed}/{condition.id}/{trials}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def _named(condition: str, number: int) -> str:
    return f"{condition}-{number:04d}"


def _number(trial: str) -> int:
    """Return the number of a trial in its condition, which is also its seed: below 1000 in any sensible study."""
    return int(trial.rpartition("-")[2])
