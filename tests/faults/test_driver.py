"""A run whose driver, process group or Ray is killed ends as one that was left alone."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lightning_hpo.results import RunFolder

pytestmark = pytest.mark.slow

RECIPE = """
seed_everything: 3
model: {class_path: faulty_modules.Steady}
trainer: {max_epochs: 9}
tune:
  objective: {metric: val_loss}
  searcher: {name: tpe, startup: 3}
  scheduler: {name: asha, grace_period: 1, eta: 2}
  n_trials: 8
  max_concurrent: 1
"""

#: From the start of a command to the moment when a killed one must be gone.
PATIENCE = 120


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("killed")
    (made / "recipe.yaml").write_text(RECIPE)
    return made


def begin(place: Path, *words: str) -> subprocess.Popen[str]:
    support = Path(__file__).parents[1] / "support"
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("lightning-hpo")), *words],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(support)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def to_its_end(place: Path, *words: str) -> str:
    process = begin(place, *words)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    return said


def lines(folder: Path) -> int:
    journal = folder / "journal.jsonl"
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def wait_for(folder: Path, number: int, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + PATIENCE
    while lines(folder) < number and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.005)


def facts(folder: Path) -> list[Any]:
    """All that must be the same: configs, seeds, rungs, verdicts, losses."""
    state = RunFolder.open(folder).read()
    return [(t.id, t.trial, t.status, t.step, dict(t.metrics), t.loss, t.verdict) for t in state]


@pytest.fixture(scope="module")
def whole(place: Path) -> list[Any]:
    to_its_end(place, "run", "recipe.yaml", "--run-folder", "whole")
    return facts(place / "whole")


@pytest.mark.parametrize("victim", ["driver", "group", "raylet"])
def test_a_run_that_is_killed_and_resumed_is_the_same_trial_by_trial(victim: str, place: Path, whole: list[Any]):
    draw = random.Random()
    seed = draw.randrange(10**6)
    draw.seed(seed)
    folder = place / victim
    words = ["run", "recipe.yaml", "--run-folder", victim]
    kills = 2 if victim == "group" else 1
    for _ in range(kills):
        process = begin(place, *words)
        wait_for(folder, lines(folder) + draw.randint(2, 12), process)
        time.sleep(draw.uniform(0, 0.2))
        if victim == "raylet":
            kill_raylet_of(process)
            said, _ = process.communicate(timeout=PATIENCE)
            assert process.returncode == 4, said
            assert f"Go on with: lightning-hpo resume {victim}" in said
        else:
            (os.kill if victim == "driver" else os.killpg)(process.pid, signal.SIGKILL)
            process.communicate(timeout=PATIENCE)
        words = ["resume", victim]
    said = to_its_end(place, *words)
    assert facts(folder) == whole, f"seed {seed}\n{said}"
    state = RunFolder.open(folder).read()
    assert sum(trial.repeated for trial in state) <= kills, f"seed {seed}"  # an epoch for each time
    assert state.closed == "finished"


def kill_raylet_of(process: subprocess.Popen[str]) -> None:
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            group = os.getpgid(pid)
        except OSError:
            continue
        if b"raylet/raylet" in command and group == process.pid:
            os.kill(pid, signal.SIGKILL)
            return
    raise AssertionError("the run has no raylet")


def test_a_second_driver_is_refused_and_told_who_holds_the_run(place: Path, whole: list[Any]):
    first = begin(place, "run", "recipe.yaml", "--run-folder", "held")
    try:
        wait_for(place / "held", 2, first)
        second = begin(place, "resume", "held")
        said, _ = second.communicate(timeout=PATIENCE)
        assert second.returncode == 2
        assert f"held is in use by process {first.pid} on " in said
    finally:
        first.send_signal(signal.SIGINT)
        said, _ = first.communicate(timeout=PATIENCE)
    assert first.returncode == 130, said
    to_its_end(place, "resume", "held")  # Ctrl-C loses nothing either
    assert facts(place / "held") == whole
