"""Every recipe that ships: it reads without a complaint, and each name of its space is an argument of its classes.

That they also train is for the tests of the run; here nothing is built.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lightning_hpo.recipe import Recipe
from lightning_hpo.training.blocks import BlocksAssembly
from lightning_hpo.training.describe import Description, describe
from lightning_hpo.tuning.recipes import read_recipe

FOLDER = Path(__file__).parents[2] / "recipes"
RECIPES = sorted(FOLDER.rglob("*.y*ml"))

every_recipe = pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)


def described(recipe: Recipe) -> Description:
    return describe(BlocksAssembly(recipe.config), recipe.space)


def test_all_recipes_are_looked_at() -> None:
    assert [path.stem for path in RECIPES] == [
        "cifar10-resnet18",
        "digits-conv",
        "digits-mlp",
        "iris-grid",
        "iris-random",
        "iris-tpe",
        "mnist-mlp",
    ]


@every_recipe
def test_it_opens_with_what_it_shows_its_command_its_cost_and_what_to_expect(path: Path) -> None:
    head = path.read_text().split("\n\n")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    assert head.startswith("# What it shows: ")
    assert f"\n#   lightning-hpo run recipes/{path.name}\n" in head
    assert re.search(r"\n# Cost: \S", head)
    assert re.search(r"\n# Expect: \S", head)


@every_recipe
def test_no_line_is_longer_than_the_code_s(path: Path) -> None:
    assert max(map(len, path.read_text().splitlines())) <= 120


@every_recipe
def test_it_reads_without_a_complaint(path: Path) -> None:
    recipe = read_recipe(path)
    assert len(recipe.space) >= 1
    assert recipe.seed == 7
    assert recipe.model_class is not None
    assert recipe.model_class.startswith("lightning_hpo.zoo.")


@every_recipe
def test_each_name_is_taken_by_a_class_and_the_defaults_lie_in_the_space(path: Path) -> None:
    description = described(read_recipe(path))
    assert description.problems == ()
    assert description.space.contains(description.space.complete(description.defaults))


@every_recipe
def test_the_objective_is_one_that_the_zoo_logs(path: Path) -> None:
    objective = read_recipe(path).objective
    assert (objective.metric, objective.mode) in {("val_acc", "max"), ("val_loss", "min")}


def test_the_grid_has_72_points_and_the_first_trial_is_one_of_them() -> None:
    recipe = read_recipe(FOLDER / "iris-grid.yaml")
    assert recipe.tune.n_trials is None  # the whole grid
    space = described(recipe).space
    points = list(space.grid())
    assert len(points) == 3 * 3 * 2 * 2 * 2  # sizes, activations, optimisers, weight decays, schedules
    assert space.complete(described(recipe).defaults) in points


def test_the_three_searches_on_irises_search_the_same_things() -> None:
    grid, random, tpe = (read_recipe(FOLDER / f"iris-{name}.yaml").space for name in ("grid", "random", "tpe"))
    assert set(grid.names()) == set(random.names())
    assert random == tpe


@every_recipe
def test_momentum_varies_under_sgd_alone(path: Path) -> None:
    space = described(read_recipe(path)).space
    assert all(under[-1] == ("model.optimizer", "sgd") for under, name, _ in space.walk() if name == "model.momentum")
    tuned = "sgd" in (space["model.optimizer"].values() or ())
    assert ("model.momentum" in space.names()) is tuned


def test_the_network_that_wants_a_gpu_asks_for_one_and_no_other_does() -> None:
    gpus = {path.stem: read_recipe(path).tune.resources.gpu for path in RECIPES}
    assert {name for name, gpu in gpus.items() if gpu} == {"cifar10-resnet18"}
