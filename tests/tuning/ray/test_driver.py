from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightning_hpo import Float, Objective, Outcome, Space, Status, UsageError
from lightning_hpo.results import RunFolder
from lightning_hpo.tuning.limits import Limits
from lightning_hpo.tuning.ray.driver import Driver, kept
from lightning_hpo.tuning.run import TuningRun
from lightning_hpo.tuning.settings import RunSettings

EXAMINED = {"warm": True, "examination": "as it was seen"}
WARM = {"warm": True}
HERE = {"hostname": "a", "pid": 1}


@pytest.fixture
def run(tmp_path: Path) -> TuningRun:
    settings = RunSettings(
        objective=Objective(metric="loss"), space=Space({"lr": Float(0, 1)}), max_epochs=3, seed=1, keep_best=1
    )
    run = TuningRun(settings, RunFolder.create(tmp_path / "run"))
    run.open()
    return run


class Actor:
    """Stands for a worker's handle: told apart by its identity alone."""


class RayTrial:
    """The one fact of a Ray trial that the driver reads: the worker that it has, if any."""

    def __init__(self, actor: Actor | None) -> None:
        self.temporary_state = SimpleNamespace(ray_actor=actor)


def driver(run: TuningRun, *, look: bool = True, warmups: int = 2, concurrent: int = 2) -> Driver:
    return Driver(lambda seen: run, look=look, warmups=warmups, concurrent=concurrent)


def propose(made: Driver) -> int:
    assert made.run is not None
    trial = made.run.propose()
    assert trial is not None
    made.run.started(trial.id)
    made.proposed(trial.id, RayTrial(Actor()))
    return trial.id


def test_nothing_is_begun_before_the_study_was_looked_at(run: TuningRun):
    made = driver(run)
    assert made.warmed(WARM) is False
    assert made.run is None
    assert not made.room
    assert made.warmed(EXAMINED) is True
    assert made.run is run


def test_a_resumed_study_begins_with_the_first_warm_worker(run: TuningRun):
    made = driver(run, look=False)
    assert made.warmed(WARM) is True
    assert made.run is run


def test_one_warm_worker_is_released_for_each_trial(run: TuningRun):
    made = driver(run)
    assert made.warmed(EXAMINED) is True
    assert made.room
    assert made.warmed(WARM) is False  # the first one released has no trial yet
    propose(made)
    assert not made.room
    assert made.warmed(WARM) is True
    assert made.room


def test_a_trial_that_ended_makes_room_while_others_are_still_warming(run: TuningRun):
    made = driver(run)
    made.warmed(EXAMINED)
    trial = propose(made)
    assert not made.room
    made.gone(trial)
    assert made.room


def test_a_worker_lost_before_its_first_trial_makes_room_for_another(run: TuningRun):
    made = driver(run)
    made.warmed(EXAMINED)
    propose(made)
    made.cold()
    assert made.room


def test_no_more_trials_than_asked_for_run_at_a_time(run: TuningRun):
    made = driver(run, warmups=1, concurrent=1)
    made.warmed(EXAMINED)
    propose(made)
    assert not made.room


def test_an_exhausted_run_releases_every_worker(run: TuningRun):
    made = driver(run)
    made.warmed(EXAMINED)
    run.interrupted = True
    assert made.warmed(WARM) is True
    assert made.stopping


def test_a_worker_that_cannot_load_the_study_ends_everything(run: TuningRun):
    with pytest.raises(UsageError, match="no module of that name"):
        driver(run).warmed({"warm": True, "fault": UsageError("no module of that name")})


def test_an_interruption_before_the_run_began_reaches_it(run: TuningRun):
    made = driver(run)
    made.interrupt()
    assert made.stopping
    made.warmed(EXAMINED)
    assert run.interrupted


def test_a_trial_settles_when_its_worker_reports_on_the_next_one(run: TuningRun):
    made = driver(run)
    made.warmed(EXAMINED)
    there = {"hostname": "b", "pid": 1}
    best, stopped, following = propose(made), propose(made), propose(made)
    run.end(Outcome(trial=best, status=Status.COMPLETED, step=3, metrics={"loss": 0.1}))
    checkpoint = run.folder.trial(stopped).checkpoint
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("weights")
    run.end(Outcome(trial=stopped, status=Status.STOPPED, step=1, metrics={"loss": 0.9}), writing=True)
    made.leaves(stopped, HERE)
    made.heard(stopped, HERE)
    made.heard(following, there)  # the same process number on another machine
    assert checkpoint.exists()
    made.heard(following, HERE)
    assert not checkpoint.exists()


