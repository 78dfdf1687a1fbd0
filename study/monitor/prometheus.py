"""Metrics of a running study for Ray's dashboard, Prometheus and Grafana (cluster/monitoring/)."""

import math
import time
from collections import Counter

from ray.util.metrics import Gauge

from study.monitor.recorder import Recorder
from study.plan.plan import Plan

SECONDS = 5.0
"""Seconds between two updates of the gauges. Ray drops a gauge that was not set for about 20 s, so those of ended
trials disappear and do not add up to thousands."""


class Gauges:
    """Ray gauges of a study, set by the driver, which knows all trials. Ray prefixes their names with `ray_`."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self._set = plan, 0.0
        trial, condition = ("study", "condition", "trial"), ("study", "condition")
        self._objective = Gauge("codim_trial_metric", "The objective's metric after the last epoch", trial)
        self._clean = Gauge("codim_trial_labelled_fraction", "Share of the training part in the labelled set", trial)
        self._speed = Gauge("codim_trial_samples_per_second", "Samples per second in the last epoch", trial)
        self._best = Gauge("codim_best_objective", "Best objective among the complete trials of the search", condition)
        self._trials = Gauge("codim_trials", "Trials by status", (*condition, "status"))

    def show(self, recorder: Recorder) -> None:
        """Set the gauges from the records, at most every SECONDS; cheap to call often."""
        if time.monotonic() - self._set < SECONDS:
            return
        self._set = time.monotonic()
        study = {"study": self.plan.spec.name}
        for record, rows in recorder.under_way():
            tags = study | {"condition": record.condition, "trial": record.trial}
            before = rows[-2]["samples"] if len(rows) > 1 else 0
            last, seconds = rows[-1], rows[-1]["seconds"]
            values = (
                (self._objective, last[self.plan.spec.objective.metric]),
                (self._clean, last["labelled_fraction"]),
                (self._speed, (last["samples"] - before) / seconds if seconds else None),
            )
            for gauge, value in values:
                if value is not None and math.isfinite(value):
                    gauge.set(value, tags)
        records = recorder.records.values()
        for (condition, status), count in Counter((r.condition, r.status) for r in records).items():
            self._trials.set(count, study | {"condition": condition, "status": status})
        for condition in {record.condition for record in records}:
            found = [r.objective for r in records if r.condition == condition and r.can_be_best and r.phase == "search"]
            if found:
                self._best.set(max(found), study | {"condition": condition})
