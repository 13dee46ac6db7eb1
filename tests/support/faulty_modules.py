"""A module with whatever fault a trial's config asks for, real ones: signals, allocations, hangs, exceptions."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import torch

from lightning_hpo import Choice, Float, tunable
from tuned_modules import Plain, training_loader, validation_loader

#: The epoch, counted from 0, in which it happens.
EPOCH = 2

FAULTS = ("nothing", "no-memory", "no-memory-once", "nan-loss", "nan-metric", "killed-once", "frozen-once", "hangs")

#: The hooks that Lightning calls in a fit on the module itself.
HOOKS = (
    *("configure_callbacks", "configure_model", "configure_optimizers", "prepare_data", "setup"),
    *("train_dataloader", "val_dataloader", "on_fit_start", "on_train_start", "on_train_epoch_start"),
    *("on_train_batch_start", "transfer_batch_to_device", "training_step", "on_before_zero_grad"),
    *("on_before_backward", "on_after_backward", "on_before_optimizer_step", "optimizer_step"),
    *("on_train_batch_end", "on_validation_start", "on_validation_epoch_start", "validation_step"),
    *("on_validation_epoch_end", "on_validation_end", "on_save_checkpoint", "on_train_epoch_end"),
    *("on_train_end", "on_fit_end", "teardown"),
)


@tunable(fault=Choice(FAULTS))
class Faulty(Plain):
    def __init__(self, lr: float = 0.01, fault: str = "nothing") -> None:
        super().__init__(lr)
        self.fault = fault

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        loss = super().training_step(batch, index)
        if self.current_epoch == EPOCH and index == 1:
            return self.happen(loss)
        return loss

    def happen(self, loss: torch.Tensor) -> torch.Tensor:
        if self.fault == "no-memory" or (self.fault == "no-memory-once" and self.first_time()):
            torch.empty(2**52)
        elif self.fault == "nan-loss":
            return loss * float("nan")
        elif self.fault == "killed-once" and self.first_time():
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.fault == "frozen-once" and self.first_time():
            os.kill(os.getpid(), signal.SIGSTOP)
        elif self.fault == "hangs":
            time.sleep(3600)
        return loss

    def first_time(self) -> bool:
        mark = Path(self.trainer.default_root_dir) / "happened"
        if mark.exists():
            return False
        mark.touch()
        return True

    def validation_step(self, batch: Any, index: int) -> None:
        if self.fault == "nan-metric" and self.current_epoch == EPOCH:
            self.log("val_loss", torch.tensor(float("nan")))
        else:
            super().validation_step(batch, index)

    def train_dataloader(self) -> Any:
        return training_loader()

    def val_dataloader(self) -> Any:
        return validation_loader()


@tunable(lr=Float(1e-3, 1e-1, log=True))
class Steady(Faulty):
    """Takes a tenth of a second an epoch: long enough to be killed within one."""

    def __init__(self, lr: float = 0.01) -> None:
        super().__init__(lr)

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        time.sleep(0.025)  # four batches an epoch
        return super().training_step(batch, index)


def raising(hook: str) -> type[Faulty]:
    """A module that raises in a hook."""

    def fail(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise ValueError(f"{hook} is broken")

    return type(f"Raises_{hook}", (Faulty,), {hook: fail})
