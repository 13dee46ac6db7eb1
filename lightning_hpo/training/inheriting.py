"""A fit that starts from somebody else's checkpoint keeps its own hyperparameters."""

from __future__ import annotations

from typing import Any

from lightning_hpo.training.callbacks import FamilyCallback

__all__ = ["InheritCallback"]


class InheritCallback(FamilyCallback):
    """Lets the config win over what a checkpoint says of learning rates, weight decay, momentum and the like.

    Lightning restores the optimizers with all their settings, so a trial that starts from a checkpoint (`ckpt_path`, or
    another trial's, as population based training does) would train with the settings of whoever wrote it (ray#36660,
    ray#36403). Moments, step counts and the place in a schedule are inherited; the settings are the trial's own.

    Edges:
        * Where a schedule moved the learning rate, it is moved by as much from the trial's own.
        * An optimizer with other parameter groups than the checkpoint's is Lightning's to refuse.
    """

    base = "Callback"

    def __init__(self) -> None:
        self._groups: list[list[dict[str, Any]]] = []
        self._base_lrs: list[list[float] | None] = []

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Notes the settings that the config led to; the checkpoint's come afterwards."""
        self._groups = [
            [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
            for optimizer in trainer.optimizers
        ]
        schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
        self._base_lrs = [list(held) if (held := getattr(each, "base_lrs", None)) else None for each in schedulers]

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Puts them back."""
        for optimizer, groups in zip(trainer.optimizers, self._groups, strict=True):
            for group, own in zip(optimizer.param_groups, groups, strict=True):
                moved = _ratio(group.get("lr"), group.get("initial_lr"))
                group.update(own)
                if moved is not None and "initial_lr" in own:
                    group["lr"] = own["initial_lr"] * moved
        for config, base_lrs in zip(trainer.lr_scheduler_configs, self._base_lrs, strict=True):
            if base_lrs is not None:
                config.scheduler.base_lrs = base_lrs


def _ratio(now: Any, initial: Any) -> float | None:
    """By how much a schedule has moved the learning rate; None where no schedule did, or from nothing."""
    return None if now is None or not initial else float(now) / float(initial)
