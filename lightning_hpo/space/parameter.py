"""What every parameter is: one name's possible values, which it can sample, test and encode."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from lightning_hpo.errors import SpaceError

__all__ = ["Parameter"]


class Parameter(ABC):
    """What one name of a space may be. Equal if everything that was given is equal."""

    @abstractmethod
    def contains(self, value: object) -> bool:
        """Whether `sample` could return the value; never raises, whatever the value is."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Any:
        """One value, drawn with the given generator and nothing else."""

    @abstractmethod
    def middle(self) -> Any:
        """The value to take where nobody named a default: the centre (of the logarithms), or the first of a choice."""

    @abstractmethod
    def values(self) -> tuple[Any, ...] | None:
        """Every value in order, or None if there are infinitely many, or more than a million."""

    def encode(self, value: Any) -> Any:
        """The value as JSON-ready plain data."""
        return value

    def decode(self, data: Any) -> Any:
        """The inverse of `encode`.

        Raises:
            SpaceError: If the decoded value is not contained.
        """
        if not self.contains(data):
            raise SpaceError(f"{data!r} is not a value of {self!r}.")
        return data
