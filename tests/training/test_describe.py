from __future__ import annotations

import functools
from typing import Any

import pytest
import pytorch_lightning as pl
import tiny_modules as tiny

from lightning_hpo import Choice, Float, Int
from lightning_hpo.space import Space
from lightning_hpo.training.blocks import BlocksAssembly
from lightning_hpo.training.describe import Description, describe, describe_objects
from lightning_hpo.training.family import Family
from lightning_hpo.training.objects import ObjectsAssembly

MODEL = {"class_path": "tiny_modules.Lit"}
DATA = {"class_path": "tiny_modules.Data"}
SHARE = Float(0.0, 1.0)


def recipe(blocks: dict[str, Any], space: dict[str, Any] | None = None, **fixed: str) -> Description:
    return describe(BlocksAssembly({"model": MODEL, **blocks}, **fixed), Space(space or {}))


def objects(model: Any, space: dict[str, Any] | None = None, **more: Any) -> Description:
    return describe_objects(ObjectsAssembly(model, **more), Space(space or {}))


def told(description: Description) -> list[tuple[str, str]]:
    return [(problem.where, str(problem)) for problem in description.problems]


def test_declared_parameters_and_defaults_are_found():
    found = recipe({"model": {"class_path": "tiny_modules.Tunable", "init_args": {"lr": 0.01}}})
    assert told(found) == []
    assert list(found.space.names()) == ["model.lr", "model.hidden"]
    assert dict(found.defaults) == {"model.lr": 0.01, "model.hidden": 3}  # the recipe's before the class's
    assert found.family == Family("pytorch_lightning")


def test_the_recipes_space_narrows_what_is_declared():
    blocks = {"model": {"class_path": "tiny_modules.Tunable"}, "data": DATA}
    found = recipe(blocks, {"model.hidden": Int(3, 4), "data.count": Int(8, 32)})
    assert told(found) == []
    assert found.space.parameters["model.hidden"] == Int(3, 4)
    assert dict(found.defaults) == {"model.lr": 0.05, "model.hidden": 3, "data.count": 16}


