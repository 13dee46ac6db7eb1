"""For how long a run was driven, and may be."""

from __future__ import annotations

from lightning_hpo.objective import Objective
from lightning_hpo.results import Closed, Event, Extended, Opened, Resumed, time_driven, time_left

OPENED = Opened(
    time=1000.0,
    objective=Objective(metric="val"),
    space={},
    n_trials=4,
    max_epochs=10,
    resource="epoch",
    seed=7,
    searcher={"name": "tpe"},
    scheduler={"name": "asha"},
    software={},
)
#: Driven for 70 s, and 20 s after an interruption.
EVENTS: list[Event] = [
    OPENED,
    Closed(time=1070.0, reason="interrupted"),
    Resumed(time=5000.0),
    Closed(time=5020.0, reason="finished"),
]


def extended(when: float, seconds: float | None) -> Extended:
    return Extended(time=when, n_trials=None, max_epochs=10, space={}, seconds=seconds)


def test_time_between_an_interruption_and_going_on_is_not_counted():
    assert time_driven(EVENTS) == 90.0
    assert time_driven([]) == 0.0


def test_time_between_an_end_and_an_extension_is_not_counted():
    more = [extended(9000.0, None), Resumed(time=9001.0), Closed(time=9011.0, reason="finished")]
    assert time_driven([*EVENTS, *more]) == 100.0


def test_what_is_left_is_the_budget_less_what_was_driven():
    assert time_left(EVENTS, 100.0) == 10.0
    assert time_left(EVENTS, 60.0) == -30.0
    assert time_left(EVENTS, None) is None


def test_an_extension_says_itself_how_much_is_left_from_then_on():
    more: list[Event] = [extended(9000.0, 50.0), Resumed(time=9001.0), Closed(time=9011.0, reason="finished")]
    assert time_left([*EVENTS, *more[:1]], 100.0) == 50.0
    assert time_left([*EVENTS, *more], 100.0) == 40.0
    assert time_left([*EVENTS, *more, extended(9500.0, None)], 100.0) is None
