from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from lightning_hpo.errors import SettingError, UsageError
from lightning_hpo.zoo.optimizers import OPTIMIZERS, SCHEDULES, make_optimizer, make_schedule, weights_of


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def optimizer_of(**changed: Any) -> torch.optim.Optimizer:
    return make_optimizer(net(), **{"name": "sgd", "lr": 1.0, "momentum": 0.5, "weight_decay": 0.1, **changed})


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW), ("rmsprop", torch.optim.RMSprop)]
)
def test_a_name_makes_its_optimizer_with_the_rate_given(name: str, kind: type) -> None:
    optimizer = optimizer_of(name=name, lr=0.25)
    assert type(optimizer) is kind
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


def test_every_name_is_tried_above() -> None:
    assert OPTIMIZERS == ("sgd", "adamw", "rmsprop")
    assert SCHEDULES == ("constant", "step", "exponential", "cosine", "adaptive")


def test_momentum_goes_to_sgd_alone() -> None:
    assert optimizer_of(name="sgd").defaults["momentum"] == 0.5
    assert optimizer_of(name="rmsprop").defaults["momentum"] == 0
    assert "momentum" not in optimizer_of(name="adamw").defaults


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weights_decay_and_biases_and_normalisation_do_not(name: str) -> None:
    decayed, free = optimizer_of(name=name).param_groups
    # two linear layers: two weights; two biases and the normalisation's scale and shift
    assert (len(decayed["params"]), decayed["weight_decay"]) == (2, 0.1)
    assert (len(free["params"]), free["weight_decay"]) == (4, 0.0)


def test_frozen_parameters_are_left_out() -> None:
    module = net()
    for parameter in module[2].parameters():
        parameter.requires_grad_(False)
    optimizer = make_optimizer(module, name="sgd", lr=1.0, momentum=0.0, weight_decay=0.0)
    assert [len(group["params"]) for group in optimizer.param_groups] == [1, 3]


def test_weights_are_the_matrices() -> None:
    assert [tuple(weight.shape) for weight in weights_of(net())] == [(4, 3), (2, 4)]


def rates(name: Any, max_epochs: int, epochs: int) -> list[float]:
    """The rate during each epoch, starting from 1."""
    optimizer = optimizer_of(lr=1.0)
    made = make_schedule(optimizer, name=name, max_epochs=max_epochs)
    assert made is not None
    assert made["interval"] == "epoch"
    seen = []
    for _ in range(epochs):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        made["scheduler"].step()
    return seen


def test_constant_needs_no_schedule() -> None:
    assert make_schedule(optimizer_of(), name="constant", max_epochs=None) is None


def test_step_divides_by_ten_after_one_half_and_three_quarters() -> None:
    # 8 epochs: 1 during the first four, 0.1 during two, 0.01 during the last two
    assert rates("step", 8, 8) == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_exponential_would_reach_a_hundredth_at_the_end() -> None:
    # 2 epochs: a tenth each
    assert rates("exponential", 2, 3) == pytest.approx([1, 0.1, 0.01])


def test_cosine_falls_from_the_rate_to_zero() -> None:
    # (1 + cos(pi * k / 4)) / 2 for k = 0 … 4
    half = math.sqrt(2) / 2
    assert rates("cosine", 4, 5) == pytest.approx([1, (1 + half) / 2, 0.5, (1 - half) / 2, 0], abs=1e-12)


def test_adaptive_divides_by_five_after_two_epochs_without_progress() -> None:
    optimizer = optimizer_of(lr=1.0)
    made = make_schedule(optimizer, name="adaptive", max_epochs=None)
    assert made is not None
    assert made["monitor"] == "train_loss"
    seen = []
    # progress; too little of it twice (0.9 - 0.89995 < 1e-4) and so a fifth; then progress; then none twice again
    for loss in (1.0, 0.9, 0.89995, 0.89995, 0.8, 0.85, 0.85):
        made["scheduler"].step(loss)
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen == pytest.approx([1, 1, 1, 0.2, 0.2, 0.2, 0.04])


@pytest.mark.parametrize("name", ["step", "exponential", "cosine"])
@pytest.mark.parametrize("max_epochs", [None, -1])
def test_a_schedule_over_a_training_without_end_is_refused_with_a_way_out(name: Any, max_epochs: int | None) -> None:
    with pytest.raises(UsageError, match=rf"'{name}' .* trainer\.max_epochs is {max_epochs}\..*'constant'"):
        make_schedule(optimizer_of(), name=name, max_epochs=max_epochs)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(SettingError, match=r"optimizer is 'sdg'.*Did you mean 'sgd'\?"):
        optimizer_of(name="sdg")
    with pytest.raises(SettingError, match=r"lr_schedule is 'cosin'.*Did you mean 'cosine'\?"):
        make_schedule(optimizer_of(), name="cosin", max_epochs=3)  # type: ignore[arg-type]
