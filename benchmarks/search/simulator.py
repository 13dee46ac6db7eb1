"""Asynchronous workers under a simulated clock: hours of tuning in the time that the deciding takes."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from lightning_hpo.trial import Config
from search.curves import Curve, Task

__all__ = ["Contestant", "Cost", "Trace", "simulate"]

Cost = Literal["epochs", "seconds"]


class Contestant(Protocol):
    """What tunes: asked for a config whenever a worker is free, told of every epoch of every trial."""

    def suggest(self, trial: int) -> Config:
        """The config of a new trial; trials are numbered from 0."""
        ...

    def report(self, trial: int, epoch: int, value: float) -> bool:
        """Hears what a trial measured after an epoch; whether the trial goes on. Nothing goes on after the last."""
        ...

    def end(self, trial: int, epoch: int, value: float, *, complete: bool) -> None:
        """Hears that a trial is over, having reached an epoch, at its own end or before it."""
        ...


@dataclass(kw_only=True)
class Trace:
    """What happened in one simulated run. Times are shares of the run's duration.

    Args:
        improvements: (time, value): when a higher value than all before was observed, in order.
        epochs: For each trial, how many epochs it trained within the budget.
        spent: What all workers together spent within the budget, as a share of it.
    """

    improvements: list[tuple[float, float]] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)
    spent: float = 0.0

    def incumbent(self, time: float) -> float:
        """The highest value observed by then; -inf if nothing was."""
        return max((value for when, value in self.improvements if when <= time), default=-math.inf)


def simulate(
    contestant: Contestant, task: Task, *, workers: int, budget: float, cost: Cost = "epochs", full: float = 1.0
) -> Trace:
    """Lets a contestant tune until the budget is spent.

    Each worker trains one trial at a time; when the trial is over the worker takes the next at once. Deciding takes no
    simulated time. What would end after the budget is never observed, so nobody gains by overspending.

    Args:
        contestant: What tunes.
        task: What is tuned.
        workers: How many trials run side by side.
        budget: What all workers may spend together, in full trainings; each has `budget / workers` of time.
        cost: Whether an epoch costs the same always, or what was recorded for it.
        full: What a full training takes on average, in seconds; only looked at where these are counted.
    """
    trace = Trace()
    horizon = budget / workers
    # Ties are broken by the worker, whose trials are told apart by nothing else.
    events: list[tuple[float, int, int]] = []
    running: dict[int, tuple[int, Iterator[tuple[float, int, float]]]] = {}
    pending: dict[int, tuple[float, int, float]] = {}
    begun: dict[int, float] = {}

    def advance(worker: int, time: float) -> None:
        """Puts the end of the worker's next epoch on the clock; past the horizon nothing more happens."""
        trial, epochs = running[worker]
        pending[worker] = next(epochs)
        begun[worker] = time
        heapq.heappush(events, (time + pending[worker][0], worker, trial))

    def begin(worker: int, time: float) -> None:
        trial = len(trace.epochs)
        trace.epochs.append(0)
        running[worker] = trial, _epochs(task.curve(contestant.suggest(trial)), task, cost, full)
        advance(worker, time)

    best = -math.inf
    for worker in range(workers):
        begin(worker, 0.0)
    while events[0][0] <= horizon + 1e-9:
        time, worker, trial = heapq.heappop(events)
        lasts, epoch, value = pending[worker]
        trace.spent += lasts / budget
        trace.epochs[trial] = epoch
        if value > best:
            best = value
            trace.improvements.append((min(time / horizon, 1.0), value))
        goes_on = contestant.report(trial, epoch, value) and epoch < task.max_epochs
        if goes_on:
            advance(worker, time)
        else:
            contestant.end(trial, epoch, value, complete=epoch == task.max_epochs)
            begin(worker, time)
    # What is under way at the horizon was paid for up to there.
    trace.spent += sum(max(horizon - started, 0.0) for started in begun.values()) / budget
    return trace


def _epochs(curve: Curve, task: Task, cost: Cost, full: float) -> Iterator[tuple[float, int, float]]:
    """(what it costs in full trainings, its number, its value) of each epoch."""
    before = 0.0
    for epoch in range(1, task.max_epochs + 1):
        if cost == "epochs":
            lasts = 1 / task.max_epochs
        else:
            lasts, before = (curve.seconds(epoch) - before) / full, curve.seconds(epoch)
        yield lasts, epoch, curve.value(epoch)
