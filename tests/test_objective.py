"""Direction and non-finite values are known in one place."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_hpo.errors import UsageError
from lightning_hpo.objective import Mode, Objective


@pytest.mark.parametrize(("mode", "loss"), [("min", 0.25), ("max", -0.25)])
def test_the_loss_is_minimised_in_either_mode(mode: Mode, loss: float) -> None:
    objective = Objective(metric="m", mode=mode)
    assert objective.loss({"m": 0.25, "other": 9.0}) == loss
    assert objective.value(loss) == 0.25


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_non_finite_metric_is_the_worst_loss_whatever_its_sign(mode: Mode, value: float) -> None:
    objective = Objective(metric="m", mode=mode)
    assert objective.loss({"m": value}) == math.inf
    assert math.isnan(objective.value(math.inf))


@settings(deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False), mode=st.sampled_from(["min", "max"]))
def test_value_is_the_inverse_of_loss(value: float, mode: Mode) -> None:
    objective = Objective(metric="m", mode=mode)
    assert objective.value(objective.loss({"m": value})) == value


@pytest.mark.parametrize(
    ("mode", "best", "baseline"),
    # accuracy 0.9 against 0.8, and loss 0.3 against 0.4: both are better by 0.1
    [("max", 0.9, 0.8), ("min", 0.3, 0.4)],
)
def test_a_gain_is_positive_when_better_in_either_mode(mode: Mode, best: float, baseline: float) -> None:
    objective = Objective(metric="m", mode=mode)
    gain = objective.gain(objective.loss({"m": best}), objective.loss({"m": baseline}))
    assert gain == pytest.approx(0.1)


def test_a_metric_that_was_not_logged_is_named_with_those_that_were() -> None:
    with pytest.raises(UsageError) as caught:
        Objective(metric="val_ac").loss({"val_loss": 1.0, "val_acc": 0.5})
    assert str(caught.value) == (
        "The objective 'val_ac' was not logged; logged: val_acc, val_loss. Did you mean 'val_acc'?"
    )


def test_a_metric_is_missed_even_when_nothing_was_logged() -> None:
    with pytest.raises(UsageError, match="logged: nothing"):
        Objective(metric="m").loss({})


@pytest.mark.parametrize("metric", ["", None, 3])
def test_a_metric_must_be_a_name(metric: object) -> None:
    with pytest.raises(UsageError, match="must be the name of a logged metric"):
        Objective(metric=metric)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["maximize", "", None])
def test_a_mode_is_min_or_max(mode: object) -> None:
    with pytest.raises(UsageError, match="must be 'min' or 'max'"):
        Objective(metric="m", mode=mode)  # type: ignore[arg-type]


def test_an_objective_is_frozen_and_pickles() -> None:
    objective = Objective(metric="m", mode="max")
    assert pickle.loads(pickle.dumps(objective)) == objective
    with pytest.raises(AttributeError):
        objective.mode = "min"  # type: ignore[misc]
