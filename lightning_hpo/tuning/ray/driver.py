"""What the adapters to Ray Tune share: the run, Ray's trials and ours, and the warm-up before the first trial."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from lightning_hpo.trial import Report, Verdict
from lightning_hpo.tuning.examine import Examination
from lightning_hpo.tuning.run import TuningRun

__all__ = ["Driver", "kept"]

F = TypeVar("F", bound=Callable[..., Any])

#: Seconds between two looks after which the driver must have been held up, by a sleeping laptop say.
_HELD_UP = 30.0
#: Seconds between two looks.
_LOOKS_EVERY = 0.5


class Driver:
    """The driver's side of a run on Ray Tune.

    Before the run there is a warm-up: one pseudo-trial a worker that imports torch, Lightning and the user's code; the
    first of them also looks at the study. What it sees makes the run, whose trials then take over the warm workers one
    by one. Without it, Ray Tune gives a waiting trial to the worker that is free first and throws the half-started one
    away: as long as trials are shorter than a worker's start, they would run one at a time
    (`TuneController._maybe_reuse_cached_actor`, Ray 2.50 to 2.60; a plain task cannot warm a worker, since Ray never
    makes an actor of a process that ran tasks).

    Args:
        begin: Makes the run from what was seen; None where nothing had to be looked at.
        look: Whether the first warm-up is to look at the study.
        warmups: How many workers to warm.
        concurrent: How many trials may be open at a time.
    """

    def __init__(
        self, begin: Callable[[Examination | None], TuningRun], *, look: bool, warmups: int, concurrent: int
    ) -> None:
        self._begin = begin
        self.look = look
        self.concurrent = concurrent
        self.warmups = warmups
        self.warming: set[str] = set()
        self._released = 0
        self.run: TuningRun | None = None
        self.interrupted = False
        self.fault: BaseException | None = None
        self.numbers: dict[str, int] = {}
        self.reports: dict[int, Report] = {}
        self.started: dict[int, float] = {}
        self.verdicts: dict[int, Verdict] = {}
        self.live: dict[int, Any] = {}
        self.heard_at: dict[int, float] = {}
        self.given_up: dict[int, str] = {}
        # Weak, since a worker lives for as long as somebody holds on to its actor.
        self._processes: WeakKeyDictionary[Any, tuple[str, int]] = WeakKeyDictionary()
        self._leaving: dict[tuple[str, int], int] = {}
        self._looked = time.monotonic()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()  # Ray snapshots what it was given when an experiment ends; the journal is what we read

    @property
    def stopping(self) -> bool:
        """Whether everything should end now."""
        return self.interrupted or self.fault is not None or (self.run is not None and self.run.stopping)

    def leaves(self, trial: int, result: dict[str, Any]) -> None:
        """Takes note that a trial ended by a verdict, which its worker carries out until it reports on another one."""
        self._leaving[_process(result)] = trial

    def heard(self, trial: int, result: dict[str, Any]) -> None:
        """Takes note of a sign of life of a trial: the one that had its worker before has been carried to its end."""
        self.heard_at[trial] = time.monotonic()
        if (actor := self._actor(trial)) is not None:
            self._processes[actor] = _process(result)
        if self._leaving.get(_process(result), trial) != trial:
            self.let_go(_process(result))

    @property
    def room(self) -> bool:
        """Whether a trial that is proposed now finds a worker.

        While workers are warming, only as many trials are proposed as warm ones were released. Ray makes a new worker
        for a trial as soon as it hears of it, unless one is free at that moment.
        """
        if any(self.run.state.trials[trial].alone for trial in self.live if self.run is not None):
            return False
        return len(self.live) < (self._released if self._released < self.warmups else self.concurrent)

    def proposed(self, trial: int, ray_trial: Any) -> None:
        """Takes note that Ray Tune looks for a worker for a trial, for the first time or again."""
        self.live[trial] = ray_trial
        self.heard_at[trial] = time.monotonic()
        self.started.pop(trial, None)
        self.given_up.pop(trial, None)
        self.verdicts.pop(trial, None)

    def began(self, trial: int) -> None:
        """Takes note that a worker takes a trial."""
        self.started[trial] = time.time()
        self.heard_at[trial] = time.monotonic()

    def let_go(self, process: tuple[str, int]) -> None:
        """Takes note that a process has let go of the trial that it had before, or does not live any more."""
        if process in self._leaving and self.run is not None:
            self.run.settled(self._leaving.pop(process))

    def gone(self, trial: int) -> None:
        """Takes note that a trial has no worker any more."""
        self.live.pop(trial, None)
        self.heard_at.pop(trial, None)

    def _actor(self, trial: int) -> Any:
        """The worker that has a trial, or that Ray Tune has picked for it and that lets go of another one; or None."""
        return self.live[trial].temporary_state.ray_actor if self.live.get(trial) is not None else None

    @property
    def looks(self) -> bool:
        """Whether it is time to look after workers and Ray again: Ray Tune calls many times a second."""
        return time.monotonic() - self._looked >= _LOOKS_EVERY

    def overdue(self) -> list[tuple[Any, tuple[str, int]]]:
        """The workers to be given up now, silent for too long or at work for too long, and their host and process, 0 if
        that is not known.

        A trial that has no worker yet waits for one as long as it takes. A driver that was itself held up for long has
        heard nobody, and starts to count again.
        """
        now = time.monotonic()
        since, self._looked = now - self._looked, now
        if since > _HELD_UP:
            self.heard_at = dict.fromkeys(self.heard_at, now)
        found = []
        for trial, heard in self.heard_at.items():
            actor = None if trial in self.given_up else self._actor(trial)
            reason = None if actor is None else self._overdue(trial, now - heard)
            if reason is not None:
                self.given_up[trial] = reason
                found.append((actor, self._processes.get(actor, ("", 0))))
        return found

    def _overdue(self, trial: int, silence: float) -> str | None:
        """Why a trial's worker is to be given up, if so; empty for its silence."""
        if self.run is None:
            return None
        limits = self.run.settings.limits
        took = time.time() - self.started.get(trial, math.inf)
        if limits.trial_timeout is not None and took > limits.trial_timeout:
            return f"The trial took longer than trial_timeout: {limits.trial_timeout:g} s.\n"
        return "" if silence > limits.worker_timeout else None

    def interrupt(self) -> None:
        """Takes note of Ctrl-C."""
        self.interrupted = True
        if self.run is not None:
            self.run.interrupted = True

    def warmed(self, result: dict[str, Any]) -> bool:
        """Takes note of a warm-up's result; returns whether its worker is wanted for a trial now."""
        if result.get("fault") is not None:
            raise result["fault"]
        if self.run is None and (result.get("examination") is not None or not self.look):
            self.run = self._begin(result.get("examination"))
            self.run.interrupted = self.interrupted
        if self.run is None:
            return False
        wanted = self.run.exhausted or not self.room
        self._released += wanted
        return wanted

    def cold(self) -> None:
        """Takes note that a worker was lost before it had its first trial; Ray makes another one when there is need."""
        self._released += 1


def _process(result: dict[str, Any]) -> tuple[str, int]:
    """The worker that a result came from; Ray fills these in."""
    return str(result.get("hostname")), int(result.get("pid") or 0)


def kept(answer: Any) -> Callable[[F], F]:
    """Keeps an exception of an adapter's method in its driver, and gives Ray a harmless answer.

    Ray would take an exception of ours for the trial's and go on; what is kept here ends the run and is raised when
    Ray has stopped.
    """

    def decorate(method: F) -> F:
        @functools.wraps(method)
        def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
            driver: Driver = self._driver
            try:
                return method(self, *args, **kwargs)
            except Exception as error:  # ours, a full disk's, or a listener's
                driver.fault = driver.fault or error
                return answer

        return guarded  # type: ignore[return-value]

    return decorate
