"""What every scheduler keeps to. A new one joins by being registered."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lightning_hpo.schedulers
from lightning_hpo.errors import SettingError
from lightning_hpo.objective import Objective
from lightning_hpo.schedulers import SCHEDULERS, Scheduler
from lightning_hpo.trial import Outcome, Report, Status, Verdict

MAX_EPOCHS = 9
#: (trial, by how many steps it goes on, value): reports that interleave, jump and diverge as they like.
STREAMS = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.integers(1, 4),
        st.sampled_from([0.0, 0.25, 0.5, 0.5, 0.75, 1.0, math.nan, math.inf, -math.inf]),
    ),
    max_size=40,
)


def make(name: str) -> Scheduler:
    return SCHEDULERS[name](objective=Objective(metric="acc", mode="max"), max_epochs=MAX_EPOCHS)


def play(scheduler: Scheduler, stream: Any) -> list[tuple[Report, Verdict]]:
    """Judges each report of a trial that has neither stopped nor finished."""
    answers: list[tuple[Report, Verdict]] = []
    steps: dict[int, int] = {}
    ended: set[int] = set()
    for trial, further, value in stream:
        if trial in ended:
            continue
        steps[trial] = min(steps.get(trial, 0) + further, MAX_EPOCHS)
        report = Report(trial=trial, step=steps[trial], metrics={"acc": value, "other": 1.0})
        verdict = scheduler.judge(report)
        answers.append((report, verdict))
        if verdict is Verdict.STOP or steps[trial] == MAX_EPOCHS:
            ended.add(trial)
            status = Status.STOPPED if verdict is Verdict.STOP else Status.COMPLETED
            scheduler.end(Outcome(trial=trial, status=status, step=steps[trial], metrics=report.metrics))
    return answers


def test_every_file_of_the_package_is_registered_under_its_own_name() -> None:
    package = Path(lightning_hpo.schedulers.__file__).parent
    files = {path.stem for path in package.rglob("*.py")} - {"__init__", "base"}
    assert set(SCHEDULERS) == files
    assert len(SCHEDULERS) == 2
    for name, scheduler in SCHEDULERS.items():
        assert scheduler.name == name
        assert scheduler.__module__ == f"lightning_hpo.schedulers.{name}"


@pytest.mark.parametrize("name", SCHEDULERS)
@settings(max_examples=50, deadline=None)
@given(stream=STREAMS)
def test_a_non_finite_report_is_stopped_at_once(name: str, stream: Any) -> None:
    for report, verdict in play(make(name), stream):
        if not math.isfinite(report.metrics["acc"]):
            assert verdict is Verdict.STOP


@pytest.mark.parametrize("name", SCHEDULERS)
@settings(max_examples=50, deadline=None)
@given(stream=STREAMS)
def test_the_same_reports_get_the_same_verdicts(name: str, stream: Any) -> None:
    assert str(play(make(name), stream)) == str(play(make(name), stream))


@pytest.mark.parametrize("name", SCHEDULERS)
@settings(max_examples=50, deadline=None)
@given(before=STREAMS, after=STREAMS)
def test_a_state_that_went_through_json_goes_on_alike(name: str, before: Any, after: Any) -> None:
    original, restored = make(name), make(name)
    play(original, before)
    restored.load_state_dict(json.loads(json.dumps(original.state_dict(), allow_nan=False)))
    assert restored.state_dict() == original.state_dict()
    further = [(trial + 100, steps, value) for trial, steps, value in after]
    assert str(play(original, further)) == str(play(restored, further))


@pytest.mark.parametrize("name", SCHEDULERS)
@settings(max_examples=50, deadline=None)
@given(stream=STREAMS)
def test_the_best_trial_so_far_is_never_stopped(name: str, stream: Any) -> None:
    best = -math.inf
    for report, verdict in play(make(name), stream):
        value = report.metrics["acc"]
        if math.isfinite(value) and value >= best:
            best = value
            assert verdict is Verdict.CONTINUE


@pytest.mark.parametrize("name", SCHEDULERS)
def test_milestones_ascend_and_lie_within_the_run(name: str) -> None:
    milestones = make(name).milestones
    assert list(milestones) == sorted(set(milestones))
    assert all(1 <= step < MAX_EPOCHS for step in milestones)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_state_of_another_version_is_refused(name: str) -> None:
    scheduler = make(name)
    with pytest.raises(ValueError, match=rf"The state of scheduler '{name}' has version None; expected 1\."):
        scheduler.load_state_dict({})


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("max_epochs", [0, -1, 2.5, True, None])
def test_a_run_has_at_least_one_epoch(name: str, max_epochs: Any) -> None:
    with pytest.raises(SettingError) as caught:
        SCHEDULERS[name](objective=Objective(metric="acc"), max_epochs=max_epochs)
    assert str(caught.value) == f"max_epochs is {max_epochs!r}. Expected a whole number, 1 or more."
