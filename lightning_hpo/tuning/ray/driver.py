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
        self.warmups_left = warmups
        self.warming: set[str] = set()
        self.released = 0
        self.run: TuningRun | None = None
        self.interrupted = False
        self.fault: BaseException | None = None
        self.numbers: dict[str, int] = {}
        self.reports: dict[int, Report] = {}
        self.started: dict[int, float] = {}
        self.verdicts: dict[int, Verdict] = {}
        self.live: set[int] = set()

    @property
    def stopping(self) -> bool:
        """Whether everything should end now."""
        return self.interrupted or self.fault is not None or (self.run is not None and self.run.stopping)

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
        wanted = self.released < len(self.numbers) or self.run.exhausted
        self.released += wanted
        return wanted


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