@pytest.mark.parametrize(
    ("blocks", "name", "default"),
    [
        ({}, "trainer.gradient_clip_val", None),
        ({"trainer": {"gradient_clip_val": 0.5}}, "trainer.gradient_clip_val", 0.5),
        (
            {"trainer": {"callbacks": [{"class_path": "EarlyStopping", "init_args": {"monitor": "x"}}]}},
            "trainer.callbacks.0.min_delta",
            0.0,
        ),
        ({"optimizer": {"class_path": "SGD", "init_args": {"lr": 0.1}}}, "optimizer.momentum", 0),
        ({"optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}}, "optimizer.lr", 0.1),
        (
            {"optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}},
            "optimizer.class_path",
            "torch.optim.SGD",
        ),
        ({"model": {"class_path": "tiny_modules.make_lit"}}, "model.lr", 0.05),
        (
            {
                "model": {
                    "class_path": "tiny_modules.Nested",
                    "init_args": {"encoder": {"class_path": "tiny_modules.Encoder"}},
                }
            },
            "model.encoder.dropout",
            0.0,
        ),
    ],
)
def test_the_default_of_a_name_is_the_recipes_or_the_classs(blocks: dict[str, Any], name: str, default: Any):
    values = ["torch.optim.SGD", "torch.optim.Adam"] if name.endswith("class_path") else [0.25, 0.5]
    found = recipe(blocks, {name: Choice(values)})
    assert told(found) == []
    assert dict(found.defaults) == {name: default}


def test_an_argument_without_a_default_may_be_tuned():
    found = recipe({"model": {"class_path": "tiny_modules.Required"}}, {"model.width": Int(2, 4)})
    assert told(found) == []
    assert dict(found.defaults) == {}


@pytest.mark.parametrize(
    ("blocks", "space", "where", "text"),
    [
        ({"model": {"class_path": "tiny_modules.Litt"}}, {}, "model.class_path", "Did you mean 'Lit'?"),
        ({"model": {"class_path": "no.where"}}, {}, "model.class_path", "ModuleNotFoundError: No module named 'no'"),
        (
            {"model": {"class_path": "tiny_modules.NoModule"}},
            {},
            "model.class_path",
            "'tiny_modules.NoModule' is no Ligh",
        ),
        ({"model": DATA}, {}, "model.class_path", "'tiny_modules.Data' is no LightningModule."),
        (
            {"model": {"class_path": "tiny_modules.make_unannotated"}},
            {},
            "model.class_path",
            "does not say what it returns",
        ),
        ({"model": None}, {}, "model", "There is no model block."),
        ({"model": {"lr": 1}}, {}, "model", "model has no class_path."),
        ({"model": {"class_path": 3}}, {}, "model.class_path", "model.class_path is 3. Expected an import path."),
        ({"data": MODEL}, {}, "data.class_path", "'tiny_modules.Lit' is no LightningDataModule."),
        ({"data": {"batch_size": 3}}, {}, "data", "data has no class_path."),
        (
            {"data": {"class_path": "tiny_modules.Data2"}},
            {},
            "data",
            "model from pytorch_lightning and data from lightning.pytorch. Expected both to import from the same one.",
        ),
        ({}, {"model.rl": SHARE}, "tune.space.model.rl", "Lit takes no argument 'rl'; nothing would be tuned."),
        ({"data": DATA}, {"model.batch_size": SHARE}, "tune.space.model.batch_size", "Did you mean 'data.batch_size'?"),
        ({}, {"data.count": SHARE}, "tune.space.data.count", "the recipe has no data block."),
        ({}, {"optimizer.lr": SHARE}, "tune.space.optimizer.lr", "the recipe has no optimizer block."),
        ({}, {"trainer.gradient_clip": SHARE}, "tune.space.trainer.gradient_clip", "Did you mean 'gradient_clip_val'?"),
        (
            {},
            {"trainer.callbacks.0.patience": SHARE},
            "tune.space.trainer.callbacks.0.patience",
            "Write the list first.",
        ),
        (
            {"trainer": {"callbacks": []}},
            {"trainer.callbacks.0.patience": SHARE},
            "tune.space.trainer.callbacks.0.patience",
            "trainer.callbacks is a list of 0 items",
        ),
        (
            {"model": {"class_path": "tiny_modules.Swallowing"}},
            {"model.x": SHARE},
            "tune.space.model.x",
            "Swallowing takes no argument 'x'",
        ),
        ({"model": {**MODEL, "init_args": {"hiden": 1}}}, {}, "model.hiden", "Did you mean 'hidden'?"),
    ],
)
def test_a_problem_of_a_recipe_is_told_once_with_its_address(blocks: Any, space: Any, where: str, text: str):
    ((at, message),) = told(recipe(blocks, space))
    assert at == where
    assert text in message


def test_problems_of_classes_space_and_arguments_come_together():
    blocks = {"data": {"class_path": "no.Data"}, "trainer": {"max_epoch": 1}}
    found = recipe(blocks, {"model.rl": SHARE, "optimizer.lr": SHARE})
    assert {where for where, _ in told(found)} >= {"data.class_path", "tune.space.model.rl", "tune.space.optimizer.lr"}


def test_one_fixed_class_is_described():
    found = recipe(
        {"model": {"width": 2}, "data": {}},
        {"model.lr": SHARE},
        model_class="tiny_modules.Required",
        data_class="tiny_modules.Data",
    )
    assert told(found) == []
    assert dict(found.defaults) == {"model.lr": 0.05}


def test_objects_say_what_they_declare_and_their_defaults():
    found = objects(
        tiny.Tunable,
        {"data.batch_size": Int(2, 8), "trainer.gradient_clip_val": SHARE},
        data=tiny.Data,
        flags={"gradient_clip_val": 0.5},
    )
    assert told(found) == []
    assert dict(found.defaults) == {
        "model.lr": 0.05,
        "model.hidden": 3,
        "data.batch_size": 4,
        "trainer.gradient_clip_val": 0.5,
    }


def test_a_partial_declares_what_it_has_not_bound():
    found = objects(functools.partial(tiny.Tunable, hidden=2))
    assert told(found) == []
    assert list(found.space.names()) == ["model.lr"]


def test_a_function_is_described_by_its_own_arguments():
    found = objects(lambda lr=0.3: tiny.Lit(lr=lr), {"model.lr": SHARE})
    assert told(found) == []
    assert (dict(found.defaults), found.family) == ({"model.lr": 0.3}, None)
    assert objects(tiny.make_lit).family == Family("pytorch_lightning")


def test_the_defaults_of_an_instance_are_what_it_keeps():
    class Keeps(pl.LightningDataModule):
        def __init__(self, size: int = 4) -> None:
            super().__init__()
            self.save_hyperparameters()

    assert dict(objects(tiny.Lit, {"data.size": Int(1, 9)}, data=Keeps(size=7)).defaults) == {"data.size": 7}
    assert dict(objects(tiny.Lit, {"data.count": Int(1, 99)}, data=tiny.Data(count=8)).defaults) == {"data.count": 8}


@pytest.mark.parametrize(
    ("model", "space", "more", "where", "text"),
    [
        (tiny.Lit, {"model.rl": SHARE}, {}, "model.rl", "Lit takes no argument 'rl'"),
        (tiny.Lit, {"data.size": SHARE}, {}, "data.size", "there is no data."),
        (tiny.Lit, {"data.cont": SHARE}, {"data": tiny.Data()}, "data.cont", "Did you mean 'count'?"),
        (tiny.Lit, {"trainer.gradient_clip": SHARE}, {}, "trainer.gradient_clip", "Did you mean 'gradient_clip_val'?"),
        (tiny.Lit, {"optimizer.lr": SHARE}, {}, "optimizer.lr", "optimizer.lr addresses nothing."),
        (tiny.NoModule, {}, {}, "model", "NoModule is no LightningModule."),
        (tiny.Lit, {}, {"data": tiny.Lit2}, "data", "Lit2 is no LightningDataModule."),
        (tiny.Lit, {}, {"data": tiny.Data2}, "data", "two Lightning distributions"),
        (
            tiny.make_lit,
            {},
            {"data": tiny.Data2()},
            "data",
            "model from pytorch_lightning and data from lightning.pytorch",
        ),
    ],
)
def test_a_problem_of_objects_is_told_once(model: Any, space: Any, more: Any, where: str, text: str):
    ((at, message),) = told(objects(model, space, **more))
    assert at == where
    assert text in message
