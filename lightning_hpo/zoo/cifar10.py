"""CIFAR-10: photographs of 32×32 pixels in ten classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.datasets import CIFAR10

from lightning_hpo.space import Choice
from lightning_hpo.tunable import tunable
from lightning_hpo.zoo.settings import require
from lightning_hpo.zoo.tensors import Batch, Scaling, TensorData, TensorDataModule, split_off
from lightning_hpo.zoo.torchvision_files import open_dataset

__all__ = ["CIFAR10DataModule", "crop_and_flip"]

_FILES = tuple(
    f"cifar-10-batches-py/{name}" for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta")
)
#: Of the 50 000 training images, red, green and blue.
_SCALING = Scaling(unit=255, mean=[0.4914, 0.4822, 0.4465], std=[0.2470, 0.2435, 0.2616])
_PADDING = 4


@tunable(batch_size=Choice([64, 128, 256, 512]))
class CIFAR10DataModule(TensorDataModule):
    """The 50 000 training images, of which `val_size` are for validation, and the official 10 000 for testing.

    Images stay bytes in memory, `[batch, 3, 32, 32]`, and are normalised batch by batch. With `augment`, training
    batches are cropped and flipped at random, image by image, on the device that they were moved to.

    Args:
        batch_size: Examples in a batch.
        data_dir: The folder that holds `cifar-10-batches-py/`.
        download: Whether to fetch the files (170 MB) if they are not there.
        augment: Whether to crop and flip training images.
        val_size: How many of the training images are for validation, classes in proportion.
        split_seed: What the split is drawn with.

    Raises:
        SettingError: If an argument is out of bounds.
        UsageError: When the data are needed, if the files are missing or damaged and cannot be fetched.
    """

    def __init__(
        self,
        batch_size: int = 128,
        data_dir: str = "data",
        download: bool = False,
        augment: bool = True,
        val_size: int = 5000,
        split_seed: int = 0,
    ) -> None:
        super().__init__(batch_size)
        require(val_size >= 1, "val_size", val_size, "1 or more")
        self.data_dir = data_dir
        self.download = download
        self.augment = augment
        self.val_size = val_size
        self.split_seed = split_seed

    def prepare_data(self) -> None:
        """Fetches the files if that is allowed; Lightning calls it once a machine."""
        if self.download:
            self._open(train=True)

    def load(self) -> Mapping[str, TensorData]:
        """The splits by name."""
        known, test = self._open(train=True), self._open(train=False)
        images, labels = _images(known), torch.tensor(known.targets)
        stay, leave = split_off(labels.numpy(), self.val_size, self.split_seed, "val_size")
        return {
            "train": TensorData(images[stay], labels[stay], _SCALING),
            "val": TensorData(images[leave], labels[leave], _SCALING),
            "test": TensorData(_images(test), torch.tensor(test.targets), _SCALING),
        }

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Crops and flips training batches."""
        if not (self.augment and self.trainer is not None and self.trainer.training):
            return batch
        return crop_and_flip(batch[0]), batch[1]

    def _open(self, *, train: bool) -> Any:
        return open_dataset(CIFAR10, self.data_dir, train=train, download=self.download, files=_FILES)


def _images(data: Any) -> Tensor:
    """A torchvision array `[examples, height, width, channels]` with the channels first, as networks take them."""
    return torch.from_numpy(np.ascontiguousarray(data.data.transpose(0, 3, 1, 2)))


def crop_and_flip(images: Tensor) -> Tensor:
    """Each image moved by up to four pixels either way, with zeros (the mean colour) moving in, and mirrored or not.

    Args:
        images: `[batch, channels, height, width]`; drawn from the global generator of their device.
    """
    count, channels, height, width = images.shape
    device = images.device
    padded = functional.pad(images, [_PADDING] * 4)
    down = torch.randint(2 * _PADDING + 1, (count, 1), device=device) + torch.arange(height, device=device)
    across = torch.randint(2 * _PADDING + 1, (count, 1), device=device) + torch.arange(width, device=device)
    across = torch.where(torch.rand(count, 1, device=device) < 0.5, across.flip(1), across)
    rows = down.view(count, 1, height, 1)
    columns = across.view(count, 1, 1, width)
    every = torch.arange(count, device=device).view(count, 1, 1, 1)
    channel = torch.arange(channels, device=device).view(1, channels, 1, 1)
    return padded[every, channel, rows, columns]
