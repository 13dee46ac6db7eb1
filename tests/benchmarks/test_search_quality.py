"""The search benchmark counts what it says: time, budget, curves, regret and ranks."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lightning_hpo.space import Float, Space
from lightning_hpo.trial import Config
from search.contestants import CONTESTANTS, OURS, contestant
from search.curves import SYNTHETIC, Reference, Task, reference
from search.records import GRID, Setting, missing, read_runs, run_one, write_run
from search.simulator import simulate
from search.summary import Run, ranks, summarize

ROOT = Path(__file__).resolve().parents[2]


class Ramp(Task):
    """Four epochs; the value after an epoch is x times its number, and an epoch takes 1 + x seconds."""

    name = "ramp"
    max_epochs = 4
    space = Space({"x": Float(0, 1)})

    def measure(
        self, configs: Sequence[Config], first: int, last: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        x = np.array([[config["x"]] for config in configs])
        epochs = np.arange(first, last + 1)
        return x * epochs, (1 + x) * epochs


@dataclass
class Scripted:
    """Proposes what it is told to, stops trials after the epoch that `until` says, and notes what it hears."""

    xs: list[float]
    until: Callable[[int], int] = lambda trial: 99
    heard: list[tuple[int, int, float]] = field(default_factory=list)
    ended: list[tuple[int, int, bool]] = field(default_factory=list)

    def suggest(self, trial: int) -> Config:
        return {"x": self.xs[trial % len(self.xs)]}

    def report(self, trial: int, epoch: int, value: float) -> bool:
        self.heard.append((trial, epoch, value))
        return epoch < self.until(trial)

    def end(self, trial: int, epoch: int, value: float, *, complete: bool) -> None:
        self.ended.append((trial, epoch, complete))


def test_one_worker_trains_one_trial_after_the_other() -> None:
    contestant = Scripted([0.5, 1.0])
    trace = simulate(contestant, Ramp(), workers=1, budget=2)
    assert [(trial, epoch) for trial, epoch, _ in contestant.heard] == [(t, e) for t in (0, 1) for e in (1, 2, 3, 4)]
    assert contestant.ended == [(0, 4, True), (1, 4, True)]
    # the second trial's second epoch equals 2.0, which the first one reached with its fourth
    assert [time for time, _ in trace.improvements] == pytest.approx([1 / 8, 2 / 8, 3 / 8, 4 / 8, 7 / 8, 1])
    assert [value for _, value in trace.improvements] == [0.5, 1.0, 1.5, 2.0, 3.0, 4.0]
    assert trace.spent == pytest.approx(1.0)


def test_workers_are_side_by_side_and_a_free_one_takes_the_next_trial_at_once() -> None:
    contestant = Scripted([0.1, 0.2, 0.3], until=lambda trial: 1 if trial == 0 else 99)
    simulate(contestant, Ramp(), workers=2, budget=2)  # one full training, four epochs, each
    # Trial 0 is stopped after its first epoch, and worker 0 goes on with trial 2.
    assert [(trial, epoch) for trial, epoch, _ in contestant.heard] == [
        *((0, 1), (1, 1)),
        *((2, 1), (1, 2)),
        *((2, 2), (1, 3)),
        *((2, 3), (1, 4)),
    ]
    assert contestant.ended == [(0, 1, False), (1, 4, True)]


def test_seconds_are_as_recorded_and_what_ends_too_late_is_never_observed() -> None:
    contestant = Scripted([0.0, 1.0])
    # Full trainings of x = 0 take 4 s; those of x = 1 take 8 s, of which only three epochs of 2 s fit into the rest.
    trace = simulate(contestant, Ramp(), workers=1, budget=2.6, cost="seconds", full=4.0)
    assert trace.epochs == [4, 3]
    assert trace.improvements[-1] == (pytest.approx(10 / 10.4), 3.0)
    assert trace.spent == pytest.approx(1.0)


@pytest.mark.parametrize("workers", [1, 4, 16])
@pytest.mark.parametrize("cost", ["epochs", "seconds"])
def test_workers_are_never_idle_and_the_budget_is_never_overspent(workers: int, cost: Any) -> None:
    task = SYNTHETIC[1]
    trace = simulate(contestant(OURS, task, 0), task, workers=workers, budget=10, cost=cost, full=130.0)
    assert trace.spent == pytest.approx(1.0)
    if cost == "epochs":
        assert 10 * task.max_epochs - workers <= sum(trace.epochs) <= 10 * task.max_epochs


@pytest.mark.parametrize("name", [name for name in CONTESTANTS if "Syne" not in name])
def test_every_contestant_gets_the_same_curves(name: str) -> None:
    task = SYNTHETIC[0]
    made = contestant(name, task, 0)
    configs: dict[int, Config] = {}
    for trial in range(3):
        configs[trial] = made.suggest(trial)
        assert task.space.contains(configs[trial])
    whole, seconds = task.measure([configs[2]], 1, task.max_epochs)
    curve = task.curve(configs[2])
    assert [curve.value(epoch) for epoch in range(1, 28)] == pytest.approx(list(whole[0]))
    assert [curve.seconds(epoch) for epoch in range(1, 28)] == pytest.approx(list(seconds[0]))
    again = task.curve(configs[2])  # asked for out of order
    assert again.value(27) == curve.value(27)
    assert again.value(1) == curve.value(1)


def test_the_same_seed_gives_the_same_run_and_another_one_does_not() -> None:
    task = SYNTHETIC[0]
    setting, of = Setting(workers=4, cost="epochs", budget=3), reference(task, 50)
    runs = [run_one(OURS, task, seed, setting, of).values for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


def run(contestant: str, seed: int, *values: float) -> Run:
    return Run(contestant=contestant, task="t", seed=seed, values=values, trials=1, seconds=0.0)


OF = {"t": Reference(best=90.0, median=70.0, worst=10.0, seconds=1.0)}


def test_zero_is_the_best_known_value_and_one_the_median_random_config() -> None:
    tables = summarize([run("a", 0, 70.0, 80.0, 90.0), run("b", 0, 50.0, 70.0, 89.0)], OF)
    assert tables["a"].regret == pytest.approx((1.0, 0.5, 0.0))
    assert tables["b"].regret == pytest.approx((2.0, 1.0, 0.05))
    assert tables["b"].points == pytest.approx((40.0, 20.0, 1.0))


def test_the_best_known_value_may_be_a_contestants() -> None:
    tables = summarize([run("a", 0, 70.0, 80.0, 110.0), run("b", 0, 50.0, 70.0, 90.0)], OF)
    assert tables["b"].regret == pytest.approx((60 / 40, 1.0, 0.5))


def test_who_has_observed_nothing_stands_at_the_samples_worst_value() -> None:
    tables = summarize([run("a", 0, -math.inf, 80.0, 90.0), run("b", 0, 5.0, 80.0, 90.0)], OF)
    assert tables["a"].points[0] == tables["b"].points[0] == 80.0


def test_ranks_count_from_one_and_ties_share() -> None:
    assert ranks(np.array([[3.0], [5.0], [3.0], [1.0]]))[:, 0].tolist() == [2.5, 1.0, 2.5, 4.0]


def test_only_pairs_that_everybody_has_are_counted_and_intervals_hold_the_mean() -> None:
    runs = [run("a", seed, 70.0, 80.0, 80.0 + seed) for seed in range(8)]
    runs += [run("b", seed, 70.0, 80.0, 85.0) for seed in range(6)]
    tables = summarize(runs, OF)
    # seeds 0 to 5: the mean of 80 to 85 is 82.5, a regret of 7.5 points of 20
    assert tables["a"].regret[-1] == pytest.approx(0.375)
    low, high = tables["a"].regret_interval[-1]
    assert low < 0.375 < high
    assert tables["b"].regret_interval[-1] == (0.25, 0.25)
    # b is better for the seeds 0 to 4, and ties for 5
    assert tables["b"].rank[-1] == pytest.approx(1 + 0.5 / 6, abs=1e-3)


def test_runs_on_disk_are_not_done_again(tmp_path: Path) -> None:
    setting = Setting(workers=4, cost="epochs")
    done = Run(contestant="random", task=SYNTHETIC[0].name, seed=0, values=(-math.inf, 1.0), trials=3, seconds=0.1)
    write_run(tmp_path / "runs.jsonl", setting, done)
    assert read_runs(tmp_path / "runs.jsonl", setting) == [done]
    assert read_runs(tmp_path / "runs.jsonl", Setting(workers=16, cost="epochs")) == []
    left = [(name, task.name, seed) for name, task, seed in missing([done], ["random"], SYNTHETIC[:2], 2)]
    assert left == [("random", "bowl-1", 0), ("random", "bowl-0", 1), ("random", "bowl-1", 1)]


def test_the_tables_shares_are_among_those_that_are_kept() -> None:
    assert {0.1, 0.33, 1.0} <= set(GRID)
    assert list(GRID) == sorted(GRID)


def test_the_quick_benchmark_runs_anywhere(tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/search_quality.py", "--quick", "--workers", "4", "--costs", "epochs"]
    done = subprocess.run(
        [*command, "--runs", str(tmp_path), "--output", str(tmp_path / "numbers.json")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "4 workers, cost in epochs, 6 (task, seed) pairs" in done.stdout
    assert (tmp_path / "numbers.json").exists()
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == 18
