"""A run that was started from Python, told as a recipe."""

from __future__ import annotations

from typing import Any

import toy_modules
from lightning_hpo.objective import Objective
from lightning_hpo.recipe.reading import parse_yaml
from lightning_hpo.space import Choice, Float, Space
from lightning_hpo.training.objects import ObjectsAssembly
from lightning_hpo.tuning.script import left_out, script_recipe
from lightning_hpo.tuning.settings import RunSettings


def settings(**changes: Any) -> RunSettings:
    given: dict[str, Any] = {
        "objective": Objective(metric="val_loss"),
        "space": Space({"model.lr": Float(0.001, 0.1, log=True), "model.sizes": Choice([(8, 8), (4,)])}),
        "max_epochs": 9,
        "seed": 7,
        "defaults": {"model.lr": 0.05, "model.sizes": (4,)},
        "n_trials": 5,
        "searcher": ("tpe", {"gamma": 0.2}),
    }
    return RunSettings(**{**given, **changes})


def make(**arguments: Any) -> toy_modules.Line:
    return toy_modules.Line(**arguments)


def test_classes_and_plain_flags_make_a_recipe_that_can_be_read():
    flags = {"max_epochs": 9, "gradient_clip_val": 0.5, "limit_train_batches": 2}
    assembly = ObjectsAssembly(toy_modules.Line, data=toy_modules.Numbers, flags=flags, ckpt_path="start.ckpt")
    text = script_recipe(assembly, settings(initial_points=[{"model.sizes": (8, 8)}]))
    recipe = parse_yaml(text, "recipe.yaml").data
    assert left_out(assembly) == []
    assert text.startswith("# What ran, as a recipe. It was started from Python.\n")
    assert recipe["seed_everything"] == 7
    assert recipe["model"] == {"class_path": "toy_modules.Line"}
    assert recipe["data"] == {"class_path": "toy_modules.Numbers"}
    assert recipe["trainer"] == flags
    assert recipe["ckpt_path"] == "start.ckpt"
    assert recipe["tune"]["searcher"] == {"name": "tpe", "gamma": 0.2}
    assert recipe["tune"]["n_trials"] == 5
    assert recipe["tune"]["space"]["model.sizes"] == {"choice": [[8, 8], [4]]}
    assert recipe["tune"]["initial_points"] == [{"model.sizes": [8, 8]}]


def test_what_only_python_can_say_is_named():
    class Local(toy_modules.Line):
        pass

    flags = {"max_epochs": 9, "callbacks": [object()], "plugins": {"a": object()}}
    loaders = {"train_dataloaders": [1]}
    assert left_out(ObjectsAssembly(make, loaders=loaders, flags=flags)) == [
        "model (make)",
        "train_dataloaders",
        "trainer.callbacks",
        "trainer.plugins",
    ]
    assembly = ObjectsAssembly(Local, data=toy_modules.Numbers(), flags={})
    header = script_recipe(assembly, settings()).splitlines()[0]
    assert "only Python can say: model (" in header
    assert "Local), data (Numbers)." in header


def test_the_whole_grid_has_no_number_of_trials():
    recipe = parse_yaml(script_recipe(ObjectsAssembly(toy_modules.Line), settings(n_trials=None)), "r.yaml").data
    assert "n_trials" not in recipe["tune"]
    assert "initial_points" not in recipe["tune"]
