"""Runs a tuning run's trials with Ray Tune."""

from __future__ import annotations

import dataclasses
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray import tune

from lightning_hpo.errors import ClusterError
from lightning_hpo.training import Assembly
from lightning_hpo.tuning.examine import Examination, Question, examine, warm
from lightning_hpo.tuning.ray.adapters import RayEars, RayScheduler, RaySearcherAdapter, RunStopper, TrialTable
from lightning_hpo.tuning.ray.runtime import check_resources
from lightning_hpo.tuning.ray.trainable import LightningTrainable, WorkerPlan
from lightning_hpo.tuning.run import TuningRun

__all__ = ["examine_remotely", "run_trials"]

#: Ray creates trials ahead of need up to this number; the searcher adapter says when there are no more.
_ENDLESS = 10**9
_HEARTBEAT = 1.0
#: More workers than this start by themselves when their trial comes.
_MOST_WARMED = 64


def run_trials(run: TuningRun, assembly: Assembly) -> None:
    """Runs trials until the run is exhausted, gives up, or is interrupted. Ray is running.

    Ctrl-C interrupts the run: every running trial ends within a batch as after any fit. A second Ctrl-C does not wait.

    Raises:
        ClusterError: If Ray itself fails.
    """
    settings = run.settings
    concurrent = check_resources(settings.cpus, settings.gpus)
    if settings.max_concurrent is not None:
        concurrent = min(concurrent, settings.max_concurrent)
    plan = WorkerPlan(
        assembly=assembly,
        folder=str(run.folder.path.absolute()),
        objective=settings.objective,
        resource=settings.resource,
        cpus=settings.cpus,
        gpus=settings.gpus,
        milestones=run.scheduler.milestones,
        heartbeat=max(_HEARTBEAT, concurrent / 20),
        import_paths=tuple(path for path in sys.path if path),
    )
    table = TrialTable()
    scratch = tempfile.mkdtemp(prefix="lightning-hpo-")  # what Ray writes of an experiment; we read none of it
    trainable = tune.with_parameters(LightningTrainable, plan=plan)
    trainable = tune.with_resources(trainable, {"cpu": settings.cpus, "gpu": settings.gpus})
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            num_samples=_ENDLESS,
            search_alg=RaySearcherAdapter(run, table, concurrent),
            scheduler=RayScheduler(run, table),
            reuse_actors=True,
            trial_name_creator=lambda trial: str(trial.trial_id),
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="run",
            storage_path=scratch,
            callbacks=[RayEars(run, table)],
            stop=RunStopper(run),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=0),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )
    try:
        with _interruptible(run):
            tuner.fit()
    except ray.exceptions.RayError as error:
        raise ClusterError(f"Ray failed during the run: {type(error).__name__}: {error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if table.fault is not None:
        raise table.fault


@contextmanager
def _interruptible(run: TuningRun) -> Iterator[None]:
    """Turns the first Ctrl-C into an orderly end; in threads other than the main one, signals are not ours."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_signal: int, _frame: Any) -> None:
        if run.interrupted:
            raise KeyboardInterrupt
        run.interrupted = True

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def examine_remotely(question: Question, trials: int | None) -> Examination:
    """Looks at a study in a worker of the runtime, while the other workers that trials will use get warm.

    A worker that has imported torch, Lightning and the user's code starts its first trial at once. Without that, Ray
    Tune gives a waiting trial to the worker that is free first and throws the half-started one away: as long as
    trials are shorter than a start, they would run one at a time (TuneController._maybe_reuse_cached_actor, Ray 2.60).

    Args:
        question: What to look at.
        trials: How many trials there will be at most; no more workers than that are warmed.

    Raises:
        Exception: Whatever the examination raised, as it was.
    """
    question = dataclasses.replace(question, import_paths=tuple(path for path in sys.path if path))
    fit = check_resources(question.cpus, question.gpus)
    reference = ray.put(question)
    options = {"num_cpus": question.cpus, "num_gpus": question.gpus, "max_retries": 0}
    seen = ray.remote(examine).options(**options).remote(reference)
    others = min(fit, trials or fit, _MOST_WARMED) - 1
    warming = [ray.remote(warm).options(**options).remote(reference) for _ in range(others)]
    try:
        found: Examination = ray.get(seen)
        ray.wait(warming, num_returns=len(warming)) if warming else None
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from None
    except ray.exceptions.RayError as error:
        raise ClusterError(f"A worker was lost while the study was looked at: {error}") from error
    return found
