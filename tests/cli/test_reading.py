"""`status`, `best` and `ls`, on runs in every state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightning_hpo.results import Closed, Extended, RunFolder
from lightning_hpo.trial import Status

Cli = Callable[..., Any]
Told = Callable[..., RunFolder]

COMPLETED, RUNNING, WAITING, FAILED = Status.COMPLETED, Status.RUNNING, Status.WAITING, Status.FAILED
INTERRUPTED = Closed(time=1070.0, reason="interrupted")


def strict(text: str) -> Any:
    """Reads JSON as its standard has it: NaN and Infinity, which Python writes, are none."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_running_run_says_who_is_at_it(cli: Cli, told: Told):
    folder = told((COMPLETED, 10, 0.5), (RUNNING, 3, 0.25))
    with folder.hold():
        lines = cli("status", "runs/told-1").out.splitlines()
        listed = cli("ls").out.splitlines()
        facts = strict(cli("status", "runs/told-1", "--json").out)
    assert lines[0].startswith(f"told-1: running, process {os.getpid()} on ")
    assert lines[1:] == [
        "  trials  2 of 4: 1 running, 1 completed",
        "  spent   13 epochs",
        "  best    val 0.25 (trial 1)",  # it has not ended, and is the best so far
        "          lr=0.2 data.batch_size=32",
    ]
    assert listed[1].split()[:5] == ["told-1", "running", "1/4", "val", "0.25"]
    assert facts["state"] == "running"
    assert facts["trials"] == {"running": 1, "completed": 1}
    assert facts["best"] == {"trial": 1, "value": 0.25, "config": {"model.lr": 0.2, "data.batch_size": 32}}


def test_an_interrupted_run_names_the_command_to_go_on(cli: Cli, told: Told):
    told((COMPLETED, 10, 0.5), (RUNNING, 3, 0.7), closed=INTERRUPTED)
    out = cli("status", "runs/told-1").out
    assert out.startswith("told-1: interrupted\n  trials  2 of 4: 1 waiting, 1 completed\n")
    assert out.endswith("\n\nGo on with: lightning-hpo resume runs/told-1\n")


def test_a_run_whose_driver_died_is_stopped(cli: Cli, told: Told):
    told((COMPLETED, 10, 0.5), (RUNNING, 3, 0.7), name="my runs/told-1")
    out = cli("status", "my runs/told-1").out
    assert out.startswith("told-1: stopped\n")
    assert out.endswith("\nGo on with: lightning-hpo resume 'my runs/told-1'\n")
    assert strict(cli("status", "my runs/told-1", "--json").out)["state"] == "stopped"


def test_a_failed_run_names_its_first_traceback(cli: Cli, told: Told):
    folder = told((FAILED, 0, 0.0), (FAILED, 0, 0.0), closed=Closed(time=1070.0, reason="failed"))
    out = cli("status", "runs/told-1").out
    assert out.startswith("told-1: failed\n  trials  2 of 4: 2 failed\n  spent   0 epochs\n")
    assert out.endswith(f"\nThe first traceback: {folder.trial(0).error}\n")


@pytest.mark.parametrize(("reason", "more"), [("reached", "--trials 20"), ("out of time", "--time 1h")])
def test_a_run_that_ended_early_says_how_it_is_extended_and_is_not_resumed(
    cli: Cli, told: Told, reason: str, more: str
):
    folder = told((COMPLETED, 10, 0.5), closed=Closed(time=1070.0, reason=reason))
    out = cli("status", "runs/told-1").out
    assert out.startswith(f"told-1: {reason}\n")
    assert out.endswith(f"\nExtend it with: lightning-hpo extend runs/told-1 {more}\n")
    before = folder.journal.path.read_bytes()
    answer = cli("resume", "runs/told-1")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.endswith(
        f": there is nothing to go on with. Extend it with: lightning-hpo extend runs/told-1 {more}\n"
    )
    assert folder.journal.path.read_bytes() == before


