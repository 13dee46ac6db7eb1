"""`run` and `resume` as processes: what they print, how they end, and what is left when they are interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightning_hpo.results import Ended, RunFolder, Suggested
from lightning_hpo.trial import Status

SUPPORT = Path(__file__).parent.parent / "support"
SCRIPT = Path(sys.executable).with_name("lightning-hpo")

Cli = Callable[..., Any]
Spawn = Callable[..., "subprocess.Popen[str]"]

SLOW = """\
seed_everything: 1
model: {class_path: toy_modules.Slow}
trainer: {max_epochs: 8}
tune:
  objective: {metric: val_loss}
  space: {model.lr: {float: [0.001, 0.1], log: true}}
  scheduler: none
  n_trials: 5
"""

#: Carried by every process of one command, so that none of it can hide.
MARK = "LIGHTNING_HPO_TEST_MARK"


def processes_with(mark: str) -> list[str]:
    """The processes whose environment holds the mark, each by its id and command."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(f"{entry.name} {(entry / 'cmdline').read_bytes().decode().replace(chr(0), ' ')[:100]}")
        except OSError:  # it has just ended, or is not ours
            continue
    return found


def none_left(mark: str, patience: float = 20.0) -> list[str]:
    until = time.monotonic() + patience
    while (left := processes_with(mark)) and time.monotonic() < until:
        time.sleep(0.2)
    return left


def wait_for(process: subprocess.Popen[str], until: Callable[[], bool], patience: float = 120.0) -> None:
    end = time.monotonic() + patience
    while not until():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def events_of(folder: RunFolder) -> list[Any]:
    try:
        return list(folder.journal)
    except Exception:
        return []


def test_a_run_prints_a_line_an_event_and_a_summary(first_run: tuple[Path, Any]):
    folder, answer = first_run
    lines = answer.out.splitlines()
    assert (answer.code, answer.err) == (0, "")
    assert lines[:2] == [
        "r-1: starting Ray, and proving that the study tunes what it says",
        "tuning val_loss (min): 4 trials of up to 3 epochs",
    ]
    end = lines.index("")
    told = lines[2 : end - 2]
    assert 1 <= len(told) <= 4  # at most a line a trial
    assert [line for line in told if not line.startswith("[")] == []
    assert lines[end - 2].startswith("finished: 4 trials ended, ")
    assert lines[end - 1].startswith("r-1: 4 trials in ")
    assert "  folder  runs/r-1" in lines
    assert lines[-2].startswith("Next: lightning-hpo best runs/r-1 --module best.ckpt")
    assert sorted(os.listdir(folder)) == ["r.yaml", "runs"]


def test_a_finished_run_is_kept_whole(first_run: tuple[Path, Any]):
    run = RunFolder.open(first_run[0] / "runs/r-1")
    state = run.read()
    assert state.closed == "finished"
    assert [trial.id for trial in state if trial.status.usable] == [0, 1, 2, 3]
    assert state.trials[0].trial.config == {"model.lr": 0.1, "model.width": 2}  # the module's own defaults
    assert run.trial(state.best.id).checkpoint.exists()
    assert len(run.results_csv.read_text().splitlines()) == 5


def test_a_finished_run_has_nothing_to_resume(cli: Cli, finished: Path):
    before = (finished / "journal.jsonl").read_bytes()
    answer = cli("resume", str(finished))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "runs/r-1 has finished: there is nothing to go on with. "
        "Extend it with: lightning-hpo extend runs/r-1 --trials 20\n"
    )
    assert (finished / "journal.jsonl").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("whole_group", [False, True], ids=["process", "terminal"])
