from __future__ import annotations

from typing import Any

import pytest

from lightning_hpo.errors import Problem
from lightning_hpo.recipe.places import Places
from lightning_hpo.recipe.reading import parse_yaml
from lightning_hpo.recipe.spaces import SpaceReader
from lightning_hpo.space import Choice, Fixed, Float, Int, Space

CONFIG = {"model": {"class_path": "a.B", "init_args": {"act": "relu"}}, "trainer": {"callbacks": [{"patience": 3}]}}


def read(text: str, points: Any = None) -> tuple[Space, Any, list[str]]:
    """The space in the text, the points, and the complaints with their lines."""
    document = parse_yaml(f"tune:\n  space:\n{text}", "r.yaml")
    problems: list[Problem] = []
    reader = SpaceReader(CONFIG, Places(document=document), problems)
    space = reader.space(document.data["tune"]["space"])
    return space, reader.points(points, space), [f"{p.line}: {p}" for p in problems]


def test_branches_are_paths_too_and_names_come_out_short():
    space, _, problems = read(
        """
    model.init_args.opt:
      choice:
        sgd:
          model.init_args.momentum: {float: [0, 0.99]}
        adamw: {}
        lion:
    trainer.callbacks.0.patience: {int: [1, 9], step: 2}
    data.root: here
"""
    )
    assert problems == []
    assert space == Space(
        {
            "model.opt": Choice({"sgd": {"model.momentum": Float(0, 0.99)}, "adamw": {}, "lion": {}}),
            "trainer.callbacks.0.patience": Int(1, 9, step=2),
            "data.root": Fixed("here"),
        }
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "    model.lr: {float: [0, 1]}\n    model.init_args.lr: {float: [0, 1]}",
            ["4: tune.space.model.init_args.lr is the same as model.lr, which is there already. Keep one of them."],
        ),
        (
            "    model.a:\n      choice:\n        b:\n          model.c: {choice: {d: {model.e: {flot: [0, 1]}}}}",
            [
                "6: tune.space.model.a.choice.b.model.c.choice.d.model.e: Expected exactly one of float, int, choice, "
                "fixed, but found flot. Did you mean 'float'?"
            ],
        ),
        (
            "    model.a: {choice: {b: {model.x: 1}, c: {}}}\n    model.x: 2",
            ["2: tune.space: model.x: could be active twice, once in a branch of 'model.a'. Rename one of them."],
        ),
        (
            "    model.act.slope: 1",
            ["3: tune.space: model.act.slope: model.init_args.act is 'relu', which has nothing inside."],
        ),
        (
            "    model.a: {choice: {b: {}}, log: true}",
            ["3: tune.space.model.a: 'log' does not go with 'choice': allowed is nothing."],
        ),
        (
            "    model.a: {choice: {1: {}}}",
            ["3: tune.space.model.a: Choice: a branch must be named by a string, but got 1."],
        ),
        (
            "    model.a: {choice: {b: 3}}",
            ["3: tune.space.model.a: Branch 'b' must hold parameters ({} for none), but got 3."],
        ),
        (
            "    on: 3",
            ["3: tune.space: True is no path. Expected something like model.lr or trainer.callbacks.0.patience."],
        ),
        (
            "    [model.lr]",
            [
                "2: tune.space is ['model.lr']. Expected a mapping, like {model.lr: {float: [1.0e-4, 1.0e-1], log: "
                "true}}."
            ],
        ),
    ],
)
def test_a_complaint_about_the_space_has_the_line_of_its_key(text: str, expected: list[str]):
    assert read(text)[2] == expected


def test_below_what_is_tuned_itself_nothing_is_known():
    space, _, problems = read("    model.act: {choice: [{slope: 1}, {slope: 2}]}\n    model.act.slope: {int: [1, 3]}")
    assert problems == []
    assert space.names() == ("model.act", "model.act.slope")


SPACE = "    model.lr: {float: [0, 1]}\n    model.opt: {choice: [{k: 1}, {k: 2}]}"


@pytest.mark.parametrize(
    "point",
    [
        {"model.lr": 0.5, "model.opt": {"k": 1}},
        {"model": {"lr": 0.5, "opt": {"k": 1}}},
        {"model": {"init_args": {"lr": 0.5}}, "model.opt": {"k": 1}},
        {"model.init_args.lr": 0.5, "model": {"init_args.opt": {"k": 1}}},
    ],
)
def test_a_nested_point_is_the_same_as_a_flat_one(point: dict[str, Any]):
    _, points, problems = read(SPACE, [point])
    assert problems == []
    assert points == [{"model.lr": 0.5, "model.opt": {"k": 1}}]


def test_a_point_may_name_what_only_the_class_declares():
    _, points, problems = read(SPACE, [{"model": {"hidden": 3}}])
    assert (points, problems) == ([{"model.hidden": 3}], [])


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        (
            {"model.lr": 5},
            "1: tune.initial_points.0 has model.lr = 5, which is outside its place in tune.space. Expected a value of "
            "Float(low=0.0, high=1.0, log=False, step=None).",
        ),
        ({"model.lr": 0.5, "model": {"lr": 0.1}}, "1: tune.initial_points.0 has model.lr twice. Keep one of them."),
        (
            {"modle": {"lr": 5}},
            "1: tune.initial_points.0: modle.lr: a path begins with model, data, trainer, optimizer or lr_scheduler, "
            "but this one with 'modle'. Did you mean 'model'?",
        ),
    ],
)
def test_a_complaint_about_a_point_has_the_line_of_its_nearest_ancestor(point: dict[str, Any], expected: str):
    assert read(SPACE, [point])[2] == [expected]


@pytest.mark.parametrize("points", [None, {"a": 1}, [3], "x"])
def test_points_of_another_shape_are_left_to_the_models(points: Any):
    assert read(SPACE, points)[1] == points
