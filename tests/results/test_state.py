from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_hpo.errors import InternalError
from lightning_hpo.objective import Objective
from lightning_hpo.results import (
    Closed,
    Ended,
    Event,
    Journal,
    Judged,
    Opened,
    Reported,
    Resumed,
    RunState,
    Started,
    Suggested,
)
from lightning_hpo.trial import Origin, Outcome, Report, Status, Trial, Verdict

Story = Callable[..., list[Event]]

COMPLETED, STOPPED, DIVERGED, FAILED = Status.COMPLETED, Status.STOPPED, Status.DIVERGED, Status.FAILED


def test_a_trial_is_followed_from_suggestion_to_end(opened: Opened, story: Story) -> None:
    state = RunState()
    suggested, started, first, second, ended = story(0, [0.5, 0.7], COMPLETED)
    state.apply(opened)
    state.apply(suggested)
    assert state.trials[0].status is Status.WAITING
    assert state.trials[0].loss == math.inf
    state.apply(started)
    assert (state.trials[0].status, state.trials[0].worker, state.trials[0].started) == (Status.RUNNING, "w0", 1002.0)
    state.apply(first)
    assert (state.trials[0].step, state.trials[0].metrics, state.trials[0].loss) == (1, {"acc": 0.5}, -0.5)
    before = state.trials[0]
    state.apply(second)
    assert before.step == 1
    state.apply(ended)
    trial = state.trials[0]
    assert (trial.id, trial.status, trial.step, trial.loss) == (0, COMPLETED, 2, -0.7)
    assert (trial.ended, trial.seconds) == (1100.0, 1.5)


def test_counts_name_every_status(opened: Opened, story: Story) -> None:
    events = [opened, *story(0, [0.5], COMPLETED), *story(1, [0.5]), *story(2)[:1], *story(3, [0.1], STOPPED)]
    assert RunState.of(events).counts == {
        Status.WAITING: 1,
        Status.RUNNING: 1,
        COMPLETED: 1,
        STOPPED: 1,
        DIVERGED: 0,
        FAILED: 0,
    }
    assert RunState.of(events).unfinished == (1, 2)


def test_epochs_spent_are_the_last_steps_and_full_ones_count_every_suggested_trial(
    opened: Opened, story: Story
) -> None:
    events = [opened, *story(0, [0.1] * 10, COMPLETED), *story(1, [0.1] * 3, STOPPED), *story(2, [0.1]), *story(3)[:1]]
    state = RunState.of(events)
    assert state.epochs_spent == 10 + 3 + 1 + 0
    assert state.epochs_full == 4 * 10


def test_a_stopped_trial_may_win_and_a_running_one_only_so_far(opened: Opened, story: Story) -> None:
    state = RunState.of([opened, *story(0, [0.5], COMPLETED), *story(1, [0.8], STOPPED), *story(2, [0.9])])
    assert state.best is not None
    assert state.best.id == 1
    assert state.best_so_far is not None
    assert state.best_so_far.id == 2


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("status", [DIVERGED, FAILED])
def test_a_trial_that_did_not_end_well_never_wins(opened: Opened, story: Story, mode: str, status: Status) -> None:
    objective = Objective(metric="acc", mode=mode)  # type: ignore[arg-type]
    winning = 0.9 if mode == "max" else 0.1
    opened = Opened(**{**vars(opened), "objective": objective})
    state = RunState.of([opened, *story(0, [0.5], COMPLETED), *story(1, [winning], status)])
    assert state.best is not None
    assert state.best.id == 0
    assert state.best_so_far is not None
    assert state.best_so_far.id == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_never_wins(opened: Opened, story: Story, value: float) -> None:
    state = RunState.of([opened, *story(0, [value], COMPLETED), *story(1, [value])])
    assert state.best is None
    assert state.best_so_far is None
    assert state.trials[0].loss == math.inf


