"""Every recipe that needs no download decodes, assembles, and fits one batch at two points of its space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lightning_hpo.recipe import Recipe
from lightning_hpo.tuning.examine import examine
from lightning_hpo.tuning.recipes import read_recipe, study_of

RECIPES = Path(__file__).parents[2] / "recipes"
FILES = sorted(RECIPES.rglob("*.yaml"))


def needs_download(recipe: Recipe) -> bool:
    return (recipe.data_class or "").endswith(("MNISTDataModule", "CIFAR10DataModule"))


LOCAL = [path for path in FILES if not needs_download(read_recipe(path))]


def test_the_seven_recipes_are_found_and_two_need_a_download():
    assert len(FILES) == 7
    assert [path.stem for path in FILES if path not in LOCAL] == ["cifar10-resnet18", "mnist-mlp"]


@pytest.mark.parametrize("path", LOCAL, ids=lambda path: path.stem)
def test_a_recipe_fits_one_batch_and_logs_its_objective(path: Path):
    recipe = read_recipe(path)
    study = study_of(recipe, dry_run=True)
    seen = examine(study.question)
    assert seen.problems == ()
    assert recipe.objective.metric in seen.logged
    settings = study.settings(seen)
    settings.make_searcher()
    settings.make_scheduler()
    assert settings.space.contains(settings.space.sample(np.random.default_rng(0)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recipe_opens_with_what_it_shows_its_command_its_cost_and_what_to_expect(path: Path):
    opening = path.read_text(encoding="utf-8").split("\nseed_everything", 1)[0]
    assert opening.startswith("# What it shows: ")
    assert f"#   lightning-hpo run recipes/{path.name}" in opening
    assert "# Cost: " in opening
    assert "# Expect: " in opening
    assert "EXPECT-" not in opening
