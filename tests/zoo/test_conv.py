from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from lightning_hpo.errors import SettingError
from lightning_hpo.tunable import space_of
from lightning_hpo.zoo import ConvClassifier, DigitsDataModule


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 1, 28, 28), (2, 1, 4, 4)])
def test_small_images_of_any_size_give_logits(shape: tuple[int, ...]) -> None:
    assert ConvClassifier(channels=4)(torch.randn(shape)).shape == (2, 10)


def test_channels_double_twice_and_the_dropout_arrives() -> None:
    model = ConvClassifier(channels=3, dropout=0.25, in_channels=2, num_classes=5)
    convolutions = [layer for layer in model.net if isinstance(layer, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels) for c in convolutions] == [(2, 3), (3, 6), (6, 12)]
    assert [layer.num_features for layer in model.net if isinstance(layer, nn.BatchNorm2d)] == [3, 6, 12]
    assert [layer.p for layer in model.net if isinstance(layer, nn.Dropout)] == [0.25]


def test_it_learns_the_digits(trainer_of: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    trainer = trainer_of(max_epochs=2, limit_train_batches=20)
    trainer.fit(ConvClassifier(channels=8, lr=1e-2), datamodule=DigitsDataModule(flatten=False))
    assert float(trainer.callback_metrics["val_acc"]) > 0.5  # chance is 0.1


def test_what_may_vary() -> None:
    shared = {"lr", "optimizer", "momentum", "weight_decay", "lr_schedule"}
    assert set(space_of(ConvClassifier).names()) == shared | {"channels", "dropout"}


@pytest.mark.parametrize(("argument", "value"), [("channels", 0), ("dropout", 1.0), ("in_channels", 0)])
def test_an_argument_out_of_bounds_is_named(argument: str, value: Any) -> None:
    with pytest.raises(SettingError, match=rf"^{argument} is {value!r}\. Expected "):
        ConvClassifier(**{argument: value})
