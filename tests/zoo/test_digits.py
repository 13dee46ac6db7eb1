from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits

from lightning_hpo.errors import SettingError, UsageError
from lightning_hpo.space import Choice
from lightning_hpo.tunable import space_of
from lightning_hpo.zoo import DigitsDataModule


def rows(loader: Any) -> torch.Tensor:
    return torch.cat([torch.cat([inputs.flatten(1), labels.unsqueeze(1)], 1) for inputs, labels in loader])


def as_set(table: torch.Tensor) -> set[tuple[float, ...]]:
    return {tuple(row) for row in table.tolist()}


def test_the_digits_are_split_into_1437_and_360() -> None:
    data = DigitsDataModule()
    train, val = rows(data.train_dataloader()), rows(data.val_dataloader())
    assert (len(train), len(val)) == (1437, 360)
    assert not as_set(train) & as_set(val)  # no two of scikit-learn's digits are alike


def test_pixels_lie_between_0_and_1_and_are_the_originals() -> None:
    data = DigitsDataModule()
    together = torch.cat([rows(data.train_dataloader()), rows(data.val_dataloader())])
    original = load_digits()
    assert (float(together[:, :-1].min()), float(together[:, :-1].max())) == (0.0, 1.0)
    expected = torch.cat([torch.tensor(original.data).float() / 16, torch.tensor(original.target).unsqueeze(1)], 1)
    assert as_set(together) == as_set(expected)


def test_classes_are_in_proportion() -> None:
    counts = rows(DigitsDataModule().val_dataloader())[:, -1].long().bincount()
    # the ten classes have 174 to 183 of 1797 examples, a fifth of which is 34.8 to 36.6
    assert counts.min() >= 34
    assert counts.max() <= 37


def test_images_have_one_channel() -> None:
    inputs, labels = next(iter(DigitsDataModule(batch_size=5, flatten=False).val_dataloader()))
    assert (inputs.shape, labels.shape) == ((5, 1, 8, 8), (5,))
    flat, _ = next(iter(DigitsDataModule(batch_size=5).val_dataloader()))
    assert torch.equal(inputs.flatten(1), flat)


def test_the_split_depends_on_its_own_seed_alone() -> None:
    torch.manual_seed(1)
    first = rows(DigitsDataModule().val_dataloader())
    torch.manual_seed(2)
    assert torch.equal(rows(DigitsDataModule().val_dataloader()), first)
    assert not torch.equal(rows(DigitsDataModule(split_seed=1).val_dataloader()), first)


def test_examples_for_testing_come_out_of_training() -> None:
    plain, tested = DigitsDataModule(), DigitsDataModule(test_fraction=0.2)
    test = rows(tested.test_dataloader())
    assert len(test) == 359  # a fifth of 1797
    assert len(rows(tested.train_dataloader())) == 1437 - 359
    assert torch.equal(rows(tested.val_dataloader()), rows(plain.val_dataloader()))
    assert as_set(test) <= as_set(rows(plain.train_dataloader()))


def test_nothing_is_kept_for_testing_unless_asked_for() -> None:
    with pytest.raises(UsageError, match="DigitsDataModule keeps no examples for 'test'"):
        DigitsDataModule().test_dataloader()


def test_the_batch_size_may_vary() -> None:
    assert dict(space_of(DigitsDataModule)) == {"batch_size": Choice([16, 32, 64, 128])}


@pytest.mark.parametrize("fraction", [-0.1, 0.6])
def test_a_test_fraction_out_of_bounds_is_refused(fraction: float) -> None:
    with pytest.raises(SettingError, match=rf"^test_fraction is {fraction}\. Expected 0 <= test_fraction <= 0\.5\.$"):
        DigitsDataModule(test_fraction=fraction)
