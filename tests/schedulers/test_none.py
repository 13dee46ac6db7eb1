"""No early stopping, but for divergence."""

from __future__ import annotations

import math

import pytest

from lightning_hpo.objective import Objective
from lightning_hpo.schedulers import NoScheduler
from lightning_hpo.trial import Report, Verdict


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(1e9, Verdict.CONTINUE), (math.nan, Verdict.STOP), (math.inf, Verdict.STOP), (-math.inf, Verdict.STOP)],
)
def test_only_a_non_finite_value_is_stopped(value: float, verdict: Verdict) -> None:
    scheduler = NoScheduler(objective=Objective(metric="loss"), max_epochs=3)
    scheduler.judge(Report(trial=0, step=1, metrics={"loss": 0.0}))
    assert scheduler.judge(Report(trial=1, step=1, metrics={"loss": value})) is verdict


def test_there_is_nothing_to_wait_for() -> None:
    assert NoScheduler(objective=Objective(metric="loss"), max_epochs=3).milestones == ()
