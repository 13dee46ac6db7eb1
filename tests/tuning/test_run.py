from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lightning_hpo import (
    Choice,
    Float,
    Int,
    InternalError,
    NoTrialSucceeded,
    Objective,
    Outcome,
    Report,
    RunFolderError,
    Space,
    Status,
    Trial,
    Verdict,
)
from lightning_hpo.results import RunFolder, RunState
from lightning_hpo.results.event import Event
from lightning_hpo.trial import Origin
from lightning_hpo.tuning.limits import Limits
from lightning_hpo.tuning.run import TuningRun, outcome_of
from lightning_hpo.tuning.settings import RunSettings, trial_seed

SPACE = Space({"model.lr": Float(0.0, 1.0), "model.width": Choice([1, 2, 3])})
FINITE = Space({"model.width": Int(1, 2), "model.kind": Choice(["a", "b"])})


def settings(**changes: Any) -> RunSettings:
    given: dict[str, Any] = {
        "objective": Objective(metric="loss"),
        "space": SPACE,
        "max_epochs": 9,
        "seed": 7,
        "defaults": {"model.lr": 0.5, "model.width": 2},
        "n_trials": 6,
        "searcher": ("random", {}),
    }
    return RunSettings(**{**given, **changes})


def opened(folder: RunFolder, made: RunSettings, listeners: Any = ()) -> TuningRun:
    run = TuningRun(made, folder, listeners)
    run.open()
    return run


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run")


def started(run: TuningRun) -> Trial:
    trial = run.propose()
    assert trial is not None
    run.started(trial.id)
    return trial


def report(trial: int, step: int, loss: float) -> Report:
    return Report(trial=trial, step=step, metrics={"loss": loss})


def end(run: TuningRun, trial: int, status: Status = Status.COMPLETED, loss: float = 0.0, error: str = "") -> None:
    run.end(Outcome(trial=trial, status=status, step=9, metrics={"loss": loss}, error=error))


def checkpoint(run: TuningRun, trial: int) -> Path:
    path = run.folder.trial(trial).checkpoint
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("weights")
    return path


def kept_checkpoints(run: TuningRun) -> list[int]:
    return [trial for trial in run.state.trials if run.folder.trial(trial).checkpoint.exists()]


def kinds(folder: RunFolder) -> list[str]:
    return [event.kind for event in folder.journal.read()]


# Who is next.


def test_the_defaults_are_trial_zero_even_outside_the_space(folder: RunFolder):
    run = opened(folder, settings(defaults={"model.lr": 99.0, "model.width": (4, 4)}))
    trial = run.propose()
    assert trial == Trial(
        id=0, config={"model.lr": 99.0, "model.width": [4, 4]}, seed=trial_seed(7, 0), origin=Origin.DEFAULTS
    )


def test_initial_points_follow_the_defaults_and_the_searcher_follows_them(folder: RunFolder):
    run = opened(folder, settings(initial_points=[{"model.lr": 0.25}, {"model.width": 3}]))
    trials = [started(run) for _ in range(4)]
    assert [trial.origin for trial in trials] == [Origin.DEFAULTS, Origin.INITIAL, Origin.INITIAL, Origin.SEARCHER]
    assert [trial.config for trial in trials[1:3]] == [
        {"model.lr": 0.25, "model.width": 2},
        {"model.lr": 0.5, "model.width": 3},
    ]
    assert [trial.seed for trial in trials] == [trial_seed(7, number) for number in range(4)]


def test_a_run_ends_proposing_at_its_number_of_trials_the_first_ones_included(folder: RunFolder):
    run = opened(folder, settings(n_trials=3, initial_points=[{"model.lr": 0.25}]))
    assert not run.exhausted
    for _ in range(3):
        started(run)
    assert run.exhausted
    assert run.propose() is None
    assert len(run.state.trials) == 3


