"""Checks of a study file across entries: entries that contradict each other, or need a missing package."""

from importlib.util import find_spec

from study.dimensions.space import when_fault
from study.spec.study_spec import StudySpec
from study.spec.yaml_file import Source


def require_consistent(spec: StudySpec, source: Source) -> None:
    """Check that entries agree with each other. Raises SpecError: names file, line, path, value and what is allowed."""
    fault = when_fault(spec.space)
    if fault:
        path, message = fault
        raise source.error(("space", path, "when"), f"space -> {path} -> when: {message}")
    sampler, pruner = spec.sampler.kind, spec.pruner.kind
    if spec.objective.cost and pruner != "none":
        raise source.error(
            ("pruner", "kind") if "pruner" in spec.model_fields_set else ("objective", "cost"),
            f"pruner -> kind: {pruner!r} ranks trials by one objective, and objective -> cost adds a second; "
            "allowed beside it: none",
        )
    if spec.stop_when.expected_regret and sampler != "joint":
        raise source.error(
            ("stop_when", "expected_regret"),
            f"stop_when -> expected_regret: only the model of the joint sampler tells it, and sampler -> kind is "
            f"{sampler!r}; allowed beside it: joint",
        )
    if sampler in ("joint", "cmaes") and spec.objective.cost:
        raise source.error(
            ("sampler", "kind"),
            f"sampler -> kind: {sampler!r} takes one objective, and objective -> cost adds a second; "
            "allowed beside it: tpe, gp, random, qmc",
        )
    if sampler != "cmaes":
        return
    ranges = [path for path, own in spec.space.items() if not own.axis().choices and not own.when]
    if len(ranges) < 2:
        raise source.error(
            ("sampler", "kind"),
            "sampler -> kind: 'cmaes' needs two or more dimensions of type float or int without `when`, "
            f"the space has {len(ranges)}; allowed here: tpe, joint, gp, random, qmc",
        )
    if find_spec("cmaes") is None:
        raise source.error(
            ("sampler", "kind"),
            "sampler -> kind: 'cmaes' needs the package cmaes: pip install cmaes; "
            "allowed without it: tpe, joint, gp, random, qmc",
        )
