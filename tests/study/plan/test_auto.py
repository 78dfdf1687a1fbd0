"""A study of own images whose file gives neither network nor budget nor stages."""

from pathlib import Path

import pytest

from codim.config.auto import autos, put
from study.errors import SpecError
from study.plan.plan import load_plan, outline
from study.spec.study_spec import load_study
from tests.support.pictures import save_plain
from tests.support.studies import WriteStudy
from tests.support.vectors import blobs, save, settings


def test_all_trials_have_what_was_computed_once(write_study: WriteStudy, tmp_path: Path) -> None:
    for k, name in enumerate("ab"):
        for i in range(30):
            save_plain(tmp_path / "photos" / name / f"{i}.png", 60 + 120 * k + i)
    own = {"data": {"name": "folder", "root": "photos"}, "method": "codim-sup"}
    file = write_study(fixed=own, baselines={"ce": {"method": "ce"}}, pruner={"kind": "none"})
    plan = load_plan(file)
    first, second = (plan.searched_config(c, {}, 0) for c in (plan.conditions[0], plan.conditions[-1]))
    assert first.train == second.train
    assert plan.spec.fixed["train"]["samples"] == first.train.samples
    assert plan.spec.fixed["network"]["name"] == first.network.name
    baseline = plan.baseline_config(plan.conditions[0], "ce", 0)
    assert (baseline.train.samples, baseline.pretrain.epochs) == (first.train.samples, 0)
    assert outline(*load_study(file)).spec.fixed == plan.spec.fixed
    given = load_plan(write_study(fixed=own | {"train": {"samples": 77_000}}, baselines={}, pruner={"kind": "none"}))
    assert given.spec.fixed["train"]["samples"] == 77_000
    assert given.spec.fixed["warmup"]["epochs"] > plan.spec.fixed["warmup"]["epochs"]


def test_a_resumed_study_of_several_networks_is_the_same(write_study: WriteStudy, tmp_path: Path) -> None:
    """When it begins again, each `auto` has the value that it had."""
    vectors, labels = blobs(90)
    path = save(tmp_path / "x.npy", vectors, label=labels)
    own = {"fixed": {"data": settings(path, labels_are_true=True)}, "baselines": {}, "pruner": {"kind": "none"}}
    own["space"] = {"network/name": {"type": "categorical", "choices": ["mlp", "identity"]}}
    begun = load_plan(write_study(**own)).spec.fixed
    resumed = own["fixed"]
    for section, _, name in (path.partition("/") for path in autos(resumed)):
        resumed = put(resumed, f"{section}/{name}", begun[section][name])
    assert load_plan(write_study(**own | {"fixed": resumed})).spec.fixed == begun


def test_what_cannot_be_auto_is_named_with_its_line(write_study: WriteStudy) -> None:
    with pytest.raises(SpecError, match=r"study\.yaml:\d+: fixed: optim/lr: 'auto' is possible for"):
        load_plan(write_study(fixed__optim={"lr": "auto"}))
