"""What does a suggestion cost when there are many trials?

Eight parameters (five uniform, one logarithmic, one whole number, one choice of four); trials with random configs and
losses are told to each searcher, then it is asked for ten more configs, each of which is told as well.

    python benchmarks/suggestion_time.py      Ray's HyperOptSearch and Optuna's TPE up to 2 000 trials, ours to 10 000
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from lightning_hpo.objective import Objective
from lightning_hpo.searchers import TPESearcher
from lightning_hpo.space import Choice, Float, Int, Space
from lightning_hpo.trial import Outcome, Report, Status
from overhead import commit, keep, machine

RESULTS = Path(__file__).resolve().parent / "results"
OPTIONS = ["a", "b", "c", "d"]
SPACE = Space(
    {f"x{number}": Float(0, 1) for number in range(5)}
    | {"lr": Float(1e-5, 1, log=True), "n": Int(1, 100), "kind": Choice(OPTIONS)}
)
ASKED = 10
#: Suggests a config for a trial; then the trial ends with a loss.
Pair = tuple[Callable[[int], Any], Callable[[int, float], None]]


def ours() -> Pair:
    searcher = TPESearcher(space=SPACE, objective=Objective(metric="loss"), rng=np.random.default_rng(0))
    steps = np.random.default_rng(1)

    def tell(trial: int, loss: float) -> None:
        step = int(steps.choice([1, 3, 9], p=[0.7, 0.2, 0.1]))
        searcher.observe(Report(trial=trial, step=step, metrics={"loss": loss}))
        searcher.end(Outcome(trial=trial, status=Status.STOPPED, step=step))

    return searcher.suggest, tell


def rays() -> Pair:
    from ray import tune
    from ray.tune.search.hyperopt import HyperOptSearch

    logging.disable(logging.WARNING)
    space: dict[str, Any] = {f"x{number}": tune.uniform(0, 1) for number in range(5)}
    space |= {"lr": tune.loguniform(1e-5, 1), "n": tune.randint(1, 101), "kind": tune.choice(OPTIONS)}
    searcher = HyperOptSearch(space, metric="loss", mode="min", random_state_seed=0)
    return (
        lambda trial: searcher.suggest(str(trial)),
        lambda trial, loss: searcher.on_trial_complete(str(trial), {"loss": loss}),
    )


def optunas() -> Pair:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    trials: dict[int, Any] = {}

    def suggest(trial: int) -> None:
        asked = trials[trial] = study.ask()
        for number in range(5):
            asked.suggest_float(f"x{number}", 0, 1)
        asked.suggest_float("lr", 1e-5, 1, log=True)
        asked.suggest_int("n", 1, 100)
        asked.suggest_categorical("kind", OPTIONS)

    def tell(trial: int, loss: float) -> None:
        study.tell(trials.pop(trial), loss)

    return suggest, tell


def milliseconds(pair: Pair, sizes: list[int]) -> dict[str, float]:
    """The median cost of a suggestion at each number of finished trials."""
    suggest, tell = pair
    losses = np.random.default_rng(2)
    trial, found = 0, {}
    for size in sizes:
        while trial < size:
            suggest(trial)
            tell(trial, float(losses.random()))
            trial += 1
        took = []
        for _ in range(ASKED):
            began = time.perf_counter()
            suggest(trial)
            took.append(1000 * (time.perf_counter() - began))
            tell(trial, float(losses.random()))
            trial += 1
        found[str(size)] = round(statistics.median(took), 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=RESULTS / "suggestion_time.json")
    asked = parser.parse_args()
    sizes = [100, 1000, 2000]
    found = {
        "lightning-hpo": milliseconds(ours(), [*sizes, 10_000]),
        "Ray HyperOptSearch": milliseconds(rays(), sizes),
        "Optuna TPE": milliseconds(optunas(), sizes),
    }
    print("milliseconds a suggestion, median of ten, after so many trials")
    heads = [*sizes, 10_000]
    print(f"{'':<20}" + "".join(f"{head:>10}" for head in heads))
    for name, times in found.items():
        print(f"{name:<20}" + "".join(f"{times.get(str(head), '-'):>10}" for head in heads))
    report = {
        "question": "What does a suggestion cost when there are many trials?",
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "milliseconds": found,
    }
    keep(report, asked.output)


if __name__ == "__main__":
    main()
