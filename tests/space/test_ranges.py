"""Ranges of floats and integers: what they hold, how they draw, what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lightning_hpo.errors import SpaceError
from lightning_hpo.space import Choice, Float, Int


def test_both_ends_of_a_range_are_included() -> None:
    assert Float(0, 1).contains(0.0)
    assert Float(0, 1).contains(1)
    assert Int(2, 4).contains(2)
    assert Int(2, 4).contains(4)
    assert not Int(2, 4).contains(5)
    assert not Float(0, 1).contains(1.0000001)


def test_a_stepped_range_ends_at_the_last_step_that_fits() -> None:
    # 0, 0.3, 0.6, 0.9; the next, 1.2, exceeds 1
    assert Float(0, 1, step=0.3).values() == pytest.approx((0.0, 0.3, 0.6, 0.9))
    # 1, 4, 7; the next, 10, exceeds 9
    assert Int(1, 9, step=3).values() == (1, 4, 7)
    assert Float(0, 1, step=0.3).round(2.0) == pytest.approx(0.9)
    assert Int(1, 9, step=3).round(100) == 7


def test_a_step_counts_from_low_not_from_zero() -> None:
    assert Int(5, 25, step=10).values() == (5, 15, 25)
    assert not Int(5, 25, step=10).contains(10)
    assert Float(0.5, 2.5, step=1).values() == (0.5, 1.5, 2.5)


def test_a_value_off_by_a_rounding_error_is_on_the_grid() -> None:
    # 0.1 + 0.2 is 0.30000000000000004
    assert Float(0, 1, step=0.1).contains(0.1 + 0.2)
    assert not Float(0, 1, step=0.1).contains(0.25)


def test_a_grid_far_from_zero_holds_its_own_values() -> None:
    # neighbouring floats near 1e6 are 1.2e-10 apart, much more than a billionth of the step
    parameter = Float(1e6, 1e6 + 1, step=1e-3)
    assert all(parameter.contains(parameter.sample(np.random.default_rng(seed))) for seed in range(50))


def test_an_integer_is_a_value_of_a_float_range_but_not_the_reverse() -> None:
    assert Float(0, 2).contains(1)
    assert not Int(0, 2).contains(1.0)
    assert not Int(0, 2).contains(True)
    assert Int(0, 2).contains(np.int64(1))


def test_logarithmic_draws_are_uniform_in_the_logarithm() -> None:
    rng = np.random.default_rng(0)
    drawn = np.log10([Float(1e-4, 1, log=True).sample(rng) for _ in range(4000)])
    # four decades: a quarter of the draws each, within five standard deviations (5 * sqrt(4000 * 3/16) = 137)
    for decade in range(-4, 0):
        assert abs(((drawn >= decade) & (drawn < decade + 1)).sum() - 1000) < 137


def test_every_integer_is_equally_likely() -> None:
    rng = np.random.default_rng(0)
    drawn = [Int(1, 4).sample(rng) for _ in range(4000)]
    # a quarter each, as above
    assert all(abs(drawn.count(value) - 1000) < 137 for value in (1, 2, 3, 4))


def test_a_logarithmic_integer_reaches_both_ends() -> None:
    rng = np.random.default_rng(0)
    assert {Int(1, 3, log=True).sample(rng) for _ in range(200)} == {1, 2, 3}


def test_the_middle_of_a_logarithmic_range_is_geometric() -> None:
    # sqrt(1e-4 * 1) = 1e-2, sqrt(1 * 100) = 10
    assert Float(1e-4, 1, log=True).middle() == pytest.approx(1e-2)
    assert Int(1, 100, log=True).middle() == 10
    assert Float(0, 1).middle() == 0.5


def test_a_range_may_be_a_point() -> None:
    rng = np.random.default_rng(0)
    assert (Float(2, 2).sample(rng), Float(2, 2).values()) == (2.0, (2.0,))
    assert (Int(3, 3, log=True).sample(rng), Int(3, 3).values()) == (3, (3,))


def test_bounds_of_any_number_type_become_plain() -> None:
    parameter = Float(np.float64(0), np.int64(1))
    assert (type(parameter.low), type(parameter.high)) == (float, float)
    assert Int(1.0, 3) == Int(1, 3)  # type: ignore[arg-type]


def test_a_range_too_long_to_list_has_no_values() -> None:
    assert Int(0, 10**9).values() is None
    assert Float(0, 1, step=1e-9).values() is None
    assert Float(0, 1).values() is None


def test_a_grid_is_a_choice_of_evenly_spaced_values() -> None:
    assert Float(0, 1).grid(5) == Choice([0.0, 0.25, 0.5, 0.75, 1.0])
    # even in the logarithm: 1e-4, 1e-3, 1e-2
    assert list(Float(1e-4, 1e-2, log=True).grid(3)) == pytest.approx([1e-4, 1e-3, 1e-2])
    assert Float(0, 1).grid(1) == Choice([0.0])


def test_a_grid_keeps_to_the_steps_and_drops_doubles() -> None:
    # 1, 1.5 and 2 lie 0, 0.5 and 1 steps above 1; a half rounds to the even 0, so they become 1, 1 and 2
    assert Int(1, 2).grid(3) == Choice([1, 2])
    assert Float(0, 1, step=0.5).grid(5) == Choice([0.0, 0.5, 1.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Float(3, 1), "Float: `low <= high` must hold, but got (low=3, high=1)."),
        (lambda: Int(3, 1), "Int: `low <= high` must hold, but got (low=3, high=1)."),
        (
            lambda: Float(0, 1, log=True),
            "Float: `low > 0` must hold for a logarithmic range, but got (low=0, high=1, log=True).",
        ),
        (
            lambda: Int(0, 9, log=True),
            "Int: `low > 0` must hold for a logarithmic range, but got (low=0, high=9, log=True).",
        ),
        (lambda: Float(0, 1, step=2), "Float: `step <= high - low` must hold, but got (low=0, high=1, step=2)."),
        (lambda: Float(0, 1, step=-0.5), "Float: `step > 0` must hold, but got (low=0, high=1, step=-0.5)."),
        (lambda: Int(1, 9, step=0), "Int: `step > 0` must hold, but got (low=1, high=9, step=0)."),
        (lambda: Int(1, 9, step=0.5), "Int: `step` must be an integer, but got 0.5."),
        (lambda: Int(1.5, 9), "Int: `low` must be an integer, but got 1.5."),
        (lambda: Float("0", 1), "Float: `low` must be a finite number, but got (low='0', high=1)."),
        (lambda: Float(0, math.inf), "Float: `high` must be a finite number, but got (low=0, high=inf)."),
        (lambda: Float(0, math.nan), "Float: `high` must be a finite number, but got (low=0, high=nan)."),
        (lambda: Float(True, 2), "Float: `low` must be a finite number, but got (low=True, high=2)."),
        (
            lambda: Float(-1.7e308, 1.7e308),
            "Float: `high - low` must be a finite number, but got (low=-1.7e+308, high=1.7e+308).",
        ),
        (lambda: Int(0, 2**62), f"Int: `high` must be below 2**62, but got {2**62}."),
        (lambda: Float(0, 1, log="yes"), "Float: `log` must be True or False, but got 'yes'."),
        (lambda: Float(0, 1).grid(0), "grid: `points >= 1` must hold, but got (points=0)."),
        (lambda: Int(0, 9).grid(2.5), "grid: `points >= 1` must hold, but got (points=2.5)."),
        (lambda: Float(0, 1).decode(2.0), "2.0 is not a value of Float(low=0.0, high=1.0, log=False, step=None)."),
    ],
)
def test_a_range_that_contradicts_itself_says_how(make: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        make()
    assert str(caught.value) == message
