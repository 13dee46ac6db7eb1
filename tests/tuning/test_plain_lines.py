"""A run told in plain lines."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from lightning_hpo.objective import Objective
from lightning_hpo.results import (
    Closed,
    Ended,
    Event,
    Extended,
    Opened,
    Reported,
    Resumed,
    RunState,
    Started,
    Suggested,
)
from lightning_hpo.trial import Outcome, Report, Status, Trial
from lightning_hpo.tuning.plain_lines import counted, plain_lines, shown_config, shown_value


def opened(**changes: Any) -> Opened:
    given: dict[str, Any] = {
        "objective": Objective(metric="val_loss"),
        "space": {},
        "n_trials": 4,
        "max_epochs": 10,
        "resource": "epoch",
        "seed": 1,
        "searcher": {"name": "tpe"},
        "scheduler": {"name": "asha"},
        "software": {},
    }
    return Opened(**{**given, **changes})


def trial(number: int, end: Status, step: int, value: float, error: str = "") -> list[Event]:
    metrics = {"val_loss": value} if step else {}
    events: list[Event] = [
        Suggested(trial=Trial(id=number, config={"model.lr": 0.1 + number, "data.size": 32}, seed=1)),
        Started(trial=number, worker=""),
    ]
    if step:
        events.append(Reported(report=Report(trial=number, step=step, metrics=metrics)))
    return [*events, Ended(outcome=Outcome(trial=number, status=end, step=step, metrics=metrics, error=error))]


def told(*stories: Event | list[Event], before: int = 0) -> list[str]:
    """The lines of a run; the first `before` stories happened before anybody listened."""
    out = io.StringIO()
    listen = plain_lines(out)
    state = RunState()
    for place, story in enumerate(stories):
        for event in story if isinstance(story, list) else [story]:
            state.apply(event)
            if place >= before:
                listen(event, state)
    return out.getvalue().splitlines()


def test_a_run_is_told_by_its_beginning_its_bests_and_its_end():
    lines = told(
        opened(),
        trial(0, Status.COMPLETED, 10, 0.5),
        trial(1, Status.COMPLETED, 10, 0.25),
        trial(2, Status.STOPPED, 1, 0.9),
        trial(3, Status.STOPPED, 1, 0.8),
        Closed(reason="finished"),
    )
    # Of four trials each is more than a tenth, so those that bring nothing new say what was spent.
    assert lines == [
        "tuning val_loss (min): 4 trials of up to 10 epochs",
        "[1/4] trial 0 is the best so far: val_loss=0.5 lr=0.1 data.size=32",
        "[2/4] trial 1 is the best so far: val_loss=0.25 lr=1.1 data.size=32",
        "[3/4] 21 epochs spent",
        "[4/4] 22 epochs spent",
        "finished: 4 trials ended, 22 epochs spent",
    ]


def test_trouble_is_told_in_one_line():
    lines = told(
        opened(),
        trial(0, Status.FAILED, 0, 0.0, "Traceback\n  File ...\nValueError: bad batch\n"),
        trial(1, Status.FAILED, 0, 0.0),
        trial(2, Status.DIVERGED, 2, float("nan")),
    )
    assert lines[1:] == [
        "[1/4] trial 0 failed: ValueError: bad batch",
        "[2/4] trial 1 failed: no reason known",
        "[3/4] trial 2 diverged at epoch 2: lr=2.1 data.size=32",
    ]


def test_many_trials_are_told_by_tenths():
    stories = [trial(number, Status.COMPLETED, 1, 1.0 + number) for number in range(100)]
    lines = told(opened(n_trials=100), *stories)
    # The beginning, the first best, and each tenth from the tenth trial on.
    assert len(lines) == 1 + 1 + 10
    assert lines[2] == "[10/100] 10 epochs spent"
    assert lines[-1] == "[100/100] 100 epochs spent"


def test_a_run_of_unknown_length_is_told_by_tens():
    stories = [trial(number, Status.COMPLETED, 1, 1.0 + number) for number in range(20)]
    lines = told(opened(n_trials=None, searcher={"name": "grid"}, resource="step", max_epochs=1), *stories)
    assert lines[0] == "tuning val_loss (min): the whole grid of up to 1 step"
    assert lines[2:] == ["[10] 10 steps spent", "[20] 20 steps spent"]


def test_an_extended_run_says_what_it_is_extended_to():
    more = {"max_epochs": 20, "space": {}, "seconds": None}
    first = trial(0, Status.COMPLETED, 10, 0.5)
    lines = told(opened(), first, Extended(n_trials=6, **more), Extended(n_trials=None, **more))
    assert lines[2:] == [
        "extended to 6 trials of up to 20 epochs",
        "extended to as many trials as there is time for of up to 20 epochs",
    ]


def test_a_resumed_run_says_what_was_there_and_tells_no_old_best_again():
    lines = told(
        opened(),
        trial(0, Status.COMPLETED, 10, 0.5),
        trial(1, Status.COMPLETED, 10, 0.25),
        [*trial(2, Status.STOPPED, 1, 0.9)[:2], Closed(reason="interrupted")],
        Resumed(),
        [Started(trial=2, worker=""), Ended(outcome=Outcome(trial=2, status=Status.FAILED, error="E: no"))],
        before=4,
    )
    assert lines == ["resumed: 2 trials had ended, 1 trial to take up again", "[3/4] trial 2 failed: E: no"]


def test_lines_go_to_the_standard_error_of_the_moment(monkeypatch: pytest.MonkeyPatch):
    listen = plain_lines()
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    state = RunState.of([opened()])
    listen(opened(), state)
    assert out.getvalue() == "tuning val_loss (min): 4 trials of up to 10 epochs\n"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 epochs"),
        (1, "1 epoch"),
        (1.0, "1 epoch"),
        (2, "2 epochs"),
        (0.25, "0.25 epochs"),
        (2e6, "2000000 epochs"),
    ],
)
def test_one_is_singular(number: float, words: str):
    assert counted(number, "epoch") == words


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.123456, "0.1235"), (1e-7, "1e-07"), (3, "3"), (True, "True"), ("relu", "relu"), ([8], "[8]")],
)
def test_floats_are_shown_to_four_digits(value: object, shown: str):
    assert shown_value(value) == shown


def test_the_models_own_names_go_without_their_prefix():
    assert shown_config({"model.lr": 0.1, "data.model.x": 1}) == "lr=0.1 data.model.x=1"
    assert shown_config({}) == ""
