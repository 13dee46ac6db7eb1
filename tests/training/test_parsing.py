from __future__ import annotations

from typing import Any

import pytest

from lightning_hpo.training.blocks import BlocksAssembly
from lightning_hpo.training.parsing import parse_problems

MODEL = {"class_path": "tiny_modules.Lit"}
STOPPING = {"class_path": "EarlyStopping", "init_args": {"monitor": "val_loss"}}


def told(blocks: dict[str, Any], config: Any = None, **fixed: str) -> list[tuple[str, str]]:
    """Where and what, for every problem."""
    found = parse_problems(BlocksAssembly({"model": MODEL, **blocks}, **fixed), config or {})
    return [(problem.where, str(problem)) for problem in found]


def stopping(**more: Any) -> dict[str, Any]:
    return {"class_path": "EarlyStopping", "init_args": {"monitor": "val_loss", **more}}


def test_a_sound_recipe_has_no_problems():
    trainer = {"max_epochs": 1, "callbacks": [STOPPING], "logger": False}
    assert told({"data": {"class_path": "tiny_modules.Data"}, "trainer": trainer}, {"model.lr": 0.1}) == []


@pytest.mark.parametrize(
    ("blocks", "where", "text"),
    [
        (
            {"model": {**MODEL, "init_args": {"hiden": 3}}},
            "model.hiden",
            "model.hiden: model takes no 'hiden'. It takes: lr, hidden. Did you mean 'hidden'?",
        ),
        (
            {"model": {**MODEL, "init_args": {"hidden": "many"}}},
            "model.hidden",
            "model.hidden is 'many'. Expected int.",
        ),
        (
            {"trainer": {"max_epocs": 3}},
            "trainer.max_epocs",
            "trainer.max_epocs: trainer takes no 'max_epocs'. Did you mean 'max_epochs'?",
        ),
        (
            {"model": {"class_path": "tiny_modules.Required"}},
            "model",
            "model: model.width must be given. It has no default.",
        ),
        (
            {"optimizer": {"class_path": "SGD", "init_args": {"lr": 0.1, "mometum": 0.9}}},
            "optimizer.mometum",
            "optimizer.mometum: optimizer takes no 'mometum'. It takes: params, lr, momentum, dampening, weight_decay, "
            "nesterov, maximize, foreach, differentiable, fused. Did you mean 'momentum'?",
        ),
        (
            {
                "model": {
                    "class_path": "tiny_modules.Nested",
                    "init_args": {"encoder": {"class_path": "tiny_modules.Encoder", "init_args": {"widht": 3}}},
                }
            },
            "model.encoder.widht",
            "model.encoder.widht: model.encoder takes no 'widht'. It takes: width, dropout. Did you mean 'width'?",
        ),
        (
            {"trainer": {"callbacks": [STOPPING, stopping(patience="long")]}},
            "trainer.callbacks.1.patience",
            "trainer.callbacks.1.patience is 'long'. Expected int.",
        ),
        (
            {"trainer": {"callbacks": [STOPPING, {"class_path": "EarlyStopping"}]}},
            "trainer.callbacks.1",
            "trainer.callbacks.1: trainer.callbacks.1.monitor must be given. It has no default.",
        ),
        (
            {"trainer": {"callbacks": [{"class_path": "NoSuch"}]}},
            "trainer.callbacks.0",
            "trainer.callbacks.0 (NoSuch) is not accepted. Expected a dot import path string: NoSuch.",
        ),
        (
            {"trainer": {"callbacks": [{"class_path": "lightning.pytorch.callbacks.LearningRateMonitor"}]}},
            "trainer.callbacks.0",
            "trainer.callbacks.0 (lightning.pytorch.callbacks.LearningRateMonitor) is not accepted. Import path "
            "lightning.pytorch.callbacks.LearningRateMonitor does not correspond to a subclass of Callback.",
        ),
        (
            {"data": {"class_path": "tiny_modules.Data", "init_args": {"batch_size": [1]}}},
            "data.batch_size",
            "data.batch_size is not accepted. Expected int.",
        ),
        (
            {"model": {"class_path": "tiny_modules.Swallowing", "init_args": {"foo": 3}}},
            "model.foo",
            "model.foo: model takes no 'foo'. It takes: lr, hidden.",
        ),
    ],
)
def test_a_fault_is_told_with_its_address(blocks: dict[str, Any], where: str, text: str):
    assert told(blocks) == [(where, text)]


def test_a_drawn_value_of_the_wrong_kind_is_a_fault():
    assert told({}, {"model.hidden": "wide"}) == [("model.hidden", "model.hidden is 'wide'. Expected int.")]


def test_all_faults_come_at_once():
    callbacks = [
        stopping(patienc=3),
        {"class_path": "NoSuch"},
        {"class_path": "ModelCheckpoint", "init_args": {"save_topk": 1}},
    ]
    blocks = {
        "model": {**MODEL, "init_args": {"hidden": "many", "rl": 1}},
        "data": {"class_path": "tiny_modules.Data", "init_args": {"size": 1}},
        "trainer": {"max_epochs": "x", "precison": 16, "callbacks": callbacks},
    }
    assert {where for where, _ in told(blocks)} == {
        "model.hidden",
        "model.rl",
        "data.size",
        "trainer.max_epochs",
        "trainer.precison",
        "trainer.callbacks.0.patienc",
        "trainer.callbacks.1",
        "trainer.callbacks.2.save_topk",
    }


def test_what_was_given_wrongly_is_not_told_to_be_missing():
    blocks = {"model": {"class_path": "tiny_modules.Required", "init_args": {"width": "wide"}}}
    assert told(blocks) == [("model.width", "model.width is 'wide'. Expected int.")]


def test_a_block_of_one_fixed_class_is_checked():
    blocks = {"model": {"width": 3, "rl": 1}, "data": {"batch": 3}}
    found = told(blocks, model_class="tiny_modules.Required", data_class="tiny_modules.Data")
    assert {where for where, _ in found} == {"model.rl", "data.batch"}
