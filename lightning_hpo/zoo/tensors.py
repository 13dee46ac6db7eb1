"""Data that fit in memory, handed out in whole batches by an ordinary DataLoader."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lightning_hpo.errors import SettingError, UsageError
from lightning_hpo.zoo.settings import require

__all__ = ["Batch", "Scaling", "TensorData", "TensorDataModule", "split_off", "stacked"]

#: Inputs and labels, `[batch, …]` and `[batch]`.
Batch = tuple[Tensor, Tensor]


class Scaling:
    """Turns stored numbers into what a network likes: `(inputs / unit - mean) / std`, in float32.

    Args:
        unit: What stored numbers are counted in: 255 for bytes.
        mean: One for all, or one for each channel of `[batch, channels, …]`.
        std: As `mean`.
    """

    def __init__(self, *, unit: float, mean: Sequence[float], std: Sequence[float]) -> None:
        self.shift = torch.tensor(mean, dtype=torch.float32).mul(unit)
        self.scale = torch.tensor(std, dtype=torch.float32).mul(unit)

    def __call__(self, inputs: Tensor) -> Tensor:
        """The scaled inputs, a new tensor."""
        shape = (1, -1) + (1,) * (inputs.ndim - 2)
        # The subtraction makes the new tensor, `float` alone would not: of floats it returns the very same.
        return (inputs.float() - self.shift.view(shape)).div_(self.scale.view(shape))


class TensorData(Dataset[Batch]):
    """Examples that are rows of tensors; a whole batch is one indexing operation.

    A DataLoader asks for a batch through `__getitems__` and gets it stacked, so that nothing is collated one by one.
    With its sampler, batch size and shuffling left to it, it stays a DataLoader that Lightning knows how to distribute.

    Args:
        inputs: `[examples, …]`.
        labels: `[examples]`.
        transform: What is done to a batch of inputs, such as turning bytes into normalised floats.
    """

    def __init__(self, inputs: Tensor, labels: Tensor, transform: Callable[[Tensor], Tensor] | None = None) -> None:
        self.inputs = inputs
        self.labels = labels
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Batch:
        inputs, labels = self.__getitems__([index])
        return inputs[0], labels[0]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The examples at these places, stacked."""
        places = torch.as_tensor(indices)
        inputs = self.inputs[places]
        return inputs if self.transform is None else self.transform(inputs), self.labels[places]


def stacked(batch: Any) -> Any:
    """The `collate_fn` for `TensorData`, whose batches come stacked."""
    return batch


class TensorDataModule(pl.LightningDataModule):
    """Loaders for data in memory; a subclass says what the splits are.

    Edges:
        * The last, smaller batch of an epoch is kept, so that every example counts. Only a training batch of a single
          example is dropped, since batch normalisation cannot train on it; shuffling drops another one each epoch.
        * Shuffling draws from torch's global generator: the same `seed_everything`, the same batches.
        * Splits depend on their own seed alone, not on `seed_everything`: all trials see the same validation examples.
        * Batches are made in the training process: for data in memory, workers would cost more than they bring.

    Args:
        batch_size: Examples in a batch, in every split.

    Raises:
        SettingError: If `batch_size` is less than 1.
    """

    def __init__(self, batch_size: int = 32) -> None:
        super().__init__()
        require(batch_size >= 1, "batch_size", batch_size, "1 or more")
        self.save_hyperparameters()
        self.batch_size = batch_size
        self._splits: Mapping[str, TensorData] = {}

    @abstractmethod
    def load(self) -> Mapping[str, TensorData]:
        """The splits by name: "train", "val", and "test" if there is one."""

    def setup(self, stage: str | None = None) -> None:
        """Loads the splits, once."""
        # Lightning advises workers for every loader without them, and a person can do nothing better here.
        warnings.filterwarnings("ignore", message=r"The '\w+_dataloader' does not have many workers")
        if not self._splits:
            self._splits = self.load()

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled."""
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """In order."""
        return self._loader("val", shuffle=False)

    def test_dataloader(self) -> DataLoader[Batch]:
        """In order.

        Raises:
            UsageError: If nothing was kept for testing.
        """
        return self._loader("test", shuffle=False)

    def _loader(self, name: str, *, shuffle: bool) -> DataLoader[Batch]:
        if not self._splits:
            self.setup()
        if name not in self._splits:
            raise UsageError(f"{type(self).__name__} keeps no examples for '{name}'. Set test_fraction above 0.")
        data = self._splits[name]
        lone = len(data) > self.batch_size and len(data) % self.batch_size == 1
        return DataLoader(
            data, batch_size=self.batch_size, shuffle=shuffle, drop_last=shuffle and lone, collate_fn=stacked
        )


def split_off(labels: np.ndarray[Any, Any], count: int, seed: int, name: str) -> tuple[Tensor, Tensor]:
    """Places of the examples that stay and of `count` that are split off, each class with its share.

    Args:
        labels: Of all examples.
        count: How many are split off.
        seed: The only thing that the draw depends on.
        name: The argument that `count` comes from.

    Raises:
        SettingError: If the examples do not suffice for every class on both sides.
    """
    if count == 0:
        return torch.arange(len(labels)), torch.arange(0)
    try:
        stay, leave = train_test_split(np.arange(len(labels)), test_size=count, random_state=seed, stratify=labels)
    except ValueError as error:
        raise SettingError(name, f"takes {count} of {len(labels)} examples: {error}") from error
    return torch.from_numpy(np.sort(stay)), torch.from_numpy(np.sort(leave))
