"""Runs on disk, a line each, so that a benchmark of hours can be done in pieces."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from search.contestants import contestant
from search.curves import Reference, Task, reference
from search.simulator import Cost, simulate
from search.summary import Run

__all__ = ["GRID", "Setting", "missing", "read_runs", "references_of", "run_one", "write_run"]

#: At these shares of the budget the best value so far is kept; those of the tables are among them.
GRID = tuple(sorted({*(round(step / 50, 2) for step in range(1, 51)), 0.33}))

#: How many random configs say what is good on a task.
_SAMPLE = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """What is the same for all contestants.

    Args:
        workers: How many trials run side by side.
        cost: What an epoch costs.
        budget: What is spent, in full trainings.
    """

    workers: int
    cost: Cost
    budget: float = 30.0


def run_one(name: str, task: Task, seed: int, setting: Setting, of: Reference) -> Run:
    """One contestant's run."""
    began = time.perf_counter()
    trace = simulate(
        contestant(name, task, seed),
        task,
        workers=setting.workers,
        budget=setting.budget,
        cost=setting.cost,
        full=of.seconds,
    )
    return Run(
        contestant=name,
        task=task.name,
        seed=seed,
        values=tuple(trace.incumbent(share) for share in GRID),
        trials=len(trace.epochs),
        seconds=round(time.perf_counter() - began, 3),
    )


def missing(runs: Iterable[Run], names: Sequence[str], tasks: Sequence[Task], seeds: int) -> Iterator[tuple[Any, ...]]:
    """(name, task, seed) of what has not been run, all contestants of a seed before the next seed."""
    done = {(run.contestant, run.task, run.seed) for run in runs}
    for seed in range(seeds):
        for task in tasks:
            for name in names:
                if (name, task.name, seed) not in done:
                    yield name, task, seed


def write_run(file: Path, setting: Setting, run: Run) -> None:
    """Appends a run."""
    data = {"setting": dataclasses.asdict(setting), **dataclasses.asdict(run)}
    data["values"] = [round(value, 4) if math.isfinite(value) else None for value in run.values]
    with open(file, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(data) + "\n")


def read_runs(file: Path, setting: Setting) -> list[Run]:
    """The runs of a setting; none if there is no file."""
    if not file.exists():
        return []
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        data = json.loads(line)
        if data.pop("setting") == dataclasses.asdict(setting):
            values = tuple(-math.inf if value is None else value for value in data.pop("values"))
            found.append(Run(values=values, **data))
    return found


def references_of(tasks: Sequence[Task], file: Path | None = None, sample: int = _SAMPLE) -> dict[str, Reference]:
    """What a random sample says of each task; kept in a file, where one is named, since it takes seconds a task."""
    kept: dict[str, Any] = json.loads(file.read_text()) if file is not None and file.exists() else {}
    found = {}
    for task in tasks:
        found[task.name] = Reference(**kept[task.name]) if task.name in kept else reference(task, sample)
    if file is not None:
        file.write_text(json.dumps(kept | {name: dataclasses.asdict(each) for name, each in found.items()}))
    return found
