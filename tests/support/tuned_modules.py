"""What the studies in the tests of the run tune: modules that train in a blink and leave facts about their trial.

A file of its own, on the path of the test run, since workers import it by name.
"""

from __future__ import annotations

import itertools
import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as other_pl
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from lightning_hpo import Choice, Float, tunable

#: Standard deviation 1, so that a linear model that learns nothing has a loss near 4.
WEIGHTS = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])


def dataset(rows: int, seed: int) -> TensorDataset:
    inputs = torch.randn(rows, 4, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(inputs, inputs @ WEIGHTS)


def training_loader(batch_size: int = 16) -> DataLoader[Any]:
    return DataLoader(dataset(64, seed=0), batch_size=batch_size, shuffle=True)


def validation_loader() -> DataLoader[Any]:
    return DataLoader(dataset(64, seed=1), batch_size=64)


class Sums(pl.LightningDataModule):
    def __init__(self, batch_size: int = 16) -> None:
        super().__init__()
        self.batch_size = batch_size

    def train_dataloader(self) -> DataLoader[Any]:
        return training_loader(self.batch_size)

    def val_dataloader(self) -> DataLoader[Any]:
        return validation_loader()


class OtherSums(other_pl.LightningDataModule):
    def __init__(self, batch_size: int = 16) -> None:
        super().__init__()
        self.batch_size = batch_size

    train_dataloader = Sums.train_dataloader
    val_dataloader = Sums.val_dataloader


def squared_error(model: Any, batch: Any) -> torch.Tensor:
    return torch.nn.functional.mse_loss(model(batch[0]), batch[1])


class Facts:
    """Writes down, in the trial's own folder, what only the worker sees."""

    def on_fit_start(self) -> None:
        self.note(
            pid=os.getpid(),
            began=time.time(),
            threads=torch.get_num_threads(),
            clip=self.trainer.gradient_clip_val,  # type: ignore[attr-defined]
            batch_size=getattr(self.trainer.datamodule, "batch_size", None),  # type: ignore[attr-defined]
            seed=torch.initial_seed(),
        )

    def on_train_start(self) -> None:
        self.note(epoch=self.trainer.current_epoch)  # type: ignore[attr-defined]

    def on_fit_end(self) -> None:
        self.note(ended=time.time(), last_epoch=self.trainer.current_epoch)  # type: ignore[attr-defined]

    def note(self, **facts: Any) -> None:
        path = Path(self.trainer.default_root_dir) / "facts.json"  # type: ignore[attr-defined]
        path.write_text(json.dumps({**(json.loads(path.read_text()) if path.exists() else {}), **facts}))


class Learner(Facts):
    """A regression, of either distribution."""

    def __init__(self, lr: float = 0.01, width: int = 0) -> None:
        super().__init__()
        self.lr = lr
        widths = [4, width, 1] if width else [4, 1]
        self.net = torch.nn.Sequential(*(torch.nn.Linear(a, b) for a, b in itertools.pairwise(widths)))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.net(inputs)

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        return squared_error(self, batch)

    def validation_step(self, batch: Any, index: int) -> None:
        self.log("val_loss", squared_error(self, batch))  # type: ignore[attr-defined]

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=self.lr)  # type: ignore[attr-defined]


class Plain(Learner, pl.LightningModule):
    """Undecorated, as modules of other packages are."""


class OtherPlain(Learner, other_pl.LightningModule):
    """The same of the other distribution."""


@tunable(
    lr=Float(1e-3, 1e-1, log=True),
    sizes=Choice([(4,), (8, 4)]),
    optimizer=Choice({"adam": {}, "sgd": {"momentum": Float(0.0, 0.9)}}),
)
class Rich(Learner, pl.LightningModule):
    """Tuples, a conditional branch, and the kinds of its arguments among the facts."""

    def __init__(
        self, lr: float = 0.01, sizes: tuple[int, ...] = (4,), optimizer: str = "adam", momentum: float = 0.5
    ) -> None:
        super().__init__(lr)
        self.optimizer, self.momentum = optimizer, momentum
        self.kinds = {"sizes": type(sizes).__name__, "lr": type(lr).__name__}
        self.net = torch.nn.Sequential(*(torch.nn.Linear(a, b) for a, b in itertools.pairwise([4, *sizes, 1])))

    def on_fit_start(self) -> None:
        super().on_fit_start()
        self.note(kinds=self.kinds)
        print("a print of the module")
        warnings.warn("a warning of the module", stacklevel=1)

    def configure_optimizers(self) -> Any:
        if self.optimizer == "sgd":
            return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)
        return super().configure_optimizers()


class Mishaps(Plain):
    """Does what its argument says, once the dry run's single batch is behind it."""

    def __init__(self, what: str = "fine", lr: float = 0.01) -> None:
        super().__init__(lr)
        self.what = what

    def on_train_epoch_start(self) -> None:
        if self.current_epoch < 1:
            return
        if self.what == "raises":
            raise ValueError("the second epoch is bad")
        if self.what == "dies":
            os.kill(os.getpid(), 9)

    def validation_step(self, batch: Any, index: int) -> None:
        bad = self.what == "diverges" and self.current_epoch >= 1
        self.log("val_loss", torch.tensor(float("nan")) if bad else squared_error(self, batch))


class Slow(Plain):
    """Takes a tenth of a second a batch: there is time to end it from outside."""

    def on_train_batch_start(self, batch: Any, index: int) -> None:
        time.sleep(0.1)


class Naps(Plain):
    """Takes half a second a trial, so that trials overlap."""

    def on_train_epoch_start(self) -> None:
        time.sleep(0.5)
