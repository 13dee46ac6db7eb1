"""What a run's events add up to: the same while it goes on, and when its journal is read afterwards."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from lightning_hpo.errors import InternalError
from lightning_hpo.objective import Objective
from lightning_hpo.results.event import Event
from lightning_hpo.results.events import Continued, Ended, Judged, Lost, Reported, Started, Suggested
from lightning_hpo.results.run_events import Closed, Extended, Opened, Resumed
from lightning_hpo.trial import Origin, Outcome, Report, Status, Trial, Verdict

__all__ = ["RunState", "TrialState"]


@dataclass(frozen=True, kw_only=True)
class TrialState:
    """Where one trial stands. Each event makes a new one, so one that was taken out never changes.

    Args:
        trial: Its number and config.
        status: Where it stands.
        step: How far it has trained, as far as is known.
        metrics: Those of its last report; empty before.
        loss: What its last report with the objective amounts to; `inf` before, and once it diverged.
        worker: Where it trains, or trained last; empty before it first started.
        started: When it went to a worker, the last time, in unix seconds.
        ended: When it ended, in unix seconds.
        error: The traceback, if it failed.
        seconds: Its wall clock, known when it ended.
        verdict: How its last report was answered.
        losses: How often its worker was lost.
        repeated: How many steps it trained more than once, since its newest checkpoint was older than its end.
        alone: Whether it is to train while no other trial does.
    """

    trial: Trial
    status: Status = Status.WAITING
    step: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    loss: float = math.inf
    worker: str = ""
    started: float | None = None
    ended: float | None = None
    error: str = ""
    seconds: float = 0.0
    verdict: Verdict | None = None
    losses: int = 0
    repeated: int = 0
    alone: bool = False

    @property
    def id(self) -> int:
        """The trial's number."""
        return self.trial.id


