from __future__ import annotations

import hashlib
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from lightning_hpo.errors import SettingError, UsageError
from lightning_hpo.space import Choice
from lightning_hpo.tunable import space_of
from lightning_hpo.zoo import CIFAR10DataModule, ConvClassifier
from lightning_hpo.zoo.cifar10 import crop_and_flip

NAMES = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
EACH = 20


def stored(batch: int) -> bytes:
    """One batch file: rows of 1024 reds, then greens, then blues; image k of batch b is filled with 20b+k, 100, 200."""
    rows = np.empty((EACH, 3, 1024), dtype=np.uint8)
    rows[:, 0] = (EACH * batch + np.arange(EACH))[:, None]
    rows[:, 1:] = np.array([100, 200])[None, :, None]
    labels = [k % 10 for k in range(EACH)]
    return pickle.dumps({"data": rows.reshape(EACH, 3072), "labels": labels, "batch_label": f"batch {batch}"})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the seven files of the python version of CIFAR-10."""
    inner = tmp_path / "data" / "cifar-10-batches-py"
    inner.mkdir(parents=True)
    files = {name: stored(batch) for batch, name in enumerate(NAMES)}
    files["batches.meta"] = pickle.dumps({"label_names": [f"class {k}" for k in range(10)]})
    for name, data in files.items():
        (inner / name).write_bytes(data)
    # torchvision compares with the checksums of the published files, which hold other images than ours.
    sums = {name: hashlib.md5(data).hexdigest() for name, data in files.items()}
    monkeypatch.setattr(CIFAR10, "train_list", [[name, sums[name]] for name in NAMES[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": sums["batches.meta"]})
    return tmp_path / "data"


def data_of(folder: Path, **changed: Any) -> CIFAR10DataModule:
    return CIFAR10DataModule(**{"data_dir": str(folder), "val_size": 20, "batch_size": 8, **changed})


def all_of(loader: Any) -> tuple[torch.Tensor, torch.Tensor]:
    inputs, labels = zip(*loader)
    return torch.cat(inputs), torch.cat(labels)


def test_the_training_files_are_split_and_the_test_file_kept_for_testing(folder: Path) -> None:
    data = data_of(folder)
    assert len(all_of(data.train_dataloader())[1]) == 80
    assert all_of(data.val_dataloader())[1].bincount().tolist() == [2] * 10
    assert all_of(data.test_dataloader())[1].tolist() == [k % 10 for k in range(20)]


def test_channels_come_first_and_are_normalised_each_on_its_own(folder: Path) -> None:
    inputs, _ = all_of(data_of(folder).test_dataloader())
    assert inputs.shape == (20, 3, 32, 32)
    # the test file is batch 5: image k is filled with 100 + k red, 100 green, 200 blue
    red = torch.tensor([((100 + k) / 255 - 0.4914) / 0.2470 for k in range(20)])
    assert torch.allclose(inputs[:, 0, 3, 4], red, atol=1e-5)
    assert inputs[0, 1, 0, 0].item() == pytest.approx((100 / 255 - 0.4822) / 0.2435, abs=1e-5)
    assert inputs[0, 2, 31, 31].item() == pytest.approx((200 / 255 - 0.4465) / 0.2616, abs=1e-5)


def test_images_go_with_their_labels_and_stay_bytes_in_memory(folder: Path) -> None:
    train = data_of(folder).load()["train"]
    assert train.inputs.dtype is torch.uint8
    assert torch.equal(train.inputs[:, 0, 0, 0].long() % 10, train.labels)  # 20b + k, and k % 10


def test_a_crop_moves_by_at_most_four_and_a_flip_mirrors() -> None:
    torch.manual_seed(0)
    height, width = 6, 7
    image = (torch.arange(height * width).view(height, width) + 1.0).expand(2, height, width)
    everywhere = {
        placed(image[0], down, right, flipped).numpy().tobytes(): (down, right, flipped)
        for down in range(-4, 5)
        for right in range(-4, 5)
        for flipped in (False, True)
    }
    assert len(everywhere) == 9 * 9 * 2  # each to be told from the others
    seen = set()
    for moved in crop_and_flip(image.expand(400, 2, height, width)):
        assert torch.equal(moved[0], moved[1])  # all channels alike
        seen.add(everywhere[moved[0].numpy().tobytes()])
    assert {down for down, _, _ in seen} == set(range(-4, 5))
    assert {right for _, right, _ in seen} == set(range(-4, 5))
    assert {flipped for _, _, flipped in seen} == {False, True}


def placed(image: torch.Tensor, down: int, right: int, flipped: bool) -> torch.Tensor:
    """The image moved by hand: what leaves is lost, zeros come in; mirrored afterwards."""
    height, width = image.shape
    result = torch.zeros_like(image)
    for row in range(height):
        for column in range(width):
            if 0 <= row + down < height and 0 <= column + right < width:
                result[row, column] = image[row + down, column + right]
    return result.flip(1) if flipped else result


def test_cropping_follows_the_global_seed() -> None:
    images = torch.randn(8, 3, 32, 32)
    moved = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        moved.append(crop_and_flip(images))
    assert torch.equal(moved[0], moved[1])
    assert not torch.equal(moved[0], moved[2])


class Watched(ConvClassifier):
    """Keeps the images that training and validation saw."""

    def _measure(self, batch: Any) -> Any:
        self.seen.setdefault(self.training, []).append(batch[0])
        return super()._measure(batch)


@pytest.mark.parametrize("augment", [True, False])
def test_training_images_alone_are_augmented_and_only_if_asked_for(
    folder: Path, trainer_of: Callable[..., Any], augment: bool
) -> None:
    model = Watched(channels=2, in_channels=3)
    model.seen = {}
    trainer_of(max_epochs=1).fit(model, datamodule=data_of(folder, augment=augment))
    # Every image is of one colour, so a crop that moved shows zeros in one of its corners, and nothing else does.
    blue = (200 / 255 - 0.4465) / 0.2616
    train, val = torch.cat(model.seen[True])[:, 2], torch.cat(model.seen[False])[:, 2]
    assert torch.allclose(val, torch.tensor(blue), atol=1e-5)
    assert bool((train == 0).any()) is augment


def test_the_archive_is_fetched_and_unpacked_into_a_new_folder(
    folder: Path, published: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = published[0] / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / "cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(CIFAR10, "url", published[1] + archive.name)
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    data_of(tmp_path / "new", download=True).prepare_data()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["cifar-10-batches-py"]
    assert len(all_of(data_of(tmp_path / "new").test_dataloader())[1]) == 20


def test_missing_files_are_named_with_the_folder_and_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        data_of(tmp_path / "none").setup("fit")
    message = str(caught.value)
    assert message.startswith(f"CIFAR10 cannot be read from {tmp_path / 'none'}. torchvision says: Dataset not found")
    for name in (*NAMES, "batches.meta"):
        assert f"cifar-10-batches-py/{name}" in message
    assert "Set download: true to fetch them" in message


def test_a_failed_download_says_so(tmp_path: Path, refused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CIFAR10, "url", refused + "cifar-10-python.tar.gz")
    with pytest.raises(UsageError, match=r"(?s)The download failed: .*refused.*Check the network and try again"):
        data_of(tmp_path / "none", download=True).prepare_data()
    assert list((tmp_path / "none").iterdir()) == []


def test_a_damaged_file_is_a_clear_error(folder: Path) -> None:
    damaged = folder / "cifar-10-batches-py" / "data_batch_3"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(UsageError, match=r"CIFAR10 cannot be read from .*corrupted"):
        data_of(folder).setup("fit")


def test_the_batch_size_may_vary() -> None:
    assert dict(space_of(CIFAR10DataModule)) == {"batch_size": Choice([64, 128, 256, 512])}


def test_no_validation_is_refused() -> None:
    with pytest.raises(SettingError, match=r"^val_size is 0\. Expected 1 or more\.$"):
        CIFAR10DataModule(val_size=0)
