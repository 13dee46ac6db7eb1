from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lightning_hpo.recipe import check_recipe
from lightning_hpo.recipe.document import Tune, full_length
from lightning_hpo.recipe.reading import parse_yaml
from lightning_hpo.recipe.schema import json_schema
from lightning_hpo.schedulers import SCHEDULERS
from lightning_hpo.searchers import SEARCHERS
from lightning_hpo.space import Choice, Fixed, Float, Int, Space
from lightning_hpo.space.syntax import render
from strategies import plain_values, spaces

TUNE: dict[str, Any] = {"objective": {"metric": "val_acc", "mode": "max"}}


def recipe_of(**blocks: Any) -> Any:
    data = {"model": {"class_path": "a.B"}, "tune": TUNE, **blocks}
    return check_recipe(data, searchers=SEARCHERS, schedulers=SCHEDULERS)


def in_the_model(space: Space) -> Any:
    """The space as a recipe writes it, under the address of the model."""

    def under(parameter: Any) -> Any:
        if isinstance(parameter, Choice) and parameter.branches:
            return {"choice": {taken: in_the_model(branch) for taken, branch in parameter.branches.items()}}
        return render(parameter)

    return {f"model.{name.replace('.', '_')}": under(parameter) for name, parameter in space.items()}


@settings(max_examples=40)
@given(
    spaces(),
    st.dictionaries(st.text("abc", min_size=1, max_size=2), plain_values, max_size=3),
    st.none() | st.booleans() | st.integers(0, 9),
    st.integers(1, 9) | st.none(),
)
def test_a_dumped_recipe_is_read_back_equal(space: Space, args: dict[str, Any], seed: Any, n_trials: Any):
    tune = {**TUNE, "space": in_the_model(space), "searcher": {"name": "random"}, "n_trials": n_trials}
    recipe = recipe_of(model={"class_path": "a.B", "init_args": args}, seed_everything=seed, tune=tune)
    document = parse_yaml(recipe.dump("A header."), "r.yaml")
    again = check_recipe(document.data, document, searchers=SEARCHERS, schedulers=SCHEDULERS)
    assert again == recipe
    assert again.to_plain() == recipe.to_plain()


def test_the_plain_form_holds_every_default_and_no_null():
    plain = recipe_of().to_plain()
    assert plain["tune"] == {
        "objective": {"metric": "val_acc", "mode": "max"},
        "space": {},
        "searcher": {"name": "tpe"},
        "scheduler": {"name": "asha"},
        "resources": {"cpu": 1, "gpu": 0},
        "resource": "epoch",
        "initial_points": [],
        "keep_best": 3,
        "max_failures": 3,
        "stop_when": {},
        "worker_timeout": 300.0,
        "retries": 3,
        "on_oom": "fail",
        "checkpoint": {"every": 1, "keep": 1},
        "proof": True,
    }


@pytest.mark.parametrize(("written", "seed"), [(7, 7), (0, 0), (True, None), (False, None), (None, None)])
def test_a_seed_is_a_number_or_left_to_chance(written: object, seed: int | None):
    assert recipe_of(seed_everything=written).seed == seed


def test_the_class_is_named_by_the_block_or_by_tune():
    assert recipe_of().model_class == "a.B"
    assert recipe_of(model={"lr": 1}, tune={**TUNE, "model_class": "c.D"}).model_class == "c.D"
    assert recipe_of(data={"class_path": "e.F"}).data_class == "e.F"
    assert recipe_of(tune={**TUNE, "data_class": "g.H"}).data_class == "g.H"
    assert recipe_of().data_class is None


@pytest.mark.parametrize(
    ("trainer", "space", "resource", "length"),
    [
        ({"max_epochs": 30}, Space({}), "epoch", 30),
        ({"max_epochs": 30}, Space({}), "step", None),
        ({"max_steps": 100}, Space({}), "step", 100),
        ({"max_epochs": None}, Space({}), "epoch", None),
        ({"max_epochs": -1}, Space({}), "epoch", None),
        ({"max_epochs": True}, Space({}), "epoch", None),
        (None, Space({}), "epoch", None),
        ({"max_epochs": 30}, Space({"trainer.max_epochs": Choice([5, 20])}), "epoch", 20),
        ({}, Space({"trainer.max_epochs": Int(5, 50)}), "epoch", 50),
        ({}, Space({"trainer.max_epochs": Fixed(4)}), "epoch", 4),
        ({}, Space({"trainer.max_epochs": Choice([5, None])}), "epoch", None),
        ({"max_epochs": 3}, Space({"trainer.max_epochs": Float(1, 2)}), "epoch", None),
    ],
)
def test_the_full_length_is_the_longest_that_a_trial_may_run(
    trainer: Any, space: Space, resource: str, length: int | None
):
    assert full_length({"trainer": trainer}, space, resource) == length


def test_a_recipe_pickles_with_its_lines():
    document = parse_yaml("model: {class_path: a.B}\ntune:\n  objective: {metric: m}\n", "r.yaml")
    recipe = check_recipe(document.data, document, searchers=SEARCHERS, schedulers=SCHEDULERS)
    again = pickle.loads(pickle.dumps(recipe))
    assert again == recipe
    assert again.problem(("tune", "objective", "metric"), "The metric is never logged.").line == 3


def test_tune_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        recipe_of().tune.n_trials = 3


def test_every_field_is_described_for_the_schema():
    tune = json_schema(SEARCHERS, SCHEDULERS)["$defs"]["tune"]["properties"]
    assert set(tune) == set(Tune.model_fields)
    assert [name for name, field in tune.items() if len(field.get("description", "")) < 10] == []
