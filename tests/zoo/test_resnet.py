from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_hpo.errors import SettingError
from lightning_hpo.tunable import space_of
from lightning_hpo.zoo import ResNetClassifier


def test_the_stem_keeps_a_small_image_whole() -> None:
    net = ResNetClassifier(num_classes=7).eval().net
    with torch.no_grad():
        stem = net.maxpool(net.relu(net.bn1(net.conv1(torch.randn(1, 3, 32, 32)))))
        assert stem.shape == (1, 64, 32, 32)
        assert net(torch.randn(1, 3, 32, 32)).shape == (1, 7)


def test_it_is_resnet_18_otherwise() -> None:
    net = ResNetClassifier().net
    # eight blocks of two convolutions, three shortcuts that change the shape, the stem; and the head: 18 + 3
    assert sum(isinstance(layer, nn.Conv2d) for layer in net.modules()) == 8 * 2 + 3 + 1
    assert sum(isinstance(layer, nn.Linear) for layer in net.modules()) == 1
    # torchvision's 11 689 512 with 1000 classes; the head and the stem differ:
    # - 513 * 1000 + 513 * 10 and - 64 * 3 * 49 + 64 * 3 * 9
    expected = 11_689_512 - 513_000 + 5_130 - 9_408 + 1_728
    assert sum(p.numel() for p in net.parameters()) == expected


def test_the_dropout_and_the_channels_arrive() -> None:
    net = ResNetClassifier(dropout=0.3, in_channels=1).net
    assert [layer.p for layer in net.modules() if isinstance(layer, nn.Dropout)] == [0.3]
    assert net.conv1.in_channels == 1


def test_one_step_trains(trainer_of: Callable[..., Any]) -> None:
    loader = DataLoader(TensorDataset(torch.randn(4, 3, 8, 8), torch.arange(4)), batch_size=4)
    model = ResNetClassifier(optimizer="sgd", lr=0.1)
    before = model.net.conv1.weight.detach().clone()
    trainer_of(max_epochs=1).fit(model, loader, loader)
    assert not torch.equal(before, model.net.conv1.weight)


def test_what_may_vary() -> None:
    shared = {"lr", "optimizer", "momentum", "weight_decay", "lr_schedule"}
    assert set(space_of(ResNetClassifier).names()) == shared | {"dropout"}


@pytest.mark.parametrize(("argument", "value"), [("dropout", -0.1), ("in_channels", 0)])
def test_an_argument_out_of_bounds_is_named(argument: str, value: Any) -> None:
    with pytest.raises(SettingError, match=rf"^{argument} is {value!r}\. Expected "):
        ResNetClassifier(**{argument: value})