def test_of_equal_trials_the_lower_number_wins_whoever_ended_first(opened: Opened, story: Story) -> None:
    first, second = story(0, [0.5], COMPLETED), story(1, [0.5], COMPLETED)
    state = RunState.of([opened, *first[:-1], *second, first[-1]])
    assert state.best is not None
    assert state.best.id == 0


def test_a_diverged_trial_has_no_loss_though_it_had_one_before(opened: Opened, story: Story) -> None:
    events = story(0, [0.5])
    end = Ended(outcome=Outcome(trial=0, status=DIVERGED, step=2, metrics={"acc": math.nan}))
    assert RunState.of([opened, *events, end]).trials[0].loss == math.inf


def test_an_end_that_knows_less_than_the_reports_keeps_what_was_known(opened: Opened, story: Story) -> None:
    end = Ended(outcome=Outcome(trial=0, status=FAILED, error="Traceback\nOSError: gone"))
    trial = RunState.of([opened, *story(0, [0.5, 0.6]), end]).trials[0]
    assert (trial.step, trial.metrics, trial.loss) == (2, {"acc": 0.6}, -0.6)


def test_a_report_without_the_objective_leaves_the_loss(opened: Opened, story: Story) -> None:
    report = Reported(report=Report(trial=0, step=2, metrics={"lr": 0.1}))
    trial = RunState.of([opened, *story(0, [0.5]), report]).trials[0]
    assert (trial.step, trial.loss) == (2, -0.5)


def test_the_gain_is_the_best_over_the_defaults_in_the_metric(opened: Opened, story: Story) -> None:
    defaults = story(0, [0.5], COMPLETED, origin=Origin.DEFAULTS)
    state = RunState.of([opened, *defaults, *story(1, [0.75], COMPLETED)])
    assert state.baseline is not None
    assert state.baseline.id == 0
    assert state.gain == pytest.approx(0.25)


@pytest.mark.parametrize("end", [None, DIVERGED, FAILED])
def test_there_is_no_gain_over_defaults_that_did_not_end_well(opened: Opened, story: Story, end: Status | None) -> None:
    defaults = story(0, [0.5], end, origin=Origin.DEFAULTS)
    assert RunState.of([opened, *defaults, *story(1, [0.75], COMPLETED)]).gain is None


def test_there_is_no_gain_without_defaults_or_without_a_best(opened: Opened, story: Story) -> None:
    assert RunState.of([opened, *story(0, [0.75], COMPLETED)]).gain is None
    assert RunState.of([opened]).gain is None
    assert RunState.of([opened]).baseline is None


def test_a_trial_that_starts_again_may_report_the_same_steps(opened: Opened, story: Story) -> None:
    again = Started(time=1050.0, trial=0, worker="w1")
    report = Reported(report=Report(trial=0, step=2, metrics={"acc": 0.65}))
    trial = RunState.of([opened, *story(0, [0.5, 0.6]), again, report]).trials[0]
    assert (trial.worker, trial.started, trial.step, trial.loss) == ("w1", 1050.0, 2, -0.65)


def test_closing_takes_the_workers_and_resuming_opens_again(opened: Opened, story: Story) -> None:
    state = RunState.of([opened, *story(0, [0.5]), Closed(reason="interrupted")])
    assert state.closed == "interrupted"
    assert state.trials[0].status is Status.WAITING
    assert state.unfinished == (0,)
    assert state.best_so_far is not None
    assert state.best_so_far.id == 0
    state.apply(Resumed())
    assert state.closed is None
    state.apply(Started(trial=0, worker="w2"))
    assert state.trials[0].status is Status.RUNNING


def test_resuming_after_a_crash_takes_the_workers_too(opened: Opened, story: Story) -> None:
    state = RunState.of([opened, *story(0, [0.5]), Resumed()])
    assert state.trials[0].status is Status.WAITING


def test_a_straggler_may_end_after_the_run_was_closed(opened: Opened, story: Story) -> None:
    events = story(0, [0.5], STOPPED)
    state = RunState.of([opened, *events[:-1], Closed(reason="interrupted"), events[-1]])
    assert state.trials[0].status is STOPPED
    assert state.closed == "interrupted"


