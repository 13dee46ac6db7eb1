"""What every parameter keeps to, whatever its kind."""

from __future__ import annotations

import json
import math
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_hpo.space import Choice, Fixed, Float, Int, Parameter
from strategies import floats, ints, leaves, plain_values

KNOT: list[Any] = []
KNOT.append(KNOT)

#: Values that code of all sorts hands over, to see that nobody trips.
ODD_VALUES = [
    None,
    math.nan,
    math.inf,
    10**400,
    -(10**5000),
    True,
    "0.5",
    b"1",
    1j,
    [],
    [1],
    {},
    {1: 2},
    set(),
    object(),
    Fraction(1, 2),
    np.nan,
    np.float32(0.5),
    np.int8(1),
    np.array([1.0, 2.0]),
    np.timedelta64(1, "s"),
    np.datetime64("2024-01-01"),
    KNOT,
    Float(0, 1),
    print,
]


@settings(max_examples=100, deadline=None)
@given(parameter=leaves, seed=st.integers(0, 2**32))
def test_a_sample_is_contained(parameter: Parameter, seed: int) -> None:
    assert parameter.contains(parameter.sample(np.random.default_rng(seed)))


@settings(max_examples=100, deadline=None)
@given(parameter=leaves, seed=st.integers(0, 2**32))
def test_decode_undoes_encode_through_json(parameter: Parameter, seed: int) -> None:
    value = parameter.sample(np.random.default_rng(seed))
    back = parameter.decode(json.loads(json.dumps(parameter.encode(value))))
    assert back == value
    assert type(back) is type(value)


@settings(deadline=None)
@given(parameter=leaves, seed=st.integers(0, 2**32))
def test_the_same_seed_draws_the_same(parameter: Parameter, seed: int) -> None:
    one, two = np.random.default_rng(seed), np.random.default_rng(seed)
    assert [parameter.sample(one) for _ in range(3)] == [parameter.sample(two) for _ in range(3)]


@settings(deadline=None)
@given(parameter=leaves)
def test_a_parameter_pickles_equal_with_an_equal_hash(parameter: Parameter) -> None:
    back = pickle.loads(pickle.dumps(parameter))
    assert back == parameter
    assert hash(back) == hash(parameter)


@settings(deadline=None)
@given(parameter=leaves)
def test_a_repr_makes_the_parameter_again(parameter: Parameter) -> None:
    assert eval(repr(parameter), {"Float": Float, "Int": Int, "Choice": Choice, "Fixed": Fixed}) == parameter


@settings(deadline=None)
@given(parameter=leaves)
def test_the_middle_is_contained(parameter: Parameter) -> None:
    assert parameter.contains(parameter.middle())


@settings(max_examples=60, deadline=None)
@given(parameter=leaves.filter(lambda parameter: len(parameter.values() or ()) <= 1000))
def test_listed_values_are_contained_and_differ(parameter: Parameter) -> None:
    values = parameter.values()
    for value in values or ():
        assert parameter.contains(value)
    assert values is None or len({json.dumps(parameter.encode(value)) for value in values}) == len(values)


@settings(max_examples=60, deadline=None)
@given(parameter=leaves, value=st.sampled_from(ODD_VALUES) | plain_values | st.integers() | st.floats())
def test_contains_answers_whatever_it_is_asked(parameter: Parameter, value: object) -> None:
    assert parameter.contains(value) in (True, False)
    assert isinstance(parameter.contains(value), bool)


@settings(deadline=None)
@given(parameter=floats() | ints(), value=st.floats(-1e9, 1e9))
def test_rounding_gives_a_contained_value(parameter: Float | Int, value: float) -> None:
    rounded = parameter.round(value)
    assert parameter.contains(rounded)
    assert parameter.round(rounded) == pytest.approx(rounded, rel=1e-12)
