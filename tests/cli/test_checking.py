"""`validate`, `init` and `schema`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightning_hpo.recipe import read_yaml

Cli = Callable[..., Any]

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


def test_validate_says_what_the_run_will_do(cli: Cli):
    answer = cli("validate", "r.yaml")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == (
        "r.yaml is valid.\n"
        "  tunes    model.lr, model.width\n"
        "  first    lr=0.1 width=2\n"
        "  runs     4 trials, up to 3 epochs each: tpe + asha\n"
        "  a trial  has 1 CPU\n"
        "\n"
        "Run it with: lightning-hpo run r.yaml\n"
    )
    assert os.listdir() == ["r.yaml"]


def test_validate_takes_overrides_and_repeats_them(cli: Cli):
    # The grid: 3 points of lr times 3 widths. A parameter held at one value is not tuned.
    sets = [
        "tune.searcher=grid",
        "tune.n_trials=null",
        "tune.space.model.lr={float: [0.001, 0.1], grid: 3}",
        "tune.resources.cpu=2",
        "tune.scheduler=none",
    ]
    answer = cli("validate", "r.yaml", *(word for words in sets for word in ("--set", words)))
    assert answer.code == 0, answer.err
    assert "\n  runs     the whole grid (9 points), up to 3 epochs each: grid + none\n" in answer.out
    assert "\n  a trial  has 2 CPUs\n" in answer.out
    assert " --set 'tune.space.model.lr={float: [0.001, 0.1], grid: 3}' --set tune.resources.cpu=2 " in answer.out
    held = cli("validate", "r.yaml", "--set", "tune.space.model.width=4", "--set", "tune.n_trials=1").out
    assert "\n  tunes    model.lr\n" in held
    assert "\n  runs     1 trial, up to 3 epochs each: tpe + asha\n" in held


def test_a_dry_run_shows_what_one_batch_logged(cli: Cli):
    answer = cli("validate", "r.yaml", "--dry-run")
    assert (answer.code, answer.err) == (0, "")
    assert "\n  proved   one batch at two points of the space; logged train_loss " in answer.out
    assert os.listdir() == ["r.yaml"]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_ours_is_valid(cli: Cli, recipe: Path):
    answer = cli("validate", str(recipe))
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"{recipe} is valid.\n")


def test_there_are_recipes():
    assert len(RECIPES) >= 7


def test_the_schema_is_json_and_knows_every_key_of_our_recipes(cli: Cli):
    schema = json.loads(cli("schema").out)
    tune = schema["properties"]["tune"]
    while "$ref" in tune:
        tune = schema["$defs"][tune["$ref"].rpartition("/")[2]]
    for recipe in RECIPES:
        data = read_yaml(recipe).data
        assert set(data) <= set(schema["properties"]) | {"optimizer", "lr_scheduler"}
        assert set(data["tune"]) <= set(tune["properties"])


#: Classes of many shapes, and what the recipe that `init` writes for them must hold.
SHAPES = {
    "toy_modules:Line": ["class_path: toy_modules.Line", "lr: 0.1", "metric: val_loss, mode: min"],
    "toy_modules.Line": ["class_path: toy_modules.Line"],
    "toy_modules:Declared": ["model.lr: {float: [0.001, 0.1], log: true}", "# float, tuned: the first trial takes"],
    "toy_modules:PassesOn": ["scale: 1.0", "lr: 0.1"],
    "toy_modules:HoldsObjects": ["sizes: [8, 4]", "# activation: <built-in"],
    "lightning_hpo.zoo:MLPClassifier": ["class_path: lightning_hpo.zoo.MLPClassifier"],
    "lightning_hpo.zoo:ConvClassifier": ["class_path: lightning_hpo.zoo.ConvClassifier"],
    "lightning_hpo.zoo:ResNetClassifier": ["class_path: lightning_hpo.zoo.ResNetClassifier"],
}


@pytest.mark.parametrize("path", SHAPES)
def test_init_writes_a_recipe_that_is_valid(cli: Cli, path: str):
    answer = cli("init", path, "-o", "new.yaml")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "new.yaml written. Check it with: lightning-hpo validate new.yaml --dry-run\n"
    text = Path("new.yaml").read_text()
    assert [part for part in SHAPES[path] if part not in text] == []
    space = "model.lr={float: [0.001, 0.1]}"  # what declares nothing would tune nothing
    checked = cli("validate", "new.yaml", "--set", f"tune.space.{space}")
    assert (checked.code, checked.err) == (0, "")
    assert cli("init", path).out == text


def test_init_takes_a_data_module(cli: Cli):
    answer = cli("init", "lightning_hpo.zoo:MLPClassifier", "--data", "lightning_hpo.zoo:DigitsDataModule")
    assert "data:\n  class_path: lightning_hpo.zoo.DigitsDataModule\n" in answer.out
    assert "data.batch_size: {choice: " in answer.out
    Path("new.yaml").write_text(answer.out)
    assert cli("validate", "new.yaml").code == 0


def test_init_leaves_what_is_required_to_a_person(cli: Cli):
    answer = cli("init", "toy_modules:NeedsArguments", "-o", "new.yaml")
    text = Path("new.yaml").read_text()
    assert "# classes: ???  (required)" in text
    assert "# encoder: ???  (required)" in text
    assert "{metric: val/auc, mode: max}" in text  # a score before a loss
    assert answer.code == 0
    assert cli("validate", "new.yaml").code == 2


def test_init_replaces_nothing(cli: Cli):
    before = Path("r.yaml").read_text()
    answer = cli("init", "toy_modules:Line", "-o", "r.yaml")
    assert (answer.code, answer.err) == (2, "r.yaml exists and is not replaced. Name a new file with -o.\n")
    assert Path("r.yaml").read_text() == before
    answer = cli("init", "toy_modules:Line", "-o", "nowhere/r.yaml")
    assert answer.code == 2
    assert answer.err.startswith("nowhere/r.yaml cannot be written: No such file or directory.")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere:Model"], "'nowhere:Model' cannot be imported: ModuleNotFoundError: No module named 'nowhere'"),
        (["toy_modules:Lines"], "toy_modules has no 'Lines'. Did you mean 'Line'?"),
        (["toy_modules:NoModule"], "'toy_modules:NoModule' is no LightningModule."),
        (["toy_modules:Numbers"], "'toy_modules:Numbers' is no LightningModule."),
        (["toy_modules:RECIPE"], "toy_modules has no 'RECIPE'."),
        (["Line"], "'Line' is no import path."),
        (["toy_modules:Line", "--data", "toy_modules:Line"], "'toy_modules:Line' is no LightningDataModule."),
        (["unimportable:Model"], "No module named 'nothing_of_this_name'"),
    ],
)
def test_init_says_which_path_is_wrong(cli: Cli, here: Path, words: list[str], message: str):
    (here / "unimportable.py").write_text("import nothing_of_this_name\n")
    answer = cli("init", *words)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert "Traceback" not in answer.err
