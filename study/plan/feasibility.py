"""Feasibility: check every corner of a study's space x every condition, and every baseline, against the code's
settings and, for the lengths of the stages, against the data."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from codim.config.auto import UNCOUNTED, autos, resolved
from codim.config.budget import Milestones, ends_in_words, milestones, require_even_shares
from codim.config.data import DataConfig
from codim.config.datasets import DATASET_FACTS
from codim.config.divide import DivideConfig
from codim.config.train_config import TrainConfig, layered, merge
from codim.data.counts import count_images
from codim.data.nominal import nominal_data
from codim.noise.base import NoiseKind
from study.dimensions.base import Value
from study.dimensions.space import nested, present, switched_on
from study.errors import SpecError
from study.plan.compose import baseline_settings, compose
from study.spec.conditions import Condition, ConditionData
from study.spec.study_spec import StudySpec, close_first
from study.spec.yaml_file import Location, Source

NOT_SEARCHED = (
    *("noise", "data", "average", "network/compile"),
    *("warmup/seed", "train/seed", "train/samples", "train/device", "train/sync_batch_norm"),
)
"""Settings that cannot be searched: the conditions, the data that the objective is measured on, settings that do not
affect the objective, seeds, the budget, and the machine."""
MAX_CORNERS = 4_096
"""Limit on combinations, per condition, of the dimensions that move the milestones."""

Look = Callable[[DataConfig, NoiseKind], tuple[ConditionData, Callable[[DivideConfig], object]] | None]
"""Returns facts about a condition's data, and a check that raises ValueError for a given labelled set that does not fit
the data; None: the data are unknown. Raises ValueError as `load_data`."""


def loaded(config: DataConfig, noise: NoiseKind) -> tuple[ConditionData, Callable[[DivideConfig], object]]:
    """`Look` that loads the data."""
    from codim.data.load import load_data  # torch takes seconds
    from codim.division.labelled_set import given_division

    data, truth = load_data(config, noise)
    counts = len(data.images), len(data.train_index), len(data.val_index), len(data.classes)
    trusted = 0 if data.trusted is None else int(data.trusted.sum())
    seen = ConditionData(*counts, truth.noise_rate, truth.transition.tolist(), trusted)
    return seen, lambda divide: given_division(data, divide)


def published(config: DataConfig, noise: NoiseKind) -> tuple[ConditionData, Callable[[DivideConfig], object]] | None:
    """`Look` that uses the published shape of the data set, without loading it; own data have none."""
    if config.facts.own:
        return None
    data = nominal_data(config, noise)
    counts = len(data.labels), len(data.train_index), len(data.val_index), data.classes
    return ConditionData(*counts, data.noise_rate, data.transition.tolist()), data.require_given


def least(config: DataConfig, noise: NoiseKind) -> tuple[ConditionData, Callable[[DivideConfig], object]] | None:
    """`Look` without the data, a lower bound: nothing is refused that the data would allow. The labels decide how the
    split rounds, by up to one image per class either way; a given labelled set is not checked."""
    if not config.facts.shape or not config.facts.shape.whole or (known := published(config, noise)) is None:
        return None
    seen, _ = known
    room = 2 * seen.classes if config.validation == "split" and config.val_fraction else 0
    training, validation = max(seen.training_images - room, 1), seen.validation_images + room
    fewest = replace(seen, training_images=training, validation_images=validation)
    return fewest, lambda divide: None


def without_auto(spec: StudySpec, source: Source, look: Look) -> StudySpec:
    """Return the spec with a value in `fixed` for each `auto`, so that all trials have the same. It does not depend on
    the machine: it is that of a training without GPU. Own images that cannot be counted are done without until they
    are `loaded`, which refuses them. Raises SpecError."""
    fixed = spec.fixed
    networks = [settings.get("network", {}) for settings in spec.baselines.values()]
    several = "network/name" in spec.space or any("name" in own for own in networks if isinstance(own, Mapping))
    try:
        if not autos(fixed):
            return spec
        if several and layered(fixed).get("network", {}).get("width") is not None:
            fixed = merge({"network": {"width": None}}, fixed)  # a width fits one network
        try:
            counts = count_images(fixed, gpu=False)
        except ValueError:
            if look is loaded or not _own_images(fixed):
                raise
            counts = UNCOUNTED
        return spec.model_copy(update={"fixed": resolved(fixed, counts)})
    except ValueError as error:
        raise _explained(source, ("fixed",), str(error).splitlines()[0]) from None


def _own_images(settings: Mapping[str, Any]) -> bool:
    facts = DATASET_FACTS.get(str(settings.get("data", {}).get("name")))
    return facts is not None and bool(facts.own)


class Check:
    """Checks of a study against the code's settings and, for the lengths of the stages, the data."""

    def __init__(self, spec: StudySpec, source: Source, look: Look, about: str) -> None:
        """`about`: put before a bound in messages, where the data may still change it."""
        self.spec, self.source, self.look, self.about = spec, source, look, about

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
                raise self.source.error((*location, *path.split("/")), f"{path} cannot be set here: {place}")

    def condition(self, condition: Condition) -> ConditionData | None:
        """Check every corner in one condition and return the facts about its data; None if the data are unknown, in
        which case the lengths of the stages are not checked."""
        base = self._composed(("fixed",), self.spec.fixed, condition)
        try:
            seen = self.look(base.data, base.noise)
        except ValueError as error:
            raise self.source.error(("conditions", condition.position), f"condition {condition.id}: {error}") from None
        if seen is None:
            self._corners(condition, None)
            for name in self.spec.baselines:
                self._composed(("baselines", name), baseline_settings(self.spec, name), condition)
            return None
        data, require_given = seen
        if not data.validation_images:
            raise self.source.error(
                ("fixed", "data", "val_fraction"), f"data/val_fraction: {base.data.val_fraction} holds out no image, "
                "but the objective is measured on the validation part; allowed: between 0 and 1, e.g. 0.2"
            )  # fmt: skip
        for params in self._corners(condition, data):
            config = self._composed(("fixed",), merge(self.spec.fixed, nested(params)), condition)
            self._budget(("fixed", "train", "samples"), config, data, params)
            self._given(("fixed", "divide"), config, require_given)
            self._min_budget(config, data, params)
        for name in self.spec.baselines:
            location = ("baselines", name)
            config = self._composed(location, baseline_settings(self.spec, name), condition)
            self._budget(location, config, data, {})
            self._given(location, config, require_given)
        return data

    def _corners(self, condition: Condition, data: ConditionData | None) -> list[dict[str, Value]]:
        """Return every corner of the dimensions that move the milestones, and each value of the others once.

        Settings have separate bounds, so single values reveal any that is out of range; only the lengths of the stages
        depend on several settings at once. A value between the corners reveals a setting that must be an integer.
        """
        space, corners = self.spec.space, [dict[str, Value]()]
        moving: dict[str, tuple[Value, ...]] = {}
        for path, dimension in space.items():
            marks = set()
            for value in (*dimension.corners(), *dimension.inside()):
                params = switched_on(space, path) | {path: value}
                config = self._composed(("space", path), merge(self.spec.fixed, nested(params)), condition)
                if data:
                    marks.add(_stages(config, data))
                corners.append(params)
            if len(marks) > 1:
                moving[path] = dimension.corners()
        moving |= {p: space[p].corners() for path in moving for p in switched_on(space, path)}
        if math.prod(map(len, moving.values())) > MAX_CORNERS:
            raise self.source.error(
                ("space", next(iter(moving))), f"space: {', '.join(moving)} change the stages of a training and "
                f"have too many values to check together; allowed: {MAX_CORNERS} combinations"
            )  # fmt: skip
        points = (dict(zip(moving, values, strict=True)) for values in itertools.product(*moving.values()))
        return corners + [present(space, point) for point in points]

    def _composed(self, location: Location, settings: Mapping[str, Any], condition: Condition) -> TrainConfig:
        try:
            config = compose(settings, condition, 0)
            require_even_shares(config, self.spec.resources.workers_per_trial)
            return config
        except ValueError as error:
            raise _explained(self.source, location, str(error).splitlines()[0]) from None

    def _budget(
        self, location: Location, config: TrainConfig, data: ConditionData, params: Mapping[str, Value]
    ) -> None:
        if self.spec.confirm.seeds and config.data.validation == "split":
            data = replace(data, training_images=data.images)  # longer epochs; some stages are set in epochs
        marks = _stages(config, data)
        needed = marks.rampup if config.train.co_training else marks.pretrain
        if config.train.samples <= needed:
            raise self.source.error(
                location, f"train/samples: {config.train.samples} is too small{_told(config, marks, params)}; "
                f"allowed: more than {self.about}{needed}"
            )  # fmt: skip

    def _given(self, location: Location, config: TrainConfig, require_given: Callable[[DivideConfig], object]) -> None:
        if config.divide.split == "given":
            try:
                require_given(config.divide)
            except ValueError as error:
                raise self.source.error(location, str(error)) from None

    def _min_budget(self, config: TrainConfig, data: ConditionData, params: Mapping[str, Value]) -> None:
        pruner, marks = self.spec.pruner, _stages(config, data)
        if pruner.kind != "none" and pruner.min_budget >= config.train.samples:
            raise self.source.error(
                ("pruner", "min_budget"), f"pruner -> min_budget: {pruner.min_budget} leaves nothing to prune; "
                f"allowed: below train/samples, {config.train.samples}"
            )  # fmt: skip
        if pruner.kind != "none" and config.train.co_training and pruner.min_budget < marks.rampup:
            raise self.source.error(
                ("pruner", "min_budget"), f"pruner -> min_budget: {pruner.min_budget} is too small"
                f"{_told(config, marks, params)}; allowed: {self.about}{marks.rampup} or more, because earlier "
                "values do not predict how a trial ends"
            )  # fmt: skip


def _explained(source: Source, location: Location, message: str) -> SpecError:
    path = message.split(":")[0]
    section, _, setting = path.partition("/")
    if "Extra inputs are not permitted" in message:
        names = list(TrainConfig.model_fields)
        if section in names and setting:
            names = list(getattr(TrainConfig.model_fields[section].annotation, "model_fields", names))
        message = f"{path}: unknown setting; allowed: {', '.join(close_first(path.split('/')[-1], names))}"
    return source.error((*location, *path.split("/")), f"{' -> '.join(map(str, location))}: {message}")


def _told(config: TrainConfig, marks: Milestones, params: Mapping[str, Value]) -> str:
    corner = f" at {', '.join(f'{path} = {value}' for path, value in params.items())}" if params else ""
    return f"{corner}: {ends_in_words(config, marks)}"


def _stages(config: TrainConfig, data: ConditionData) -> Milestones:
    """Return `milestones` for an unlimited budget: its own error could not name the entry of the study file."""
    unbounded = config.train.model_copy(update={"samples": 2**62})
    return milestones(config.model_copy(update={"train": unbounded}), data.images, data.training_images)