def test_a_grid_runs_through_what_the_defaults_leave(folder: RunFolder):
    made = settings(space=FINITE, searcher=("grid", {}), n_trials=None, defaults={"model.width": 1, "model.kind": "b"})
    run = opened(folder, made)
    configs = [tuple(started(run).config.values()) for _ in range(4)]
    # The grid is 1a 1b 2a 2b; the defaults are 1b and come first.
    assert configs == [(1, "b"), (1, "a"), (2, "a"), (2, "b")]
    assert not run.exhausted  # the searcher has not been asked yet whether there is more
    assert run.propose() is None
    assert run.exhausted


def test_a_run_that_was_interrupted_proposes_no_more(folder: RunFolder):
    run = opened(folder, settings())
    started(run)
    run.interrupted = True
    assert run.stopping
    assert run.exhausted
    assert run.propose() is None


# What is said and answered.


def test_the_journal_holds_every_call_in_order(folder: RunFolder):
    run = opened(folder, settings(n_trials=2))
    first, second = started(run), started(run)
    assert run.report(report(first.id, 1, 0.1)) is Verdict.CONTINUE
    assert run.report(report(second.id, 1, 0.9)) is Verdict.STOP  # the worst of two at the first rung
    end(run, second.id, Status.STOPPED, 0.9)
    end(run, first.id, Status.COMPLETED, 0.1)
    run.close()
    assert kinds(folder) == [
        *("opened", "suggested", "started", "suggested", "started"),
        *("reported", "reported", "verdict", "ended", "ended", "closed"),
    ]
    again = folder.read()
    assert again.closed == "finished"
    assert again.best is not None
    assert again.best.id == 0
    assert [trial.status for trial in again] == [Status.COMPLETED, Status.STOPPED]


def test_the_first_line_says_what_the_run_does(folder: RunFolder):
    opened(folder, settings(searcher=("tpe", {"gamma": 0.2}), scheduler=("asha", {"eta": 2})))
    event = folder.journal.opened()
    assert event is not None
    assert event.searcher == {"name": "tpe", "gamma": 0.2}
    assert event.scheduler == {"name": "asha", "eta": 2}
    assert (event.n_trials, event.max_epochs, event.resource, event.seed) == (6, 9, "epoch", 7)
    assert event.space["model.lr"] == {"float": [0.0, 1.0]}
    assert {"python", "lightning-hpo", "torch", "ray"} <= set(event.software)


def test_a_report_that_is_not_finite_is_answered_stop_by_every_scheduler(folder: RunFolder):
    for name in ("asha", "none"):
        made = settings(scheduler=(name, {}))
        run = opened(RunFolder.create(folder.path.parent / name), made)
        trial = started(run)
        assert run.report(report(trial.id, 2, float("nan"))) is Verdict.STOP


def test_the_defaults_train_to_their_end_whatever_the_scheduler_says(folder: RunFolder):
    # Rungs at 1 and 3. Trial 1 is better at both, so ASHA would stop trial 0; a gain over it would be claimed cheaply.
    run = opened(folder, settings(scheduler=("asha", {"grace_period": 1, "eta": 3})))
    assert [started(run).id for _ in range(3)] == [0, 1, 2]
    assert run.report(report(1, 1, 0.1)) is Verdict.CONTINUE
    assert run.report(report(0, 1, 0.9)) is Verdict.CONTINUE
    assert run.report(report(2, 1, 0.8)) is Verdict.STOP
    assert run.report(report(1, 3, 0.1)) is Verdict.CONTINUE
    assert run.report(report(0, 3, 0.9)) is Verdict.CONTINUE
    assert run.report(report(0, 5, float("nan"))) is Verdict.STOP  # unless they diverge


def test_progress_is_heard_and_not_kept(folder: RunFolder):
    heard: list[Event] = []
    run = opened(folder, settings(), [lambda event, state: heard.append(event)])
    trial = started(run)
    run.progress(report(trial.id, 1, 0.5))
    assert [event.kind for event in heard] == ["opened", "suggested", "started", "reported"]
    assert kinds(folder) == ["opened", "suggested", "started"]
    assert run.state.trials[0].step == 0


def test_listeners_hear_an_event_after_it_is_written(folder: RunFolder):
    seen: list[tuple[str, str]] = []
    opened(folder, settings(), [lambda event, state: seen.append((event.kind, kinds(folder)[-1]))])
    assert seen == [("opened", "opened")]