def test_an_extended_run_has_as_many_trials_as_it_was_extended_to(cli: Cli, told: Told):
    folder = told((COMPLETED, 10, 0.5), n_trials=1, closed=Closed(time=1070.0, reason="finished"))
    folder.journal.append(Extended(time=2000.0, n_trials=3, max_epochs=20, space={}, seconds=None))
    assert cli("status", "runs/told-1").out.startswith("told-1: stopped\n  trials  1 of 3: 1 completed\n")
    assert "  1/3  " in cli("ls").out
    assert strict(cli("status", "runs/told-1", "--json").out)["n_trials"] == 3
    folder.journal.append(Extended(time=3000.0, n_trials=None, max_epochs=20, space={}, seconds=60.0))
    assert cli("status", "runs/told-1").out.startswith("told-1: stopped\n  trials  1: 1 completed\n")


def test_a_finished_run_is_summed_up(cli: Cli, told: Told):
    told((COMPLETED, 10, 0.5), closed=Closed(time=1070.0, reason="finished"))
    assert "  gain    none: the module's own defaults were not beaten\n" in cli("status", "runs/told-1").out


def test_what_is_not_finite_is_null(cli: Cli, told: Told):
    told((Status.DIVERGED, 2, float("nan")), (RUNNING, 1, float("inf")), closed=INTERRUPTED)
    facts = strict(cli("status", "runs/told-1", "--json").out)
    assert facts["best"] is None
    assert facts["gain"] is None
    assert cli("status", "runs/told-1").code == 0


@pytest.mark.parametrize(
    "words", [["status"], ["status", "--json"], ["best"], ["best", "--json"], ["resume"], ["extend", "--trials", "1"]]
)
def test_a_run_that_never_began_is_said(cli: Cli, words: list[str]):
    RunFolder.create("runs/empty-1")
    answer = cli(*words, "runs/empty-1")
    assert answer.code == 2
    assert answer.err.startswith("runs/empty-1 holds no run: its journal has no event.")
    assert cli("ls").out == "No runs in runs. Start one with: lightning-hpo run RECIPE\n"


@pytest.mark.parametrize("words", [["status"], ["best"], ["resume"], ["extend", "--trials", "1"]])
def test_a_damaged_journal_is_said(cli: Cli, told: Told, words: list[str]):
    folder = told((COMPLETED, 10, 0.5))
    lines = folder.journal.path.read_text().splitlines(keepends=True)
    folder.journal.path.write_text("".join([lines[0], "nonsense\n", *lines[1:]]))
    answer = cli(*words, "runs/told-1")
    assert answer.code == 2
    assert "journal.jsonl" in answer.err
    assert "line 2" in answer.err


@pytest.mark.parametrize("words", [["status"], ["best"], ["resume"], ["extend", "--trials", "1"]])
def test_a_missing_run_is_said_with_the_nearest_one(cli: Cli, told: Told, words: list[str]):
    told()
    answer = cli(*words, "runs/tolt-1")
    assert answer.code == 2
    assert answer.err.startswith("runs/tolt-1 does not exist. Expected the folder of a run. Did you mean 'told-1'?")


def test_runs_are_listed_one_a_line_the_damaged_ones_too(cli: Cli, told: Told):
    told((COMPLETED, 10, 0.5), name="runs/whole-1")
    damaged = told(name="runs/damaged-1")
    with damaged.journal.path.open("a") as file:
        file.write("nonsense\nnonsense\n")
    head, *rows = cli("ls").out.splitlines()
    assert head.split() == ["run", "state", "trials", "best", "began"]
    assert {tuple(row.split()[:2]) for row in rows[:2]} == {("whole-1", "stopped"), ("damaged-1", "damaged")}
    assert any("runs/damaged-1/journal.jsonl" in row for row in rows[2:])
    facts = {Path(each["run"]).name: each for each in strict(cli("ls", "--json").out)}
    assert facts["damaged-1"]["state"] == "damaged"
    assert facts["whole-1"]["best"]["value"] == 0.5


