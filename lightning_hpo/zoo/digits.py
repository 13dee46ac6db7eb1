"""Handwritten digits of 8×8 pixels, on disk with scikit-learn."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from lightning_hpo.space import Choice
from lightning_hpo.tunable import tunable
from lightning_hpo.zoo.settings import require
from lightning_hpo.zoo.tensors import TensorData, TensorDataModule, split_off

__all__ = ["DigitsDataModule"]

_VAL_SIZE = 360


@functools.cache
def _digits() -> tuple[Tensor, Tensor]:
    """`[1797, 64]` in 0 to 1, and labels; read once a process, since the next trial there wants them too."""
    data = load_digits()
    return torch.from_numpy(data.data).float() / 16, torch.from_numpy(data.target).long()


@tunable(batch_size=Choice([16, 32, 64, 128]))
class DigitsDataModule(TensorDataModule):
    """scikit-learn's 1 797 digits: 360 for validation, the rest for training, classes in proportion.

    Args:
        batch_size: Examples in a batch.
        flatten: Rows of 64 pixels for an MLP; otherwise images, `[batch, 1, 8, 8]`.
        test_fraction: The share of all digits that is kept for testing; taken from the training examples, so that the
            validation examples stay the same.
        split_seed: What the splits are drawn with.

    Raises:
        SettingError: If an argument is out of bounds.
    """

    def __init__(
        self, batch_size: int = 32, flatten: bool = True, test_fraction: float = 0.0, split_seed: int = 0
    ) -> None:
        super().__init__(batch_size)
        require(0 <= test_fraction <= 0.5, "test_fraction", test_fraction, "0 <= test_fraction <= 0.5")
        self.flatten = flatten
        self.test_fraction = test_fraction
        self.split_seed = split_seed

    def load(self) -> Mapping[str, TensorData]:
        """The splits by name."""
        pixels, labels = _digits()
        if not self.flatten:
            pixels = pixels.view(-1, 1, 8, 8)
        rest, val = split_off(labels.numpy(), _VAL_SIZE, self.split_seed, "split_seed")
        count = round(self.test_fraction * len(labels))
        stay, leave = split_off(labels[rest].numpy(), count, self.split_seed, "test_fraction")
        places = {"train": rest[stay], "val": val} | ({"test": rest[leave]} if count else {})
        return {name: TensorData(pixels[at], labels[at]) for name, at in places.items()}