def test_a_trial_cannot_end_twice(folder: RunFolder):
    run = opened(folder, settings())
    end(run, started(run).id)
    with pytest.raises(InternalError, match="Trial 0 ended twice"):
        end(run, 0)


def test_the_seconds_of_an_outcome_are_never_negative():
    outcome = outcome_of(None, 3, Status.FAILED, started=float("inf"), error="lost")
    assert (outcome.seconds, outcome.step, outcome.metrics, outcome.error) == (0.0, 0, {}, "lost")


# Which checkpoints stay.


def test_no_more_than_keep_best_checkpoints_of_ended_trials_stay_and_the_best_always(folder: RunFolder):
    run = opened(folder, settings(keep_best=2, n_trials=5))
    kept = []
    for loss in (0.5, 0.4, 0.6, 0.3, 0.45):
        trial = started(run)
        checkpoint(run, trial.id)
        end(run, trial.id, loss=loss)
        kept.append(kept_checkpoints(run))
    # Losses by trial: 0.5 0.4 0.6 0.3 0.45; the two lowest after each end.
    assert kept == [[0], [0, 1], [0, 1], [1, 3], [1, 3]]


def test_of_equal_trials_the_earlier_keeps_its_checkpoint(folder: RunFolder):
    run = opened(folder, settings(keep_best=1))
    for _ in range(3):
        trial = started(run)
        checkpoint(run, trial.id)
        end(run, trial.id, loss=0.5)
    assert kept_checkpoints(run) == [0]
    assert run.state.best is not None
    assert run.state.best.id == 0


@pytest.mark.parametrize("status", [Status.FAILED, Status.DIVERGED])
def test_a_trial_that_cannot_win_keeps_no_checkpoint(folder: RunFolder, status: Status):
    run = opened(folder, settings(keep_best=3))
    checkpoint(run, started(run).id)
    end(run, 0, status, float("nan"))
    assert kept_checkpoints(run) == []


def test_a_running_trial_keeps_its_checkpoint(folder: RunFolder):
    run = opened(folder, settings(keep_best=1))
    started(run)
    checkpoint(run, started(run).id)
    end(run, 0, loss=0.1)
    assert kept_checkpoints(run) == [1]


def test_checkpoints_are_not_taken_from_under_a_worker_that_writes_them(folder: RunFolder):
    run = opened(folder, settings(keep_best=1))
    for _ in range(3):
        started(run)
    end(run, 0, loss=0.1)
    checkpoint(run, 1)
    run.end(Outcome(trial=1, status=Status.STOPPED, step=1, metrics={"loss": 0.9}), writing=True)
    end(run, 2, loss=0.2)
    assert kept_checkpoints(run) == [1]
    run.settled(1)
    assert kept_checkpoints(run) == []


def test_closing_lets_go_of_what_a_lost_worker_left(folder: RunFolder):
    run = opened(folder, settings(keep_best=1))
    for _ in range(2):
        started(run)
    checkpoint(run, 1)
    run.end(Outcome(trial=1, status=Status.STOPPED, step=1, metrics={"loss": 0.9}), writing=True)
    checkpoint(run, 0)
    end(run, 0, loss=0.1)
    run.close()
    assert kept_checkpoints(run) == [0]


# Giving up.


def failing(run: TuningRun, errors: list[str]) -> None:
    for error in errors:
        end(run, started(run).id, Status.FAILED, error=f"Traceback\n{error}")


def test_the_first_trials_failing_alike_stop_the_run_with_that_traceback(folder: RunFolder):
    run = opened(folder, settings(max_failures=2))
    failing(run, ["ValueError: bad", "ValueError: bad"])
    assert run.given_up
    assert run.propose() is None
    with pytest.raises(NoTrialSucceeded, match=r"(?s)The first 2 trials failed alike.*Trial 0.*ValueError: bad"):
        run.close()
    assert folder.read().closed == "failed"


def test_the_first_trials_failing_differently_do_not_stop_the_run(folder: RunFolder):
    run = opened(folder, settings(max_failures=2))
    failing(run, ["ValueError: bad", "KeyError: worse", "KeyError: worse"])
    assert not run.given_up
    assert run.propose() is not None