class RunState:
    """A fold over a run's events: it sees no clock and no file, so the same events always give the same state.

    The run applies each event as it happens; whoever reads the journal applies them again. A driver applies an event
    before it appends it, so that what the journal holds can always be read back.

    Edges:
        * A trial that starts again after a crash or a resume may report steps that it reported before.
        * Closing and resuming take the workers away: running trials wait from then on. A crash does not, so after one
          the state shows them running until `Resumed` follows; `RunFolder.holder` tells whether a process still runs.
        * A trial may end without having started, and after the run was closed. Extending a closed run opens it again.
        * A report without the objective's metric leaves the loss as it was.
    """

    def __init__(self) -> None:
        self._opened: Opened | None = None
        #: The trials by number, in the order they were suggested.
        self.trials: dict[int, TrialState] = {}
        #: Why the run let go of its folder; None while it runs, and after a crash.
        self.closed: str | None = None
        # The trials that ended, in that order, and the last step reported since the trial last started.
        self._ended: list[int] = []
        self._reported: dict[int, int] = {}

    @classmethod
    def of(cls, events: Iterable[Event]) -> RunState:
        """The state after all of the events.

        Raises:
            InternalError: As `apply` does.
        """
        state = cls()
        for event in events:
            state.apply(event)
        return state

    def __repr__(self) -> str:
        if self._opened is None:
            return "<RunState: not opened>"
        counts = ", ".join(f"{count} {status.value}" for status, count in self.counts.items() if count)
        return f"<RunState: {len(self.trials)} trials ({counts or 'none yet'}), {self.closed or 'open'}>"

    def apply(self, event: Event) -> None:
        """Takes one event in; one that is refused changes nothing.

        Raises:
            InternalError: If it cannot have happened after those before it: a trial that is unknown, that ended
                twice, that reported without running or backwards, and the like.
        """
        if isinstance(event, Opened) == (self._opened is not None):
            fact = f"'{event.kind}' came first" if self._opened is None else "it came again"
            raise InternalError(f"The first event of a run, and no other, must be 'opened', but {fact}.")
        if isinstance(event, Opened):
            self._opened = event
        elif isinstance(event, Suggested):
            self._suggest(event.trial)
        elif isinstance(event, Started):
            self._start(event)
        elif isinstance(event, Continued):
            state = self._going(event.trial, "was continued")
            self._put(state, repeated=state.repeated + event.repeats)
        elif isinstance(event, Lost):
            state = self._going(event.trial, "was lost")
            self._put(
                state, status=Status.WAITING, losses=state.losses + 1, alone=state.alone or event.alone, worker=""
            )
        elif isinstance(event, Reported):
            self._report(event.report)
        elif isinstance(event, Judged):
            self._put(self._going(event.trial, "was judged"), verdict=event.verdict)
        elif isinstance(event, Ended):
            self._end(event.outcome, event.time)
        elif isinstance(event, Closed):
            if self.closed is not None:
                raise InternalError("The run was closed twice.")
            self.closed = event.reason
            self._take_workers_away()
        elif isinstance(event, Extended):
            self._opened = replace(self.opened, n_trials=event.n_trials, max_epochs=event.max_epochs, space=event.space)
            self.closed = None
        elif isinstance(event, Resumed):
            self.closed = None
            self._take_workers_away()
        else:
            raise InternalError(f"The state of a run knows nothing of {type(event).__name__}.")

    def _put(self, state: TrialState, **changes: object) -> None:
        self.trials[state.id] = replace(state, **changes)  # type: ignore[arg-type]

    def _going(self, trial: int, what: str) -> TrialState:
        """A trial that has not ended."""
        if trial not in self.trials:
            raise InternalError(f"Trial {trial} {what}, but was never suggested.")
        state = self.trials[trial]
        if state.status.ended:
            raise InternalError(f"Trial {trial} {what}, but had ended before ({state.status.value}).")
        return state

    def _suggest(self, trial: Trial) -> None:
        if trial.id in self.trials:
            raise InternalError(f"Trial {trial.id} was suggested twice.")
        if self.closed is not None:
            raise InternalError(f"Trial {trial.id} was suggested, but the run was closed ({self.closed}).")
        self.trials[trial.id] = TrialState(trial=trial)

    def _start(self, event: Started) -> None:
        state = self._going(event.trial, "started")
        if self.closed is not None:
            raise InternalError(f"Trial {event.trial} started, but the run was closed ({self.closed}).")
        self._reported[event.trial] = 0
        self._put(state, status=Status.RUNNING, worker=event.worker, started=event.time)

    def _report(self, report: Report) -> None:
        state = self._going(report.trial, f"reported step {report.step}")
        if state.status is not Status.RUNNING:
            raise InternalError(f"Trial {report.trial} reported step {report.step}, but was not running.")
        last = self._reported[report.trial]
        if report.step <= last:
            raise InternalError(f"Trial {report.trial} reported step {report.step} after step {last}.")
        self._reported[report.trial] = report.step
        self._put(state, step=report.step, metrics=report.metrics, loss=self._loss(report.metrics, state.loss))

    def _end(self, outcome: Outcome, when: float) -> None:
        state = self._going(outcome.trial, "ended")
        diverged = outcome.status is Status.DIVERGED
        self._ended.append(outcome.trial)
        self._put(
            state,
            status=outcome.status,
            # A trial that crashed may not know any more how far it came.
            step=max(state.step, outcome.step),
            metrics=outcome.metrics or state.metrics,
            loss=math.inf if diverged else self._loss(outcome.metrics, state.loss),
            ended=when,
            error=outcome.error,
            seconds=outcome.seconds,
        )

    def _loss(self, metrics: Mapping[str, float], before: float) -> float:
        return self.objective.loss(metrics) if self.objective.metric in metrics else before

    def _take_workers_away(self) -> None:
        for state in list(self):
            if state.status is Status.RUNNING:
                self._put(state, status=Status.WAITING)

    def __iter__(self) -> Iterator[TrialState]:
        """The trials in the order they were suggested, as they stand now."""
        return iter(list(self.trials.values()))

    @property
    def opened(self) -> Opened:
        """What the run was opened with.

        Raises:
            InternalError: If no event was applied yet.
        """
        if self._opened is None:
            raise InternalError("The first event of a run must be 'opened', and there was none.")
        return self._opened

    @property
    def objective(self) -> Objective:
        """What the run optimises."""
        return self.opened.objective

    @property
    def counts(self) -> dict[Status, int]:
        """How many trials stand where; every status is there."""
        counts = dict.fromkeys(Status, 0)
        for state in self:
            counts[state.status] += 1
        return counts

    @property
    def epochs_spent(self) -> int:
        """How many epochs (or whatever the run counts) all trials have trained together."""
        return sum(state.step for state in self)

    @property
    def epochs_full(self) -> int:
        """How many it would have been, had every trial that was suggested trained to its last."""
        return len(self.trials) * self.opened.max_epochs

    @property
    def best(self) -> TrialState | None:
        """The trial with the lowest finite loss among those that ended well; of equals, the one suggested first."""
        return self._lowest(state for state in self if state.status.usable)

    @property
    def best_so_far(self) -> TrialState | None:
        """As `best`, but trials that have not ended take part with their latest report."""
        return self._lowest(state for state in self if state.status.usable or not state.status.ended)

    def _lowest(self, states: Iterable[TrialState]) -> TrialState | None:
        finite = (state for state in states if math.isfinite(state.loss))
        return min(finite, key=lambda state: (state.loss, state.id), default=None)

    @property
    def baseline(self) -> TrialState | None:
        """The trial of the module's own defaults."""
        return next((state for state in self if state.trial.origin is Origin.DEFAULTS), None)

    @property
    def gain(self) -> float | None:
        """By how much the best is better than the defaults, in the metric; None until both ended well."""
        best, baseline = self.best, self.baseline
        if best is None or baseline is None or not baseline.status.usable or not math.isfinite(baseline.loss):
            return None
        return self.objective.gain(best.loss, baseline.loss)

    @property
    def unfinished(self) -> tuple[int, ...]:
        """The trials that have not ended, in the order they were suggested."""
        return tuple(state.id for state in self if not state.status.ended)

    def failed_alike(self, n: int) -> bool:
        """Whether the first `n` trials that ended all failed, with one and the same last line of their tracebacks.

        A failure without a traceback is like no other.

        Raises:
            ValueError: If `n` is not positive.
        """
        if n < 1:
            raise ValueError(f"failed_alike needs at least one trial, but got n={n}.")
        first = [self.trials[trial] for trial in self._ended[:n]]
        lines = {state.error.strip().rpartition("\n")[2] for state in first}
        return len(first) == n and lines != {""} and len(lines) == 1 and {s.status for s in first} == {Status.FAILED}
