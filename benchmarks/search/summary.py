"""What is counted: normalised regret and rank at shares of the budget, with bootstrap confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from search.curves import Reference

__all__ = ["SHARES", "Run", "Table", "best_known", "ranks", "summarize"]

_Floats = npt.NDArray[np.float64]

#: At which shares of the budget a run is looked at.
SHARES = (0.1, 0.33, 1.0)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One contestant's run on one task with one seed.

    Args:
        contestant: Who.
        task: On what.
        seed: With which seed.
        values: The highest value observed by each share of the budget that is looked at, ascending in time.
        trials: How many trials it began.
        seconds: What the deciding and the reading of curves took, really.
    """

    contestant: str
    task: str
    seed: int
    values: tuple[float, ...]
    trials: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Table:
    """Of one contestant, at each share of the budget.

    Args:
        regret: Mean normalised regret.
        regret_interval: Its 95 % interval, (low, high) for each share.
        rank: Mean rank; 1 is the best.
        rank_interval: Its 95 % interval.
        points: Mean regret in the metric's own unit.
    """

    regret: tuple[float, ...]
    regret_interval: tuple[tuple[float, float], ...]
    rank: tuple[float, ...]
    rank_interval: tuple[tuple[float, float], ...]
    points: tuple[float, ...]


def best_known(runs: Sequence[Run], references: Mapping[str, Reference]) -> dict[str, float]:
    """For each task the highest value that anybody, the reference sample included, has ever seen."""
    best = {name: reference.best for name, reference in references.items()}
    for run in runs:
        best[run.task] = max(best[run.task], *run.values)
    return best


def ranks(values: _Floats) -> _Floats:
    """Ranks along the first axis, 1 for the highest value; equal values share the mean of their ranks."""
    higher = (values[None, :] > values[:, None]).sum(axis=1)
    equal = (values[None, :] == values[:, None]).sum(axis=1)
    found: _Floats = higher + (equal + 1) / 2
    return found


def summarize(
    runs: Sequence[Run],
    references: Mapping[str, Reference],
    resamples: int = 1000,
    best: Mapping[str, float] | None = None,
) -> dict[str, Table]:
    """Tables of all contestants, best mean rank at the end first.

    The regret of a run at a time is how far the highest value it has observed by then, at any epoch of any trial, is
    below the best known value of the task. Normalised, 0 is the best known and 1 is what half of all random configs
    reach in a full training. Before a run has observed anything it counts as the worst value of the reference sample.

    Only (task, seed) pairs that every contestant has are counted. The intervals come from drawing the seeds of each
    task anew, with replacement; all contestants of a pair stay together.
    """
    names = list(dict.fromkeys(run.contestant for run in runs))
    best = best or best_known(runs, references)
    held: dict[tuple[str, int], dict[str, Any]] = {}
    for run in runs:
        held.setdefault((run.task, run.seed), {})[run.contestant] = run.values
    pairs = sorted(pair for pair, values in held.items() if len(values) == len(names))
    if not pairs:
        return {}
    values = np.array([[held[pair][name] for pair in pairs] for name in names])  # [contestants, pairs, shares]
    floor = np.array([references[task].worst for task, _ in pairs])[None, :, None]
    top = np.array([best[task] for task, _ in pairs])[None, :, None]
    middle = np.array([references[task].median for task, _ in pairs])[None, :, None]
    points = top - np.maximum(values, floor)
    regret = points / (top - middle)
    rank = ranks(np.maximum(values, floor))
    groups = [[place for place, pair in enumerate(pairs) if pair[0] == task] for task in dict(pairs)]
    rng = np.random.default_rng(0)
    draws = [np.concatenate([rng.choice(group, len(group)) for group in groups]) for _ in range(resamples)]
    made = {
        name: Table(
            regret=_means(regret[place]),
            regret_interval=_interval(regret[place], draws),
            rank=_means(rank[place]),
            rank_interval=_interval(rank[place], draws),
            points=_means(points[place]),
        )
        for place, name in enumerate(names)
    }
    return dict(sorted(made.items(), key=lambda item: item[1].rank[-1]))


def _means(cells: _Floats) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in cells.mean(axis=0))


def _interval(cells: _Floats, draws: Sequence[npt.NDArray[np.int64]]) -> tuple[tuple[float, float], ...]:
    means = np.array([cells[draw].mean(axis=0) for draw in draws])
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return tuple((round(float(a), 4), round(float(b), 4)) for a, b in zip(low, high, strict=True))
