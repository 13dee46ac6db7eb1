from __future__ import annotations

import math
from typing import Any

import pytest

from lightning_hpo.results.plain import Fields, plain_metrics
from lightning_hpo.trial import Status


def test_metrics_that_are_not_finite_become_words() -> None:
    metrics = {"a": 1, "b": math.nan, "c": math.inf, "d": -math.inf}
    assert plain_metrics(metrics) == {"a": 1.0, "b": "NaN", "c": "Infinity", "d": "-Infinity"}


def test_the_words_become_floats_again() -> None:
    found = Fields({"metrics": {"a": 1, "b": "NaN", "c": "Infinity", "d": "-Infinity"}}).metrics()
    assert found["a"] == 1.0
    assert math.isnan(found["b"])
    assert (found["c"], found["d"]) == (math.inf, -math.inf)


@pytest.mark.parametrize(
    ("value", "message"),
    [("nan", "the metric 'a' must be a number, but is 'nan'"), (True, "but is True"), (None, "but is None")],
)
def test_a_metric_that_is_no_number_is_refused(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fields({"metrics": {"a": value}}).metrics()


@pytest.mark.parametrize(
    ("value", "types", "message"),
    [
        ("7", int, "'x' must be a whole number, but is '7'"),
        (7.5, int, "'x' must be a whole number, but is 7.5"),
        (True, int, "'x' must be a whole number, but is True"),
        (7, str, "'x' must be a string, but is 7"),
        ([], dict, r"'x' must be a mapping, but is \[\]"),
    ],
)
def test_a_field_of_another_type_is_refused(value: Any, types: type, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fields({"x": value}).take("x", types)


def test_a_field_may_hold_anything_if_that_is_said() -> None:
    assert Fields({"x": True}).take("x", object) is True


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ValueError, match="'x' is missing"):
        Fields({}).take("x", int)


def test_a_field_left_over_is_named() -> None:
    fields = Fields({"x": 1, "y": 2})
    assert fields.number("x") == 1.0
    with pytest.raises(ValueError, match="'y' is not known here"):
        fields.close()


def test_a_member_is_found_by_its_value_and_the_known_ones_are_named() -> None:
    assert Fields({"x": "stopped"}).member("x", Status) is Status.STOPPED
    with pytest.raises(ValueError, match=r"'x' must be one of waiting, running, .*, but is 'halted'"):
        Fields({"x": "halted"}).member("x", Status)
