"""What the adapters to Ray Tune share: the run, Ray's trials and ours, and the warm-up before the first trial."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from lightning_hpo.trial import Report, Verdict
from lightning_hpo.tuning.examine import Examination
from lightning_hpo.tuning.run import TuningRun

__all__ = ["Driver", "kept"]

F = TypeVar("F", bound=Callable[..., Any])


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
        self.live: set[int] = set()
        self._leaving: dict[tuple[str, int], int] = {}

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
        before = self._leaving.get(_process(result), trial)
        if before != trial and self.run is not None:
            del self._leaving[_process(result)]
            self.run.settled(before)

    @property
    def room(self) -> bool:
        """Whether a trial that is proposed now finds a worker.

        While workers are warming, only as many trials are proposed as warm ones were released. Ray makes a new worker
        for a trial as soon as it hears of it, unless one is free at that moment.
        """
        return len(self.live) < (self._released if self._released < self.warmups else self.concurrent)

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
