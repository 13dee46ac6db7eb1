from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.datasets import MNIST

from lightning_hpo.errors import SettingError, UsageError
from lightning_hpo.space import Choice
from lightning_hpo.tunable import space_of
from lightning_hpo.zoo import MLPClassifier, MNISTDataModule

PARTS = {"train": 60, "t10k": 20}


def images_of(part: str) -> np.ndarray[Any, Any]:
    """Image k is filled with k, whatever it shows."""
    return np.arange(PARTS[part], dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), dtype=np.uint8)


def labels_of(part: str) -> np.ndarray[Any, Any]:
    return (np.arange(PARTS[part]) % 10).astype(np.uint8)


def idx(array: np.ndarray[Any, Any]) -> bytes:
    """The IDX format: two zeros, 8 for unsigned bytes, the number of dimensions, each of them big-endian, the data."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def contents() -> dict[str, bytes]:
    return {
        f"{part}-{kind}-ubyte": idx(array)
        for part in PARTS
        for kind, array in (("images-idx3", images_of(part)), ("labels-idx1", labels_of(part)))
    }


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A folder with the four files as torchvision leaves them."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, data in contents().items():
        (raw / name).write_bytes(data)
    return tmp_path / "data"


@pytest.fixture
def archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the four archives as they are published, still packed."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    packed = {f"{name}.gz": gzip.compress(data) for name, data in contents().items()}
    for name, data in packed.items():
        (raw / name).write_bytes(data)
    # torchvision compares with the checksums of the published archives, which hold other images than ours.
    sums = [(name, hashlib.md5(data).hexdigest()) for name, data in packed.items()]
    monkeypatch.setattr(MNIST, "resources", sums)
    return tmp_path / "data"


@pytest.fixture
def unreachable(refused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No mirror answers."""
    monkeypatch.setattr(MNIST, "mirrors", [refused])


def data_of(folder: Path, **changed: Any) -> MNISTDataModule:
    return MNISTDataModule(**{"data_dir": str(folder), "val_size": 20, "batch_size": 8, **changed})


def all_of(loader: Any) -> tuple[torch.Tensor, torch.Tensor]:
    inputs, labels = zip(*loader)
    return torch.cat(inputs), torch.cat(labels)


def test_the_training_files_are_split_and_the_test_files_kept_for_testing(unpacked: Path) -> None:
    data = data_of(unpacked)
    sizes = [len(all_of(loader)[1]) for loader in (data.train_dataloader(), data.val_dataloader())]
    assert sizes == [40, 20]
    assert all_of(data.val_dataloader())[1].bincount().tolist() == [2] * 10
    assert all_of(data.test_dataloader())[1].tolist() == [k % 10 for k in range(20)]


def test_images_have_one_channel_and_are_normalised(unpacked: Path) -> None:
    inputs, _ = all_of(data_of(unpacked).test_dataloader())
    assert inputs.shape == (20, 1, 28, 28)
    assert inputs.dtype is torch.float32
    # image k is filled with k: (k / 255 - 0.1307) / 0.3081
    expected = torch.tensor([(k / 255 - 0.1307) / 0.3081 for k in range(20)])
    assert torch.allclose(inputs[:, 0, 5, 7], expected, atol=1e-5)


def test_images_go_with_their_labels(unpacked: Path) -> None:
    inputs, labels = all_of(data_of(unpacked).train_dataloader())
    numbers = ((inputs[:, 0, 0, 0] * 0.3081 + 0.1307) * 255).round().long()
    assert torch.equal(numbers % 10, labels)
    assert len(set(numbers.tolist())) == 40


def test_images_stay_bytes_in_memory(unpacked: Path) -> None:
    assert {split.inputs.dtype for split in data_of(unpacked).load().values()} == {torch.uint8}


def test_archives_that_are_there_are_unpacked_without_a_network(archives: Path, unreachable: None) -> None:
    data = data_of(archives, download=True)
    data.prepare_data()
    assert len(all_of(data.test_dataloader())[1]) == 20


def test_a_download_lands_whole_in_a_new_folder(
    archives: Path, published: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for archive in (archives / "MNIST" / "raw").iterdir():
        archive.rename(published[0] / archive.name)
    monkeypatch.setattr(MNIST, "mirrors", [published[1]])
    folder = tmp_path / "new" / "folder"
    data_of(folder, download=True).prepare_data()
    assert [path.name for path in folder.iterdir()] == ["MNIST"]  # and no scratch folder
    assert len(all_of(data_of(folder).test_dataloader())[1]) == 20


def test_what_is_there_is_not_fetched_again(unpacked: Path, unreachable: None) -> None:
    data = data_of(unpacked, download=True)
    data.prepare_data()
    assert len(all_of(data.val_dataloader())[1]) == 20


def test_missing_files_are_named_with_the_folder_and_the_next_step(tmp_path: Path) -> None:
    data = data_of(tmp_path / "none")
    data.prepare_data()  # nothing is to be fetched
    with pytest.raises(UsageError) as caught:
        data.setup("fit")
    message = str(caught.value)
    assert message.startswith(f"MNIST cannot be read from {tmp_path / 'none'}. torchvision says: Dataset not found.")
    for name in contents():
        assert f"MNIST/raw/{name}" in message
    assert "Set download: true to fetch them" in message
    assert not (tmp_path / "none").exists()


def test_a_failed_download_says_so_and_leaves_no_scratch_behind(tmp_path: Path, unreachable: None) -> None:
    with pytest.raises(UsageError) as caught:
        data_of(tmp_path / "none", download=True).prepare_data()
    message = str(caught.value)
    assert message.startswith(f"MNIST cannot be read from {tmp_path / 'none'}. The download failed: Error downloading")
    assert "refused" in message
    assert "Check the network and try again" in message
    assert list((tmp_path / "none").iterdir()) == []


def test_a_file_that_is_cut_short_is_a_clear_error(unpacked: Path) -> None:
    images = unpacked / "MNIST" / "raw" / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:1000])
    with pytest.raises(UsageError, match="MNIST cannot be read from"):
        data_of(unpacked).setup("fit")


def test_one_epoch_trains(unpacked: Path, trainer_of: Callable[..., Any]) -> None:
    trainer = trainer_of(max_epochs=1)
    trainer.fit(MLPClassifier(in_features=784, hidden=8), datamodule=data_of(unpacked))
    assert 0 <= float(trainer.callback_metrics["val_acc"]) <= 1


def test_the_batch_size_may_vary() -> None:
    assert dict(space_of(MNISTDataModule)) == {"batch_size": Choice([32, 64, 128, 256])}


def test_no_validation_is_refused() -> None:
    with pytest.raises(SettingError, match=r"^val_size is 0\. Expected 1 or more\.$"):
        MNISTDataModule(val_size=0)