def test_failures_after_a_success_do_not_stop_the_run(folder: RunFolder):
    run = opened(folder, settings(max_failures=2))
    end(run, started(run).id)
    failing(run, ["ValueError: bad"] * 3)
    assert not run.given_up
    run.close()
    assert folder.read().closed == "finished"


def test_a_run_that_gave_up_and_is_resumed_goes_on_to_its_end(folder: RunFolder):
    run = opened(folder, settings(max_failures=2, n_trials=4))
    failing(run, ["ValueError: bad", "ValueError: bad"])
    with pytest.raises(NoTrialSucceeded):
        run.close()
    again = TuningRun(settings(max_failures=2, n_trials=4), folder)
    again.replay(folder.journal.read())
    failing(again, ["ValueError: bad"])
    end(again, started(again).id)
    assert again.exhausted
    again.close()
    assert folder.read().closed == "finished"


def test_a_run_of_diverged_trials_alone_succeeded_in_nothing(folder: RunFolder):
    run = opened(folder, settings())
    for _ in range(2):
        end(run, started(run).id, Status.DIVERGED, float("nan"))
    with pytest.raises(NoTrialSucceeded, match="none of 2 trials has a finite loss"):
        run.close()


def test_an_interrupted_run_closes_as_interrupted_whatever_came_of_it(folder: RunFolder):
    run = opened(folder, settings())
    started(run)
    run.interrupted = True
    run.close()
    assert folder.read().closed == "interrupted"
    assert folder.results_csv.read_text().startswith("trial,status,origin,step")


# Replay. A script decides who acts next, so that the calls of several trials interleave in every way.


class Script:
    """Drives a run as workers would, each choice taken from a list of numbers."""

    def __init__(self, run: TuningRun) -> None:
        self.run = run
        self.steps: dict[int, int] = {}

    def act(self, choice: int) -> None:
        acts = [self.propose] + [lambda trial=trial: self.go_on(trial, choice) for trial in sorted(self.steps)]
        acts[choice % len(acts)]()

    def propose(self) -> None:
        if len(self.steps) < 3 and (trial := self.run.propose()) is not None:
            self.run.started(trial.id)
            self.steps[trial.id] = 0

    def go_on(self, trial: int, choice: int) -> None:
        self.steps[trial] += 1 + choice % 3
        step = min(self.steps[trial], 9)
        loss = float("nan") if choice % 17 == 0 else (choice % 101) / 101
        verdict = Verdict.CONTINUE
        if step > self.run.state.trials[trial].step:
            verdict = self.run.report(report(trial, step, loss))
        if verdict is Verdict.STOP or step == 9 or choice % 13 == 0:
            ways = {Verdict.STOP: Status.STOPPED, Verdict.CONTINUE: Status.COMPLETED}
            status = Status.FAILED if choice % 13 == 0 else ways[verdict]
            status = Status.DIVERGED if loss != loss and status is not Status.FAILED else status
            error = f"Error {choice % 2}" if status is Status.FAILED else ""
            outcome = Outcome(trial=trial, status=status, step=step, metrics={"loss": loss}, error=error)
            self.run.end(outcome)
            del self.steps[trial]


def facts(run: TuningRun) -> tuple[Any, ...]:
    state = {trial.id: (trial.trial, trial.status, trial.step, trial.loss, trial.verdict) for trial in run.state}
    return run.deciders.searcher.state_dict(), run.deciders.scheduler.state_dict(), state