def test_the_runs_of_another_folder_are_listed(cli: Cli, told: Told):
    told(name="elsewhere/told-1")
    assert "told-1" in cli("ls", "elsewhere").out
    assert strict(cli("ls", "--json").out) == []
    assert strict(cli("ls", "nowhere", "--json").out) == []


def test_best_is_the_value_and_the_config(cli: Cli, told: Told):
    told((COMPLETED, 10, 0.5), (COMPLETED, 10, 0.25))
    answer = cli("best", "runs/told-1")
    assert answer.out == (
        "best  val 0.25 (trial 1, 10 epochs)\n      model.lr         0.2\n      data.batch_size  32\n"
    )
    assert strict(cli("best", "runs/told-1", "--json").out) == {
        "trial": 1,
        "metric": "val",
        "value": 0.25,
        "config": {"model.lr": 0.2, "data.batch_size": 32},
    }


def test_there_is_no_best_before_a_trial_has_ended(cli: Cli, told: Told):
    folder = told((RUNNING, 3, 0.5))
    with folder.hold():
        answer = cli("best", "runs/told-1")
    assert answer.code == 2
    assert "no trial of it has ended well yet" in answer.err
    assert answer.err.endswith("See how far it is: lightning-hpo status runs/told-1\n")


def test_there_is_no_best_where_all_failed(cli: Cli, told: Told):
    told((FAILED, 0, 0.0), closed=Closed(time=1070.0, reason="failed"))
    answer = cli("best", "runs/told-1")
    assert answer.code == 3
    assert "ValueError: bad batch" in answer.err


def test_the_best_checkpoint_is_copied_and_nothing_is_replaced(cli: Cli, told: Told):
    folder = told((COMPLETED, 10, 0.5))
    checkpoint = folder.trial(0).checkpoint
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"weights")
    answer = cli("best", "runs/told-1", "--module", "out.ckpt")
    assert (answer.code, answer.out, answer.err) == (0, "", "out.ckpt: trial 0, val 0.5\n")
    assert Path("out.ckpt").read_bytes() == b"weights"
    Path("out.ckpt").write_bytes(b"mine")
    answer = cli("best", "runs/told-1", "--module", "out.ckpt")
    assert (answer.code, answer.err) == (2, "out.ckpt exists and is not replaced. Name a new file.\n")
    assert Path("out.ckpt").read_bytes() == b"mine"
    answer = cli("best", "runs/told-1", "--module", "nowhere/out.ckpt")
    assert answer.code == 2
    assert answer.err.startswith("nowhere/out.ckpt cannot be written: No such file or directory.")


def test_a_checkpoint_that_is_gone_is_said(cli: Cli, told: Told):
    told((COMPLETED, 10, 0.5))
    answer = cli("best", "runs/told-1", "--module", "out.ckpt")
    assert answer.code == 2
    assert "has no checkpoint" in answer.err
    assert answer.err.endswith("Train it again from: lightning-hpo best runs/told-1 --yaml\n")
    assert not Path("out.ckpt").exists()


def test_one_form_is_asked_for_at_a_time(cli: Cli, told: Told):
    told((COMPLETED, 10, 0.5))
    answer = cli("best", "runs/told-1", "--yaml", "--json")
    assert (answer.code, answer.err) == (2, "best got both --yaml and --json. Expected one of them.\n")


@pytest.mark.parametrize("words", [["status"], ["status", "--json"], ["best"], ["best", "--json"], ["ls"]])
def test_reading_loads_neither_torch_nor_ray(told: Told, words: list[str]):
    told((COMPLETED, 10, 0.5))
    code = f"""
import sys
sys.argv = ["lightning-hpo", *{words!r}, {"runs" if words == ["ls"] else "runs/told-1"!r}]
from lightning_hpo.cli import main
try:
    main()
except SystemExit as end:
    print("EXIT", end.code)
heavy = ("torch", "ray", "pytorch_lightning", "lightning", "jsonargparse", "hyperopt", "numpy", "ruamel")
print("HEAVY", [name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-2:] == ["EXIT 0", "HEAVY []"]
