"""Our spaces as Ray Tune's: nothing is lost on the way there, back, or on to hyperopt."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hyperopt.pyll.stochastic import sample
from hypothesis import given, settings
from hypothesis import strategies as st
from ray import tune
from ray.tune.search.hyperopt import HyperOptSearch
from ray.tune.search.sample import Domain

from lightning_hpo.errors import SpaceError
from lightning_hpo.space import Choice, Fixed, Float, Int, Parameter, Space
from lightning_hpo.space.foreign import from_ray
from lightning_hpo.tuning.ray.domains import from_drawn, to_drawn, to_ray
from strategies import floats, ints, spaces

NESTED = Space(
    {
        "lr": Float(1e-4, 1e-1, log=True),
        "optimizer": Choice({"sgd": {"momentum": Float(0, 0.9)}, "adam": {"beta": Float(0.8, 0.9)}}),
        "epochs": 5,
    }
)


def one(parameter: Parameter) -> Any:
    return to_ray(Space({"x": parameter}))["x"]


@pytest.mark.parametrize(
    "parameter",
    [
        Float(-1, 2),
        Float(1e-4, 1e-1, log=True),
        Float(0.3, 0.9, step=0.1),
        Float(0.1, 10, log=True, step=0.1),
        Int(1, 9),
        Int(1, 9, log=True),
        Int(10, 50, step=10),
        Int(8, 64, log=True, step=8),
        Choice([[64, 32], None, {"a": 1}, True]),
    ],
    ids=repr,
)
def test_there_and_back_is_the_same_parameter(parameter: Parameter) -> None:
    assert from_ray(one(parameter)) == parameter


@settings(max_examples=80, deadline=None)
@given(parameter=floats() | ints())
def test_there_and_back_has_the_same_values(parameter: Float | Int) -> None:
    if parameter.step not in (None, 1) and (parameter.high - parameter.low) / (parameter.step or 1) > 2000:
        return
    back = from_ray(one(parameter))
    values = parameter.values()
    if values is None:
        assert back == parameter
    else:
        assert list(back.values() or ()) == pytest.approx(list(values), rel=1e-9)
    if isinstance(back, (Float, Int)):
        assert back.log == parameter.log


@settings(max_examples=60, deadline=None)
@given(space=spaces(), seed=st.integers(0, 999))
def test_what_ray_draws_becomes_a_config_of_ours(space: Space, seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = {
        key: domain.sample(random_state=rng) if isinstance(domain, Domain) else domain
        for key, domain in to_ray(space).items()
    }
    assert space.contains(from_drawn(space, drawn))


@settings(max_examples=60, deadline=None)
@given(space=spaces(), seed=st.integers(0, 999))
def test_a_config_goes_there_and_back(space: Space, seed: int) -> None:
    config = space.sample(np.random.default_rng(seed))
    drawn = to_drawn(space, config)
    assert set(drawn) == set(to_ray(space))
    back = from_drawn(space, drawn)
    assert set(back) == set(config)
    for name, value in config.items():
        assert back[name] == (pytest.approx(value) if isinstance(value, float) else value)


def test_branches_lie_flat_under_keys_that_tell_them() -> None:
    assert set(to_ray(NESTED)) == {"lr", "optimizer", "optimizer=sgd:momentum", "optimizer=adam:beta", "epochs"}
    drawn = {"lr": 0.01, "optimizer": "adam", "optimizer=sgd:momentum": 0.5, "optimizer=adam:beta": 0.85, "epochs": 5}
    assert from_drawn(NESTED, drawn) == {"lr": 0.01, "optimizer": "adam", "beta": 0.85, "epochs": 5}


def test_a_draw_off_the_grid_goes_to_the_nearest_value() -> None:
    space = Space({"x": Float(0, 1, step=0.25), "n": Int(5, 25, step=10)})
    assert from_drawn(space, {"x": 0.3, "n": 31.0}) == {"x": 0.25, "n": 25}


def test_a_draw_that_lacks_an_active_name_is_refused() -> None:
    with pytest.raises(SpaceError, match="optimizer=adam:beta is missing in the draw"):
        from_drawn(NESTED, {"lr": 0.01, "optimizer": "adam", "epochs": 5})


def test_steps_that_are_no_multiples_become_a_choice_of_the_values_in_order() -> None:
    # Ray's qrandint(5, 25, 10) would be 10, 20
    assert one(Int(5, 25, step=10)).categories == [5, 15, 25]
    assert one(Float(0.5, 2.5, step=1)).categories == [0.5, 1.5, 2.5]
    assert one(Int(3, 3)).categories == [3]
    assert one(Fixed({"a": 1})) == {"a": 1}


def test_too_many_values_for_a_choice_are_refused() -> None:
    with pytest.raises(SpaceError, match="its values are no multiples of the step, and too many to list"):
        one(Int(1, 10**9, step=2))


# ---------------------------------------------------------------- on to hyperopt, as Ray's HyperOptSearch goes


def hyperopts(parameter: Parameter) -> Any:
    """The distribution that HyperOptSearch makes of it: its name and arguments."""
    node = HyperOptSearch.convert_search_space({"x": one(parameter)})["x"]
    laws = {"uniform", "loguniform", "quniform", "qloguniform", "randint", "uniformint", "categorical"}
    while node.name not in laws:
        node = next(part for part in node.pos_args if part.name != "literal")
    return node.name, [part.obj for part in node.inputs() if part.name == "literal"]


@pytest.mark.parametrize(
    ("parameter", "law", "arguments"),
    [
        (Float(-1, 2), "uniform", [-1, 2]),
        (Float(1e-4, 1e-1, log=True), "loguniform", [math.log(1e-4), math.log(1e-1)]),
        (Float(0, 0.9, step=0.1), "quniform", [0, 0.9, 0.1]),
        (Float(0.1, 10, log=True, step=0.1), "qloguniform", [math.log(0.1), math.log(10), 0.1]),
        (Int(1, 9, log=True), "qloguniform", [math.log(1), math.log(9), 1]),
        (Int(8, 64, log=True, step=8), "qloguniform", [math.log(8), math.log(64), 8]),
    ],
    ids=repr,
)
def test_bounds_log_and_step_arrive_in_hyperopt(parameter: Parameter, law: str, arguments: list[float]) -> None:
    name, given_arguments = hyperopts(parameter)
    assert name == law
    assert given_arguments == pytest.approx(arguments)


def drawn_by_hyperopt(domain: Any) -> set[Any]:
    expression = HyperOptSearch.convert_search_space({"x": domain})
    return {sample(expression, rng=np.random.default_rng(seed))["x"] for seed in range(200)}


def test_a_choice_of_lists_comes_back_from_hyperopt_as_one_of_lists() -> None:
    # F12: hyperopt makes tuples of the lists
    space = Space({"x": Choice([[64, 32], [16], None])})
    drawn = drawn_by_hyperopt(to_ray(space)["x"])
    assert drawn == {(64, 32), (16,), None}
    assert [from_drawn(space, {"x": value})["x"] for value in ((64, 32), (16,), None)] == [[64, 32], [16], None]


def test_an_integer_range_reaches_hyperopt_with_both_ends() -> None:
    assert drawn_by_hyperopt(one(Int(1, 4))) == {1, 2, 3, 4}
    assert drawn_by_hyperopt(one(Int(10, 50, step=10))) == {10, 20, 30, 40, 50}


def test_stock_hyperopt_search_leaves_a_quantised_integer_range_and_ours_does_not() -> None:
    # F12. The multiples of 10 between 3 and 27 are 10 and 20, but HyperOptSearch makes quniform(3, 26, 10) of it, which
    # rounds to 0 and to 30 as well. Ours goes to Ray as a choice where its values are no multiples of the step.
    assert drawn_by_hyperopt(tune.qrandint(3, 27, 10)) == {0, 10, 20, 30}
    assert drawn_by_hyperopt(one(Int(3, 27, step=10))) == {3, 13, 23}


def test_stock_hyperopt_search_never_draws_the_last_of_a_step_of_two_and_ours_does() -> None:
    # quniform(0, 3, 2) rounds to 0 and 2
    assert drawn_by_hyperopt(tune.qrandint(0, 4, 2)) == {0, 2}
    assert drawn_by_hyperopt(one(Int(0, 4, step=2))) == {0, 2, 4}
