"""Our run as Ray Tune sees it: a searcher that asks the run who is next, a scheduler that asks it what to do."""

from __future__ import annotations

import math
import time
from typing import Any

from ray.tune import Callback, Stopper
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher as RaySearcher

from lightning_hpo.errors import ClusterError, InternalError
from lightning_hpo.trial import Report, Status, Verdict
from lightning_hpo.tuning.ray.driver import Driver, kept
from lightning_hpo.tuning.run import TuningRun, outcome_of

__all__ = ["RayEars", "RayScheduler", "RaySearcherAdapter", "RunStopper"]

_DECISIONS = {
    Verdict.CONTINUE: TrialScheduler.CONTINUE,
    Verdict.PAUSE: TrialScheduler.PAUSE,
    Verdict.STOP: TrialScheduler.STOP,
}


class RaySearcherAdapter(RaySearcher):
    """Asks the run for the next trial, never more than can run: a suggestion made early knows less."""

    def __init__(self, driver: Driver) -> None:
        super().__init__()
        self._driver = driver

    @kept(RaySearcher.FINISHED)
    def suggest(self, trial_id: str) -> Any:
        """First the warm-ups, then the run's trials; None for "not now", FINISHED for "never again"."""
        driver = self._driver
        if driver.stopping:
            return RaySearcher.FINISHED
        if len(driver.warming) < driver.warmups:
            first = not driver.warming
            driver.warming.add(trial_id)
            return {"warmup": len(driver.warming), "look": first and driver.look}
        run = driver.run
        if run is None:
            return None
        if run.exhausted:
            return RaySearcher.FINISHED
        if not driver.room:
            return None
        trial = run.propose()
        if trial is None:
            return RaySearcher.FINISHED if run.exhausted else None
        driver.numbers[trial_id] = trial.id
        driver.live.add(trial.id)
        return {
            "trial": trial.id,
            "seed": trial.seed,
            "config": run.settings.decode(trial.config),
            "milestones": run.scheduler.milestones,
        }

    def on_trial_result(self, trial_id: str, result: Any) -> None:
        """The scheduler has told the run already."""

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """The scheduler has told the run already."""

    def save(self, checkpoint_path: str) -> None:
        """The journal holds everything."""

    def restore(self, checkpoint_path: str) -> None:
        """The journal holds everything."""


class RayScheduler(FIFOScheduler):
    """Hands reports to the run and its verdicts to Ray."""

    def __init__(self, driver: Driver) -> None:
        super().__init__()
        self._driver = driver

    @kept(TrialScheduler.STOP)
    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Asks the run about a report that is due; passes on how far the trial is otherwise."""
        driver = self._driver
        if driver.stopping:
            return str(TrialScheduler.STOP)
        if trial.trial_id in driver.warming:
            return str(TrialScheduler.STOP if driver.warmed(result) else TrialScheduler.CONTINUE)
        run, number = self._of(trial)
        driver.heard(number, result)
        report = _report_of(number, result)
        if report is None:
            return str(TrialScheduler.CONTINUE)
        if not result.get("due"):
            if report != driver.reports.get(number):
                driver.reports[number] = report
                run.progress(report)
            return str(TrialScheduler.CONTINUE)
        driver.reports[number] = report
        verdict = run.report(report)
        driver.verdicts[number] = verdict
        return str(_DECISIONS[verdict])

    @kept(None)
    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Tells the run how the trial ended: by a verdict, by itself, or with an exception of the user's code."""
        if trial.trial_id in self._driver.warming:
            return
        run, number = self._of(trial)
        self._driver.heard(number, result)
        verdict = self._driver.verdicts.get(number, Verdict.CONTINUE)
        self._driver.live.discard(number)
        if verdict is Verdict.CONTINUE and not result.get("over"):
            return  # ended from outside, by Ctrl-C: it stays unfinished, and resuming goes on with it
        error = str(result.get("error") or "")
        report = _report_of(number, result)
        if report is not None and report.step > run.state.trials[number].step:
            run.report(report)  # the last step, on which nobody decides any more
        status = Status.COMPLETED
        if error:
            status = Status.FAILED
        elif report is None:
            status = Status.FAILED
            metric = run.settings.objective.metric
            error = f"The trial ended without logging '{metric}'. Check that validation runs within its epochs.\n"
        elif not math.isfinite(run.settings.objective.loss(report.metrics)):
            status = Status.DIVERGED
        elif verdict is Verdict.STOP:
            status = Status.STOPPED
        if not result.get("over"):
            self._driver.leaves(number, result)
        self._end(number, report, status, error, writing=not result.get("over"))

    @kept(None)
    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """The worker process itself died."""
        if trial.trial_id in self._driver.warming:
            if self._driver.look and self._driver.run is None:
                raise ClusterError(f"A worker was lost while the study was looked at.\n{_reason(trial)}")
            self._driver.cold()
            return
        _, number = self._of(trial)
        self._driver.live.discard(number)
        report = self._driver.reports.get(number)
        self._end(number, report, Status.FAILED, f"The trial's worker process was lost.\n{_reason(trial)}\n")

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """A trial that never began; it stays unfinished."""
        self._driver.live.discard(self._driver.numbers.get(trial.trial_id, -1))

    def _of(self, trial: Any) -> tuple[TuningRun, int]:
        run = self._driver.run
        if run is None:
            raise InternalError(f"Ray trial {trial.trial_id} reports before the run began.")
        return run, self._driver.numbers[trial.trial_id]

    def _end(self, number: int, report: Report | None, status: Status, error: str, *, writing: bool = False) -> None:
        started = self._driver.started.get(number, time.time())
        run = self._driver.run
        if run is not None:
            run.end(outcome_of(report, number, status, started, error), writing=writing)


class RayEars(Callback):
    """Hears when a worker takes a trial."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    @kept(None)
    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Tells the run."""
        number = self._driver.numbers.get(trial.trial_id)
        if number is not None and self._driver.run is not None:
            self._driver.started[number] = time.time()
            self._driver.run.started(number)


class RunStopper(Stopper):
    """Ends the whole run when it was interrupted or gave up; single trials are the scheduler's."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def __call__(self, trial_id: str, result: Any) -> bool:
        """Never for one trial."""
        return False

    def stop_all(self) -> bool:
        """Whether running trials are to be stopped now."""
        return self._driver.stopping


def _reason(trial: Any) -> str:
    """What Ray wrote of a worker's end."""
    try:
        with open(trial.error_file, encoding="utf-8") as file:
            return file.read().strip()
    except (OSError, TypeError):
        return "Ray does not say why."


def _report_of(trial: int, result: dict[str, Any]) -> Report | None:
    step = int(result.get("step") or 0)
    if step < 1:
        return None
    metrics = {name[len("metrics/") :]: value for name, value in result.items() if name.startswith("metrics/")}
    return Report(trial=trial, step=step, metrics=metrics)
