"""Every fault that a trial can have, in one study on a real Ray: each trial ends as it should, and the run goes on."""

from __future__ import annotations

import math
from typing import Any

import pytest

from faulty_modules import EPOCH, FAULTS, Faulty
from lightning_hpo import Results, Status
from lightning_hpo.results.events import Continued, Lost
from lightning_hpo.results.state import TrialState

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def faulty(study: Any) -> Results:
    limits = {"trial_timeout": "15 s", "worker_timeout": 5, "on_oom": "retry", "retries": 2}
    return study(Faulty, searcher="grid", scheduler="none", max_epochs=5, limits=limits, keep_best=9)


def trial(results: Results, fault: str) -> TrialState:
    return next(each for each in results.state if each.trial.config["model.fault"] == fault)


def events(results: Results, kind: Any, fault: str) -> list[Any]:
    number = trial(results, fault).id
    return [event for event in results.folder.journal if isinstance(event, kind) and event.trial == number]


def test_every_fault_had_its_trial(faulty: Results):
    assert {each.trial.config["model.fault"] for each in faulty.state} == set(FAULTS)
    assert faulty.state.closed == "finished"


@pytest.mark.parametrize("fault", ["nothing", "no-memory-once", "killed-once", "frozen-once"])
def test_what_can_be_mended_is_mended(faulty: Results, fault: str):
    ended = trial(faulty, fault)
    assert (ended.status, ended.step) == (Status.COMPLETED, 5)
    # The trials differ in their fault and their seed alone; nobody's weights are lost.
    assert math.isfinite(faulty.trials[ended.id].value)
    assert [report.step for report in faulty.folder.trial(ended.id).curve()] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("fault", ["no-memory-once", "killed-once", "frozen-once"])
def test_it_goes_on_from_its_newest_checkpoint(faulty: Results, fault: str):
    lost, continued = events(faulty, Lost, fault), events(faulty, Continued, fault)
    assert (len(lost), len(continued)) == (1, 1)
    # An epoch takes less time here than to write a checkpoint, so the newest one may still have been under way.
    assert continued[0].step in (EPOCH - 1, EPOCH)
    assert trial(faulty, fault).repeated <= 1


def test_a_frozen_worker_is_noticed_by_its_silence(faulty: Results):
    (lost,) = events(faulty, Lost, "frozen-once")
    assert lost.reason == "Its worker was silent for 5 s."


def test_a_killed_worker_is_noticed(faulty: Results):
    (lost,) = events(faulty, Lost, "killed-once")
    assert lost.reason == "Its worker process was lost."


def test_want_of_memory_is_tried_once_more_alone(faulty: Results):
    (lost,) = events(faulty, Lost, "no-memory")
    assert lost.alone
    assert lost.reason.startswith("Out of memory: the worker held")
    ended = trial(faulty, "no-memory")
    assert ended.status is Status.FAILED
    assert ended.error.startswith("Also without other trials beside it: Out of memory")
    for other in faulty.state:
        if other.id != ended.id:
            assert other.ended <= ended.started or other.started >= ended.ended, f"trial {other.id} ran beside it"


def test_a_trial_that_hangs_fails_when_its_time_is_over(faulty: Results):
    hung = trial(faulty, "hangs")
    assert hung.status is Status.FAILED
    assert hung.error == "The trial took longer than trial_timeout: 15 s.\n"
    assert hung.losses == 0


@pytest.mark.parametrize("fault", ["nan-loss", "nan-metric"])
def test_what_is_no_number_diverged_at_that_step_and_never_wins(faulty: Results, fault: str):
    diverged = trial(faulty, fault)
    assert (diverged.status, diverged.step, diverged.loss) == (Status.DIVERGED, EPOCH + 1, math.inf)
    assert faulty.best.id != diverged.id
