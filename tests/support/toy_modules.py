"""LightningModules that train in a blink, most of them wrong in one way; recipes of tests name them."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from lightning_hpo import Choice, Float, tunable


class Line(pl.LightningModule):
    """Fits y = 1 from x = (1, 1): two batches an epoch, and a loss that depends on lr alone."""

    def __init__(self, lr: float = 0.1, width: int = 2) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Sequential(torch.nn.Linear(2, width), torch.nn.Linear(width, 1))

    def loss(self, batch: Any) -> torch.Tensor:
        inputs, targets = batch
        return ((self.layer(inputs) - targets) ** 2).mean()

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        loss = self.loss(batch)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Any, index: int) -> None:
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"])

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(TensorDataset(torch.ones(8, 2), torch.ones(8, 1)), batch_size=4)

    val_dataloader = train_dataloader


class FailsInInit(Line):
    def __init__(self, lr: float = 0.1, width: int = 2) -> None:
        raise RuntimeError("the pretrained weights are not here")


class FailsOnItsSecondBatch(Line):
    """Passes the dry run, which trains one batch."""

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        if index > 0:
            raise ValueError("the second batch is bad")
        return super().training_step(batch, index)


class LogsNan(Line):
    def validation_step(self, batch: Any, index: int) -> None:
        self.log("val_loss", torch.tensor(float("nan")))


class DivergesAfterOneBatch(Line):
    """Passes the dry run, and reports NaN from then on."""

    def validation_step(self, batch: Any, index: int) -> None:
        self.log("val_loss", self.loss(batch) if self.global_step < 2 else torch.tensor(float("nan")))


class Slow(Line):
    """Takes a fifth of a second a batch, so that there is time to press Ctrl-C."""

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        time.sleep(0.2)
        return super().training_step(batch, index)


class NoModule:
    pass


@tunable(lr=Float(1e-3, 1e-1, log=True), kind=Choice({"plain": {}, "wide": {"width": Choice([2, 4])}}))
class Declared(Line):
    """Declares its space, a conditional branch in it."""

    def __init__(self, lr: float = 0.1, kind: str = "plain", width: int = 2) -> None:
        super().__init__(lr, width if kind == "wide" else 1)
        self.kind = kind


class NeedsArguments(Line):
    """Logs many metrics at once, and cannot be made without two arguments."""

    def __init__(self, classes: int, encoder: torch.nn.Module, lr: float = 0.1) -> None:
        super().__init__(lr)
        self.classes = classes
        self.encoder = encoder

    def validation_step(self, batch: Any, index: int) -> None:
        self.log_dict({"val/auc": 0.5, "val/loss": self.loss(batch)})


class PassesOn(Line):
    """Takes what its base class takes, through **kwargs."""

    def __init__(self, scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale


class HoldsObjects(Line):
    """Has defaults that YAML cannot hold, and one that is a list."""

    def __init__(self, activation: Any = torch.relu, sizes: tuple[int, ...] = (8, 4), lr: float = 0.1) -> None:
        super().__init__(lr)
        self.activation = activation
        self.sizes = sizes


class Numbers(pl.LightningDataModule):
    def __init__(self, batch_size: int = 4) -> None:
        super().__init__()
        self.batch_size = batch_size

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(TensorDataset(torch.ones(8, 2), torch.ones(8, 1)), batch_size=self.batch_size)

    val_dataloader = train_dataloader