def test_the_last_verdict_is_kept(opened: Opened, story: Story) -> None:
    judged = Judged(trial=0, step=1, verdict=Verdict.STOP)
    assert RunState.of([opened, *story(0, [0.5]), judged]).trials[0].verdict is Verdict.STOP


ERROR = "Traceback (most recent call last):\n  File 'm.py', line {}\nValueError: bad shape\n"


def test_the_first_trials_failed_alike_if_their_last_lines_agree(opened: Opened, story: Story) -> None:
    events = [opened, *(e for trial in range(3) for e in story(trial, [], FAILED, error=ERROR.format(trial)))]
    assert RunState.of(events).failed_alike(3)
    assert RunState.of([*events, *story(3, [0.5], COMPLETED)]).failed_alike(3)
    assert not RunState.of(events).failed_alike(4)
    with pytest.raises(ValueError, match="at least one trial, but got n=0"):
        RunState.of(events).failed_alike(0)


@pytest.mark.parametrize("error", ["Traceback\nKeyError: 'x'", ""])
def test_trials_that_failed_otherwise_did_not_fail_alike(opened: Opened, story: Story, error: str) -> None:
    events = [opened, *story(0, [], FAILED, error=ERROR), *story(1, [], FAILED, error=error)]
    assert not RunState.of(events).failed_alike(2)


def test_failures_without_a_traceback_are_not_alike(opened: Opened, story: Story) -> None:
    assert not RunState.of([opened, *story(0, [], FAILED), *story(1, [], FAILED)]).failed_alike(2)


def test_one_success_among_the_first_that_ended_is_enough(opened: Opened, story: Story) -> None:
    failed = [e for trial in (0, 1) for e in story(trial, [], FAILED, error=ERROR)]
    # Trial 2 was suggested last but ended first.
    state = RunState.of([opened, *story(2, [0.5], COMPLETED), *failed])
    assert not state.failed_alike(2)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda story: [story(0)[1]], "Trial 0 started, but was never suggested"),
        (lambda story: [story(0)[0], story(0)[0]], "Trial 0 was suggested twice"),
        (lambda story: [story(0)[0], *story(0, [0.5])[2:]], "Trial 0 reported step 1, but was not running"),
        (lambda story: [*story(0, [0.5]), story(0, [0.5])[2]], "Trial 0 reported step 1 after step 1"),
        (lambda story: [*story(0, [0.5], STOPPED), story(0)[1]], r"Trial 0 started, but had ended before \(stopped\)"),
        (lambda story: [*story(0, [0.5], STOPPED), story(0, [], FAILED)[-1]], "Trial 0 ended, but had ended before"),
        (lambda story: [Judged(trial=5, step=1, verdict=Verdict.STOP)], "Trial 5 was judged, but was never suggested"),
        (lambda story: [Closed(reason="finished"), story(0)[0]], r"suggested, but the run was closed \(finished\)"),
        (
            lambda story: [story(0)[0], Closed(reason="finished"), story(0)[1]],
            r"Trial 0 started, but the run was closed \(finished\)",
        ),
        (lambda story: [Closed(reason="finished"), Closed(reason="failed")], "The run was closed twice"),
    ],
)
def test_what_cannot_have_happened_is_refused_and_changes_nothing(
    opened: Opened, story: Story, broken: Callable[[Story], list[Event]], message: str
) -> None:
    *before, wrong = broken(story)
    state = RunState.of([opened, *before])
    trials, closed = dict(state.trials), state.closed
    with pytest.raises(InternalError, match=message):
        state.apply(wrong)
    assert (state.trials, state.closed) == (trials, closed)


def test_opened_comes_first_and_once(opened: Opened) -> None:
    with pytest.raises(InternalError, match="must be 'opened', but 'resumed' came first"):
        RunState.of([Resumed()])
    with pytest.raises(InternalError, match="must be 'opened', but it came again"):
        RunState.of([opened, opened])
    with pytest.raises(InternalError, match="there was none"):
        RunState().opened  # noqa: B018 - reading it is what raises


