"""Spaces: names, branches, grids, completion."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_hpo.errors import SpaceError
from lightning_hpo.space import Choice, Fixed, Float, Int, Space
from strategies import finite, plain_values, spaces

NESTED = Space(
    {
        "lr": Float(1e-4, 1e-1, log=True),
        "optimizer": Choice(
            {
                "sgd": {"momentum": Float(0, 0.99), "nesterov": Choice({"on": {"damp": Int(0, 3)}, "off": {}})},
                "adam": {"beta": Float(0.8, 0.99)},
            }
        ),
        "epochs": 5,
    }
)


@settings(max_examples=80, deadline=None)
@given(space=spaces(), seed=st.integers(0, 2**32))
def test_a_sample_is_contained_and_survives_json(space: Space, seed: int) -> None:
    config = space.sample(np.random.default_rng(seed))
    assert space.contains(config)
    assert space.decode(json.loads(json.dumps(space.encode(config)))) == config


@settings(deadline=None)
@given(space=spaces(), seed=st.integers(0, 2**32))
def test_the_same_seed_draws_the_same_config(space: Space, seed: int) -> None:
    assert space.sample(np.random.default_rng(seed)) == space.sample(np.random.default_rng(seed))


@settings(deadline=None)
@given(space=spaces())
def test_a_space_pickles_equal_with_an_equal_hash(space: Space) -> None:
    back = pickle.loads(pickle.dumps(space))
    assert back == space
    assert hash(back) == hash(space)


@settings(deadline=None)
@given(space=spaces(), seed=st.integers(0, 2**32))
def test_completing_nothing_gives_a_config_and_completing_a_config_keeps_it(space: Space, seed: int) -> None:
    assert space.contains(space.complete({}))
    config = space.sample(np.random.default_rng(seed))
    assert space.complete(config) == config


@settings(max_examples=60, deadline=None)
@given(space=spaces().filter(finite))
def test_a_grid_holds_different_contained_configs(space: Space) -> None:
    grid = list(space.grid())
    assert all(space.contains(config) for config in grid)
    assert len({json.dumps(space.encode(config)) for config in grid}) == len(grid)


@settings(max_examples=60, deadline=None)
@given(space=spaces(), config=plain_values | st.dictionaries(st.sampled_from(["p0", "p1", "p0.p0"]), plain_values))
def test_contains_answers_whatever_it_is_asked(space: Space, config: Any) -> None:
    assert space.contains(config) in (True, False)


@settings(max_examples=60, deadline=None)
@given(space=spaces(), seed=st.integers(0, 2**32), data=st.data())
def test_check_refuses_exactly_what_is_not_contained(space: Space, seed: int, data: st.DataObject) -> None:
    config = space.sample(np.random.default_rng(seed))
    space.check(config)
    if config:
        removed = data.draw(st.sampled_from(sorted(config)))
        del config[removed]
        assert not space.contains(config)
        with pytest.raises(SpaceError):
            space.check(config)


def test_a_space_shows_the_names_at_the_top_and_walk_shows_all() -> None:
    assert list(NESTED) == ["lr", "optimizer", "epochs"]
    assert NESTED.names() == ("lr", "optimizer", "momentum", "nesterov", "damp", "beta", "epochs")
    under = {name: path for path, name, _ in NESTED.walk()}
    assert under["damp"] == (("optimizer", "sgd"), ("nesterov", "on"))
    assert under["lr"] == ()


def test_only_the_branch_taken_is_active() -> None:
    assert [name for name, _ in NESTED.active({"optimizer": "adam"})] == ["lr", "optimizer", "beta", "epochs"]
    # a choice that is missing, or foreign, opens no branch
    assert [name for name, _ in NESTED.active({})] == ["lr", "optimizer", "epochs"]
    assert [name for name, _ in NESTED.active({"optimizer": ["sgd"]})] == ["lr", "optimizer", "epochs"]


def test_a_config_with_an_inactive_name_is_not_contained() -> None:
    config = {"lr": 0.01, "optimizer": "adam", "beta": 0.9, "epochs": 5}
    assert NESTED.contains(config)
    assert not NESTED.contains({**config, "momentum": 0.5})


def test_completion_drops_inactive_names_and_takes_given_values_as_they_are() -> None:
    # the middles: beta (0.8 + 0.99) / 2 = 0.895; lr lies outside its range and stays
    assert NESTED.complete({"optimizer": "adam", "momentum": 0.5, "lr": 7.0}) == {
        "lr": 7.0,
        "optimizer": "adam",
        "beta": 0.895,
        "epochs": 5,
    }


def test_a_plain_value_is_fixed() -> None:
    assert NESTED["epochs"] == Fixed(5)


def test_one_name_may_stand_in_several_branches_of_one_choice() -> None:
    space = Space({"kind": Choice({"a": {"x": Int(0, 1)}, "b": {"x": Float(5, 6)}})})
    assert space.contains({"kind": "a", "x": 1})
    assert not space.contains({"kind": "b", "x": 1})
    assert space.names() == ("kind", "x")


def test_an_empty_space_has_one_config() -> None:
    assert Space({}).sample(np.random.default_rng(0)) == {}
    assert Space({}).contains({})
    assert list(Space({}).grid()) == [{}]


def test_a_grid_runs_the_last_name_fastest_and_the_branches_in_place() -> None:
    space = Space({"kind": Choice({"a": {"x": Int(1, 2)}, "b": {}}), "y": Choice([True, False])})
    assert list(space.grid()) == [
        {"kind": "a", "x": 1, "y": True},
        {"kind": "a", "x": 1, "y": False},
        {"kind": "a", "x": 2, "y": True},
        {"kind": "a", "x": 2, "y": False},
        {"kind": "b", "y": True},
        {"kind": "b", "y": False},
    ]


def test_a_config_of_the_grid_shares_nothing_with_the_next() -> None:
    grid = Space({"layers": Choice([[64]]), "y": Choice([1, 2])}).grid()
    next(grid)["layers"].append(32)
    assert next(grid) == {"layers": [64], "y": 2}


def test_a_grid_without_points_names_every_continuous_range() -> None:
    space = Space({"lr": Float(0, 1), "n": Int(1, 3), "kind": Choice({"a": {"m": Float(0, 1)}})})
    with pytest.raises(SpaceError) as caught:
        space.grid()
    assert str(caught.value) == (
        "A grid needs points, but lr, m are continuous or too long to run through. "
        "Give each a step, a choice, or a number of points: `grid: 5` in a recipe, `.grid(5)` in Python."
    )


def test_spaces_are_equal_whatever_the_order_of_their_names() -> None:
    one, two = Space({"a": Int(0, 1), "b": Int(0, 2)}), Space({"b": Int(0, 2), "a": Int(0, 1)})
    assert one == two
    assert hash(one) == hash(two)


def test_an_update_adds_and_replaces() -> None:
    updated = Space({"a": Int(0, 9), "b": Int(0, 2)}).updated(Space({"a": Int(0, 1), "c": 3}))
    assert updated == Space({"a": Int(0, 1), "b": Int(0, 2), "c": Fixed(3)})


def test_a_space_is_frozen() -> None:
    with pytest.raises(AttributeError, match="frozen"):
        NESTED.parameters = {}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({3: Float(0, 1)}, "A parameter must be named by a string, but got 3."),
        ({"": 1}, "A parameter must be named by a string, but got ''."),
        ([1], "A space is a mapping of names to parameters, but got [1]."),
        ({"lr": {"flaot": [0, 1]}}, "lr: Expected exactly one of float, int, choice, fixed, but found flaot. "
                                    "Did you mean 'float'?"),
        ({"units": [32, 64]}, "units: [32, 64] could be a choice or one fixed value. "
                              "Write Choice([...]) or Fixed([...]); in a recipe, {choice: [...]} or {fixed: [...]}."),
        ({"x": 1, "kind": Choice({"a": {"x": 2}})}, "x: could be active twice, once in a branch of 'kind'. "
                                                    "Rename one of them."),
        ({"k": Choice({"k": {"k": 2}})}, "k: could be active twice, once in a branch of 'k'. Rename one of them."),
        ({"k": Choice({"a": {"x": 1}}), "l": Choice({"b": {"x": 1}})},
         "x: could be active twice, once in a branch of 'l'. Rename one of them."),
    ],
)  # fmt: skip
def test_a_space_that_contradicts_itself_says_how(parameters: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        Space(parameters)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"lr": 0.01, "optimizer": "adam", "beta": 0.9}, "epochs is missing; expected a value of Fixed(value=5)."),
        ({"lr": 0.01, "optimizer": "adam", "beta": 0.9, "epochs": 5, "momentun": 1},
         "momentun is not in the space. Did you mean 'momentum'?"),
        ({"lr": 0.01, "optimizer": "adam", "beta": 0.9, "epochs": 5, "momentum": 0.5},
         "momentum is not active under the choices made."),
        ({"lr": 0.01, "optimizer": "adam", "beta": 2, "epochs": 5},
         "beta is 2, which is not a value of Float(low=0.8, high=0.99, log=False, step=None)."),
    ],
)  # fmt: skip
def test_a_config_that_is_not_contained_is_told_why(config: dict[str, Any], message: str) -> None:
    for call in (NESTED.check, NESTED.encode, NESTED.decode):
        with pytest.raises(SpaceError) as caught:
            call(config)
        assert str(caught.value) == message
