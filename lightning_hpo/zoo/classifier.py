"""What the zoo's classifiers share: loss, penalties, metrics, optimiser and schedule."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

from lightning_hpo.space import Choice, Float
from lightning_hpo.tunable import tunable
from lightning_hpo.zoo.optimizers import (
    OPTIMIZERS,
    SCHEDULES,
    OptimizerName,
    ScheduleName,
    make_optimizer,
    make_schedule,
    weights_of,
)
from lightning_hpo.zoo.scores import ClassificationScores
from lightning_hpo.zoo.settings import require, require_one_of

__all__ = ["Batch", "Classifier"]

#: Inputs and labels, `[batch, …]` and `[batch]`.
Batch = tuple[Tensor, Tensor]


@tunable(
    lr=Float(1e-4, 1e-1, log=True),
    optimizer=Choice({"sgd": {"momentum": Float(0.0, 0.99)}, "adamw": {}, "rmsprop": {}}),
    weight_decay=Float(1e-6, 1e-2, log=True),
    lr_schedule=Choice(["constant", "step", "exponential", "cosine"]),
)
class Classifier(pl.LightningModule):
    """Trains `self.net`, which a subclass builds, to tell classes apart by cross-entropy.

    Logs, once an epoch, `loss`, `acc`, `precision`, `recall` and `f1` (macro averages) as `train_…`, `val_…` and
    `test_…`. `train_loss` is the cross-entropy alone, without the L1 penalty, to be compared with `val_loss`.

    Edges:
        * The training metrics are those of the epoch's own steps: dropout on, weights moving.
        * An L1 penalty of 0 costs nothing.

    Args:
        num_classes: Labels are 0 to `num_classes - 1`.
        lr: The learning rate that the schedule starts from.
        optimizer: "sgd", "adamw" or "rmsprop".
        momentum: Of `sgd`; the others do not use it.
        weight_decay: On weights, not on biases and normalisation.
        l1: This times the sum of the absolute weights is added to the loss.
        lr_schedule: "constant", "step", "exponential", "cosine" or "adaptive"; see `make_schedule`.

    Raises:
        SettingError: If an argument is out of bounds.
    """

    net: nn.Module
    train_scores: ClassificationScores
    val_scores: ClassificationScores
    test_scores: ClassificationScores

    def __init__(
        self,
        num_classes: int = 10,
        lr: float = 1e-3,
        optimizer: OptimizerName = "adamw",
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        l1: float = 0.0,
        lr_schedule: ScheduleName = "constant",
    ) -> None:
        super().__init__()
        require(num_classes >= 2, "num_classes", num_classes, "2 or more")
        require(lr > 0, "lr", lr, "a number above 0")
        require(0 <= momentum < 1, "momentum", momentum, "0 <= momentum < 1")
        require(weight_decay >= 0, "weight_decay", weight_decay, "0 or more")
        require(l1 >= 0, "l1", l1, "0 or more")
        require_one_of(OPTIMIZERS, "optimizer", optimizer)
        require_one_of(SCHEDULES, "lr_schedule", lr_schedule)
        self.save_hyperparameters()  # the subclass's arguments as well: Lightning looks up the calling __init__s
        self.train_scores = ClassificationScores(num_classes)
        self.val_scores = ClassificationScores(num_classes)
        self.test_scores = ClassificationScores(num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """The logits, `[batch, num_classes]`."""
        logits: Tensor = self.net(inputs)
        return logits

    def l1_penalty(self) -> Tensor:
        """The sum of the absolute weights, biases and normalisation left out."""
        return torch.stack([weight.abs().sum() for weight in weights_of(self)]).sum()

    # A step only computes, and the hook after it counts: a step without side effects can be compiled, or run for many
    # models at once under torch.vmap.

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The loss with its penalty, and what the metrics need."""
        measured = self._measure(batch)
        loss = measured["cross_entropy"]
        if self.hparams["l1"] > 0:
            loss = loss + self.hparams["l1"] * self.l1_penalty()
        return {"loss": loss, **measured}

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """What the metrics need."""
        return self._measure(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """What the metrics need."""
        return self._measure(batch)

    def _measure(self, batch: Batch) -> dict[str, Tensor]:
        inputs, labels = batch
        logits = self(inputs)
        return {"cross_entropy": functional.cross_entropy(logits, labels), "logits": logits}

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Counts the batch."""
        self._count(self.train_scores, outputs, batch)

    def on_validation_batch_end(self, outputs: Any, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Counts the batch."""
        self._count(self.val_scores, outputs, batch)

    def on_test_batch_end(self, outputs: Any, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Counts the batch."""
        self._count(self.test_scores, outputs, batch)

    @staticmethod
    def _count(scores: ClassificationScores, outputs: Any, batch: Batch) -> None:
        scores.update(outputs["logits"].detach(), batch[1], outputs["cross_entropy"].detach())

    def on_train_epoch_end(self) -> None:
        """Logs the epoch's training metrics."""
        self._log_scores("train", self.train_scores)

    def on_validation_epoch_end(self) -> None:
        """Logs the validation metrics."""
        self._log_scores("val", self.val_scores)

    def on_test_epoch_end(self) -> None:
        """Logs the test metrics."""
        self._log_scores("test", self.test_scores)

    def _log_scores(self, phase: str, scores: ClassificationScores) -> None:
        if not scores.update_called:  # an epoch without a batch has no numbers
            return
        # The scores are already those of all processes; sync_dist keeps Lightning from warning that they may not be.
        named = {f"{phase}_{name}": value for name, value in scores.compute().items()}
        self.log_dict(named, sync_dist=True, batch_size=1)
        scores.reset()

    def configure_optimizers(self) -> Any:
        """The optimiser, with its schedule if it has one.

        Raises:
            UsageError: If the schedule needs `trainer.max_epochs` and it is not set.
        """
        chosen = self.hparams
        optimizer = make_optimizer(
            self,
            name=chosen["optimizer"],
            lr=chosen["lr"],
            momentum=chosen["momentum"],
            weight_decay=chosen["weight_decay"],
        )
        if chosen["lr_schedule"] == "constant":
            return optimizer
        schedule = make_schedule(optimizer, name=chosen["lr_schedule"], max_epochs=self.trainer.max_epochs)
        return {"optimizer": optimizer, "lr_scheduler": schedule}
