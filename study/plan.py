"""Plan: a study file checked against the code's settings and the data; it composes the TrainConfig of every trial.

Everything that can be wrong with a study is found here, before any Ray process starts.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codim.config import METHODS, TrainConfig, merge, train_config
from codim.datasets import TrainingData, Truth, load_data
from codim.given import given_division
from codim.nominal import nominal_data
from codim.state import Milestones, ends_in_words, milestones
from study.conditions import Condition, ConditionData, read_conditions
from study.records import Value
from study.source import Location, Source, SpecError
from study.spec import StudySpec, close_first, load_study

NOT_SEARCHED = ("noise", "data", "average", "train/seed", "train/samples", "train/device", "train/sync_batch_norm")
"""The conditions, what the objective is measured on and what it does not see, the trial's place, its budget, and the
machine: never searched."""


@dataclass(frozen=True)
class Plan:
    """A study that can be run."""

    spec: StudySpec
    conditions: tuple[Condition, ...]
    """In their order along the noise axis."""
    data: Mapping[str, ConditionData]
    """By condition id."""

    @property
    def trials_per_condition(self) -> int:
        return len(self.spec.baselines) + self.spec.budget.trials_per_condition

    @property
    def trials(self) -> int:
        return self.trials_per_condition * len(self.conditions)

    def searched_config(self, condition: Condition, params: Mapping[str, Value], seed: int) -> TrainConfig:
        """Of a searched trial. `params`: `section/setting` -> value."""
        return _compose(merge(self.spec.fixed, _nested(params)), condition, seed)

    def baseline_config(self, condition: Condition, name: str, seed: int) -> TrainConfig:
        return _compose(_baseline_settings(self.spec, name), condition, seed)

    def params_of(self, config: TrainConfig) -> dict[str, Value]:
        """The searched settings as they stand in `config`."""
        return {path: _setting(config, path) for path in self.spec.space}


def load_plan(path: Path, nominal: bool = False) -> Plan:
    """Read a study file and check every corner of its space x every condition, and every baseline.

    Args:
        nominal: check against the published shape of the data set, and without label files: neither need be here.

    Raises:
        SpecError: names file, line, path, value and what is allowed.
    """
    spec, source = load_study(path)
    conditions = read_conditions(spec, source, nominal)
    check = _Check(spec, source, nominal_data if nominal else load_data)
    check.paths()
    data = {condition.id: check.condition(condition) for condition in conditions}
    return Plan(spec, tuple(conditions), data)


class _Check:
    """The checks that need the code's settings, and the data for the lengths of the stages."""

    def __init__(self, spec: StudySpec, source: Source, load: Callable[..., tuple[TrainingData, Truth]]) -> None:
        self.spec, self.source, self.load = spec, source, load

    def paths(self) -> None:
        for path in self.spec.space:
            if path.count("/") != 1:
                raise self.source.error(("space", path), f"space -> {path}: a path is section/setting")
            if path in NOT_SEARCHED or path.split("/")[0] in NOT_SEARCHED:
                raise self.source.error(("space", path), f"space -> {path}: cannot be searched")
        self._own_places(("fixed",), self.spec.fixed, ("noise", "train/seed"))
        for name, settings in self.spec.baselines.items():
            self._own_places(("baselines", name), settings, ("noise", "data", "train/seed"))

    def _own_places(self, location: Location, settings: Mapping[str, Any], refused: Sequence[str]) -> None:
        for section, inner in settings.items():
            if section != "method" and not isinstance(inner, Mapping):
                place = " -> ".join((*map(str, location), section))
                wanted = f"{place}: {inner!r}; allowed: settings, {{name: value}}"
                raise self.source.error((*location, section), wanted)
        for path in refused:
            section, _, setting = path.partition("/")
            inner = settings.get(section)
            if section in settings and (not setting or (isinstance(inner, Mapping) and setting in inner)):
                place = "the conditions give the noise, the study gives each trial its seed, all trials share the data"
                raise self.source.error((*location, *path.split("/")), f"{path} cannot stand here: {place}")

    def condition(self, condition: Condition) -> ConditionData:
        """Check every corner in one condition; return what the driver needs to know of its data."""
        base = self._composed(("fixed",), self.spec.fixed, condition)
        try:
            data, truth = self.load(base.data, base.noise)
        except ValueError as error:
            raise self.source.error(("conditions", condition.position), f"condition {condition.id}: {error}") from None
        if not len(data.val_index):
            raise self.source.error(
                ("fixed", "data", "val_fraction"), f"data/val_fraction: {base.data.val_fraction} holds out no image, "
                "but the objective is measured on the validation part; allowed: between 0 and 1, e.g. 0.2"
            )  # fmt: skip
        for params in self._corners(condition, data):
            config = self._composed(("fixed",), merge(self.spec.fixed, _nested(params)), condition)
            self._budget(("fixed", "train", "samples"), config, data, params)
            self._given(("fixed", "divide"), config, data)
            self._min_budget(config, data, params)
        for name in self.spec.baselines:
            location = ("baselines", name)
            config = self._composed(location, _baseline_settings(self.spec, name), condition)
            self._budget(location, config, data, {})
            self._given(location, config, data)
        return ConditionData.of(data, truth)

    def _corners(self, condition: Condition, data: TrainingData) -> list[dict[str, Value]]:
        """Every corner of those dimensions that move the milestones; each value of the others once.

        Settings are bounded one by one, so single values find every value that is out of range; only the lengths of the
        stages depend on several settings at once. A value between the corners finds a setting that must be whole.
        """
        corners: list[dict[str, Value]] = [{}]
        moving: dict[str, tuple[Value, ...]] = {}
        for path, dimension in self.spec.space.items():
            marks = set()
            for value in (*dimension.corners(), *dimension.inside()):
                settings = merge(self.spec.fixed, _nested({path: value}))
                marks.add(_stages(self._composed(("space", path), settings, condition), data))
                corners.append({path: value})
            if len(marks) > 1:
                moving[path] = dimension.corners()
        corners += [dict(zip(moving, values, strict=True)) for values in itertools.product(*moving.values())]
        return corners

    def _composed(self, location: Location, settings: Mapping[str, Any], condition: Condition) -> TrainConfig:
        try:
            return _compose(settings, condition, 0)
        except ValueError as error:
            raise self._explained(location, str(error).splitlines()[0]) from None

    def _explained(self, location: Location, message: str) -> SpecError:
        path = message.split(":")[0]
        section, _, setting = path.partition("/")
        if "Extra inputs are not permitted" in message:
            names = list(TrainConfig.model_fields)
            if section in names and setting:
                names = list(getattr(TrainConfig.model_fields[section].annotation, "model_fields", names))
            message = f"{path}: unknown setting; allowed: {', '.join(close_first(path.split('/')[-1], names))}"
        return self.source.error((*location, *path.split("/")), f"{' -> '.join(map(str, location))}: {message}")

    def _budget(self, location: Location, config: TrainConfig, data: TrainingData, params: Mapping[str, Value]) -> None:
        marks = _stages(config, data)
        needed = marks.rampup if config.train.co_training else marks.pretrain
        if config.train.samples <= needed:
            raise self.source.error(
                location, f"train/samples: {config.train.samples} is too small{_told(config, marks, params)}; "
                f"allowed: more than {needed}"
            )  # fmt: skip

    def _given(self, location: Location, config: TrainConfig, data: TrainingData) -> None:
        if config.divide.split == "given":
            try:
                given_division(data, config.divide)
            except ValueError as error:
                raise self.source.error(location, str(error)) from None

    def _min_budget(self, config: TrainConfig, data: TrainingData, params: Mapping[str, Value]) -> None:
        pruner, marks = self.spec.pruner, _stages(config, data)
        if pruner.kind != "none" and config.train.co_training and pruner.min_budget < marks.rampup:
            raise self.source.error(
                ("pruner", "min_budget"), f"pruner -> min_budget: {pruner.min_budget} is too small"
                f"{_told(config, marks, params)}; allowed: {marks.rampup} or more, since before that trials do not "
                "show what they are worth"
            )  # fmt: skip


