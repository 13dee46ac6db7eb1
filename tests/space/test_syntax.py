"""The plain form of a parameter, as recipes and the journal write it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from lightning_hpo.errors import SpaceError
from lightning_hpo.space import Choice, Fixed, Float, Int, Parameter, Space
from lightning_hpo.space.syntax import as_parameter, parse, render
from strategies import leaves, spaces


@settings(max_examples=100, deadline=None)
@given(parameter=leaves)
def test_parse_undoes_render_through_json(parameter: Parameter) -> None:
    assert parse(json.loads(json.dumps(render(parameter)))) == parameter


@settings(max_examples=50, deadline=None)
@given(space=spaces())
def test_a_whole_space_goes_through_its_plain_form(space: Space) -> None:
    plain = json.loads(json.dumps({name: render(parameter) for name, parameter in space.items()}))
    assert Space(plain) == space


@pytest.mark.parametrize(
    ("plain", "parameter"),
    [
        ({"float": [1e-4, 0.1], "log": True}, Float(1e-4, 0.1, log=True)),
        ({"float": [0, 1], "step": 0.25}, Float(0, 1, step=0.25)),
        ({"float": [0, 1], "grid": 3}, Choice([0.0, 0.5, 1.0])),
        ({"int": [1, 9], "step": 2}, Int(1, 9, step=2)),
        ({"int": [1, 9], "grid": 2}, Choice([1, 9])),
        ({"choice": [32, 64]}, Choice([32, 64])),
        ({"choice": {"sgd": {"momentum": {"float": [0, 0.99]}}, "adamw": {}}},
         Choice({"sgd": {"momentum": Float(0, 0.99)}, "adamw": {}})),
        ({"choice": {"sgd": None}}, Choice({"sgd": {}})),
        ({"fixed": [1, 2]}, Fixed([1, 2])),
        (7, Fixed(7)),
        (None, Fixed(None)),
        ("sgd", Fixed("sgd")),
    ],
)  # fmt: skip
def test_plain_data_are_read(plain: Any, parameter: Parameter) -> None:
    assert parse(plain) == parameter


def test_a_rendering_leaves_out_what_is_the_default() -> None:
    assert render(Int(1, 9)) == {"int": [1, 9]}
    assert render(Float(0, 1)) == {"float": [0.0, 1.0]}
    assert render(Fixed(7)) == {"fixed": 7}


def test_a_choice_of_tuples_comes_back_as_one_of_lists() -> None:
    assert parse(render(Choice([(1, 2)]))).middle() == [1, 2]


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"flaot": [0, 1]}, "Expected exactly one of float, int, choice, fixed, but found flaot. "
                            "Did you mean 'float'?"),
        ({}, "Expected exactly one of float, int, choice, fixed, but found an empty mapping."),
        ({"float": [0, 1], "int": [0, 1]}, "Expected exactly one of float, int, choice, fixed, but found float, int."),
        ({"float": [0, 1], "lgo": True}, "'lgo' does not go with 'float': allowed is log, step, grid. "
                                         "Did you mean 'log'?"),
        ({"choice": [1], "log": True}, "'log' does not go with 'choice': allowed is nothing."),
        ({"float": [0, 1, 2]}, "'float' must be [low, high], but got [0, 1, 2]."),
        ({"int": "19"}, "'int' must be [low, high], but got '19'."),
        ({"int": 5}, "'int' must be [low, high], but got 5."),
        ({"int": {"a": 1, "b": 2}}, "'int' must be [low, high], but got {'a': 1, 'b': 2}."),
        ({"float": [0.1, 1], "log": "yes"}, "'log' must be true or false, but got 'yes'."),
        ({"choice": {"sgd": 3}}, "Branch 'sgd' must hold parameters ({} for none), but got 3."),
        ({"float": [1, 0]}, "Float: `low <= high` must hold, but got (low=1, high=0)."),
        ([1, 2], "[1, 2] could be a choice or one fixed value. Write Choice([...]) or Fixed([...]); "
                 "in a recipe, {choice: [...]} or {fixed: [...]}."),
    ],
)  # fmt: skip
def test_what_is_not_of_the_syntax_is_told_the_nearest_key(plain: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        parse(plain)
    assert str(caught.value) == message


def test_a_parameter_of_a_kind_of_ones_own_has_no_plain_form() -> None:
    class Odd(Fixed):
        pass

    class Other(Parameter):
        def contains(self, value: object) -> bool:
            return True

        sample = middle = values = None  # type: ignore[assignment]

    assert render(Odd(3)) == {"fixed": 3}
    with pytest.raises(SpaceError, match="has no plain form"):
        render(Other())


def test_a_parameter_stands_for_itself() -> None:
    assert as_parameter(Float(0, 1)) == Float(0, 1)
    with pytest.raises(SpaceError, match="could be a choice or one fixed value"):
        as_parameter({1, 2})
