"""Asynchronous successive halving."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from lightning_hpo.errors import SettingError
from lightning_hpo.objective import Objective
from lightning_hpo.schedulers.base import Scheduler
from lightning_hpo.trial import Report, Verdict

__all__ = ["ASHAScheduler"]


class ASHAScheduler(Scheduler):
    """Stops a trial at a rung unless it is in that rung's best 1/eta so far.

    Rungs stand at `grace_period * eta**k` epochs (rounded), below `max_epochs`; the end itself is no decision. A
    trial is judged once per rung, against the trials that reached the rung before it, so no trial waits for another:
    of the n at the rung, itself included, the best `max(1, floor(n / eta))` go on.

    Edges:
        * A non-finite value is stopped at once, rung or not. It counts as the worst at the highest rung reached,
          unless the trial was judged there before.
        * With fewer than `eta` trials at a rung, only the best so far continues.
        * Ties continue. A report that jumps over several rungs is judged at the highest one reached, and does not
          count at those that it passed.
        * A report between rungs continues, and so does one at a rung where the trial was judged before (as after a
          retry from a checkpoint). A stopped trial stays stopped.

    Args:
        objective: What is compared; its mode decides what "best" means.
        max_epochs: The last epoch of a full trial.
        grace_period: The first rung, in epochs. No trial is stopped before it. Left out, it is a sixteenth of
            `max_epochs`, rounded, and at least 1: what learns fastest in the very first epochs is often not what ends
            best (docs/search.md).
        eta: How sharply each rung cuts, and how far apart the rungs are; 3 keeps about a third.

    Raises:
        SettingError: If not `1 <= grace_period <= max_epochs`, or `eta <= 1`.

    Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020 (stopping variant).
    """

    name: ClassVar[str] = "asha"

    def __init__(
        self, *, objective: Objective, max_epochs: int, grace_period: int | None = None, eta: float = 3
    ) -> None:
        super().__init__(objective=objective, max_epochs=max_epochs)
        if grace_period is None:
            grace_period = max(1, math.floor(max_epochs / 16 + 0.5))
        if not isinstance(grace_period, int) or isinstance(grace_period, bool) or not 1 <= grace_period <= max_epochs:
            late = isinstance(grace_period, int) and grace_period > max_epochs
            fact = f"is {grace_period!r}" + (f", but trials run {max_epochs} epochs" if late else "")
            raise SettingError("grace_period", fact, f"Expected 1 <= grace_period <= {max_epochs}.")
        if not isinstance(eta, (int, float)) or isinstance(eta, bool) or not 1 < eta < math.inf:
            raise SettingError("eta", f"is {eta!r}", "Expected a number greater than 1.")
        self.grace_period = grace_period
        self.eta = eta
        #: The losses recorded at each rung, ascending.
        self._losses: dict[int, list[float]] = {rung: [] for rung in _rungs(grace_period, max_epochs, eta)}
        #: The highest rung at which each trial was judged.
        self._judged: dict[int, int] = {}
        self._stopped: set[int] = set()

    @property
    def milestones(self) -> tuple[int, ...]:
        """The rungs."""
        return tuple(self._losses)

    def judge(self, report: Report) -> Verdict:
        """STOP for a trial that is not among its rung's best, or whose objective is not finite."""
        if report.trial in self._stopped:
            return Verdict.STOP
        loss = self.objective.loss(report.metrics)
        goes_on = math.isfinite(loss)
        rung = max((rung for rung in self._losses if rung <= report.step), default=0)
        if rung > self._judged.get(report.trial, 0):
            self._judged[report.trial] = rung
            losses = self._losses[rung]
            bisect.insort(losses, loss)
            kept = max(1, math.floor(len(losses) / self.eta))
            goes_on = goes_on and loss <= losses[kept - 1]
        if not goes_on:
            self._stopped.add(report.trial)
        return Verdict.CONTINUE if goes_on else Verdict.STOP

    def _state(self) -> dict[str, Any]:
        return {
            "rungs": [
                [rung, [loss if math.isfinite(loss) else None for loss in losses]]
                for rung, losses in self._losses.items()
            ],
            "judged": [[trial, rung] for trial, rung in self._judged.items()],
            "stopped": sorted(self._stopped),
        }

    def _load_state(self, state: Mapping[str, Any]) -> None:
        self._losses = {
            rung: [math.inf if loss is None else loss for loss in losses] for rung, losses in state["rungs"]
        }
        self._judged = dict(state["judged"])
        self._stopped = set(state["stopped"])


def _rungs(grace_period: int, max_epochs: int, eta: float) -> list[int]:
    rungs: list[int] = []
    power = 0
    while (rung := math.floor(grace_period * eta**power + 0.5)) < max_epochs:
        if rung not in rungs:
            rungs.append(rung)
        # With an eta near 1 many powers round to the same epoch; go to the first that may not.
        power = max(power + 1, math.ceil(math.log((rung + 0.5) / grace_period) / math.log(eta)))
    return rungs
