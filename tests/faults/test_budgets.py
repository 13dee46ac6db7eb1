"""Runs that end before all their trials have: by time, or since one trial was good enough."""

from __future__ import annotations

from typing import Any

import pytest

from faulty_modules import Steady
from lightning_hpo import Results, Status, TuneTrainer, UsageError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reached(study: Any) -> Results:
    limits = {"stop_when": {"val_loss": 3.5}}
    return study(Steady, n_trials=20, max_epochs=40, searcher="random", scheduler="none", limits=limits)


def test_the_first_trial_that_is_good_enough_ends_the_run_at_that_step(reached: Results):
    assert reached.state.closed == "reached"
    winner = reached.best
    assert winner.status is Status.STOPPED
    assert winner.value <= 3.5
    values = [report.metrics["val_loss"] for report in reached.folder.trial(winner.id).curve()]
    assert [value <= 3.5 for value in values] == [False] * (len(values) - 1) + [True]
    assert len(reached) < 20
    reached.best_model()  # its checkpoint was kept


def test_it_has_nothing_to_resume(reached: Results):
    with pytest.raises(UsageError, match=r"has reached what was good enough\. Go beyond that with: .*extend"):
        TuneTrainer.resume(reached.path)


def test_when_the_time_is_over_the_run_ends_and_what_ran_can_be_gone_on_with(study: Any):
    results = study(Steady, max_epochs=10, searcher="random", scheduler="none", limits={"time_budget": "6 s"})
    assert results.state.closed == "out of time"
    assert results.state.best is not None
    left = results.state.unfinished
    assert left
    more = TuneTrainer.extend(results.path, time="4 s", listeners=[])
    assert set(left) - set(more.state.unfinished)
    for number in set(left) - set(more.state.unfinished):
        assert [report.step for report in more.folder.trial(number).curve()] == list(range(1, 11))
