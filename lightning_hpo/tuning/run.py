"""A tuning run as the driver sees it: who is next, what was said, what is answered. Knows nothing of Ray."""

from __future__ import annotations

import contextlib
import math
import platform
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata

from lightning_hpo.errors import InternalError, NoTrialSucceeded
from lightning_hpo.results import RunFolder, RunState
from lightning_hpo.results.event import Event
from lightning_hpo.results.events import Continued, Ended, Judged, Lost, Reported, Started, Suggested
from lightning_hpo.results.run_events import Closed, Opened, Resumed
from lightning_hpo.space.syntax import render
from lightning_hpo.trial import Outcome, Report, Status, Trial, Verdict
from lightning_hpo.tuning.deciding import Deciders
from lightning_hpo.tuning.replaying import replayed
from lightning_hpo.tuning.settings import RunSettings, trial_seed

__all__ = ["Listener", "TuningRun", "outcome_of"]

#: Hears every event after it is in the journal, with the state that it led to.
Listener = Callable[[Event, RunState], None]

_SOFTWARE = ("lightning-hpo", "torch", "pytorch-lightning", "lightning", "ray", "hyperopt", "numpy")


class TuningRun:
    """Holds the searcher, the scheduler and the journal together.

    Whoever runs trials calls, for each: `propose`, `started`, `report` as often as reports cross, `end`, and `settled`
    for one whose end said that its worker still writes; `lost` for one whose worker is gone, which is then proposed
    again, and `continued` for one that goes on. Each call writes the journal and then decides, so what was decided can
    always be decided again by replay. Not thread-safe: one driver thread calls.

    Args:
        settings: What the run does.
        folder: Its folder, already held by this process.
        listeners: Told of every event.
        clock: Seconds, from any moment on.
    """

    def __init__(
        self,
        settings: RunSettings,
        folder: RunFolder,
        listeners: Sequence[Listener] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.listeners = list(listeners)
        self.deciders = Deciders(settings)
        self.state = RunState()
        self.interrupted = False
        self.given_up = False
        self.reached = False
        self._again: deque[Trial] = deque()
        self._alone: deque[Trial] = deque()
        self._writing: set[int] = set()
        self._forgiven = False
        self._exhausted = False
        self._clock = clock
        self._until = math.inf

    @property
    def stopping(self) -> bool:
        """Whether running trials should end now and no new one start."""
        return self.interrupted or self.given_up or self.reached or self.out_of_time

    @property
    def out_of_time(self) -> bool:
        """Whether the time budget is spent."""
        return self._clock() >= self._until

    def open(self) -> None:
        """Writes the journal's first line."""
        settings = self.settings
        self._write(
            Opened(
                objective=settings.objective,
                space={name: render(parameter) for name, parameter in settings.space.items()},
                n_trials=settings.trials(),
                max_epochs=settings.max_epochs,
                resource=settings.resource,
                seed=settings.seed,
                searcher={"name": settings.searcher[0], **settings.searcher[1]},
                scheduler={"name": settings.scheduler[0], **settings.scheduler[1]},
                software=_versions(),
            )
        )
        self._begin(self.settings.limits.time_budget)

    def replay(self, events: Iterable[Event]) -> None:
        """Takes over a journal: deciders see again what they saw, and trials without an end are proposed again.

        What had been decided and not yet carried out is carried out now: a trial whose last answer was to stop ends. A
        run that had given up does not give up again: whoever resumes it has seen why, and mended that.

        Raises:
            RunFolderError: If the settings contradict the journal, or a searcher made from them would have suggested
                something else; nothing is written then.
        """
        found = replayed(list(events), self.settings, str(self.folder))
        self.state, self.settings, self.deciders = found.state, found.settings, found.deciders
        self._forgiven = self.state.failed_alike(self.settings.max_failures)
        self._write(Resumed(note=self.folder.journal.note or ""))
        self._begin(found.seconds)
        for trial in self.state.unfinished:
            if found.answers.get(trial) is Verdict.STOP:
                self._carry_out(trial)
            else:
                self._queue(trial)

    def _begin(self, seconds: float | None) -> None:
        """Starts the clock."""
        self._until = math.inf if seconds is None else self._clock() + seconds

    def _carry_out(self, trial: int) -> None:
        """Ends a trial that had been told to stop when the driver was lost."""
        state = self.state.trials[trial]
        if state.verdict is not Verdict.STOP:
            self._write(Judged(trial=trial, step=state.step, verdict=Verdict.STOP))
        status = Status.STOPPED if math.isfinite(state.loss) else Status.DIVERGED
        self.end(Outcome(trial=trial, status=status, step=state.step, metrics=state.metrics))

    def propose(self, *, idle: bool = False) -> Trial | None:
        """The next trial, or None if there are no more (yet, or ever: see `exhausted`).

        Args:
            idle: Whether no other trial has a worker; only then is one proposed that is to train alone.
        """
        if self.stopping:
            return None
        if idle and self._alone:
            return self._alone.popleft()
        if self._again:
            return self._again.popleft()
        number = len(self.state.trials)
        found = None if self._all_proposed else self.deciders.propose(number)
        if found is None:
            self._exhausted = True
            return None
        config, origin = found
        seed = trial_seed(self.settings.seed, number)
        trial = Trial(id=number, config=self.settings.encode(config), seed=seed, origin=origin)
        self._write(Suggested(trial=trial))
        return trial

    @property
    def exhausted(self) -> bool:
        """Whether `propose` will never again return a trial, unless one is lost."""
        return self.stopping or (not self._again and not self._alone and self._all_proposed)

    @property
    def _all_proposed(self) -> bool:
        limit = self.settings.trials()
        return self._exhausted or (limit is not None and len(self.state.trials) >= limit)

    def started(self, trial: int, worker: str = "") -> None:
        """A worker has taken the trial."""
        self._write(Started(trial=trial, worker=worker))

    def continued(self, trial: int, step: int, *, repeats: int = 0, note: str = "") -> None:
        """A trial that was started again goes on, as `Continued` has it."""
        self._write(Continued(trial=trial, step=step, repeats=repeats, note=note))

    def lost(self, trial: int, reason: str, *, alone: bool = False) -> bool:
        """A trial's worker is gone, or is too small; returns whether it is proposed again, for which there is a limit.

        Args:
            trial: The trial.
            reason: What is known of it.
            alone: Whether it is to train while no other trial does.
        """
        state = self.state.trials[trial]
        if state.alone if alone else state.losses >= self.settings.limits.retries:
            return False
        self._write(Lost(trial=trial, reason=reason, alone=alone))
        self._queue(trial)
        return True

    def _queue(self, trial: int) -> None:
        """Has a trial proposed again."""
        (self._alone if self.state.trials[trial].alone else self._again).append(self.state.trials[trial].trial)

    def report(self, report: Report) -> Verdict:
        """A report crossed; returns what the trial is to do.

        A step that is known already, since the trial was started again from before it, was answered then.
        """
        if report.step <= self.state.trials[report.trial].step:
            return Verdict.CONTINUE
        self._write(Reported(report=report))
        verdict = self.deciders.report(report)
        if self.settings.limits.reached(report, self.settings.objective):
            self.reached, verdict = True, Verdict.STOP
        if verdict is not Verdict.CONTINUE:
            self._write(Judged(trial=report.trial, step=report.step, verdict=verdict))
        return verdict

    def progress(self, report: Report) -> None:
        """A trial told how far it is, and nobody decides on it: shown to listeners, not kept in the journal."""
        event = Reported(report=report)
        for listener in self.listeners:
            listener(event, self.state)

    def end(self, outcome: Outcome, *, writing: bool = False) -> None:
        """A trial ended; lets go of the checkpoints that nobody needs any more.

        Args:
            outcome: How it ended.
            writing: Whether its worker still carries out the verdict, and may write a checkpoint until `settled`.
        """
        if self.state.trials[outcome.trial].status.ended:
            raise InternalError(f"Trial {outcome.trial} ended twice.")
        if writing:
            self._writing.add(outcome.trial)
        self._write(Ended(outcome=outcome))
        self.deciders.end(outcome)
        self.trim()
        if not self._forgiven and self.state.failed_alike(self.settings.max_failures):
            self.given_up = True

    def settled(self, trial: int) -> None:
        """The worker of a trial that ended while it was writing has gone on, or is gone."""
        self._writing.discard(trial)
        self.trim()

    def trim(self) -> None:
        """Removes the checkpoints of ended trials that are not among the best `keep_best`.

        Those of a trial whose worker still writes are left for later: a folder that vanishes under a writer fails it.
        """
        ended = [t for t in self.state if t.status.ended]
        ranked = sorted((t for t in ended if t.status.usable), key=lambda t: (t.loss, t.id))
        kept = {t.id for t in ranked[: self.settings.keep_best]}
        for trial in ended:
            if trial.id not in kept | self._writing:
                self.folder.trial(trial.trial.id).drop_checkpoints()

    def close(self) -> None:
        """Writes the end of the run, and the results table. No trial has a worker any more.

        Raises:
            NoTrialSucceeded: If the run gave up, or nothing usable came of it.
        """
        failed = self.given_up or (not self.interrupted and self.state.best is None)
        left = bool(self.state.unfinished) or not self._all_proposed
        ends = {"failed": failed, "interrupted": self.interrupted, "reached": self.reached}
        ends["out of time"] = self.out_of_time and left
        self._write(Closed(reason=next((reason for reason, holds in ends.items() if holds), "finished")))
        self._writing.clear()
        self.trim()
        self.folder.write_results(self.state)
        if failed:
            raise NoTrialSucceeded(self._why_failed())

    def abandon(self) -> None:
        """Writes that the run ended for a fault that is not the study's; it can be gone on with.

        Raises:
            RunFolderError: If the disk refuses.
        """
        self._write(Closed(reason="failed"))

    def _why_failed(self) -> str:
        failed = [t for t in self.state if t.status is Status.FAILED]
        if not failed:
            ended = sum(t.status.ended for t in self.state)
            return f"{self.folder}: none of {ended} trials has a finite {self.settings.objective.metric}."
        first = failed[0]
        how = f"The first {len(failed)} trials failed alike" if self.given_up else f"All {len(failed)} trials failed"
        log = self.folder.trial(first.trial.id).error
        return f"{how}, so the run stopped. Trial {first.trial.id} ({log}):\n\n{first.error.rstrip()}"

    def _write(self, event: Event) -> None:
        self.state.apply(event)  # before the journal, so that what the journal holds can always be read back
        self.folder.journal.append(event)
        for listener in self.listeners:
            listener(event, self.state)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _SOFTWARE:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def outcome_of(report: Report | None, trial: int, status: Status, started: float, error: str = "") -> Outcome:
    """How a trial ended, from its last report; seconds are counted from `started` (Unix time) to now."""
    step, metrics = (report.step, report.metrics) if report is not None else (0, {})
    seconds = max(0.0, time.time() - started)
    return Outcome(trial=trial, status=status, step=step, metrics=metrics, error=error, seconds=seconds)
