"""Loss, accuracy, precision, recall and F1 of an epoch from one confusion matrix."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

__all__ = ["ClassificationScores"]


class ClassificationScores(Metric):
    """Adds up a confusion matrix and the loss batch by batch, and makes the epoch's five numbers of them once.

    Trials on small data spend more on metrics than on the model, so a step costs one small matrix product, without
    waiting for the device, and the numbers are worked out when the epoch ends. Sums over processes under DDP.

    Edges:
        * Precision, recall and F1 are macro averages over the classes that occur among labels or predictions, as in
          scikit-learn; a class that is never predicted has precision 0, one without labels has recall 0.
        * The loss is the mean over examples, not over batches, so a smaller last batch has its weight.
        * Before the first batch all numbers are NaN.

    Args:
        num_classes: Labels are 0 to `num_classes - 1`.
    """

    is_differentiable = False
    full_state_update = False
    confusion: Tensor
    loss_sum: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.add_state("confusion", torch.zeros(num_classes, num_classes, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("loss_sum", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        """Adds a batch.

        Args:
            logits: `[batch, num_classes]`, or anything whose argmax over the classes is the prediction.
            labels: `[batch]`, integers.
            loss: The batch's mean loss, a scalar.
        """
        classes = torch.arange(self.num_classes, device=labels.device)
        # Zeros and ones multiply exactly in float32 up to 2**24 examples a batch. Unlike torch.bincount this neither
        # waits for a GPU nor is it refused by Trainer(deterministic=True).
        actual = (labels.unsqueeze(1) == classes).float()
        predicted = (logits.argmax(1, keepdim=True) == classes).float()
        # Not in place: a state that was reset inside inference mode may not be written to outside of it.
        self.confusion = self.confusion + (actual.T @ predicted).long()
        self.loss_sum = self.loss_sum + loss.float() * len(labels)

    def compute(self) -> dict[str, Tensor]:
        """`loss`, `acc`, `precision`, `recall` and `f1`, each a scalar."""
        confusion = self.confusion.float()
        hits, actual, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
        count, occurring = actual.sum(), (actual + predicted) > 0

        def macro(shares: Tensor) -> Tensor:
            return shares[occurring].mean()

        return {
            "loss": self.loss_sum / count,
            "acc": hits.sum() / count,
            "precision": macro(hits / predicted.clamp(min=1)),
            "recall": macro(hits / actual.clamp(min=1)),
            "f1": macro(2 * hits / (actual + predicted).clamp(min=1)),
        }
