"""A tuning run as the driver sees it: who is next, what was said, what is answered. Knows nothing of Ray."""

from __future__ import annotations

import math
import platform
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata

from lightning_hpo.errors import InternalError, NoTrialSucceeded, RunFolderError
from lightning_hpo.results import RunFolder, RunState
from lightning_hpo.results.events import Closed, Ended, Event, Judged, Opened, Reported, Resumed, Started, Suggested
from lightning_hpo.space.syntax import render
from lightning_hpo.trial import Config, Origin, Outcome, Report, Status, Trial, Verdict
from lightning_hpo.tuning.settings import RunSettings, trial_seed

__all__ = ["Listener", "TuningRun", "outcome_of"]

#: Hears every event after it is in the journal, with the state that it led to.
Listener = Callable[[Event, RunState], None]

_SOFTWARE = ("lightning-hpo", "torch", "pytorch-lightning", "lightning", "ray", "hyperopt", "numpy")


class TuningRun:
    """Holds the searcher, the scheduler and the journal together.

    Whoever runs trials calls, for each: `propose`, `started`, `report` as often as reports cross, `end`, and `settled`
    for one whose end said that its worker still writes. Each call writes the journal and then decides, so what was
    decided can always be decided again by replay. Not thread-safe: one driver thread calls.

    Args:
        settings: What the run does.
        folder: Its folder, already held by this process.
        listeners: Told of every event.
    """

    def __init__(self, settings: RunSettings, folder: RunFolder, listeners: Sequence[Listener] = ()) -> None:
        self.settings = settings
        self.folder = folder
        self.listeners = list(listeners)
        self.searcher = settings.make_searcher()
        self.scheduler = settings.make_scheduler()
        self.state = RunState()
        self.interrupted = False
        self.given_up = False
        self._first = deque(settings.first_configs())
        self._again: deque[Trial] = deque()
        self._writing: set[int] = set()
        self._forgiven = False
        self._exhausted = False

    @property
    def stopping(self) -> bool:
        """Whether running trials should end now and no new one start."""
        return self.interrupted or self.given_up

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

    def replay(self, events: Iterable[Event]) -> None:
        """Takes over a journal: deciders see again what they saw, and trials without an end are proposed again.

        A run that had given up does not give up again: whoever resumes it has seen why, and mended that.

        Raises:
            RunFolderError: If the searcher, made from these settings, would have suggested something else.
        """
        for event in events:
            self.state.apply(event)
            if isinstance(event, Suggested):
                self._replay_suggestion(event.trial)
            elif isinstance(event, Reported):
                self.searcher.observe(event.report)
                self.scheduler.judge(event.report)
            elif isinstance(event, Ended):
                self.searcher.end(event.outcome)
                self.scheduler.end(event.outcome)
        self._forgiven = self.state.failed_alike(self.settings.max_failures)
        self._again.extend(self.state.trials[trial].trial for trial in self.state.unfinished)
        self._write(Resumed())

    def _replay_suggestion(self, trial: Trial) -> None:
        if trial.origin is not Origin.SEARCHER:
            if self._first:
                self._first.popleft()
            self.searcher.adopt(trial.id, trial.config)
            return
        config = self.searcher.suggest(trial.id)
        if config is None or self.settings.encode(config) != dict(trial.config):
            raise RunFolderError(
                f"{self.folder}: replaying the journal, trial {trial.id} would now be {config!r}, "
                f"but was {dict(trial.config)!r}. The recipe or the installed versions have changed since. "
                "Resume with what the run was started with, or start a new run."
            )

    def propose(self) -> Trial | None:
        """The next trial, or None if there are no more (yet, or ever: see `exhausted`)."""
        if self.stopping:
            return None
        if self._again:
            return self._again.popleft()
        limit = self.settings.trials()
        number = len(self.state.trials)
        if self._exhausted or (limit is not None and number >= limit):
            self._exhausted = True
            return None
        config: Config | None
        if self._first:
            config, origin = self._first.popleft(), Origin.INITIAL if number else Origin.DEFAULTS
            self.searcher.adopt(number, config)
        else:
            config, origin = self.searcher.suggest(number), Origin.SEARCHER
        if config is None:
            self._exhausted = True
            return None
        seed = trial_seed(self.settings.seed, number)
        trial = Trial(id=number, config=self.settings.encode(config), seed=seed, origin=origin)
        self._write(Suggested(trial=trial))
        return trial

    @property
    def exhausted(self) -> bool:
        """Whether `propose` will never again return a trial."""
        limit = self.settings.trials()
        full = limit is not None and len(self.state.trials) >= limit
        return self.stopping or (not self._again and (self._exhausted or full))

    def started(self, trial: int, worker: str = "") -> None:
        """A worker has taken the trial."""
        self._write(Started(trial=trial, worker=worker))

    def report(self, report: Report) -> Verdict:
        """A report crossed; returns what the trial is to do."""
        self._write(Reported(report=report))
        self.searcher.observe(report)
        verdict = self.scheduler.judge(report)
        if verdict is Verdict.STOP and self._is_baseline(report):
            verdict = Verdict.CONTINUE
        if verdict is not Verdict.CONTINUE:
            self._write(Judged(trial=report.trial, step=report.step, verdict=verdict))
        return verdict

    def _is_baseline(self, report: Report) -> bool:
        """Whether the report is a finite one of the defaults: these train to their end whatever the scheduler says.

        A gain over defaults that were cut short would be claimed too cheaply.
        """
        origin = self.state.trials[report.trial].trial.origin
        return origin is Origin.DEFAULTS and math.isfinite(self.settings.objective.loss(report.metrics))

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
        self.searcher.end(outcome)
        self.scheduler.end(outcome)
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
        self._write(Closed(reason="failed" if failed else "interrupted" if self.interrupted else "finished"))
        self._writing.clear()
        self.trim()
        self.folder.write_results(self.state)
        if failed:
            raise NoTrialSucceeded(self._why_failed())

    def _why_failed(self) -> str:
        failed = [t for t in self.state if t.status is Status.FAILED]
        if not failed:
            ended = len([t for t in self.state if t.status.ended])
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
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def outcome_of(report: Report | None, trial: int, status: Status, started: float, error: str = "") -> Outcome:
    """How a trial ended, from its last report; seconds are counted from `started` (Unix time) to now."""
    step, metrics = (report.step, report.metrics) if report is not None else (0, {})
    seconds = max(0.0, time.time() - started)
    return Outcome(trial=trial, status=status, step=step, metrics=metrics, error=error, seconds=seconds)
