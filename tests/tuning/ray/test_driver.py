from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from lightning_hpo import Float, Objective, Outcome, Space, Status, UsageError
from lightning_hpo.results import RunFolder
from lightning_hpo.tuning.ray.driver import Driver, kept
from lightning_hpo.tuning.run import TuningRun
from lightning_hpo.tuning.settings import RunSettings

EXAMINED = {"warm": True, "examination": "as it was seen"}
WARM = {"warm": True}


@pytest.fixture
def run(tmp_path: Path) -> TuningRun:
    settings = RunSettings(
        objective=Objective(metric="loss"), space=Space({"lr": Float(0, 1)}), max_epochs=3, seed=1, keep_best=1
    )
    run = TuningRun(settings, RunFolder.create(tmp_path / "run"))
    run.open()
    return run


def driver(run: TuningRun, *, look: bool = True, warmups: int = 2, concurrent: int = 2) -> Driver:
    return Driver(lambda seen: run, look=look, warmups=warmups, concurrent=concurrent)


def propose(made: Driver) -> int:
    assert made.run is not None
    trial = made.run.propose()
    assert trial is not None
    made.run.started(trial.id)
    made.live.add(trial.id)
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
    made.live.discard(trial)
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
    here, there = {"hostname": "a", "pid": 1}, {"hostname": "b", "pid": 1}
    best, stopped, following = propose(made), propose(made), propose(made)
    run.end(Outcome(trial=best, status=Status.COMPLETED, step=3, metrics={"loss": 0.1}))
    checkpoint = run.folder.trial(stopped).checkpoint
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("weights")
    run.end(Outcome(trial=stopped, status=Status.STOPPED, step=1, metrics={"loss": 0.9}), writing=True)
    made.leaves(stopped, here)
    made.heard(stopped, here)
    made.heard(following, there)  # the same process number on another machine
    assert checkpoint.exists()
    made.heard(following, here)
    assert not checkpoint.exists()


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
