"""What a run holds stays bounded: checkpoints on disk, and memory, files, threads and children of a worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lightning_hpo.results import RunFolder

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def test_the_demo_keeps_no_more_checkpoints_than_trials_run_and_keep_best(tmp_path: Path):
    folder, running, keep_best = tmp_path / "run", 2, 3
    command = [str(Path(sys.executable).with_name("lightning-hpo")), "run", str(ROOT / "recipes" / "digits-mlp.yaml")]
    process = subprocess.Popen(
        [*command, "--run-folder", str(folder), f"--set=tune.max_concurrent={running}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    most = 0
    while process.poll() is None:
        if (folder / "trials").exists():
            most = max(most, len(checkpoints(folder)))
        time.sleep(0.02)
    assert process.returncode == 0
    assert running <= most <= running + keep_best
    assert len(checkpoints(folder)) == keep_best
    assert len(RunFolder.open(folder).read().trials) == 64
    assert not list(folder.rglob("*.part"))


def checkpoints(folder: Path) -> list[str]:
    """Those that are there; a folder that goes away while it is looked at holds none."""
    found: list[str] = []
    for trial in os.scandir(folder / "trials"):
        try:
            found += [name for name in os.listdir(f"{trial.path}/checkpoints") if name.endswith(".ckpt")]
        except FileNotFoundError:
            continue
    return found


def test_a_worker_whose_trials_are_stopped_stays_level(tmp_path: Path):
    output = tmp_path / "looks.json"
    script = ROOT / "benchmarks" / "stopped_trials.py"
    done = subprocess.run(
        [sys.executable, str(script), "--trials", "80", "--output", str(output)],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(output.read_text())
    assert told["trials"]["stopped"] > 60
    assert told["workers"] == 1
    grown = told["grown"]
    assert grown["files"] <= 2
    assert grown["threads"] <= 2
    assert grown["children"] == 0
    assert grown["rss_mb"] < 40
