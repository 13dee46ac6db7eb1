from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_hpo.objective import Objective
from lightning_hpo.results import VERSION, Closed, Ended, Event, Judged, Opened, Reported, Resumed, Started, Suggested
from lightning_hpo.results.events import EVENTS
from lightning_hpo.trial import Origin, Outcome, Report, Status, Trial, Verdict

numbers = st.integers(0, 10**6)
finite = st.floats(allow_nan=False, allow_infinity=False)
metrics = st.dictionaries(st.text(), st.floats(), max_size=4)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(st.text(), plain, max_size=3)
outcomes = st.builds(
    Outcome,
    trial=numbers,
    status=st.sampled_from([status for status in Status if status.ended]),
    step=numbers,
    metrics=metrics,
    error=st.text(),
    seconds=finite,
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        Opened,
        time=finite,
        objective=st.builds(Objective, metric=st.text(min_size=1), mode=st.sampled_from(["min", "max"])),
        space=plain,
        n_trials=st.none() | numbers,
        max_epochs=numbers,
        resource=st.text(),
        seed=st.integers(),
        searcher=mappings,
        scheduler=mappings,
        software=st.dictionaries(st.text(), st.text(), max_size=3),
    ),
    st.builds(
        Suggested,
        time=finite,
        trial=st.builds(Trial, id=numbers, config=mappings, seed=st.integers(), origin=st.sampled_from(Origin)),
    ),
    st.builds(Started, time=finite, trial=numbers, worker=st.text()),
    st.builds(Reported, time=finite, report=st.builds(Report, trial=numbers, step=numbers, metrics=metrics)),
    st.builds(Judged, time=finite, trial=numbers, step=numbers, verdict=st.sampled_from(Verdict)),
    st.builds(Ended, time=finite, outcome=outcomes),
    st.builds(Closed, time=finite, reason=st.sampled_from(Closed.REASONS)),
    st.builds(Resumed, time=finite),
)


@given(events)
@settings(max_examples=150, deadline=None)
def test_an_event_comes_back_from_json_as_it_was(event: Event) -> None:
    line = json.dumps(event.to_plain(), allow_nan=False)
    back = Event.from_plain(json.loads(line))
    assert type(back) is type(event)
    # NaN equals nothing, so metrics are compared as the words that stand for them.
    assert back.to_plain() == event.to_plain()
    if "NaN" not in line:
        assert back == event


def test_the_words_for_events_are_those_of_the_format() -> None:
    known = ["opened", "suggested", "started", "continued", "lost", "reported", "verdict", "ended", "closed"]
    known += ["extended", "resumed"]
    assert list(EVENTS) == known
    assert VERSION == 1


def test_a_report_is_written_flat() -> None:
    event = Reported(time=5.0, report=Report(trial=3, step=2, metrics={"acc": float("nan"), "loss": 0.5}))
    assert event.to_plain() == {
        "kind": "reported",
        "time": 5.0,
        "trial": 3,
        "step": 2,
        "metrics": {"acc": "NaN", "loss": 0.5},
    }


def test_an_event_knows_when_it_was_made() -> None:
    before = time.time()
    event = Resumed()
    assert before <= event.time <= time.time()


GOOD = {"kind": "started", "time": 1.0, "trial": 0, "worker": "w"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1], r"an event must be a mapping, but this is \[1\]"),
        ({}, "None is no kind of event; known: opened, suggested"),
        ({"kind": ["started"]}, "is no kind of event"),
        ({**GOOD, "kind": "startet"}, "'startet' is no kind of event; .* Did you mean 'started'?"),
        ({**GOOD, "time": "now"}, "'time' must be a number, but is 'now'"),
        ({"kind": "started", "time": 1.0, "trial": 0}, "'worker' is missing"),
        ({**GOOD, "gpu": 1}, "'gpu' is not known here"),
        (
            {"kind": "closed", "time": 1.0, "reason": "bored"},
            "'reason' must be one of finished, interrupted, reached, out of time, failed",
        ),
        ({"kind": "verdict", "time": 1.0, "trial": 0, "step": 1, "verdict": "go"}, "one of continue, pause, stop"),
    ],
)
def test_data_that_are_no_event_are_refused_with_the_reason(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Event.from_plain(data)


def test_an_objective_that_cannot_be_is_refused(opened: Opened) -> None:
    data = opened.to_plain()
    with pytest.raises(ValueError, match="mode must be 'min' or 'max', but got 'up'"):
        Event.from_plain({**data, "objective": {"metric": "acc", "mode": "up"}})
    with pytest.raises(ValueError, match="'version' is 2; this lightning-hpo reads 1"):
        Event.from_plain({**data, "version": 2})


def test_a_trial_cannot_end_as_running() -> None:
    with pytest.raises(ValueError, match="one of completed, stopped, diverged, failed, but is 'running'"):
        Ended(outcome=Outcome(trial=0, status=Status.RUNNING))


def test_a_run_cannot_close_for_an_unknown_reason() -> None:
    with pytest.raises(ValueError, match="but is 'bored'"):
        Closed(reason="bored")
