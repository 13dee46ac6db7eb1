"""Our run as Ray Tune sees it: a searcher that asks the run who is next, a scheduler that asks it what to do."""

from __future__ import annotations

import math
import time
from typing import Any

from ray.tune import Callback, Stopper
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher as RaySearcher

from lightning_hpo.errors import ClusterError, InternalError, StorageError
from lightning_hpo.trial import Report, Status, Verdict
from lightning_hpo.tuning.host import Keeping
from lightning_hpo.tuning.ray.driver import Driver, kept
from lightning_hpo.tuning.ray.runtime import end_worker, lost_process
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
        if self._no_more(run):
            return RaySearcher.FINISHED
        if not driver.room:
            return None
        trial = run.propose(idle=not driver.live)
        if trial is None:
            return RaySearcher.FINISHED if self._no_more(run) else None
        driver.numbers[trial_id] = trial.id
        driver.live[trial.id] = None
        state, limits = run.state.trials[trial.id], run.settings.limits
        return {
            "trial": trial.id,
            "seed": trial.seed,
            "config": run.settings.decode(trial.config),
            "milestones": run.deciders.scheduler.milestones,
            "told": state.step if state.started is not None else None,
            "target": limits.target(run.settings.objective),
            "keeping": Keeping(every=limits.checkpoint_every, two=limits.checkpoint_keep == 2),
        }

    def _no_more(self, run: TuningRun) -> bool:
        """Whether no trial will come any more; one that has a worker may lose it, and come again."""
        return run.stopping or (run.exhausted and not self._driver.live)

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

    @kept(None)
    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Ray Tune looks for a worker from now on."""
        if trial.trial_id in self._driver.numbers:
            self._driver.proposed(self._driver.numbers[trial.trial_id], trial)

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
        if result.get("storage"):  # refused to the trial that the worker had before; this one's come at its end
            raise StorageError(str(result["storage"]))
        if result.get("resumed"):
            run.continued(number, result["step"], repeats=result["repeats"], note=result["note"])
            return str(TrialScheduler.CONTINUE)
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
        self._driver.gone(number)
        if verdict is Verdict.CONTINUE and not result.get("over"):
            return  # ended from outside, by Ctrl-C: it stays unfinished, and resuming goes on with it
        if result.get("storage"):
            raise StorageError(str(result["storage"]))
        error = str(result.get("error") or "")
        if result.get("memory") and run.settings.limits.on_oom == "retry":
            reason = error.partition("\n")[0]
            if run.lost(number, reason, alone=True):
                return
            error = f"Also without other trials beside it: {error}"
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
        run, number = self._of(trial)
        slow = self._driver.given_up.get(number)
        self._driver.gone(number)
        reason = f"Its worker was silent for {run.settings.limits.worker_timeout:g} s." if slow == "" else ""
        reason = reason or "Its worker process was lost."
        if slow or not run.lost(number, reason):
            times = run.state.trials[number].losses
            told = slow or f"{reason} It was gone on with {times} times (tune.retries).\n{_reason(trial)}\n"
            self._end(number, self._driver.reports.get(number), Status.FAILED, told)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """A trial that never began; it stays unfinished."""
        self._driver.gone(self._driver.numbers.get(trial.trial_id, -1))

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
            self._driver.began(number)
            self._driver.run.started(number)

    @kept(None)
    def on_step_begin(self, iteration: int, trials: Any, **info: Any) -> None:
        """Gives up workers that are silent, and trials that take too long; notices when Ray itself is gone.

        Without that the driver would be ended by Ray, some seconds later and without a word (Ray 2.60).
        """
        if not self._driver.looks:
            return
        if (gone := lost_process()) is not None:
            raise ClusterError(f"Ray cannot go on: its process '{gone}' is gone.")
        for actor, process in self._driver.overdue():
            end_worker(actor, *process)
            self._driver.let_go(process)


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
