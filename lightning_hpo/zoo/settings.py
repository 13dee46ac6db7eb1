"""Checks of single arguments that the models and data modules share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightning_hpo.errors import SettingError, did_you_mean

__all__ = ["require", "require_one_of"]


def require(holds: bool, name: str, value: object, expected: str) -> None:
    """Raises unless a condition on an argument holds.

    Args:
        holds: The condition.
        name: The argument.
        value: What it is.
        expected: What it should be, to follow "Expected".

    Raises:
        SettingError: If it does not hold.
    """
    if not holds:
        raise SettingError(name, f"is {value!r}", f"Expected {expected}.")


def require_one_of(known: Sequence[Any], name: str, value: object) -> None:
    """Raises unless an argument is one of the known words.

    Raises:
        SettingError: With the known words, and the nearest one.
    """
    if value not in known:
        hint = did_you_mean(str(value), known)
        raise SettingError(name, f"is {value!r}", f"Expected one of {', '.join(known)}. {hint}".rstrip())
