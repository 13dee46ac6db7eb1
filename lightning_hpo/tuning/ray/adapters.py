"""Our run as Ray Tune sees it: a searcher that asks the run who is next, a scheduler that asks it what to do."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ray.tune import Callback, Stopper
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher as RaySearcher

from lightning_hpo.trial import Report, Status, Verdict
from lightning_hpo.tuning.run import TuningRun, outcome_of

__all__ = ["RayEars", "RayScheduler", "RaySearcherAdapter", "RunStopper", "TrialTable"]

F = TypeVar("F", bound=Callable[..., Any])

_DECISIONS = {
    Verdict.CONTINUE: TrialScheduler.CONTINUE,
    Verdict.PAUSE: TrialScheduler.PAUSE,
    Verdict.STOP: TrialScheduler.STOP,
}


class TrialTable:
    """Ray's trials and ours, and what was last heard of each.

    `fault` is the first exception of our own code; Ray would take it for the trial's, so it is kept here and raised
    when Ray has stopped.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.reports: dict[int, Report] = {}
        self.started: dict[int, float] = {}
        self.verdicts: dict[int, Verdict] = {}
        self.live: set[int] = set()
        self.fault: BaseException | None = None


def _kept(answer: Any) -> Callable[[F], F]:
    """Keeps an exception of the method in the table, ends the run, and answers Ray with a harmless value."""

    def decorate(method: F) -> F:
        @functools.wraps(method)
        def kept(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return method(self, *args, **kwargs)
            except Exception as error:  # ours, a full disk's, or a listener's
                self._table.fault = self._table.fault or error
                self._run.abandoned = True
                return answer

        return kept  # type: ignore[return-value]

    return decorate


class RaySearcherAdapter(RaySearcher):  # type: ignore[misc]  # Ray's class is untyped
    """Asks the run for the next trial, never more than can run: a suggestion made early knows less.

    Args:
        run: The run.
        table: Shared with the scheduler.
        concurrent: How many trials may be open at a time.
    """

    def __init__(self, run: TuningRun, table: TrialTable, concurrent: int) -> None:
        super().__init__()
        self._run = run
        self._table = table
        self._concurrent = concurrent

    @_kept(RaySearcher.FINISHED)
    def suggest(self, trial_id: str) -> Any:
        """The trial's number, seed and config; None for "not now", FINISHED for "never again"."""
        if self._run.exhausted:
            return RaySearcher.FINISHED
        if len(self._table.live) >= self._concurrent:
            return None
        trial = self._run.propose()
        if trial is None:
            return RaySearcher.FINISHED if self._run.exhausted else None
        self._table.numbers[trial_id] = trial.id
        self._table.live.add(trial.id)
        return {"trial": trial.id, "seed": trial.seed, "config": self._run.settings.decode(trial.config)}

    def on_trial_result(self, trial_id: str, result: Any) -> None:
        """The scheduler has told the run already."""

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """The scheduler has told the run already."""

    def save(self, checkpoint_path: str) -> None:
        """The journal holds everything."""

    def restore(self, checkpoint_path: str) -> None:
        """The journal holds everything."""


class RayScheduler(FIFOScheduler):  # type: ignore[misc]  # Ray's class is untyped
    """Hands reports to the run and its verdicts to Ray."""

    def __init__(self, run: TuningRun, table: TrialTable) -> None:
        super().__init__()
        self._run = run
        self._table = table

    @_kept(TrialScheduler.STOP)
    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Asks the run about a report that is due; passes on how far the trial is otherwise."""
        number = self._table.numbers[trial.trial_id]
        if self._run.stopping:
            return str(TrialScheduler.STOP)
        report = _report_of(number, result)
        if report is None:
            return str(TrialScheduler.CONTINUE)
        if not result.get("due"):
            if report != self._table.reports.get(number):
                self._table.reports[number] = report
                self._run.progress(report)
            return str(TrialScheduler.CONTINUE)
        self._table.reports[number] = report
        verdict = self._run.report(report)
        self._table.verdicts[number] = verdict
        return str(_DECISIONS[verdict])

    @_kept(None)
    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Tells the run how the trial ended: by a verdict, by itself, or with an exception of the user's code."""
        number = self._table.numbers[trial.trial_id]
        verdict = self._table.verdicts.get(number, Verdict.CONTINUE)
        self._table.live.discard(number)
        if verdict is Verdict.CONTINUE and not _really_done(result):
            return  # ended from outside, by Ctrl-C: it stays unfinished, and resuming goes on with it
        error = str(result.get("error") or "")
        report = _report_of(number, result)
        if verdict is Verdict.CONTINUE and report is not None and report != self._table.reports.get(number):
            self._run.report(report)  # the last step, on which nobody decides any more
        status = Status.COMPLETED
        if error:
            status = Status.FAILED
        elif report is None:
            status = Status.FAILED
            error = (
                f"The trial ended without ever logging '{self._run.settings.objective.metric}'. "
                "Check that validation runs within trainer.max_epochs.\n"
            )
        elif not math.isfinite(self._run.settings.objective.loss(report.metrics)):
            status = Status.DIVERGED
        elif verdict is Verdict.STOP:
            status = Status.STOPPED
        self._end(number, report, status, error)

    @_kept(None)
    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """The worker process itself died."""
        number = self._table.numbers[trial.trial_id]
        self._table.live.discard(number)
        report = self._table.reports.get(number)
        self._end(number, report, Status.FAILED, f"The trial's worker process was lost.\n{_reason(trial)}\n")

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """A trial that never began; it stays unfinished."""
        self._table.live.discard(self._table.numbers[trial.trial_id])

    def _end(self, number: int, report: Report | None, status: Status, error: str) -> None:
        started = self._table.started.get(number, time.time())
        self._run.end(outcome_of(report, number, status, started, error))


class RayEars(Callback):  # type: ignore[misc]  # Ray's class is untyped
    """Hears when a worker takes a trial."""

    def __init__(self, run: TuningRun, table: TrialTable) -> None:
        self._run = run
        self._table = table

    @_kept(None)
    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Tells the run."""
        number = self._table.numbers[trial.trial_id]
        self._table.started[number] = time.time()
        self._run.started(number)


class RunStopper(Stopper):  # type: ignore[misc]  # Ray's class is untyped
    """Ends the whole run when it was interrupted or gave up; single trials are the scheduler's."""

    def __init__(self, run: TuningRun) -> None:
        self._run = run

    def __call__(self, trial_id: str, result: Any) -> bool:
        """Never for one trial."""
        return False

    def stop_all(self) -> bool:
        """Whether running trials are to be stopped now."""
        return self._run.stopping


def _reason(trial: Any) -> str:
    """What Ray wrote of a worker's end."""
    try:
        with open(trial.error_file, encoding="utf-8") as file:
            return file.read().strip()
    except (OSError, TypeError):
        return "Ray does not say why."


def _really_done(result: dict[str, Any]) -> bool:
    """Whether the fit itself was over; Ray sets `done` on results of trials that it ends, too."""
    return bool(result.get("over"))


def _report_of(trial: int, result: dict[str, Any]) -> Report | None:
    step = int(result.get("step") or 0)
    if step < 1:
        return None
    metrics = {name[len("metrics/") :]: value for name, value in result.items() if name.startswith("metrics/")}
    return Report(trial=trial, step=step, metrics=metrics)
