"""Runs a tuning run's trials with Ray Tune."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import tune

from lightning_hpo.errors import ClusterError
from lightning_hpo.tuning.examine import Examination, Question
from lightning_hpo.tuning.ray.adapters import RayEars, RayScheduler, RaySearcherAdapter, RunStopper
from lightning_hpo.tuning.ray.driver import Driver
from lightning_hpo.tuning.ray.pickling import dumps
from lightning_hpo.tuning.ray.runtime import check_resources, environment
from lightning_hpo.tuning.ray.trainable import LightningTrainable, WorkerPlan
from lightning_hpo.tuning.run import TuningRun

__all__ = ["run_trials"]

#: Ray creates trials ahead of need up to this number; the searcher adapter says when there are no more.
_ENDLESS = 10**9
_HEARTBEAT = 1.0
#: Seconds between two polls of a warm worker; more where there are many, for a driver hears about 150 results a second.
_IDLE = 0.05
#: More workers than this start by themselves when their trial comes.
_MOST_WARMED = 64


def run_trials(
    question: Question,
    folder: Path,
    begin: Callable[[Examination | None], TuningRun],
    *,
    look: bool,
    trials: int | None = None,
    max_concurrent: int | None = None,
) -> TuningRun | None:
    """Looks at a study in a worker, makes its run, and runs trials until it is exhausted, gives up, or is interrupted.

    Ray is running. Ctrl-C interrupts the run: every running trial ends within a batch as after any fit. A second
    Ctrl-C does not wait.

    Args:
        question: The study.
        folder: The run folder, which every worker can write.
        begin: Makes the run from what was seen, on this thread.
        look: Whether to look at the study first; a run that is resumed was looked at before.
        trials: How many trials there will be at most; no more workers than that are warmed.
        max_concurrent: At most so many trials at a time.

    Returns:
        The run; None if it was interrupted before it was made.

    Raises:
        UsageError: If a trial asks for more than any node has, or whatever `begin` raises.
        ClusterError: If Ray itself fails.
    """
    concurrent = check_resources(question.cpus, question.gpus)
    concurrent = min(concurrent, max_concurrent or concurrent)
    warmups = min(concurrent, trials or concurrent, _MOST_WARMED)
    driver = Driver(begin, look=look, warmups=warmups, concurrent=concurrent)
    plan = WorkerPlan(
        question=ray.put(dumps(question)),
        import_paths=tuple(path for path in sys.path if path),
        folder=str(folder.absolute()),
        heartbeat=max(_HEARTBEAT, concurrent / 20),
        idle=max(_IDLE, warmups / 100),
    )
    scratch = tempfile.mkdtemp(prefix="lightning-hpo-")  # what Ray writes of an experiment; we read none of it
    trainable = tune.with_parameters(LightningTrainable, plan=plan)
    trainable = tune.with_resources(trainable, {"cpu": question.cpus, "gpu": question.gpus})
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            num_samples=_ENDLESS,
            search_alg=RaySearcherAdapter(driver),
            scheduler=RayScheduler(driver),
            reuse_actors=True,
            trial_name_creator=lambda trial: str(trial.trial_id),
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="run",
            storage_path=scratch,
            callbacks=[RayEars(driver)],
            stop=RunStopper(driver),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=0),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )
    try:
        # By itself Ray Tune would start the workers one after the other.
        with environment({"TUNE_MAX_PENDING_TRIALS_PG": str(concurrent + warmups)}), _interruptible(driver):
            tuner.fit()
    except ray.exceptions.RayError as error:
        raise ClusterError(f"Ray failed during the run: {type(error).__name__}: {error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if driver.fault is not None:
        raise driver.fault
    return driver.run


@contextmanager
def _interruptible(driver: Driver) -> Iterator[None]:
    """Turns the first Ctrl-C into an orderly end; in threads other than the main one, signals are not ours."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_signal: int, _frame: Any) -> None:
        if driver.interrupted:
            raise KeyboardInterrupt
        driver.interrupt()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
