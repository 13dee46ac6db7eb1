"""Lets a real LightningCLI fit twice and write its config: for one fixed class, and with classes named by path.

Run as a script, in a folder of its own, by test_lightning_cli.py; it prints what each configuration was read back as.
"""

from __future__ import annotations

import json
import sys
import warnings

import pytorch_lightning as pl
import torch
from pytorch_lightning.cli import LightningCLI
from pytorch_lightning.demos.boring_classes import BoringDataModule


class Lit(pl.LightningModule):
    """A module with arguments of several kinds, and words that YAML likes to misread."""

    def __init__(self, lr: float = 1e-3, hidden: int = 8, sizes: list[int] | None = None, note: str = "on"):
        super().__init__()
        self.lr = lr
        self.layer = torch.nn.Linear(32, 2)

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return self.layer(batch).sum()

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.log("val_loss", self.layer(batch).sum())


FIT = [
    "fit",
    "--seed_everything=7",
    "--trainer.max_epochs=1",
    "--trainer.limit_train_batches=1",
    "--trainer.limit_val_batches=1",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--trainer.logger=CSVLogger",
    "--trainer.callbacks+=EarlyStopping",
    "--trainer.callbacks.monitor=val_loss",
    "--optimizer=SGD",
    "--optimizer.lr=1e-5",
]
BY_PATH = [
    "--model=__main__.Lit",
    "--model.note=off",
    "--data",
    "pytorch_lightning.demos.boring_classes.BoringDataModule",
]

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if len(sys.argv) == 1:
        LightningCLI(Lit, BoringDataModule, args=[*FIT, "--trainer.logger.save_dir=fixed"])
        LightningCLI(
            args=[*FIT, *BY_PATH, "--trainer.logger.save_dir=by_path"],
            subclass_mode_model=True,
            subclass_mode_data=True,
        )
    else:  # read a config back
        cli = LightningCLI(args=["--config", sys.argv[1]], run=False, subclass_mode_model=True, subclass_mode_data=True)
        print(json.dumps({"lr": cli.model.lr, "patience": cli.trainer.early_stopping_callback.patience}))