def test_a_state_says_what_it_is(opened: Opened, story: Story) -> None:
    assert repr(RunState()) == "<RunState: not opened>"
    assert repr(RunState.of([opened])) == "<RunState: 0 trials (none yet), open>"
    state = RunState.of([opened, *story(0, [0.5], COMPLETED), *story(1), Closed(reason="interrupted")])
    assert repr(state) == "<RunState: 2 trials (1 waiting, 1 completed), interrupted>"


@st.composite
def legal_streams(draw: st.DrawFn) -> list[Event]:
    """Any order of events that a run could write after `opened`."""
    state: dict[int, Status] = {}
    steps: dict[int, int] = {}
    closed = False
    events: list[Event] = []
    metrics = st.fixed_dictionaries({"acc": st.floats()}, optional={"loss": st.floats()})
    for _ in range(draw(st.integers(0, 25))):
        running = [trial for trial, status in state.items() if status is Status.RUNNING]
        going = [trial for trial, status in state.items() if not status.ended]
        kinds = ["resume"] if closed else ["suggest", "resume", "close"]
        kinds += (
            ["start"] * bool(going and not closed) + ["report"] * 3 * bool(running) + ["judge", "end"] * bool(going)
        )
        when = draw(st.floats(0, 1e9))
        match draw(st.sampled_from(kinds)):
            case "suggest":
                trial = len(state)
                state[trial] = Status.WAITING
                config = draw(st.dictionaries(st.sampled_from("abc"), st.integers() | st.text(max_size=3)))
                origin = draw(st.sampled_from(Origin))
                events.append(Suggested(time=when, trial=Trial(id=trial, config=config, seed=trial, origin=origin)))
            case "start":
                trial = draw(st.sampled_from(going))
                state[trial], steps[trial] = Status.RUNNING, 0
                events.append(Started(time=when, trial=trial, worker=draw(st.text(max_size=3))))
            case "report":
                trial = draw(st.sampled_from(running))
                steps[trial] += draw(st.integers(1, 5))
                report = Report(trial=trial, step=steps[trial], metrics=draw(metrics))
                events.append(Reported(time=when, report=report))
            case "judge":
                verdict = draw(st.sampled_from(Verdict))
                events.append(Judged(time=when, trial=draw(st.sampled_from(going)), step=1, verdict=verdict))
            case "end":
                trial = draw(st.sampled_from(going))
                state[trial] = draw(st.sampled_from([COMPLETED, STOPPED, DIVERGED, FAILED]))
                outcome = Outcome(trial=trial, status=state[trial], step=steps.get(trial, 0), metrics=draw(metrics))
                events.append(Ended(time=when, outcome=outcome))
            case kind:
                closed = kind == "close"
                state |= dict.fromkeys(running, Status.WAITING)
                events.append(Closed(time=when, reason="interrupted") if closed else Resumed(time=when))
    return events


def described(state: RunState) -> object:
    """Everything a state says; as text, since NaN equals nothing."""
    found = [state.opened, state.trials, state.closed, state.counts, state.epochs_spent, state.epochs_full]
    found += [state.best, state.best_so_far, state.baseline, state.gain, state.unfinished, state.failed_alike(1)]
    return repr(found)


@given(legal_streams())
@settings(max_examples=60, deadline=None)
def test_the_state_read_from_the_journal_is_the_live_state_after_every_event(events: list[Event]) -> None:
    opened = Opened(
        time=0.0,
        objective=Objective(metric="acc", mode="max"),
        space={},
        n_trials=None,
        max_epochs=10,
        resource="epoch",
        seed=0,
        searcher={},
        scheduler={},
        software={},
    )
    with tempfile.TemporaryDirectory() as directory:
        journal = Journal(Path(directory, "journal.jsonl"))
        live = RunState()
        for event in [opened, *events]:
            live.apply(event)
            journal.append(event)
        assert described(RunState.of(journal)) == described(live)
