"""Choices among values or named branches, and values that do not vary: frozen, validated when made."""

from __future__ import annotations

import copy
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lightning_hpo.errors import SpaceError
from lightning_hpo.space.parameter import Parameter

if TYPE_CHECKING:
    from lightning_hpo.space.space import Space

__all__ = ["Choice", "Fixed"]


def _plain(value: Any) -> Any:
    """JSON-ready copy of a choice's value.

    Raises:
        SpaceError: If it is not made of None, bool, finite numbers, strings, lists, tuples and dicts with string keys.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        value = value.item()
    if isinstance(value, int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    raise SpaceError(
        f"{value!r} cannot be a value of a choice: expected None, bool, finite numbers, strings, or lists and "
        "dicts (with string keys) of these. Name the alternatives with strings and translate them in your code."
    )


def _identity(value: Any) -> str:
    """What makes two choices the same value; True, 1 and 1.0 are three different ones.

    Raises:
        SpaceError: As `_plain`, and for a value that holds itself or an integer of thousands of digits.
    """
    try:
        return json.dumps(_plain(value), sort_keys=True)
    except (RecursionError, ValueError) as error:
        if isinstance(error, SpaceError):
            raise
        raise SpaceError(f"A value of type {type(value).__name__} cannot be a value of a choice: {error}.") from error


@dataclass(frozen=True, eq=False, init=False)
class Fixed(Parameter):
    """A value that does not vary; a plain value where a parameter is expected means this.

    Args:
        value: Anything that YAML can hold.

    Raises:
        SpaceError: If YAML cannot hold it.
    """

    value: Any

    def __init__(self, value: Any) -> None:
        object.__setattr__(self, "value", copy.deepcopy(value))
        object.__setattr__(self, "_key", _identity(value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fixed) and self._key == other._key  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self._key)  # type: ignore[attr-defined]

    def contains(self, value: object) -> bool:
        """Only the value itself, type included."""
        try:
            return bool(_identity(value) == self._key)  # type: ignore[attr-defined]
        except SpaceError:
            return False

    def sample(self, rng: np.random.Generator) -> Any:
        """A copy of the value; draws nothing."""
        return copy.deepcopy(self.value)

    def middle(self) -> Any:
        """The value."""
        return copy.deepcopy(self.value)

    def values(self) -> tuple[Any, ...]:
        """The one value."""
        return (copy.deepcopy(self.value),)

    def encode(self, value: Any) -> Any:
        """Plain data; tuples become lists."""
        return _plain(value)

    def decode(self, data: Any) -> Any:
        """The value, with its own types."""
        super().decode(data)
        return copy.deepcopy(self.value)


class Choice(Parameter):
    """One of several values, or one of several named branches that hold parameters of their own.

    `Choice([32, 64, 128])` is one of the values. `Choice({"sgd": {"momentum": Float(0, 0.99)}, "adamw": {}})` is one
    of the names, and under "sgd" there is a `momentum` beside it; branches nest to any depth. A branch's parameters
    are named as they would be named beside the choice itself.

    Args:
        options: A sequence of values (None, bool, numbers, strings, lists and dicts of these; True, 1 and 1.0 differ),
            or a mapping of branch names to mappings of names to parameters.

    Raises:
        SpaceError: If there is no option, if one occurs twice, or if YAML cannot hold one.
    """

    options: tuple[Any, ...]
    branches: Mapping[str, Space]
    _keys: Mapping[str, int]

    __slots__ = ("_keys", "branches", "options")

    def __init__(self, options: Sequence[Any] | Mapping[str, Any]) -> None:
        from lightning_hpo.space.space import Space  # a space holds parameters and a choice holds spaces

        if isinstance(options, (str, bytes)) or not isinstance(options, (Sequence, Mapping, np.ndarray)):
            raise SpaceError(f"Choice: expected a list of values or a dict of branches, but got {options!r}.")
        branches: dict[str, Space] = {}
        if isinstance(options, Mapping):
            for name, branch in options.items():
                if not isinstance(name, str):
                    raise SpaceError(f"Choice: a branch must be named by a string, but got {name!r}.")
                if branch is not None and not isinstance(branch, Mapping):
                    raise SpaceError(
                        f"Choice: branch '{name}' must hold parameters ({{}} for none), but got {branch!r}."
                    )
                branches[name] = branch if isinstance(branch, Space) else Space(branch or {})
        keys = [_identity(value) for value in options]
        values = tuple(copy.deepcopy(list(options)))
        if not values:
            raise SpaceError("Choice: expected at least one option, but got none.")
        for key, count in Counter(keys).items():
            if count > 1:
                raise SpaceError(f"Choice: every option must be different, but {key} is there {count} times.")
        object.__setattr__(self, "options", values)
        object.__setattr__(self, "branches", branches)
        object.__setattr__(self, "_keys", {key: place for place, key in enumerate(keys)})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Choice is frozen; make a new one to change `{name}`.")

    def __reduce__(self) -> tuple[Any, ...]:
        return (Choice, (dict(self.branches) if self.branches else list(self.options),))

    def __repr__(self) -> str:
        if not self.branches:
            return f"Choice({list(self.options)!r})"
        inner = ", ".join(f"{name!r}: {dict(space.parameters)!r}" for name, space in self.branches.items())
        return f"Choice({{{inner}}})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Choice) and self._keys == other._keys and self.branches == other.branches

    def __hash__(self) -> int:
        return hash(tuple(self._keys))

    def __len__(self) -> int:
        return len(self.options)

    def __iter__(self) -> Iterator[Any]:
        return iter(copy.deepcopy(self.options))

    def index(self, value: object) -> int:
        """The place of a value among the options.

        Raises:
            SpaceError: If it is none of them.
        """
        try:
            return self._keys[_identity(value)]
        except (KeyError, SpaceError):
            raise SpaceError(f"{value!r} is not one of {list(self.options)!r}.") from None

    def contains(self, value: object) -> bool:
        """Whether the value is one of the options, types included."""
        try:
            self.index(value)
        except SpaceError:
            return False
        return True

    def sample(self, rng: np.random.Generator) -> Any:
        """Every option equally likely. A branch's own parameters are drawn by the space that holds the choice."""
        return copy.deepcopy(self.options[int(rng.integers(len(self.options)))])

    def middle(self) -> Any:
        """The first option."""
        return copy.deepcopy(self.options[0])

    def values(self) -> tuple[Any, ...]:
        """The options, in order."""
        return copy.deepcopy(self.options)

    def encode(self, value: Any) -> Any:
        """Plain data; tuples become lists."""
        return _plain(value)

    def decode(self, data: Any) -> Any:
        """The option with that encoding, with its own types."""
        return copy.deepcopy(self.options[self.index(data)])