def test_ctrl_c_stops_cleanly_and_resume_goes_on(spawn: Spawn, command: Cli, here: Path, whole_group: bool):
    (here / "slow.yaml").write_text(SLOW)
    mark = f"{os.getpid()}-{whole_group}"
    folder = RunFolder(here / "runs/slow-1")
    process = spawn("run", "slow.yaml", cwd=here, **{MARK: mark})
    try:
        wait_for(process, lambda: any(isinstance(event, Ended) for event in events_of(folder)))
        assert processes_with(mark) != []
        # A terminal sends the signal to every process of the foreground group, Ray's among them.
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.rstrip().endswith("Go on with: lightning-hpo resume runs/slow-1")
    assert out.splitlines()[-1].startswith("interrupted: ")
    assert none_left(mark) == []

    state = folder.read()
    ended = {trial.id: trial for trial in state if trial.status.ended}
    assert state.closed == "interrupted"
    assert 1 <= len(ended) < 5
    assert folder.holder() is None
    assert all(trial.status is Status.COMPLETED for trial in ended.values())

    answer = command("resume", "runs/slow-1", cwd=here, **{MARK: mark})
    assert (answer.code, answer.err) == (0, "")
    assert f"resumed: {len(ended)} trial{'s' if len(ended) > 1 else ''} had ended" in answer.out
    state = folder.read()
    assert state.closed == "finished"
    assert [trial.id for trial in state if trial.status is Status.COMPLETED] == [0, 1, 2, 3, 4]
    assert {number: state.trials[number] for number in ended} == ended  # ended trials are not run again
    assert none_left(mark) == []


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 1.0, 3.0])  # since the run folder is there; Ray takes a few
def test_ctrl_c_before_the_first_trial_leaves_nothing_behind(spawn: Spawn, here: Path, seconds: float):
    mark = f"{os.getpid()}-{seconds}"
    process = spawn("run", "r.yaml", cwd=here, **{MARK: mark})
    try:
        wait_for(process, RunFolder(here / "runs/r-1").journal.path.exists)
        time.sleep(seconds)
        began = any(isinstance(event, Suggested) for event in events_of(RunFolder(here / "runs/r-1")))
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert not began, "this machine is too fast for this test"
    assert process.returncode == 130
    assert "Traceback" not in err
    assert sorted(set(os.listdir(here)) - {"__pycache__"}) == ["r.yaml"]
    assert none_left(mark) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("FailsOnItsSecondBatch", "ValueError: the second batch is bad"),
        ("DivergesAfterOneBatch", "none of 4 trials has a finite val_loss"),
    ],
)
def test_a_run_without_a_usable_trial_exits_with_3(command: Cli, here: Path, model: str, reason: str):
    answer = command("run", "r.yaml", "--set", f"model.class_path=toy_modules.{model}", cwd=here)
    assert answer.code == 3
    assert reason in answer.err
    folder = RunFolder.open(here / "runs/r-1")
    assert folder.read().closed == "failed"
    if model == "FailsOnItsSecondBatch":
        assert answer.err.count("Traceback (most recent call last)") == 1
        assert reason in folder.trial(0).error.read_text()
        assert "runs/r-1/trials/0000/" in answer.err
    else:
        assert "Traceback" not in answer.err


@pytest.mark.slow
def test_the_yaml_of_the_best_trial_trains_it_again(command: Cli, finished: Path, here: Path):
    answer = command("best", str(finished), "--yaml", cwd=here)
    assert (answer.code, answer.err) == (0, "")
    (here / "best.yaml").write_text(answer.out)
    # What the recipe's model says of its best trial, and what LightningCLI makes of the config in a new process.
    (here / "fit.py").write_text(
        "import json, sys, torch\n"
        "from pytorch_lightning.cli import LightningCLI\n"
        "torch.set_num_threads(1)\n"
        "cli = LightningCLI(args=['fit', '--config', 'best.yaml'])\n"
        "print(json.dumps({name: float(value) for name, value in cli.trainer.callback_metrics.items()}))\n"
    )
    done = subprocess.run(
        [sys.executable, "fit.py"],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(SUPPORT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout.splitlines()[-1])["val_loss"]
    best = RunFolder.open(finished).read().best
    assert best.step == 3
    assert again == pytest.approx(best.metrics["val_loss"], rel=1e-4)


@pytest.mark.slow
def test_a_run_needs_nothing_of_its_surroundings(command: Cli, here: Path):
    # Without what the tests set for Ray: it starts its own runtime, in a home that holds nothing yet.
    home = here / "home"
    home.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [SCRIPT, "run", "r.yaml", "--set", "tune.n_trials=1", "--no-proof"],
        cwd=here,
        env={**clean, "HOME": str(home), "PYTHONPATH": str(SUPPORT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("r-1: starting Ray\ntuning val_loss (min): 1 trial of up to 3 epochs\n")
    # Ray may keep a token in the home directory; nobody else may read it.
    assert [path for path in home.rglob("*") if path.is_file() and path.stat().st_mode & 0o077] == []