def test_a_trial_settles_when_its_worker_is_ended(run: TuningRun):
    made = driver(run)
    made.warmed(EXAMINED)
    stopped = propose(made)
    checkpoint = run.folder.trial(stopped).checkpoint
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("weights")
    run.end(Outcome(trial=stopped, status=Status.FAILED), writing=True)
    made.leaves(stopped, HERE)
    assert checkpoint.exists()
    made.let_go(("a", 1))
    assert not checkpoint.exists()


@pytest.fixture
def watched(run: TuningRun, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """A driver whose workers may be silent for ten seconds and train for a minute; `clock.now` is the time."""
    run.settings = dataclasses.replace(run.settings, limits=Limits(worker_timeout=10, trial_timeout=60))
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now, time=lambda: clock.now)
    monkeypatch.setattr("lightning_hpo.tuning.ray.driver.time", clock)
    made = driver(run)
    made.clock = clock  # type: ignore[attr-defined]
    made.warmed(EXAMINED)
    return made


def after(made: Any, seconds: float, *talking: int) -> list[tuple[Any, Any]]:
    """What is overdue in the seconds that follow, during which some trials talk."""
    found = []
    for _ in range(int(seconds)):
        made.clock.now += 1
        for trial in talking:
            made.heard(trial, HERE)
        found += made.overdue()
    return found


def test_a_worker_that_is_silent_for_too_long_is_given_up_once(watched: Driver):
    silent, talking = propose(watched), propose(watched)
    actor = watched.live[silent].temporary_state.ray_actor
    watched.heard(silent, HERE)
    assert after(watched, 10, talking) == []
    assert after(watched, 20, talking) == [(actor, ("a", 1))]
    assert watched.given_up == {silent: ""}


def test_a_worker_that_never_said_a_word_is_given_up_by_its_handle_alone(watched: Driver):
    silent = propose(watched)
    assert after(watched, 11) == [(watched.live[silent].temporary_state.ray_actor, ("", 0))]


def test_a_trial_that_waits_for_a_worker_waits_as_long_as_it_takes_and_is_watched_from_then_on(watched: Driver):
    waiting = propose(watched)
    watched.proposed(waiting, RayTrial(None))
    assert after(watched, 1000) == []
    watched.live[waiting].temporary_state.ray_actor = actor = Actor()
    watched.began(waiting)
    assert after(watched, 10) == []
    assert after(watched, 1) == [(actor, ("", 0))]


def test_a_trial_that_takes_too_long_is_given_up_although_it_talks(watched: Driver):
    trial = propose(watched)
    watched.began(trial)
    assert after(watched, 60, trial) == []
    assert len(after(watched, 10, trial)) == 1
    assert watched.given_up == {trial: "The trial took longer than trial_timeout: 60 s.\n"}


def test_the_time_of_a_trial_that_is_proposed_again_counts_from_its_new_start(watched: Driver):
    trial = propose(watched)
    watched.began(trial)
    after(watched, 50, trial)
    watched.proposed(trial, RayTrial(Actor()))
    assert after(watched, 20, trial) == []
    watched.began(trial)
    assert after(watched, 60, trial) == []
    assert len(after(watched, 1, trial)) == 1


def test_a_driver_that_was_held_up_itself_counts_again(watched: Any):
    propose(watched)
    watched.clock.now += 3600  # the laptop slept
    assert watched.overdue() == []
    assert after(watched, 10) == []
    assert len(after(watched, 1)) == 1


def test_an_exception_in_an_adapter_is_kept_and_ray_gets_its_harmless_answer(run: TuningRun):
    class Adapter:
        def __init__(self) -> None:
            self._driver = driver(run)

        @kept("harmless")
        def fails(self, number: int) -> str:
            """Fails."""
            raise ValueError(number)

    adapter: Any = Adapter()
    assert adapter.fails(1) == "harmless"
    assert adapter.fails(2) == "harmless"
    assert str(adapter._driver.fault) == "1"  # the first one is the cause
    assert adapter._driver.stopping
    assert adapter.fails.__doc__ == "Fails."


def test_rays_snapshot_of_an_experiment_does_not_hold_the_driver(run: TuningRun):
    assert pickle.loads(pickle.dumps(driver(run))) is None
