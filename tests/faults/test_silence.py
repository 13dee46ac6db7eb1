"""Workers that say nothing: while they load what is tuned, in a hang, and while they let go of a trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lightning_hpo import NoTrialSucceeded, Status
from lightning_hpo.results import RunFolder
from lightning_hpo.results.events import Lost
from slow_to_load import HangsWhenStopped, KilledThenHangs

pytestmark = pytest.mark.slow

#: Seconds; less than it takes to load `slow_to_load`.
TIMEOUT = 4


def test_a_worker_that_loads_for_long_is_not_silent_and_its_hang_is_still_noticed(study: Any, tmp_path: Path):
    limits = {"worker_timeout": TIMEOUT, "trial_timeout": "20 s"}
    with pytest.raises(NoTrialSucceeded):
        study(KilledThenHangs, n_trials=1, max_epochs=5, limits=limits, run_folder=tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    (trial,) = folder.read()
    assert trial.status is Status.FAILED
    assert trial.error == "The trial took longer than trial_timeout: 20 s.\n"
    (lost,) = (event for event in folder.journal if isinstance(event, Lost))
    assert lost.reason == "Its worker process was lost."


def test_a_worker_that_never_lets_go_of_a_stopped_trial_is_given_up(study: Any):
    scheduler = {"name": "asha", "grace_period": 1, "eta": 2}
    limits = {"worker_timeout": TIMEOUT}
    results = study(HangsWhenStopped, scheduler=scheduler, n_trials=6, max_epochs=5, max_concurrent=1, limits=limits)
    assert (results.folder.path / "trials" / "hangs").exists()
    assert all(trial.status in (Status.COMPLETED, Status.STOPPED) for trial in results.state)
    (lost,) = (event for event in results.folder.journal if isinstance(event, Lost))
    assert lost.reason == f"Its worker was silent for {TIMEOUT} s."
