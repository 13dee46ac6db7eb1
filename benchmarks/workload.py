"""What every contestant of `overhead.py` trains: a 64-h-10 MLP on scikit-learn's digits, five epochs, batches of 32."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

TRAINED = 1437  # of 1797; the other 360 validate
EPOCHS = 5

#: Trainer flags that switch off what no tuner needs; overhead.yaml has the same ones.
FLAGS: dict[str, Any] = {
    "max_epochs": EPOCHS,
    "accelerator": "cpu",
    "devices": 1,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


class MLP(pl.LightningModule):
    def __init__(self, hidden: int = 128, lr: float = 1e-3, dropout: float = 0.0) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.net = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 10))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        return functional.cross_entropy(self.net(x), y)

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        x, y = batch
        logits = self.net(x)
        self.log("val_loss", functional.cross_entropy(logits, y))
        self.log("val_acc", (logits.argmax(dim=1) == y).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class Digits(pl.LightningDataModule):
    def __init__(self, batch_size: int = 32) -> None:
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage: str | None = None) -> None:
        x, y = load_digits(return_X_y=True)
        order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
        data = TensorDataset(torch.tensor(x, dtype=torch.float32)[order] / 16, torch.tensor(y)[order])
        self.train_set = torch.utils.data.Subset(data, range(TRAINED))
        self.val_set = torch.utils.data.Subset(data, range(TRAINED, len(y)))

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.train_set, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.val_set, batch_size=self.batch_size)


def fit(config: dict[str, Any], seed: int) -> float:
    """Trains one config; returns its last validation accuracy."""
    torch.manual_seed(seed)
    trainer = pl.Trainer(**FLAGS)
    trainer.fit(MLP(**config), datamodule=Digits())
    return float(trainer.callback_metrics["val_acc"])