def _told(config: TrainConfig, marks: Milestones, params: Mapping[str, Value]) -> str:
    corner = f" at {', '.join(f'{path} = {value}' for path, value in params.items())}" if params else ""
    return f"{corner}: {ends_in_words(config, marks)}"


def _stages(config: TrainConfig, data: TrainingData) -> Milestones:
    """`milestones`, whatever the budget: its own message cannot say which entry of the study file is at fault."""
    unbounded = config.train.model_copy(update={"samples": 2**62})
    return milestones(config.model_copy(update={"train": unbounded}), data)


def _compose(settings: Mapping[str, Any], condition: Condition, seed: int) -> TrainConfig:
    own = {"noise": condition.noise.model_dump(), "train": {"seed": seed}}
    return train_config(merge(settings, own))


def _baseline_settings(spec: StudySpec, name: str) -> dict[str, Any]:
    """`fixed`, then the preset of the baseline's method, then its own settings.

    `fixed` is written for the searched method; where it names the epochs of pre-training, dividemix still has none.
    """
    own = spec.baselines[name]
    preset = METHODS.get(str(own.get("method")), {})
    return merge(merge(spec.fixed, preset), own)


def _nested(params: Mapping[str, Value]) -> dict[str, dict[str, Value]]:
    nested: dict[str, dict[str, Value]] = {}
    for path, value in params.items():
        section, setting = path.split("/")
        nested.setdefault(section, {})[setting] = value
    return nested


def _setting(config: TrainConfig, path: str) -> Value:
    section, setting = path.split("/")
    value: Value | Path = getattr(getattr(config, section), setting)
    return str(value) if isinstance(value, Path) else value
