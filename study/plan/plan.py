"""Plan: a study file checked against the code's settings and the data; it composes the TrainConfig of every trial.

All faults of a study are found here, before any Ray process starts: first those of the file alone, without importing
torch, which takes seconds; then those that show only with the data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from codim.config.train_config import TrainConfig, merge
from study.dimensions.base import Value
from study.dimensions.space import nested, present
from study.plan.compose import baseline_settings, compose
from study.plan.consistency import require_consistent
from study.plan.feasibility import Check, Look, least, loaded, published, without_auto
from study.results.rules import unsearched
from study.spec.conditions import Condition, ConditionData, read_conditions
from study.spec.study_spec import StudySpec, load_study
from study.spec.yaml_file import Source


@dataclass(frozen=True)
class Plan:
    """A checked study: its conditions, the facts about their data, and the TrainConfig of any trial."""

    spec: StudySpec
    conditions: tuple[Condition, ...]
    """Noise conditions, in their order along the noise axis."""
    data: Mapping[str, ConditionData]
    """Condition id -> facts about its data; empty in an outline."""

    @property
    def trials_per_condition(self) -> int:
        return len(self.spec.baselines) + self.spec.budget.trials_per_condition

    @property
    def trials(self) -> int:
        return self.trials_per_condition * len(self.conditions)

    @property
    def confirmed_settings(self) -> int:
        """Most settings confirmed per condition: baselines, the best, and with several conditions the robust one."""
        return len(self.spec.baselines) + self.spec.confirm.top_k + (len(self.conditions) > 1)

    @property
    def confirmations(self) -> int:
        """Most trainings that confirm, without further seeds."""
        return self.confirmed_settings * self.spec.confirm.seeds * len(self.conditions)

    def searched_config(self, condition: Condition, params: Mapping[str, Value], seed: int) -> TrainConfig:
        """Return the TrainConfig of a searched trial. `params`: `section/setting` -> value."""
        return compose(merge(self.spec.fixed, nested(params)), condition, seed)

    def corner(self, condition: Condition, end: Literal[0, -1]) -> TrainConfig:
        """Return the TrainConfig of a searched trial at the lower (0) or upper (-1) end of every range."""
        space = self.spec.space
        return self.searched_config(condition, present(space, {p: d.corners()[end] for p, d in space.items()}), 0)

    def baseline_config(self, condition: Condition, name: str, seed: int) -> TrainConfig:
        return compose(baseline_settings(self.spec, name), condition, seed)

    def baseline_point(self, condition: Condition, name: str) -> dict[str, Value] | None:
        """Return the searched settings of a baseline that is a point of the space; None if it is none: it has another
        method, say, or a value outside its range."""
        config = self.baseline_config(condition, name, 0)
        params, space = self.params_of(config), self.spec.space
        searched = self.searched_config(condition, params, 0)
        if unsearched(config.model_dump(), space) != unsearched(searched.model_dump(), space):
            return None
        return params if all(value in space[path].axis() for path, value in params.items()) else None

    def params_of(self, config: TrainConfig) -> dict[str, Value]:
        """Return the values of the searched settings in `config`, without those whose `when` does not hold there."""
        return present(self.spec.space, {path: _setting(config, path) for path in self.spec.space})


def load_plan(path: Path, nominal: bool = False) -> Plan:
    """Read a study file and check every corner of its space x every condition, and every baseline.

    Args:
        nominal: check against the published shape of the data set; neither images nor label files are needed.

    Raises:
        SpecError: names file, line, path, value and what is allowed.
    """
    spec, source = load_study(path)
    return _plan(spec, source, published, nominal=True) if nominal else full_plan(spec, source)


def full_plan(spec: StudySpec, source: Source) -> Plan:
    """Check a study file that is already read, against its data, as `load_plan` does."""
    return _plan(spec, source, loaded)


def outline(spec: StudySpec, source: Source) -> Plan:
    """Return the plan of `full_plan` without the data, checked as far as is possible without them."""
    return replace(_plan(spec, source, least, about="about "), data={})


def _plan(spec: StudySpec, source: Source, look: Look, nominal: bool = False, about: str = "") -> Plan:
    require_consistent(spec, source)
    Check(spec, source, look, about).paths()
    spec = without_auto(spec, source, look)
    conditions, check = read_conditions(spec, source, nominal), Check(spec, source, look, about)
    data = {condition.id: check.condition(condition) for condition in conditions}
    return Plan(spec, tuple(conditions), {name: seen for name, seen in data.items() if seen})


def _setting(config: TrainConfig, path: str) -> Value:
    section, setting = path.split("/")
    value: Value | Path = getattr(getattr(config, section), setting)
    return str(value) if isinstance(value, Path) else value
