"""Choices and fixed values: what they hold, how they draw, what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lightning_hpo.errors import SpaceError
from lightning_hpo.space import Choice, Fixed, Float, Int

KNOT: list[Any] = []
KNOT.append(KNOT)


def test_true_one_and_one_point_zero_are_three_options() -> None:
    choice = Choice([True, 1, 1.0])
    assert [choice.index(value) for value in (1, 1.0, True)] == [1, 2, 0]
    assert not Choice([1]).contains(True)
    assert not Fixed(1).contains(1.0)


def test_lists_dicts_and_none_are_options() -> None:
    options: list[Any] = [None, [64, 32], {"kind": "step", "gamma": 0.1}]
    choice = Choice(options)
    assert [choice.decode(choice.encode(option)) for option in options] == options


def test_a_drawn_option_is_a_copy() -> None:
    choice = Choice([[64, 32]])
    choice.sample(np.random.default_rng(0)).append(16)
    choice.middle().append(16)
    assert choice.values() == ([64, 32],)
    fixed = Fixed([1])
    fixed.sample(np.random.default_rng(0)).append(2)
    assert fixed.value == [1]


def test_a_tuple_comes_back_from_plain_data_as_a_tuple() -> None:
    choice = Choice([(1, 2), (3, 4)])
    assert choice.encode((1, 2)) == [1, 2]
    assert choice.decode([1, 2]) == (1, 2)
    assert Fixed((1, 2)).decode([1, 2]) == (1, 2)


def test_every_option_is_equally_likely() -> None:
    rng = np.random.default_rng(0)
    drawn = [Choice(["a", "b", "c", "d"]).sample(rng) for _ in range(4000)]
    assert all(abs(drawn.count(value) - 1000) < 137 for value in "abcd")


def test_branches_are_spaces_and_the_choice_is_of_their_names() -> None:
    choice = Choice({"sgd": {"momentum": Float(0, 0.99)}, "adam": None})
    assert choice.options == ("sgd", "adam")
    assert choice.branches["sgd"]["momentum"] == Float(0, 0.99)
    assert len(choice.branches["adam"]) == 0


def test_choices_are_equal_when_options_and_branches_are() -> None:
    assert Choice(["a", "b"]) == Choice(("a", "b"))
    assert Choice(["a", "b"]) != Choice(["b", "a"])
    assert Choice({"a": {"x": 1}}) != Choice({"a": {"x": 2}})
    assert Choice([1]) != Fixed(1)


@pytest.mark.parametrize("parameter", [Choice([1, 2]), Fixed(1), Float(0, 1), Int(0, 1)])
def test_a_parameter_is_frozen(parameter: Any) -> None:
    for name in ("options", "value", "low"):
        with pytest.raises(AttributeError):
            setattr(parameter, name, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Choice([]), "Choice: expected at least one option, but got none."),
        (lambda: Choice({}), "Choice: expected at least one option, but got none."),
        (lambda: Choice("abc"), "Choice: expected a list of values or a dict of branches, but got 'abc'."),
        (lambda: Choice({1, 2}), "Choice: expected a list of values or a dict of branches, but got {1, 2}."),
        (lambda: Choice([1, 2, 1]), "Choice: every option must be different, but 1 is there 2 times."),
        (lambda: Choice([(1, 2), [1, 2]]), "Choice: every option must be different, but [1, 2] is there 2 times."),
        (lambda: Choice({1: {}}), "Choice: a branch must be named by a string, but got 1."),
        (lambda: Choice({"a": 5}), "Choice: branch 'a' must hold parameters ({} for none), but got 5."),
        (lambda: Choice([1, 2]).index(3), "3 is not one of [1, 2]."),
    ],
)
def test_a_choice_that_cannot_be_says_why(make: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "value", [math.nan, {1: 2}, object(), {3, 4}, KNOT, 10**5000, print], ids=lambda v: type(v).__name__
)
def test_what_yaml_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(SpaceError, match="cannot be a value of a choice"):
        Choice([value])
    with pytest.raises(SpaceError, match="cannot be a value of a choice"):
        Fixed(value)
