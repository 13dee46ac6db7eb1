"""The values that pass between the parts."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import pytest

from lightning_hpo.trial import Origin, Outcome, Report, Status, Trial, Verdict

VALUES: list[Any] = [
    Trial(id=3, config={"lr": 0.1}, seed=7),
    Report(trial=3, step=1, metrics={"loss": 0.5}),
    Outcome(trial=3, status=Status.STOPPED, step=1, metrics={"loss": 0.5}, seconds=2.0),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_pickles_and_is_frozen(value: Any) -> None:
    assert pickle.loads(pickle.dumps(value)) == value
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.trial = 4


@pytest.mark.parametrize("kind", [Trial, Report, Outcome])
def test_a_value_is_made_by_keyword_only(kind: Any) -> None:
    with pytest.raises(TypeError):
        kind(3)


@pytest.mark.parametrize("status", list(Status))
def test_a_status_is_an_end_unless_something_may_still_come(status: Status) -> None:
    assert status.ended is (status not in {Status.WAITING, Status.RUNNING})


@pytest.mark.parametrize("status", list(Status))
def test_only_an_ended_trial_with_a_finite_value_may_win(status: Status) -> None:
    assert status.usable is (status in {Status.COMPLETED, Status.STOPPED})


@pytest.mark.parametrize("kind", [Status, Verdict, Origin])
def test_an_enum_is_written_as_its_lower_case_name(kind: Any) -> None:
    assert [member.value for member in kind] == [member.name.lower() for member in kind]


def test_a_trial_comes_from_the_searcher_unless_said_otherwise() -> None:
    assert Trial(id=0, config={}, seed=0).origin is Origin.SEARCHER


def test_an_outcome_of_a_trial_that_never_reported_is_at_step_zero() -> None:
    outcome = Outcome(trial=0, status=Status.FAILED, error="Traceback")
    assert (outcome.step, dict(outcome.metrics), outcome.seconds) == (0, {}, 0.0)
