"""Recipes: a LightningCLI config with a block `tune`, read, checked, addressed, described and written."""

from lightning_hpo.recipe.check import check_recipe, load_recipe
from lightning_hpo.recipe.document import Algorithm, Recipe, Resources, Tune
from lightning_hpo.recipe.reading import Document, read_yaml
from lightning_hpo.recipe.schema import json_schema
from lightning_hpo.recipe.template import template
from lightning_hpo.recipe.writing import dump_yaml

__all__ = [
    "Algorithm",
    "Document",
    "Recipe",
    "Resources",
    "Tune",
    "check_recipe",
    "dump_yaml",
    "json_schema",
    "load_recipe",
    "read_yaml",
    "template",
]
