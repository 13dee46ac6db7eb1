"""Optimisers and learning rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, get_args

import torch
from torch import nn
from torch.optim import Optimizer, lr_scheduler

from lightning_hpo.errors import UsageError
from lightning_hpo.zoo.settings import require_one_of

__all__ = ["OPTIMIZERS", "SCHEDULES", "OptimizerName", "ScheduleName", "make_optimizer", "make_schedule", "weights_of"]

OptimizerName = Literal["sgd", "adamw", "rmsprop"]
ScheduleName = Literal["constant", "step", "exponential", "cosine", "adaptive"]

OPTIMIZERS: tuple[OptimizerName, ...] = get_args(OptimizerName)
SCHEDULES: tuple[ScheduleName, ...] = get_args(ScheduleName)

#: What an exponential schedule has come down to when training ends, as a share of where it began.
_EXPONENTIAL_END = 0.01


def weights_of(module: nn.Module) -> list[nn.Parameter]:
    """The weight matrices and kernels: what weight decay and L1 act on. Biases and normalisation are left free."""
    return [parameter for parameter in module.parameters() if parameter.ndim > 1]


def make_optimizer(
    module: nn.Module, *, name: OptimizerName, lr: float, momentum: float, weight_decay: float
) -> Optimizer:
    """The optimiser of a module's trainable parameters.

    Edges:
        * `momentum` is used by `sgd` alone.
        * `weight_decay` acts on weights, not on biases and normalisation. It is decoupled from the gradient in `adamw`
          and an L2 penalty in `sgd` and `rmsprop`, as PyTorch has them.

    Raises:
        SettingError: If the name is not known.
    """
    require_one_of(OPTIMIZERS, "optimizer", name)
    weights = weights_of(module)
    decayed = {id(weight) for weight in weights}
    groups: list[dict[str, Any]] = [
        {"params": _trainable(weights)},
        {"params": _trainable(p for p in module.parameters() if id(p) not in decayed), "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if name == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=momentum, weight_decay=weight_decay)
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=lr, weight_decay=weight_decay)
    return torch.optim.RMSprop(groups, lr=lr, weight_decay=weight_decay)


def make_schedule(optimizer: Optimizer, *, name: ScheduleName, max_epochs: int | None) -> dict[str, Any] | None:
    """The schedule as Lightning takes it under `lr_scheduler`, stepped once an epoch; None for a constant rate.

    `step` divides by ten after one half and after three quarters of the epochs; `exponential` multiplies by the same
    factor each epoch and would reach a hundredth when they are over; `cosine` falls to zero; `adaptive` divides by
    five whenever `train_loss` has not fallen by 1e-4 for two epochs running.

    Args:
        optimizer: Whose rate it is.
        name: One of `SCHEDULES`.
        max_epochs: How long the training is. `constant` and `adaptive` do not need it.

    Raises:
        SettingError: If the name is not known.
        UsageError: If the schedule needs an end and the training has none.

    Source: `step` as in He et al., "Deep Residual Learning", 2015; `cosine` as in Loshchilov and Hutter, "SGDR", 2017,
    without restarts; `adaptive` as scikit-learn's `MLPClassifier(learning_rate="adaptive")`.
    """
    require_one_of(SCHEDULES, "lr_schedule", name)
    if name == "constant":
        return None
    if name == "adaptive":
        plateau = lr_scheduler.ReduceLROnPlateau(
            optimizer, mode="min", factor=0.2, patience=1, threshold=1e-4, threshold_mode="abs"
        )
        return {"scheduler": plateau, "interval": "epoch", "monitor": "train_loss"}
    if max_epochs is None or max_epochs < 1:
        raise UsageError(
            f"lr_schedule '{name}' is spread over the whole training, but trainer.max_epochs is {max_epochs}. "
            "Set trainer.max_epochs, or use lr_schedule 'constant' or 'adaptive'."
        )
    schedule: lr_scheduler.LRScheduler
    if name == "step":
        ends = [math.ceil(max_epochs / 2), math.ceil(max_epochs * 3 / 4)]
        schedule = lr_scheduler.MultiStepLR(optimizer, milestones=ends, gamma=0.1)
    elif name == "exponential":
        schedule = lr_scheduler.ExponentialLR(optimizer, gamma=_EXPONENTIAL_END ** (1 / max_epochs))
    else:
        schedule = lr_scheduler.CosineAnnealingLR(optimizer, T_max=max_epochs)
    return {"scheduler": schedule, "interval": "epoch"}


def _trainable(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    return [parameter for parameter in parameters if parameter.requires_grad]