@pytest.mark.parametrize(
    ("searcher", "space", "n_trials"),
    [
        (("random", {}), SPACE, 8),
        (("tpe", {"startup": 2}), SPACE, 8),
        (("grid", {}), FINITE, None),
    ],
    ids=["random", "tpe", "grid"],
)
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(choices=st.lists(st.integers(0, 10_000), max_size=40))
def test_a_replayed_journal_leads_to_the_same_deciders_and_the_same_proposals(
    choices: list[int], searcher: Any, space: Space, n_trials: int | None
):
    defaults = {"model.lr": 0.5, "model.width": 2} if space is SPACE else {"model.width": 2, "model.kind": "a"}
    point = {"model.width": 1}
    made = settings(searcher=searcher, space=space, n_trials=n_trials, defaults=defaults, initial_points=[point])
    with tempfile.TemporaryDirectory() as directory:
        folder = RunFolder.create(Path(directory) / "run")
        run = opened(folder, made)
        script = Script(run)
        for choice in choices:
            script.act(choice)
        again = TuningRun(made, folder)
        again.replay(folder.journal.read())

        before, after = facts(run), facts(again)
        assert after[:2] == before[:2]
        waiting = {id: (trial, Status.WAITING, *rest) if status is Status.RUNNING else (trial, status, *rest)
                   for id, (trial, status, *rest) in before[2].items()}  # fmt: skip
        assert {id: tuple(each) for id, each in after[2].items()} == {id: tuple(each) for id, each in waiting.items()}

        unfinished = [run.state.trials[trial].trial for trial in sorted(script.steps)]
        assert list(itertools.islice(proposals(again), len(unfinished))) == unfinished
        run.given_up = False  # resuming a run that gave up means to go on
        assert list(itertools.islice(proposals(again), 3)) == list(itertools.islice(proposals(run), 3))


def proposals(run: TuningRun) -> Any:
    while (trial := run.propose()) is not None:
        yield trial


def test_a_changed_recipe_is_refused_at_replay(folder: RunFolder):
    run = opened(folder, settings())
    for _ in range(3):
        started(run)
    changed = settings(space=Space({"model.lr": Float(0.0, 2.0), "model.width": Choice([1, 2, 3])}))
    told = r"tune.space.model.lr is \{'float': \[0.0, 2.0\]\}, but was \{'float': \[0.0, 1.0\]\}"
    with pytest.raises(RunFolderError, match=told):
        TuningRun(changed, folder).replay(folder.journal.read())


def test_a_grid_that_has_become_shorter_is_refused_at_replay(folder: RunFolder):
    made = settings(space=FINITE, searcher=("grid", {}), n_trials=None, defaults={"model.width": 1, "model.kind": "a"})
    run = opened(folder, made)
    for _ in range(4):
        started(run)
    shorter = settings(space=Space({"model.width": Int(1, 2), "model.kind": Choice(["a"])}), searcher=("grid", {}))
    with pytest.raises(RunFolderError, match=r"tune\.space\.model\.kind is"):
        TuningRun(shorter, folder).replay(folder.journal.read())


def test_a_resumed_run_counts_on_and_its_state_is_the_journals(folder: RunFolder):
    run = opened(folder, settings(n_trials=3))
    end(run, started(run).id, loss=0.3)
    started(run)
    again = TuningRun(settings(n_trials=3), folder)
    again.replay(folder.journal.read())
    assert started(again).id == 1
    again.report(report(1, 1, 0.2))
    end(again, 1, loss=0.2)
    end(again, started(again).id, loss=0.4)
    assert again.exhausted
    again.close()
    after = kinds(folder)[kinds(folder).index("resumed") :]
    assert after == ["resumed", "started", "reported", "ended", "suggested", "started", "ended", "closed"]
    assert RunState.of(folder.journal.read()).best == again.state.best


# What ends a run early, and what a trial outlives.


def with_limits(**given: Any) -> RunSettings:
    return settings(limits=Limits.of(given))


def test_a_value_that_is_good_enough_ends_the_run_at_that_step(folder: RunFolder):
    run = opened(folder, with_limits(stop_when={"loss": 0.1}))
    first, second = started(run), started(run)
    assert run.report(report(first.id, 1, 0.2)) is Verdict.CONTINUE
    assert run.report(report(second.id, 1, 0.1)) is Verdict.STOP
    assert run.stopping
    assert run.propose() is None
    run.end(outcome_of(report(second.id, 1, 0.1), second.id, Status.STOPPED, 0.0))
    run.close()
    assert run.state.closed == "reached"
    assert run.state.best is not None
    assert run.state.best.id == second.id
    assert run.state.unfinished == (first.id,)


