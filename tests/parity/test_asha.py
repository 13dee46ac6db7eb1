"""Our ASHA beside Ray's AsyncHyperBandScheduler on the same reports.

Both judge a trial once per rung against those that reached it before, and both record at the highest rung reached.
They differ by rule in three places:

* The cut. Ray compares with a percentile of the *earlier* values, interpolated between two of them; ours keeps the best
  `max(1, floor(n / eta))` of the values, the trial's own included, which is the paper's top n/eta. With one earlier
  trial, or none, that is the same question. With more, the two agree on a new best (it goes on), on a new worst (it
  stops), and on the share that goes on in the long run.
* The end. Ray has a rung at `max_t` where that is a power of eta; ours decides nothing there.
* A non-finite value. Ray's `value < cutoff` is false for NaN, so a diverged trial goes on (F3); ours stops it.
"""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import AsyncHyperBandScheduler

from lightning_hpo.objective import Objective
from lightning_hpo.schedulers import ASHAScheduler
from lightning_hpo.trial import Report, Verdict

MAX_EPOCHS = 27


class Pair:
    """Both schedulers, fed alike."""

    def __init__(self) -> None:
        self.ours = ASHAScheduler(
            objective=Objective(metric="acc", mode="max"), max_epochs=MAX_EPOCHS, grace_period=1, eta=3
        )
        self.rays = AsyncHyperBandScheduler(
            metric="acc", mode="max", max_t=MAX_EPOCHS, grace_period=1, reduction_factor=3, stop_last_trials=False
        )
        self._known: set[int] = set()

    def judge(self, trial: int, step: int, value: float) -> tuple[Verdict, Verdict]:
        theirs = SimpleNamespace(trial_id=str(trial))
        if trial not in self._known:
            self._known.add(trial)
            self.rays.on_trial_add(None, theirs)
        result = {"training_iteration": step, "acc": value}
        answer = self.rays.on_trial_result(None, theirs, result)
        ours = self.ours.judge(Report(trial=trial, step=step, metrics={"acc": value}))
        return ours, Verdict.CONTINUE if answer == "CONTINUE" else Verdict.STOP


def test_the_rungs_are_the_same_but_for_the_end_where_nothing_is_decided() -> None:
    pair = Pair()
    theirs = sorted(int(rung) for rung, _ in pair.rays._brackets[0]._rungs)
    assert [*pair.ours.milestones, MAX_EPOCHS] == theirs


@settings(max_examples=60, deadline=None)
@given(
    first=st.floats(0, 1),
    second=st.floats(0, 1),
    step=st.integers(1, MAX_EPOCHS - 1),
)
def test_the_first_two_at_a_rung_are_judged_alike(first: float, second: float, step: int) -> None:
    pair = Pair()
    for trial, value in enumerate((first, second)):
        ours, theirs = pair.judge(trial, step, value)
        assert ours is theirs


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.floats(0.1, 0.9), min_size=2, max_size=20), step=st.integers(1, MAX_EPOCHS - 1))
def test_a_new_best_goes_on_and_a_new_worst_stops_in_both(values: list[float], step: int) -> None:
    best, worst = Pair(), Pair()
    for trial, value in enumerate(values):
        best.judge(trial, step, value)
        worst.judge(trial, step, value)
    assert best.judge(99, step, 1.0) == (Verdict.CONTINUE, Verdict.CONTINUE)
    assert worst.judge(99, step, 0.0) == (Verdict.STOP, Verdict.STOP)


def test_what_ray_continues_and_we_do_not_lies_between_the_two_cuts() -> None:
    pair = Pair()
    for trial, value in enumerate((0.0, 0.4, 1.0)):
        pair.judge(trial, 1, value)
    # Ray: the percentile 66.7 of 0, 0.4, 1 lies a third of the way from 0.4 to 1, which is 0.6. Ours: floor(4 / 3) = 1,
    # so only a new best goes on.
    assert pair.judge(3, 1, 0.7) == (Verdict.STOP, Verdict.CONTINUE)


def test_both_keep_about_a_third_in_the_long_run() -> None:
    pair = Pair()
    values = np.random.default_rng(0).random(600)
    verdicts = [pair.judge(trial, 1, float(value)) for trial, value in enumerate(values)]
    for side in (0, 1):
        kept = sum(verdict[side] is Verdict.CONTINUE for verdict in verdicts)
        # a third of 600 is 200; the first few are cut more leniently
        assert 180 <= kept <= 240
    assert np.mean([ours is theirs for ours, theirs in verdicts]) > 0.95


def test_a_trial_that_was_judged_is_not_judged_again_between_rungs() -> None:
    pair = Pair()
    pair.judge(0, 3, 0.9)
    pair.judge(1, 3, 0.9)
    assert pair.judge(1, 4, 0.0) == (Verdict.CONTINUE, Verdict.CONTINUE)


def test_ray_lets_a_diverged_trial_run_on_and_we_stop_it() -> None:
    pair = Pair()
    for trial in range(6):
        for step in (1, 3, 9):
            pair.judge(trial, step, 0.5)
    for step in (1, 2, 3, 9):
        assert pair.judge(6, step, math.nan) == (Verdict.STOP, Verdict.CONTINUE)  # F3
