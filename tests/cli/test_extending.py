"""`extend` on the command line: what it takes, what it refuses, and one run gone on with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightning_hpo.results import Extended, RunFolder
from lightning_hpo.trial import Status

Cli = Callable[..., Any]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Nothing was said to extend the run by. Expected at least one of more trials (--trials 20), more time "),
        (["--time", "soon"], "time is 'soon'. Expected one like '90 s', '10 min' or '2h'.\n"),
        (["--trials", "0"], "Invalid value for '--trials'"),
        (["--trials", "few"], "Invalid value for '--trials'"),
        (["--set", "trainer.max_epochs"], "--set trainer.max_epochs: Expected NAME=VALUE"),
        (["--set", "tune.n_trails=9"], "Did you mean 'n_trials'?"),
        (["--set", "tune.n_trials=9"], "\n  tune.n_trials is 9, but was 4 (say it with --trials)\n"),
        (["--set", "trainer.max_epochs=1"], "\n  trainer.max_epochs is 1, but was 3\n"),
        (["--set", "model.class_path=toy_modules.Slow"], "\n  model.class_path is 'toy_modules.Slow', but was "),
        (
            ["--trials", "2", "--set", "tune.space.model.lr.float=[0.01, 0.1]"],
            "tune.space.model.lr is {'float': [0.01, 0.1], 'log': True}, but was {'float': [0.001, 0.1], 'log': True}",
        ),
        (["--set", "trainer.max_epochs=9"], "all of its 4 trials have ended, so there would be nothing to do."),
    ],
)
def test_what_cannot_be_extended_is_said_and_nothing_is_touched(
    cli: Cli, finished: Path, words: list[str], message: str
):
    before = contents(finished)
    answer = cli("extend", str(finished), *words)
    assert answer.code == 2
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert contents(finished) == before


def test_a_run_that_is_driven_is_not_extended(cli: Cli, finished: Path):
    before = contents(finished)
    with RunFolder.open(finished).hold():
        answer = cli("extend", str(finished), "--trials", "1")
    assert answer.code == 2
    assert answer.err.startswith("runs/r-1 is in use by process ")
    assert contents(finished) == before


def test_the_help_says_what_the_numbers_count(cli: Cli):
    out = " ".join(cli("extend", "--help").out.split())
    assert "So many more trials than the run was to have." in out
    assert "Drive it for so much longer from now on" in out


@pytest.mark.slow
def test_a_finished_run_is_extended_and_summed_up(cli: Cli, ray_cluster: None, finished: Path):
    words = ["--trials", "2", "--set", "trainer.max_epochs=4", "--set", "tune.space.model.lr.float=[0.001,1]"]
    answer = cli("extend", str(finished), *words)
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[:3] == [
        "r-1: looking at what there is, and starting Ray",
        "extended to 6 trials of up to 4 epochs",
        "resumed: 4 trials had ended, 0 trials to take up again",
    ]
    assert "  folder  runs/r-1" in lines
    folder = RunFolder.open(finished)
    state = folder.read()
    assert state.closed == "finished"
    assert [trial.status.ended for trial in state] == [True] * 6
    assert [trial.status for trial in state].count(Status.FAILED) == 0
    assert [event.n_trials for event in folder.journal if isinstance(event, Extended)] == [6]
    assert "6/6" in cli("ls").out
    assert cli("resume", str(finished)).code == 2