def test_a_time_budget_ends_the_run_and_time_between_lives_does_not_count(folder: RunFolder):
    now = [100.0]
    made = with_limits(time_budget=60)
    run = TuningRun(made, folder, clock=lambda: now[0])
    run.open()
    first = started(run)
    end(run, first.id, loss=0.5)
    now[0] += 59
    assert started(run) is not None
    assert not run.stopping
    now[0] += 1
    assert run.stopping
    assert run.propose() is None
    run.close()
    assert run.state.closed == "out of time"


def test_a_run_that_has_all_its_trials_when_its_time_is_over_has_finished(folder: RunFolder):
    now = [0.0]
    run = TuningRun(settings(n_trials=1, limits=Limits(time_budget=60)), folder, clock=lambda: now[0])
    run.open()
    end(run, started(run).id, loss=0.5)
    now[0] = 61.0
    run.close()
    assert run.state.closed == "finished"


def test_a_lost_trial_is_proposed_again_before_new_ones_and_only_so_often(folder: RunFolder):
    run = opened(folder, with_limits(retries=2))
    trial = started(run)
    for _ in range(2):
        assert run.lost(trial.id, "the node is gone")
        assert run.propose() == trial
        run.started(trial.id)
    assert not run.lost(trial.id, "the node is gone")
    assert run.state.trials[trial.id].losses == 2


def test_a_trial_that_needs_a_node_to_itself_waits_until_nobody_else_works(folder: RunFolder):
    run = opened(folder, settings(n_trials=2))
    greedy, other = started(run), started(run)
    assert run.lost(greedy.id, "out of memory", alone=True)
    assert run.propose() is None
    assert not run.exhausted
    end(run, other.id, loss=0.5)
    assert run.propose(idle=True) == greedy
    run.started(greedy.id)
    assert not run.lost(greedy.id, "out of memory", alone=True)  # once is enough


def test_a_step_that_was_answered_is_not_answered_again(folder: RunFolder):
    run = opened(folder, settings())
    trial = started(run)
    run.report(report(trial.id, 3, 0.5))
    run.lost(trial.id, "gone")
    run.propose()
    run.started(trial.id)
    before = kinds(folder)
    assert run.report(report(trial.id, 2, 0.7)) is Verdict.CONTINUE
    assert run.report(report(trial.id, 3, 0.5)) is Verdict.CONTINUE
    assert kinds(folder) == before
    run.report(report(trial.id, 4, 0.4))
    assert kinds(folder)[-1] == "reported"


def asha(**changes: Any) -> RunSettings:
    return settings(scheduler=("asha", {"grace_period": 1, "eta": 2}), **changes)


def stopped_and_not_yet_ended(folder: RunFolder) -> int:
    """A run in which the second trial was told to stop; answers its number."""
    run = opened(folder, asha())
    good, bad = started(run), started(run)
    run.report(report(good.id, 1, 0.1))
    assert run.report(report(bad.id, 1, 0.9)) is Verdict.STOP
    return bad.id


@pytest.mark.parametrize("torn", [0, 1], ids=["the verdict was written", "it was not"])
def test_a_stop_that_was_not_carried_out_is_carried_out_at_resume(torn: int, folder: RunFolder):
    bad = stopped_and_not_yet_ended(folder)
    lines = folder.journal.path.read_bytes().splitlines(keepends=True)
    folder.journal.path.write_bytes(b"".join(lines[: len(lines) - torn]))
    again = TuningRun(asha(), folder)
    again.replay(folder.journal.read())
    ended = again.state.trials[bad]
    assert (ended.status, ended.step, ended.verdict) == (Status.STOPPED, 1, Verdict.STOP)
    assert next(trial.id for trial in proposals(again)) == 0
    assert RunState.of(folder.journal.read()).trials[bad].status is Status.STOPPED


def test_a_torn_last_line_is_dropped_and_said(folder: RunFolder):
    run = opened(folder, settings())
    trial = started(run)
    with folder.journal.path.open("a") as file:
        file.write('{"kind":"reported","ti')
    told: list[Any] = []
    again = TuningRun(settings(), folder, [lambda event, _: told.append(event)])
    again.replay(folder.journal.read())
    assert "was torn by a crash" in told[0].note
    assert again.propose() == trial
