from __future__ import annotations

from typing import Any

import pytest
import torch

from lightning_hpo.errors import SettingError, UsageError
from lightning_hpo.space import Choice
from lightning_hpo.tunable import space_of
from lightning_hpo.zoo import IrisDataModule


def all_of(loader: Any) -> tuple[torch.Tensor, torch.Tensor]:
    inputs, labels = zip(*loader)
    return torch.cat(inputs), torch.cat(labels)


def test_the_irises_are_split_into_105_and_45_with_species_in_proportion() -> None:
    data = IrisDataModule()
    assert all_of(data.train_dataloader())[1].bincount().tolist() == [35, 35, 35]
    assert all_of(data.val_dataloader())[1].bincount().tolist() == [15, 15, 15]


def test_features_are_scaled_over_the_training_examples() -> None:
    data = IrisDataModule()
    inputs, _ = all_of(data.train_dataloader())
    assert inputs.shape == (105, 4)
    assert torch.allclose(inputs.mean(0), torch.zeros(4), atol=1e-5)
    assert torch.allclose(inputs.std(0, correction=0), torch.ones(4), atol=1e-5)
    assert not torch.allclose(all_of(data.val_dataloader())[0].mean(0), torch.zeros(4), atol=1e-3)


def test_loading_twice_gives_the_same_to_the_last_bit() -> None:
    first = IrisDataModule().load()["train"].inputs
    for _ in range(5):
        assert torch.equal(IrisDataModule().load()["train"].inputs, first)


def test_examples_for_testing_come_out_of_training() -> None:
    tested = IrisDataModule(test_fraction=0.1)
    assert all_of(tested.test_dataloader())[1].bincount().tolist() == [5, 5, 5]
    assert all_of(tested.train_dataloader())[1].bincount().tolist() == [30, 30, 30]
    labels = all_of(IrisDataModule().val_dataloader())[1]
    assert torch.equal(all_of(tested.val_dataloader())[1], labels)


def test_nothing_is_kept_for_testing_unless_asked_for() -> None:
    with pytest.raises(UsageError, match="IrisDataModule keeps no examples for 'test'"):
        IrisDataModule().test_dataloader()


def test_the_batch_size_may_vary() -> None:
    assert dict(space_of(IrisDataModule)) == {"batch_size": Choice([4, 8, 16, 32])}


def test_a_test_fraction_out_of_bounds_is_refused() -> None:
    with pytest.raises(SettingError, match=r"^test_fraction is 0\.9\."):
        IrisDataModule(test_fraction=0.9)
