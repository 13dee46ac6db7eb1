from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from lightning_hpo.errors import SettingError
from lightning_hpo.tunable import defaults_of, space_of
from lightning_hpo.zoo import MLPClassifier


def kinds(model: MLPClassifier) -> list[type]:
    return [type(layer) for layer in model.net]


def widths(model: MLPClassifier) -> list[tuple[int, int]]:
    return [(layer.in_features, layer.out_features) for layer in model.net if isinstance(layer, nn.Linear)]


def test_the_defaults_fit_the_digits() -> None:
    model = MLPClassifier()
    assert widths(model) == [(64, 64), (64, 10)]
    assert model(torch.randn(5, 64)).shape == (5, 10)


def test_depth_repeats_the_width() -> None:
    assert widths(MLPClassifier(hidden=7, depth=3)) == [(64, 7), (7, 7), (7, 7), (7, 10)]


def test_depth_0_is_softmax_regression() -> None:
    assert kinds(MLPClassifier(depth=0)) == [nn.Flatten, nn.Linear]
    assert widths(MLPClassifier(depth=0)) == [(64, 10)]


def test_explicit_sizes_stand_in_for_width_and_depth() -> None:
    model = MLPClassifier(hidden=99, depth=5, hidden_sizes=[8, 4], in_features=3, num_classes=2)
    assert widths(model) == [(3, 8), (8, 4), (4, 2)]
    assert widths(MLPClassifier(hidden_sizes=[])) == [(64, 10)]


def test_a_hidden_layer_is_linear_normalised_activated_and_dropped_out_in_this_order() -> None:
    model = MLPClassifier(batch_norm=True, dropout=0.25, activation="tanh")
    assert kinds(model) == [nn.Flatten, nn.Linear, nn.BatchNorm1d, nn.Tanh, nn.Dropout, nn.Linear]
    assert model.net[4].p == 0.25


def test_the_architecture_is_the_same_for_every_dropout_rate() -> None:
    assert MLPClassifier(dropout=0.0).state_dict().keys() == MLPClassifier(dropout=0.5).state_dict().keys()


@pytest.mark.parametrize(
    ("name", "kind"), [("relu", nn.ReLU), ("tanh", nn.Tanh), ("gelu", nn.GELU), ("logistic", nn.Sigmoid)]
)
def test_an_activation_by_its_name(name: Any, kind: type) -> None:
    assert kind in kinds(MLPClassifier(activation=name))


def test_batch_norm_tells_training_from_evaluation() -> None:
    model = MLPClassifier(batch_norm=True)
    inputs = torch.randn(16, 64) + 3
    assert not torch.allclose(model.train()(inputs), model.eval()(inputs))


def test_images_are_flattened() -> None:
    model = MLPClassifier().eval()
    images = torch.randn(2, 1, 8, 8)
    assert torch.equal(model(images), model(images.view(2, 64)))


def test_what_may_vary() -> None:
    names = set(space_of(MLPClassifier).names())
    own = {"hidden", "depth", "dropout", "batch_norm", "activation", "l1"}
    assert names == own | {"lr", "optimizer", "momentum", "weight_decay", "lr_schedule"}


def test_the_defaults_are_the_plain_model_that_a_run_has_to_beat() -> None:
    space = space_of(MLPClassifier)
    config = space.complete(defaults_of(MLPClassifier))
    assert space.contains(config)
    assert config == {
        "lr": 1e-3,
        "optimizer": "adamw",
        "weight_decay": 1e-4,
        "lr_schedule": "constant",
        "hidden": 64,
        "depth": 1,
        "dropout": 0.0,
        "batch_norm": False,
        "activation": "relu",
        "l1": 0.0,
    }


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("hidden", 0),
        ("depth", -1),
        ("dropout", 1.0),
        ("in_features", 0),
        ("activation", "rely"),
        ("hidden_sizes", [8, 0]),
    ],
)
def test_an_argument_out_of_bounds_is_named(argument: str, value: Any) -> None:
    with pytest.raises(SettingError) as caught:
        MLPClassifier(**{argument: value})
    assert str(caught.value).startswith(f"{argument} is {value!r}. Expected ")


def test_a_misspelt_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="hiden"):
        MLPClassifier(hiden=3)
