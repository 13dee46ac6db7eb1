"""Modules and data of a few numbers each, for tests that need classes with an import path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning.pytorch as lp
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_hpo import Choice, Float, tunable


def rows(count: int = 16) -> TensorDataset:
    """The same numbers for everybody: drawn from a generator of their own, so a test's seed does not reach them."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(count, 4, generator=generator)
    return TensorDataset(inputs, inputs.sum(1, keepdim=True))


class _Regression:
    """What the modules of both distributions share: linear regression, `val_loss` at the end of each validation."""

    def __init__(self, lr: float = 0.05, hidden: int = 3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.net(inputs)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        loss = nn.functional.mse_loss(self(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", nn.functional.mse_loss(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"])


class _Rows:
    def __init__(self, batch_size: int = 4, count: int = 16) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.count = count

    def train_dataloader(self) -> DataLoader:
        return DataLoader(rows(self.count), batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(rows(self.count), batch_size=self.batch_size)


class Lit(_Regression, pl.LightningModule):
    """Of `pytorch_lightning`, with Lightning only second among its bases."""


class Lit2(_Regression, lp.LightningModule):
    """Of `lightning.pytorch`."""


class Data(_Rows, pl.LightningDataModule):
    """Of `pytorch_lightning`: 4 batches."""


class Data2(_Rows, lp.LightningDataModule):
    """Of `lightning.pytorch`: 4 batches."""


@tunable(lr=Float(1e-3, 1e-1, log=True), hidden=Choice([2, 3, 5]))
class Tunable(Lit):
    """Declares its own space."""


class Encoder(nn.Module):
    def __init__(self, width: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, width), nn.Dropout(dropout))
        self.width = width

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.body(inputs)


class Nested(Lit):
    """Takes a module as an argument."""

    def __init__(self, encoder: nn.Module, lr: float = 0.05) -> None:
        super().__init__(lr=lr)
        self.encoder = encoder
        self.net = nn.Sequential(encoder, nn.Linear(encoder.width, 1))


class Injected(Lit):
    """Takes its optimiser and schedule as LightningCLI injects them."""

    def __init__(
        self,
        optimizer: OptimizerCallable = torch.optim.Adam,
        scheduler: LRSchedulerCallable = torch.optim.lr_scheduler.ConstantLR,
    ) -> None:
        pl.LightningModule.__init__(self)
        self.make_optimizer = optimizer
        self.make_scheduler = scheduler
        self.net = nn.Linear(4, 1)

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer(self.parameters())
        return {"optimizer": optimizer, "lr_scheduler": self.make_scheduler(optimizer)}


class Scheduled(Lit):
    """Without `configure_optimizers`, which the recipe's blocks bring."""

    configure_optimizers = pl.LightningModule.configure_optimizers


class Required(Lit):
    """Has an argument that must be given."""

    def __init__(self, width: int, lr: float = 0.05) -> None:
        super().__init__(lr=lr, hidden=width)


class Swallowing(Lit):
    """Takes whatever is given, and uses none of it."""

    def __init__(self, lr: float = 0.05, **rest: Any) -> None:
        super().__init__(lr=lr)


class Failing(Lit):
    """Cannot be built with an odd width."""

    def __init__(self, lr: float = 0.05, width: int = 2) -> None:
        if width % 2:
            raise ValueError("width must be even")
        super().__init__(lr=lr, hidden=width)


class KeepsBest(ModelCheckpoint):
    """A checkpoint callback whose name does not say so."""


class NoModule:
    """Neither a LightningModule nor a LightningDataModule."""


def make_lit(lr: float = 0.05, width: int = 3) -> Lit:
    return Lit(lr=lr, hidden=width)


def make_unannotated(lr=0.05):
    return Lit(lr=lr)


def make_sgd(params: Any, lr: float = 0.1, nesterov: bool = False) -> torch.optim.Optimizer:
    return torch.optim.SGD(params, lr=lr, momentum=0.9, nesterov=nesterov)


def make_decay(optimizer: torch.optim.Optimizer, gamma: float = 0.5) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=gamma)


Built = Callable[..., Any]
