"""The live block, drawn on a recording console from a scripted run."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from rich.console import Console

from lightning_hpo.cli.progress import LiveBlock, duration, live_block
from lightning_hpo.objective import Objective
from lightning_hpo.results import Closed, Ended, Event, Opened, Reported, Resumed, RunState, Started, Suggested
from lightning_hpo.trial import Origin, Outcome, Report, Status, Trial

LONG = {
    "model.lr": 0.055038,
    "model.optimizer": "adamw",
    "model.weight_decay": 7.958e-06,
    "model.lr_schedule": "cosine",
    "model.hidden": 32,
    "model.batch_norm": True,
    "model.activation": "relu",
    "data.batch_size": 64,
}


def opened(**changes: Any) -> Opened:
    given: dict[str, Any] = {
        "objective": Objective(metric="val_acc", mode="max"),
        "space": {},
        "n_trials": 8,
        "max_epochs": 10,
        "resource": "epoch",
        "seed": 1,
        "searcher": {"name": "tpe"},
        "scheduler": {"name": "asha"},
        "software": {},
    }
    return Opened(**{**given, **changes})


def trial(number: int, end: Status | None, step: int, value: float) -> list[Event]:
    events: list[Event] = [
        Suggested(trial=Trial(id=number, config=LONG, seed=1, origin=Origin.SEARCHER)),
        Started(trial=number, worker="w0"),
        Reported(report=Report(trial=number, step=step, metrics={"val_acc": value})),
    ]
    if end is not None:
        events.append(Ended(outcome=Outcome(trial=number, status=end, step=step, metrics={"val_acc": value})))
    return events


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def block(clock: Clock) -> LiveBlock:
    return LiveBlock("digits-mlp-1", "starting Ray", clock)


def play(block: LiveBlock, events: Iterable[Event], state: RunState | None = None) -> RunState:
    state = state or RunState()
    for event in events:
        state.apply(event)
        block.listen(event, state)
    return state


Draw = Callable[..., list[str]]


@pytest.fixture
def draw(block: LiveBlock) -> Draw:
    def drawn(width: int = 100) -> list[str]:
        console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, legacy_windows=False)
        console.print(block)
        return console.file.getvalue().rstrip("\n").split("\n")

    return drawn


def test_before_the_first_event_it_says_what_is_done_and_for_how_long(draw: Draw, clock: Clock):
    clock.now += 12
    (line,) = draw()
    assert line[1:] == " digits-mlp-1: starting Ray … 12 s"  # the spinner's own sign stands before it


def test_it_shows_trials_cost_and_the_best_with_its_config(block: LiveBlock, draw: Draw, clock: Clock):
    clock.now += 5
    state = play(block, [opened()])
    clock.now += 60
    for events in (
        trial(0, Status.COMPLETED, 10, 0.9),
        trial(1, Status.STOPPED, 1, 0.5),
        trial(2, Status.STOPPED, 3, 0.95),
        trial(3, None, 2, 0.7),
    ):
        play(block, events, state)
    # Three of eight trials: 9 of 24 signs. 10 + 1 + 3 + 2 = 16 of 80 epochs. Three trials took 60 s since the run was
    # opened, so five more take 100 s.
    assert draw() == [
        "digits-mlp-1  " + "━" * 9 + "─" * 15 + "  3/8 trials  1 running, 1 completed, 2 stopped",
        "16 of 80 epochs (20 %)  1 min 5 s gone, about 1 min 40 s left",
        "best val_acc 0.95 (trial 2)",
        "  lr=0.05504 optimizer=adamw weight_decay=7.958e-06 lr_schedule=cosine hidden=32 batch_norm=True",
        "  activation=relu data.batch_size=64",
    ]


@pytest.mark.parametrize("width", [40, 60, 20])
def test_a_narrow_terminal_cuts_lines_and_wraps_none(block: LiveBlock, draw: Draw, width: int):
    play(block, [opened(), *trial(0, Status.COMPLETED, 10, 0.9), *trial(1, None, 2, 0.7)])
    lines = draw(width)
    assert len(lines) == 5
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("digits-mlp-1")
    assert lines[4].endswith("…")  # what does not fit into two lines is left out


def test_before_a_report_there_is_no_best(block: LiveBlock, draw: Draw):
    play(block, [opened()])
    assert draw() == [
        "digits-mlp-1  " + "─" * 24 + "  0/8 trials",
        "0 of 80 epochs (0 %)  0 s gone",
        "best val_acc none yet",
    ]


def test_a_run_of_unknown_length_has_no_bar_and_no_share(block: LiveBlock, draw: Draw):
    play(block, [opened(n_trials=None, resource="step"), *trial(0, Status.COMPLETED, 1, 0.9)])
    assert draw()[:2] == ["digits-mlp-1  1 trial  1 completed", "1 step  0 s gone"]


def test_progress_between_verdicts_is_counted_once(block: LiveBlock, draw: Draw):
    state = play(block, [opened(), *trial(0, None, 2, 0.5)])
    # Passed on, and not part of the state: the trial is at its seventh epoch, of which two are in the journal.
    block.listen(Reported(report=Report(trial=0, step=7, metrics={})), state)
    assert draw()[1].startswith("7 of 80 epochs")
    play(block, trial(0, Status.COMPLETED, 10, 0.5)[-1:], state)
    assert draw()[1].startswith("10 of 80 epochs")


def test_the_time_left_counts_what_this_process_did(block: LiveBlock, draw: Draw, clock: Clock):
    before = [
        opened(),
        *(e for n in range(4) for e in trial(n, Status.COMPLETED, 10, 0.5)),
        Closed(reason="interrupted"),
    ]
    state = RunState.of(before)
    play(block, [Resumed()], state)
    clock.now += 30
    play(block, [*trial(4, Status.COMPLETED, 10, 0.5), *trial(5, Status.COMPLETED, 10, 0.5)], state)
    assert "left" not in draw()[1]  # two are too few to tell
    clock.now += 30
    play(block, trial(6, Status.COMPLETED, 10, 0.5), state)
    assert draw()[1].endswith("1 min 0 s gone, about 20 s left")  # three in 60 s, one to go


def test_it_disappears_at_the_end_and_keeps_what_was_printed_besides():
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system=None)
    with live_block("run-1", "starting Ray", console) as listener:
        play_through = RunState()
        for event in [opened(), *trial(0, Status.COMPLETED, 10, 0.9)]:
            play_through.apply(event)
            listener(event, play_through)
    assert out.getvalue().endswith("\x1b[2K")  # the last thing written erases the block's lines


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (185, "3 min 5 s"),
        (3600, "1 h 0 min"),
        (7800, "2 h 10 min"),
        (49 * 3600, "2 d 1 h"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str):
    assert duration(seconds) == words
