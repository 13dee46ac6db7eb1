"""Fisher's irises, on disk with scikit-learn."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import torch
from sklearn.datasets import load_iris
from torch import Tensor

from lightning_hpo.space import Choice
from lightning_hpo.tunable import tunable
from lightning_hpo.zoo.settings import require
from lightning_hpo.zoo.tensors import Scaling, TensorData, TensorDataModule, split_off

__all__ = ["IrisDataModule"]

_VAL_SIZE = 45


@functools.cache
def _irises() -> tuple[Tensor, Tensor]:
    """`[150, 4]` in centimetres, and labels."""
    data = load_iris()
    return torch.from_numpy(data.data).float(), torch.from_numpy(data.target).long()


@tunable(batch_size=Choice([4, 8, 16, 32]))
class IrisDataModule(TensorDataModule):
    """150 irises of three species by four lengths: 45 for validation, the rest for training, species in proportion.

    Features are scaled to mean 0 and standard deviation 1 over the training examples.

    Args:
        batch_size: Examples in a batch.
        test_fraction: The share of all irises that is kept for testing; taken from the training examples, so that the
            validation examples stay the same.
        split_seed: What the splits are drawn with.

    Raises:
        SettingError: If an argument is out of bounds.
    """

    def __init__(self, batch_size: int = 16, test_fraction: float = 0.0, split_seed: int = 0) -> None:
        super().__init__(batch_size)
        require(0 <= test_fraction <= 0.5, "test_fraction", test_fraction, "0 <= test_fraction <= 0.5")
        self.test_fraction = test_fraction
        self.split_seed = split_seed

    def load(self) -> Mapping[str, TensorData]:
        """The splits by name."""
        lengths, species = _irises()
        rest, val = split_off(species.numpy(), _VAL_SIZE, self.split_seed, "split_seed")
        count = round(self.test_fraction * len(species))
        stay, leave = split_off(species[rest].numpy(), count, self.split_seed, "test_fraction")
        train = lengths[rest[stay]].double()
        scaled = Scaling(unit=1, mean=train.mean(0).tolist(), std=train.std(0, correction=0).tolist())(lengths)
        places = {"train": rest[stay], "val": val} | ({"test": rest[leave]} if count else {})
        return {name: TensorData(scaled[at], species[at]) for name, at in places.items()}
