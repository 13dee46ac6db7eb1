"""ASHA's rungs and verdicts, worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_hpo.errors import SettingError
from lightning_hpo.objective import Mode, Objective
from lightning_hpo.schedulers import ASHAScheduler
from lightning_hpo.trial import Report, Verdict

GO, STOP = Verdict.CONTINUE, Verdict.STOP


def asha(max_epochs: int = 30, mode: Mode = "min", **settings: Any) -> ASHAScheduler:
    settings = {"grace_period": 1, **settings}
    return ASHAScheduler(objective=Objective(metric="m", mode=mode), max_epochs=max_epochs, **settings)


def judge(scheduler: ASHAScheduler, trial: int, step: int, value: float) -> Verdict:
    return scheduler.judge(Report(trial=trial, step=step, metrics={"m": value}))


@pytest.mark.parametrize(
    ("max_epochs", "settings", "rungs"),
    [
        (30, {}, (1, 3, 9, 27)),
        (27, {}, (1, 3, 9)),  # the end itself is no decision
        (28, {}, (1, 3, 9, 27)),
        (1, {}, ()),
        (5, {"grace_period": 5}, ()),
        (100, {"grace_period": 2, "eta": 4}, (2, 8, 32)),
        # 1.5**k: 1, 1.5 (rounds up to 2), 2.25 (2 again), 3.375, 5.06, 7.59
        (9, {"eta": 1.5}, (1, 2, 3, 5, 8)),
        # an eta near 1 puts a rung at every epoch
        (5, {"eta": 1 + 1e-12}, (1, 2, 3, 4)),
        (10**6, {"eta": 1e300}, (1,)),
    ],
)
def test_rungs_stand_at_powers_of_eta_below_the_end(
    max_epochs: int, settings: dict[str, Any], rungs: tuple[int, ...]
) -> None:
    assert asha(max_epochs, **settings).milestones == rungs


@pytest.mark.parametrize(
    ("max_epochs", "first"),
    # a sixteenth: 0.06, 1.44, 1.5 (rounds up), 1.88, 3.25, 6.25
    [(1, None), (23, 1), (24, 2), (30, 2), (52, 3), (100, 6)],
)
def test_left_out_the_first_rung_is_a_sixteenth_of_a_full_training(max_epochs: int, first: int | None) -> None:
    made = ASHAScheduler(objective=Objective(metric="m"), max_epochs=max_epochs)
    assert next(iter(made.milestones), None) == first


@settings(deadline=None)
@given(
    max_epochs=st.integers(1, 500),
    grace_period=st.integers(1, 500),
    eta=st.floats(1, 8, exclude_min=True),
)
def test_rungs_ascend_from_the_grace_period(max_epochs: int, grace_period: int, eta: float) -> None:
    rungs = asha(max_epochs, grace_period=min(grace_period, max_epochs), eta=eta).milestones
    assert list(rungs) == sorted(set(rungs))
    assert all(grace_period <= rung < max_epochs for rung in rungs)
    assert (rungs[:1] == (grace_period,)) is (grace_period < max_epochs)


def test_a_third_goes_on_with_eta_three() -> None:
    scheduler = asha()
    # n = 1: best of 1. n = 2: best 1; 0.6 is second. n = 3: best 1; 0.4 is first.
    # n = 4: floor(4/3) = 1; 0.45 is second. n = 5: 1; 0.9. n = 6: floor(6/3) = 2; 0.41 is second of six.
    values = [0.5, 0.6, 0.4, 0.45, 0.9, 0.41]
    verdicts = [judge(scheduler, trial, 1, value) for trial, value in enumerate(values)]
    assert verdicts == [GO, STOP, GO, STOP, STOP, GO]


def test_the_mode_decides_what_best_means() -> None:
    scheduler = asha(mode="max")
    assert [judge(scheduler, trial, 1, value) for trial, value in enumerate([0.5, 0.4, 0.6])] == [GO, STOP, GO]


def test_with_fewer_than_eta_trials_only_the_best_so_far_goes_on() -> None:
    scheduler = asha(eta=10)
    assert [judge(scheduler, trial, 1, value) for trial, value in enumerate([3, 2, 1, 1.5, 0])] == [
        GO, GO, GO, STOP, GO,
    ]  # fmt: skip


def test_ties_continue() -> None:
    scheduler = asha()
    assert [judge(scheduler, trial, 1, 0.5) for trial in range(6)] == [GO] * 6


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("step", [1, 2, 5, 29])
def test_a_non_finite_value_is_stopped_at_once_rung_or_not(value: float, step: int) -> None:
    assert judge(asha(grace_period=3), 0, step, value) is STOP


def test_a_diverged_trial_counts_as_the_worst_of_its_rung() -> None:
    scheduler = asha()
    assert judge(scheduler, 0, 1, math.nan) is STOP
    assert judge(scheduler, 1, 1, math.nan) is STOP
    # n = 3 with two diverged: floor(3/3) = 1
    assert judge(scheduler, 2, 1, 0.5) is GO
    for trial in (3, 4):
        judge(scheduler, trial, 1, math.nan)
    # n = 6: floor(6/3) = 2, so the second best goes on; without the diverged ones n were 2 and it would not
    assert judge(scheduler, 5, 1, 0.6) is GO


def test_no_trial_is_stopped_before_the_grace_period() -> None:
    scheduler = asha(grace_period=4)
    judge(scheduler, 0, 4, 0.1)
    assert [judge(scheduler, 1, step, 9.0) for step in (1, 2, 3)] == [GO] * 3
    assert judge(scheduler, 1, 4, 9.0) is STOP


def test_a_report_between_rungs_continues() -> None:
    scheduler = asha()
    judge(scheduler, 0, 3, 0.1)
    judge(scheduler, 1, 3, 0.1)
    assert [judge(scheduler, 1, step, 9.0) for step in (4, 5, 8)] == [GO] * 3


def test_a_report_that_jumps_over_rungs_is_judged_at_the_highest_one() -> None:
    scheduler = asha()
    assert judge(scheduler, 0, 10, 0.5) is GO
    # worse at rung 9, where trial 0 was judged: stopped. Rung 1 has seen nobody, so it would have gone on there.
    assert judge(scheduler, 1, 9, 0.6) is STOP
    assert judge(scheduler, 2, 1, 0.9) is GO


def test_a_rung_judges_a_trial_once() -> None:
    scheduler = asha()
    assert judge(scheduler, 0, 1, 0.5) is GO
    # the same rung again, worse, as after a retry from a checkpoint
    assert judge(scheduler, 0, 1, 0.9) is GO
    # n is 2, not 3: the second of two is stopped
    assert judge(scheduler, 1, 1, 0.6) is STOP


def test_a_stopped_trial_stays_stopped() -> None:
    scheduler = asha()
    judge(scheduler, 0, 1, 0.5)
    assert judge(scheduler, 1, 1, 0.6) is STOP
    assert judge(scheduler, 1, 1, 0.1) is STOP
    assert judge(scheduler, 1, 2, 0.1) is STOP


def test_no_verdict_is_spoken_at_the_end() -> None:
    scheduler = asha(9)
    for trial in range(2):
        judge(scheduler, trial, 3, 0.5)
    assert judge(scheduler, 1, 9, 9.0) is GO


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"grace_period": 40}, "grace_period is 40, but trials run 30 epochs. Expected 1 <= grace_period <= 30."),
        ({"grace_period": 0}, "grace_period is 0. Expected 1 <= grace_period <= 30."),
        ({"grace_period": 2.5}, "grace_period is 2.5. Expected 1 <= grace_period <= 30."),
        ({"grace_period": True}, "grace_period is True. Expected 1 <= grace_period <= 30."),
        ({"eta": 1}, "eta is 1. Expected a number greater than 1."),
        ({"eta": "3"}, "eta is '3'. Expected a number greater than 1."),
        ({"eta": math.inf}, "eta is inf. Expected a number greater than 1."),
        ({"eta": math.nan}, "eta is nan. Expected a number greater than 1."),
    ],
)
def test_a_setting_out_of_bounds_says_so(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        asha(**settings)
    assert str(caught.value) == message
