from __future__ import annotations

import pytest

from lightning_hpo.errors import SettingError
from lightning_hpo.zoo.settings import require, require_one_of


def test_what_holds_passes() -> None:
    assert require(True, "hidden", 3, "1 or more") is None
    assert require_one_of(("relu", "tanh"), "activation", "tanh") is None


def test_a_bound_that_is_broken_names_the_argument_its_value_and_the_bound() -> None:
    with pytest.raises(SettingError, match=r"^hidden is 0\. Expected 1 or more\.$"):
        require(False, "hidden", 0, "1 or more")


def test_an_unknown_word_is_answered_with_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(
        SettingError, match=r"activation is 'rely'\. Expected one of relu, tanh\. Did you mean 'relu'\?"
    ):
        require_one_of(("relu", "tanh"), "activation", "rely")
