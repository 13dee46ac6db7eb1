from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler

from lightning_hpo.errors import SettingError, UsageError
from lightning_hpo.zoo.tensors import Scaling, TensorData, TensorDataModule, split_off


class Counted(TensorDataModule):
    """Examples that are their own number, as inputs and labels."""

    def __init__(self, batch_size: int = 4, examples: int = 10) -> None:
        super().__init__(batch_size)
        self.examples = examples
        self.loads = 0

    def load(self) -> Mapping[str, TensorData]:
        self.loads += 1
        numbers = torch.arange(self.examples)
        data = TensorData(numbers.float().unsqueeze(1), numbers)
        return {"train": data, "val": data}


def labels_of(loader: Any) -> list[list[int]]:
    return [labels.tolist() for _, labels in loader]


def test_a_batch_is_stacked_and_inputs_go_with_their_labels() -> None:
    for inputs, labels in Counted().train_dataloader():
        assert inputs.shape == (len(labels), 1)
        assert torch.equal(inputs.squeeze(1), labels.float())


def test_validation_comes_in_order_and_keeps_the_smaller_last_batch() -> None:
    assert labels_of(Counted().val_dataloader()) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_training_is_shuffled_and_every_example_comes_once() -> None:
    torch.manual_seed(0)
    epoch = labels_of(Counted().train_dataloader())
    assert [len(labels) for labels in epoch] == [4, 4, 2]
    seen = [label for labels in epoch for label in labels]
    assert sorted(seen) == list(range(10))
    assert seen != list(range(10))


def test_shuffling_follows_the_global_seed_and_differs_between_epochs() -> None:
    runs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        loader = Counted().train_dataloader()
        runs.append([labels_of(loader), labels_of(loader)])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert runs[0][0] != runs[0][1]


@pytest.mark.parametrize(
    ("examples", "batch_size", "sizes"),
    [
        (9, 4, [4, 4]),  # a ninth example alone would break batch normalisation
        (10, 4, [4, 4, 2]),
        (8, 4, [4, 4]),
        (3, 1, [1, 1, 1]),  # asked for one by one
        (1, 4, [1]),  # all there is
    ],
)
def test_only_a_training_batch_of_one_is_dropped(examples: int, batch_size: int, sizes: list[int]) -> None:
    data = Counted(batch_size, examples)
    assert [len(labels) for labels in labels_of(data.train_dataloader())] == sizes
    assert sum(len(labels) for labels in labels_of(data.val_dataloader())) == examples


def test_the_loader_is_an_ordinary_one_that_lightning_can_distribute() -> None:
    loader = Counted().train_dataloader()
    assert type(loader) is DataLoader
    assert isinstance(loader.sampler, RandomSampler)
    assert isinstance(Counted().val_dataloader().sampler, SequentialSampler)
    assert (loader.batch_size, loader.num_workers) == (4, 0)


def test_a_batch_size_that_is_set_later_counts() -> None:
    data = Counted(4)
    data.batch_size = 5
    assert [len(labels) for labels in labels_of(data.val_dataloader())] == [5, 5]


def test_the_data_are_loaded_once_however_often_lightning_sets_up() -> None:
    data = Counted()
    data.setup("fit")
    data.setup("validate")
    data.train_dataloader()
    assert data.loads == 1


def test_a_split_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"Counted keeps no examples for 'test'\. Set test_fraction above 0\."):
        Counted().test_dataloader()


def test_advice_that_nobody_can_follow_is_silenced() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Counted().setup()
        warnings.warn("The 'train_dataloader' does not have many workers which may be a bottleneck.", stacklevel=1)
        with pytest.raises(UserWarning, match="another"):
            warnings.warn("another matter", stacklevel=1)


def test_a_data_module_pickles_with_its_data() -> None:
    data = Counted()
    data.setup()
    assert labels_of(pickle.loads(pickle.dumps(data)).val_dataloader()) == labels_of(data.val_dataloader())


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_of_nothing_is_refused(batch_size: int) -> None:
    with pytest.raises(SettingError, match=rf"^batch_size is {batch_size}\. Expected 1 or more\.$"):
        Counted(batch_size)


def test_a_single_example_is_the_row_of_its_batch() -> None:
    data = TensorData(torch.arange(6).view(3, 2), torch.tensor([7, 8, 9]), Scaling(unit=1, mean=[0], std=[2]))
    inputs, label = data[1]
    assert inputs.tolist() == [1.0, 1.5]  # row (2, 3) halved
    assert int(label) == 8
    assert len(data) == 3


def test_bytes_are_scaled_without_being_changed() -> None:
    stored = torch.tensor([[0, 51], [255, 102]], dtype=torch.uint8)
    scaled = Scaling(unit=255, mean=[0.2], std=[0.4])(stored)
    # 0, 0.2, 1 and 0.4 of 255; minus 0.2, over 0.4
    assert torch.allclose(scaled, torch.tensor([[-0.5, 0.0], [2.0, 0.5]]), atol=1e-6)
    assert scaled.dtype is torch.float32
    assert stored.tolist() == [[0, 51], [255, 102]]


def test_channels_have_means_of_their_own() -> None:
    images = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1).expand(3, 2, 4, 4)
    scaled = Scaling(unit=1, mean=[1, 0], std=[1, 4])(images)
    assert scaled[:, 0].unique().tolist() == [0.0]
    assert scaled[:, 1].unique().tolist() == [0.5]


def test_floats_are_not_scaled_in_place() -> None:
    inputs = torch.ones(2, 1)
    Scaling(unit=1, mean=[1], std=[1])(inputs)
    assert inputs.tolist() == [[1.0], [1.0]]


def test_a_split_has_each_class_in_proportion_and_depends_on_its_seed_alone() -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    stay, leave = split_off(labels, 20, 3, "val_size")
    assert sorted([*stay.tolist(), *leave.tolist()]) == list(range(100))
    assert np.bincount(labels[leave]).tolist() == [12, 6, 2]
    np.random.seed(9)
    assert torch.equal(split_off(labels, 20, 3, "val_size")[1], leave)
    assert not torch.equal(split_off(labels, 20, 4, "val_size")[1], leave)


def test_a_split_of_nothing_leaves_all() -> None:
    stay, leave = split_off(np.zeros(3), 0, 0, "test_fraction")
    assert (stay.tolist(), leave.tolist()) == ([0, 1, 2], [])


def test_a_split_too_small_for_its_classes_names_the_argument() -> None:
    with pytest.raises(SettingError, match=r"^val_size takes 2 of 9 examples: .*classes"):
        split_off(np.repeat([0, 1, 2], 3), 2, 0, "val_size")
