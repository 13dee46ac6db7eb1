"""MNIST: handwritten digits of 28×28 pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchvision.datasets import MNIST

from lightning_hpo.space import Choice
from lightning_hpo.tunable import tunable
from lightning_hpo.zoo.settings import require
from lightning_hpo.zoo.tensors import Scaling, TensorData, TensorDataModule, split_off
from lightning_hpo.zoo.torchvision_files import open_dataset

__all__ = ["MNISTDataModule"]

_FILES = tuple(
    f"MNIST/raw/{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
)
#: Of the 60 000 training images.
_SCALING = Scaling(unit=255, mean=[0.1307], std=[0.3081])


@tunable(batch_size=Choice([32, 64, 128, 256]))
class MNISTDataModule(TensorDataModule):
    """The 60 000 training images, of which `val_size` are for validation, and the official 10 000 for testing.

    Images stay bytes in memory, `[batch, 1, 28, 28]`, and are normalised batch by batch.

    Args:
        batch_size: Examples in a batch.
        data_dir: The folder that holds `MNIST/raw/`.
        download: Whether to fetch the files (11 MB) if they are not there.
        val_size: How many of the training images are for validation, classes in proportion.
        split_seed: What the split is drawn with.

    Raises:
        SettingError: If an argument is out of bounds.
        UsageError: When the data are needed, if the files are missing and cannot be fetched.
    """

    def __init__(
        self,
        batch_size: int = 64,
        data_dir: str = "data",
        download: bool = False,
        val_size: int = 5000,
        split_seed: int = 0,
    ) -> None:
        super().__init__(batch_size)
        require(val_size >= 1, "val_size", val_size, "1 or more")
        self.data_dir = data_dir
        self.download = download
        self.val_size = val_size
        self.split_seed = split_seed

    def prepare_data(self) -> None:
        """Fetches the files if that is allowed; Lightning calls it once a machine."""
        if self.download:
            self._open(train=True)

    def load(self) -> Mapping[str, TensorData]:
        """The splits by name."""
        known, test = self._open(train=True), self._open(train=False)
        stay, leave = split_off(known.targets.numpy(), self.val_size, self.split_seed, "val_size")
        images = known.data.unsqueeze(1)
        return {
            "train": TensorData(images[stay], known.targets[stay], _SCALING),
            "val": TensorData(images[leave], known.targets[leave], _SCALING),
            "test": TensorData(test.data.unsqueeze(1), test.targets, _SCALING),
        }

    def _open(self, *, train: bool) -> Any:
        return open_dataset(MNIST, self.data_dir, train=train, download=self.download, files=_FILES)
