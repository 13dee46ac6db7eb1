from __future__ import annotations

from typing import Any

import pytest

from lightning_hpo.recipe.blocks import check_blocks, spelled_out
from lightning_hpo.recipe.places import Places

MODEL = {"class_path": "a.B"}


def complaints(data: Any, needs_model: bool = True) -> list[str]:
    return [str(problem) for problem in check_blocks(data, Places(), needs_model)]


@pytest.mark.parametrize(
    "data",
    [
        {"model": MODEL, "tune": {}},
        {"model": MODEL, "data": None, "optimizer": None, "lr_scheduler": None, "trainer": None, "tune": {}},
        {"model": {"class_path": "a.B", "init_args": None, "dict_kwargs": {"x": 1}}, "tune": {}},
        {"model": {"lr": 1}, "data": {"batch_size": 3}, "tune": {"model_class": "a.B", "data_class": "c.D"}},
        {"tune": {"model_class": "a.B"}},
        {"model": MODEL, "optimizer": {"lr": 0.1}, "ckpt_path": None, "weights_only": True, "tune": {}},
        {"model": MODEL, "ckpt_path": "last.ckpt", "seed_everything": True, "tune": {}},
    ],
)
def test_what_lightning_cli_writes_is_fine(data: Any):
    assert complaints(data) == []


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"model": MODEL, "fit": {}}, "fit is no block of a recipe. Move what stands under fit to the top."),
        (
            {"model": MODEL, "datas": {}},
            "datas is no block of a recipe. Known: seed_everything, model, data, trainer, optimizer, lr_scheduler, "
            "ckpt_path, weights_only, tune. Did you mean 'data'?",
        ),
        ({"model": MODEL, "trainer": 3}, "trainer is 3. Expected a mapping, like {max_epochs: 30}."),
        (
            {"model": {"class_path": 3}},
            "model.class_path is 3. Expected an import path, like package.module.Class.",
        ),
        (
            {"model": {"class_path": "a.B", "init_args": [1]}},
            "model.init_args is [1]. Expected a mapping of arguments to values.",
        ),
        (
            {"model": {"class_path": "a.B", "int_args": {}}},
            "model.int_args stands beside class_path. There, known are class_path, init_args, dict_kwargs. "
            "Did you mean 'init_args'?",
        ),
        ({"model": MODEL, "ckpt_path": 3}, "ckpt_path is 3. Expected the path of a checkpoint, or null."),
        ({"model": MODEL, "weights_only": "no"}, "weights_only is 'no'. Expected true, false or null."),
        (
            {"model": MODEL, "seed_everything": 1.5},
            "seed_everything is 1.5. Expected a whole number from 0 to 4294967295, true or false.",
        ),
        (
            {},
            "model is missing. Expected model.class_path, or tune.model_class if model holds the arguments of one "
            "fixed class.",
        ),
        (
            {"model": {"lr": 1}},
            "model has no class_path. Expected model.class_path, or tune.model_class if model holds the arguments of "
            "one fixed class.",
        ),
        (
            {"model": MODEL, "tune": {"model_class": "c.D"}},
            "tune.model_class is 'c.D', but model.class_path names a class too. Keep one of them.",
        ),
    ],
)
def test_a_complaint_about_the_blocks(data: Any, expected: str):
    assert complaints({"tune": {}, **data}) == [expected]


def test_a_model_may_come_from_elsewhere():
    assert complaints({"tune": {}}, needs_model=False) == []


def test_a_block_may_be_no_more_than_the_name_of_its_class():
    assert spelled_out({"model": "a.B", "trainer": "x", "ckpt_path": "y"}) == {
        "model": {"class_path": "a.B"},
        "trainer": "x",
        "ckpt_path": "y",
    }
