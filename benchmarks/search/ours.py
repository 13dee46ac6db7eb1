"""Our searchers and schedulers as contestants, driven by the calls that a `TuningRun` makes."""

from __future__ import annotations

from typing import Any

import numpy as np

from lightning_hpo.objective import Objective
from lightning_hpo.schedulers import SCHEDULERS
from lightning_hpo.searchers import SEARCHERS
from lightning_hpo.trial import Config, Outcome, Report, Status, Verdict
from search.curves import Task

__all__ = ["Ours"]


class Ours:
    """A searcher and a scheduler by name.

    As on Ray, a report crosses only where somebody decides on it, at a milestone, and at the end.

    Args:
        task: What is tuned.
        seed: Seeds the searcher.
        searcher: Its name and settings, as under `tune.searcher` in a recipe.
        scheduler: Its name and settings, likewise.
    """

    def __init__(self, task: Task, seed: int, *, searcher: dict[str, Any], scheduler: dict[str, Any]) -> None:
        objective = Objective(metric="value", mode="max")
        made, judge = dict(searcher), dict(scheduler)
        self._searcher = SEARCHERS[made.pop("name")](
            space=task.space, objective=objective, rng=np.random.default_rng(seed), **made
        )
        self._scheduler = SCHEDULERS[judge.pop("name")](objective=objective, max_epochs=task.max_epochs, **judge)
        self._due = {*self._scheduler.milestones, task.max_epochs}

    def suggest(self, trial: int) -> Config:
        """The searcher's config."""
        config = self._searcher.suggest(trial)
        assert config is not None
        return config

    def report(self, trial: int, epoch: int, value: float) -> bool:
        """At a milestone both hear of it, and the scheduler decides."""
        if epoch not in self._due:
            return True
        report = Report(trial=trial, step=epoch, metrics={"value": value})
        self._searcher.observe(report)
        return self._scheduler.judge(report) is Verdict.CONTINUE

    def end(self, trial: int, epoch: int, value: float, *, complete: bool) -> None:
        """Both hear of it."""
        status = Status.COMPLETED if complete else Status.STOPPED
        outcome = Outcome(trial=trial, status=status, step=epoch, metrics={"value": value})
        self._searcher.end(outcome)
        self._scheduler.end(outcome)
