"""Hypothesis strategies: parameters, spaces and report streams, as wild as users write them."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from lightning_hpo.space import Choice, Fixed, Float, Int, Parameter, Space

#: What YAML holds and a choice may offer. Floats stay where JSON keeps them exactly, which is everywhere finite.
plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@st.composite
def floats(draw: st.DrawFn) -> Float:
    log = draw(st.booleans())
    if log:
        low = draw(st.floats(1e-12, 1e3))
        high = low * draw(st.just(1.0) | st.floats(1.0, 1e6))
    else:
        low = draw(st.floats(-1e6, 1e6))
        high = low + draw(st.just(0.0) | st.floats(0.0, 1e6))
    width = high - low
    step = draw(st.none() | st.floats(0.001, 1.0).map(lambda share: share * width)) if width > 0 else None
    return Float(low, high, log=log, step=step or None)


@st.composite
def ints(draw: st.DrawFn) -> Int:
    log = draw(st.booleans())
    low = draw(st.integers(1, 1000) if log else st.integers(-1000, 1000))
    width = draw(st.just(0) | st.integers(0, 5) | st.integers(0, 100_000))
    step = draw(st.just(1) | st.integers(1, width)) if width else 1
    return Int(low, low + width, log=log, step=step)


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


choices = st.lists(plain_values, min_size=1, max_size=5, unique_by=_key).map(Choice)
fixed = plain_values.map(Fixed)
leaves: st.SearchStrategy[Parameter] = floats() | ints() | choices | fixed


@st.composite
def spaces(draw: st.DrawFn, depth: int = 2, prefix: str = "") -> Space:
    """Spaces with branches down to `depth`; names are unique by their prefix, so that no two can clash."""
    parameters: dict[str, Parameter] = {}
    for place in range(draw(st.integers(0, 3))):
        name = f"{prefix}p{place}"
        if depth and draw(st.integers(0, 2)) == 0:
            branches = draw(st.lists(st.sampled_from(["sgd", "adam", "lion", ""]), min_size=1, max_size=3, unique=True))
            # The branches of one choice share their names, as those of an optimiser do.
            parameters[name] = Choice({branch: draw(spaces(depth - 1, f"{name}.")) for branch in branches})
        else:
            parameters[name] = draw(leaves)
    return Space(parameters)


def finite(space: Space, limit: int = 2000) -> bool:
    """Whether a grid of the space may be run through in a test."""
    return _count(space) <= limit


def _count(space: Space) -> float:
    total = 1.0
    for parameter in space.values():
        values = parameter.values()
        if values is None:
            return math.inf
        if isinstance(parameter, Choice) and parameter.branches:
            total *= sum(_count(branch) for branch in parameter.branches.values())
        else:
            total *= len(values)
    return total


#: Ranges and options whose arithmetic is where floats and integers end.
EDGES: list[Parameter] = [
    Float(1.0, float(np.nextafter(1.0, 2.0))),
    Float(1.0, float(np.nextafter(1.0, 2.0)), log=True),
    Float(1e-300, 2e-300),
    Float(-1e307, 1e307),
    Float(0, 1, step=1e-7),
    Float(0, 1, step=0.7),
    Int(0, 2**61),
    Int(1, 2**61, log=True),
    Int(1, 2, log=True),
    Int(1, 100, log=True, step=33),
    Choice([None]),
    Choice([[1], {"a": [2]}, None, True, 1]),
]
