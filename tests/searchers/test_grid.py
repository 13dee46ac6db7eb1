"""Grid search proposes every config once, in order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from lightning_hpo.errors import SpaceError
from lightning_hpo.objective import Objective
from lightning_hpo.searchers import GridSearcher
from lightning_hpo.space import Choice, Float, Int, Space
from strategies import finite, spaces

OBJECTIVE = Objective(metric="loss")
SPACE = Space({"n": Int(1, 2), "kind": Choice({"a": {"x": Float(0, 0.2, step=0.1)}, "b": {}})})


def grid(space: Space = SPACE) -> GridSearcher:
    return GridSearcher(space=space, objective=OBJECTIVE, rng=np.random.default_rng(0))


def drain(searcher: GridSearcher) -> list[Any]:
    found: list[Any] = []
    while (config := searcher.suggest(len(found))) is not None:
        found.append(config)
    return found


@settings(max_examples=30, deadline=None)
@given(space=spaces().filter(finite))
def test_the_grid_of_the_space_comes_in_its_order(space: Space) -> None:
    assert drain(grid(space)) == list(space.grid())


def test_after_the_last_there_is_nothing_left() -> None:
    searcher = grid()
    # n in 1, 2; kind a with three values of x, or b: 2 * (3 + 1) = 8
    assert len(drain(searcher)) == 8
    assert searcher.suggest(9) is None


def test_an_adopted_config_is_left_out() -> None:
    searcher = grid()
    searcher.adopt(0, {"n": 1, "kind": "b"})
    searcher.adopt(1, {"n": 2, "kind": "a", "x": 0.1})
    assert len(drain(searcher)) == 6


def test_an_adopted_float_counts_despite_a_rounding_error() -> None:
    # 0.1 + 0.2 is 0.30000000000000004 and the grid's own value 3 * 0.1 is too; 0.3 is neither
    searcher = grid(Space({"x": Float(0, 0.3, step=0.1)}))
    searcher.adopt(0, {"x": 0.3})
    searcher.adopt(1, {"x": 0.1 + 1e-12})
    assert [config["x"] for config in drain(searcher)] == [0.0, 0.2]


def test_an_adopted_config_off_the_grid_is_left_aside() -> None:
    searcher = grid()
    searcher.adopt(0, {"n": 7, "kind": "b"})
    searcher.adopt(1, {"lr": 1})
    assert len(drain(searcher)) == 8


def test_adopting_what_was_proposed_already_takes_nothing_away() -> None:
    searcher = grid()
    first = searcher.suggest(0)
    assert first is not None
    searcher.adopt(1, first)
    assert len(drain(searcher)) == 7


def test_one_and_true_are_two_configs_of_the_grid() -> None:
    searcher = grid(Space({"x": Choice([1, True, 1.0])}))
    searcher.adopt(0, {"x": True})
    assert [type(config["x"]) for config in drain(searcher)] == [int, float]


def test_a_continuous_range_is_refused_when_the_searcher_is_made() -> None:
    with pytest.raises(SpaceError, match="A grid needs points, but lr is continuous or too long to run through"):
        grid(Space({"lr": Float(0, 1)}))
    with pytest.raises(SpaceError, match="too long to run through"):
        grid(Space({"n": Int(0, 10**9)}))
