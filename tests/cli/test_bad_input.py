"""What cannot work is said before any time is spent: exit 2, a message that helps, and nothing left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]

AGAIN = "\n\nCheck again with: lightning-hpo validate r.yaml\n"


def change(old: str, new: str) -> None:
    text = Path("r.yaml").read_text()
    assert text.count(old) == 1
    Path("r.yaml").write_text(text.replace(old, new))


#: What is changed in the recipe, and the message; the first line of the file is "seed_everything".
SEEN_IN_THE_FILE = {
    "yaml syntax": (
        ("{metric: val_loss}", "{metric: val_loss"),
        "r.yaml has 1 problem:\n\n"
        "  line 8  The YAML cannot be parsed: while parsing a flow mapping, expected ',' or '}', but got ':'.",
    ),
    "unknown key": (
        ("n_trials:", "n_trails:"),
        "r.yaml has 1 problem:\n\n  line 11  tune.n_trails is no key of a recipe.",
    ),
    "grid over a continuous range": (
        ("n_trials: 4", "searcher: grid"),
        "A grid needs points, but model.lr is continuous",
    ),
    "grace period beyond max_epochs": (
        ("n_trials: 4", "scheduler: {name: asha, grace_period: 4}"),
        "r.yaml has 1 problem:\n\n"
        "  line 11  tune.scheduler.grace_period is 4, but trials run 3 epochs (trainer.max_epochs).\n"
        "           Expected 1 <= grace_period <= 3.",
    ),
    "no length": (
        ("max_epochs: 3", "deterministic: true"),
        "  line 4  trainer.max_epochs is not set, so nobody knows how long a full trial is.\n"
        "          Expected trainer: {max_epochs: N} with N of at least 1.",
    ),
}


@pytest.mark.parametrize("verb", ["validate", "run"])
@pytest.mark.parametrize("case", SEEN_IN_THE_FILE)
def test_what_the_file_shows_is_said(cli: Cli, verb: str, case: str):
    (old, new), message = SEEN_IN_THE_FILE[case]
    change(old, new)
    answer = cli(verb, "r.yaml")
    assert answer.code == 2
    assert message in answer.err
    assert answer.err.endswith(AGAIN)
    assert answer.out == ""
    assert os.listdir() == ["r.yaml"]


@pytest.mark.parametrize("verb", ["validate", "run"])
def test_a_missing_file_is_said_with_the_nearest_one(cli: Cli, verb: str):
    answer = cli(verb, "q.yaml")
    assert answer.code == 2
    assert answer.err == "q.yaml has 1 problem:\n\n  There is no file 'q.yaml'.\n  Did you mean 'r.yaml'?\n"
    assert os.listdir() == ["r.yaml"]


@pytest.mark.parametrize("verb", ["validate", "run"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("trainer.max_epochs", "--set trainer.max_epochs: Expected NAME=VALUE, like tune.n_trials=20."),
        ("=5", "--set =5: Expected NAME=VALUE, like tune.n_trials=20."),
        ("tune.n_trails=5", "Did you mean 'n_trials'?"),
        ("tune.n_trials=few", "tune.n_trials is 'few'"),
    ],
)
def test_a_malformed_set_is_said_with_its_words(cli: Cli, verb: str, words: str, message: str):
    answer = cli(verb, "r.yaml", "--set", words)
    assert answer.code == 2
    assert message in answer.err
    assert words in answer.err
    assert os.listdir() == ["r.yaml"]


def test_all_problems_come_at_once(cli: Cli):
    change("n_trials: 4", "n_trials: 0")
    answer = cli("run", "r.yaml", "--set", "tune.searcher=tpp")
    assert answer.err.startswith("r.yaml has 2 problems:\n")
    assert "line 11" in answer.err
    assert "Did you mean 'tpe'?" in answer.err


def test_a_call_that_makes_no_sense_exits_with_2(cli: Cli):
    assert cli("run").code == 2
    assert cli("walk").code == 2
    assert cli("run", "r.yaml", "--sets", "a=1").code == 2
    assert os.listdir() == ["r.yaml"]


def test_what_the_file_shows_is_said_within_seconds_and_without_torch(command: Cli, here: Path):
    # Alone on a machine this takes 0.6 s; importing torch and Lightning takes ten times as long.
    change("n_trials: 4", "n_trials: 0")
    began = time.monotonic()
    answer = command("run", "r.yaml", cwd=here)
    assert answer.code == 2
    assert time.monotonic() - began < 5
    assert os.listdir() == ["r.yaml"]


#: `--set`, and what the message says; these are found in the classes or by fitting one batch.
SEEN_IN_THE_CLASSES = {
    "class that does not import": (
        "model.class_path=unimportable.Model",
        ["'unimportable.Model' cannot be imported: ModuleNotFoundError: No module named 'nothing_of_this_name'"],
    ),
    "class that is not there": (
        "model.class_path=toy_modules.Lines",
        ["'toy_modules.Lines' cannot be imported: toy_modules has no 'Lines'.", "Did you mean 'Line'?"],
    ),
    "no LightningModule": (
        "model.class_path=toy_modules.NoModule",
        ["'toy_modules.NoModule' is no LightningModule.", "Expected a class derived from LightningModule"],
    ),
    "fails in __init__": (
        "model.class_path=toy_modules.FailsInInit",
        ["the pretrained weights are not here"],
    ),
    "space name that nothing takes": (
        "tune.space.model.lrr={float: [0, 1]}",
        ["tune.space.model.lrr: Line takes no argument 'lrr'; nothing would be tuned.", "Did you mean 'lr'?"],
    ),
    "metric never logged": (
        "tune.objective.metric=val_los",
        ["tune.objective.metric is 'val_los', but", "never logged it", "Logged: train_loss, val_loss.", "'val_loss'?"],
    ),
    "metric not finite": (
        "model.class_path=toy_modules.LogsNan",
        ["tune.objective.metric 'val_loss' is nan after one batch", "Expected a finite number."],
    ),
    "more GPUs than there are": (
        "tune.resources.gpu=64",
        ["tune.resources.gpu is 64, but this machine has ", "Ask for less: --set tune.resources.gpu="],
    ),
}


@pytest.fixture
def unimportable(here: Path) -> None:
    (here / "unimportable.py").write_text("import nothing_of_this_name\n")


@pytest.mark.parametrize("case", SEEN_IN_THE_CLASSES)
def test_what_a_batch_shows_is_said_by_a_dry_run(cli: Cli, unimportable: None, case: str):
    words, messages = SEEN_IN_THE_CLASSES[case]
    answer = cli("validate", "r.yaml", "--dry-run", "--set", words)
    assert answer.code == 2
    assert [message for message in messages if message not in answer.err] == []
    assert "Traceback" not in answer.err
    assert answer.out == ""
    assert sorted(set(os.listdir()) - {"__pycache__"}) == ["r.yaml", "unimportable.py"]


#: A run looks at the classes as a dry run does, in a worker that takes seconds to start: few of them, unless asked for.
QUICK = ("class that does not import", "metric not finite", "more GPUs than there are")


@pytest.mark.parametrize(
    "case", [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in SEEN_IN_THE_CLASSES]
)
def test_what_a_batch_shows_is_said_before_a_run(cli: Cli, ray_cluster: None, unimportable: None, case: str):
    words, messages = SEEN_IN_THE_CLASSES[case]
    answer = cli("run", "r.yaml", "--set", words)
    assert answer.code == 2
    assert [message for message in messages if message not in answer.err] == []
    assert "Traceback" not in answer.err
    # The one line that says what is done first; nothing of the run itself.
    assert answer.out == "r-1: starting Ray, and proving that the study tunes what it says\n"
    assert sorted(set(os.listdir()) - {"__pycache__"}) == ["r.yaml", "unimportable.py"]


def test_runs_that_were_there_stay(cli: Cli, ray_cluster: None):
    Path("runs/mine-1").mkdir(parents=True)
    assert cli("run", "r.yaml", "--set", "tune.resources.gpu=64").code == 2
    assert os.listdir("runs") == ["mine-1"]


def test_a_run_folder_that_holds_a_run_is_not_taken(cli: Cli, told: Callable[..., Any]):
    told()
    answer = cli("run", "r.yaml", "--run-folder", "runs/told-1")
    assert answer.code == 2
    assert answer.err.startswith("runs/told-1 already holds a run. Go on with it: lightning-hpo resume runs/told-1")


def test_a_run_folder_that_holds_something_else_is_not_taken(cli: Cli):
    Path("mine").mkdir()
    Path("mine/notes.txt").touch()
    answer = cli("run", "r.yaml", "--set", "tune.run_folder=mine")
    assert answer.code == 2
    assert answer.err.startswith("mine is not empty: it holds notes.txt. Expected a new or an empty folder")
    assert os.listdir("mine") == ["notes.txt"]


def test_a_run_folder_that_cannot_be_made_is_said(cli: Cli):
    answer = cli("run", "r.yaml", "--run-folder", "r.yaml/below")
    assert answer.code == 2
    assert answer.err.startswith("r.yaml/below cannot be made: Not a directory.")
    assert "choose another folder" in answer.err
    assert os.listdir() == ["r.yaml"]
