"""One thing that may vary: a range of floats or integers, a choice, or a fixed value.

All parameters are frozen, validated when made, and know how to sample, test and encode one value of theirs.
"""

from __future__ import annotations

import copy
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lightning_hpo.errors import SpaceError

if TYPE_CHECKING:
    from lightning_hpo.space.space import Space

__all__ = ["Choice", "Fixed", "Float", "Int", "Parameter"]

#: How far, in steps or relative to a bound, a float may be off and still count as on the grid or inside.
_TOLERANCE = 1e-9


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
        """Every value in order, or None if there are infinitely many."""

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


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _check_range(kind: str, low: Any, high: Any, log: bool, step: Any) -> None:
    given = f"low={low!r}, high={high!r}" + (", log=True" if log else "") + (f", step={step!r}" if step else "")
    for name, bound in (("low", low), ("high", high)):
        if not _is_number(bound) or not math.isfinite(bound):
            raise SpaceError(f"{kind}: `{name}` must be a finite number, but got ({given}).")
    if low > high:
        raise SpaceError(f"{kind}: `low <= high` must hold, but got ({given}).")
    if log and low <= 0:
        raise SpaceError(f"{kind}: `low > 0` must hold for a logarithmic range, but got ({given}).")
    if step is not None:
        if not _is_number(step) or not math.isfinite(step) or step <= 0:
            raise SpaceError(f"{kind}: `step > 0` must hold, but got ({given}).")
        if step > high - low and high > low:
            raise SpaceError(f"{kind}: `step <= high - low` must hold, but got ({given}).")


@dataclass(frozen=True)
class Float(Parameter):
    """A float between `low` and `high`, both included.

    Args:
        low: The smallest value.
        high: The largest value; with a `step`, the largest is the last `low + k * step` that does not exceed it.
        log: Draw the logarithm uniformly; needs `low > 0`.
        step: Only `low + k * step` are values. Together with `log`, a log-uniform draw is rounded to them.

    Raises:
        SpaceError: If not `low <= high`, if a bound is not finite, or if `log` or `step` do not fit the range.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        _check_range("Float", self.low, self.high, self.log, self.step)
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        if self.step is not None:
            object.__setattr__(self, "step", float(self.step))

    def contains(self, value: object) -> bool:
        """Numbers inside the bounds; with a step, those within a billionth of a step of the grid."""
        if not _is_number(value) or not math.isfinite(value) or not self.low <= value <= self.high:  # type: ignore[arg-type, operator]
            return False
        if self.step is None:
            return True
        steps = (float(value) - self.low) / self.step  # type: ignore[arg-type]
        return abs(steps - round(steps)) <= _TOLERANCE * max(1.0, abs(steps))

    def sample(self, rng: np.random.Generator) -> float:
        """Uniform, or uniform in the logarithm; rounded to the grid if there is a step."""
        return self.round(_draw(rng, self.low, self.high, self.log))

    def round(self, value: float) -> float:
        """The nearest value of this parameter."""
        value = min(max(float(value), self.low), self.high)
        if self.step is None:
            return value
        last = math.floor((self.high - self.low) / self.step + _TOLERANCE)
        return min(self.low + min(round((value - self.low) / self.step), last) * self.step, self.high)

    def middle(self) -> float:
        """The centre, geometric if `log`, rounded to the grid."""
        return self.round(math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2)

    def values(self) -> tuple[float, ...] | None:
        """The grid of a stepped range; None for a continuous one that holds more than a point."""
        if self.low == self.high:
            return (self.low,)
        if self.step is None:
            return None
        count = math.floor((self.high - self.low) / self.step + _TOLERANCE) + 1
        return tuple(self.round(self.low + k * self.step) for k in range(count))

    def grid(self, points: int) -> Choice:
        """`points` values from `low` to `high`, evenly spaced (in the logarithm if `log`), as a `Choice`.

        With a step they are rounded to it and duplicates fall away.

        Raises:
            SpaceError: If `points` is less than 1.
        """
        return Choice(list(dict.fromkeys(self.round(v) for v in _spaced(self.low, self.high, self.log, points))))

    def encode(self, value: Any) -> float:
        """A plain float, also of a NumPy scalar or an integer."""
        return float(value)

    def decode(self, data: Any) -> float:
        """The inverse of `encode`."""
        return float(super().decode(data))


@dataclass(frozen=True)
class Int(Parameter):
    """An integer between `low` and `high`, both included.

    Args:
        low: The smallest value.
        high: The largest value; with a `step`, the largest is the last `low + k * step` that does not exceed it.
        log: Draw the logarithm uniformly and round; needs `low >= 1`.
        step: Only `low + k * step` are values.

    Raises:
        SpaceError: If not `low <= high`, if a bound is no integer, or if `log` or `step` do not fit the range.
    """

    low: int
    high: int
    log: bool = False
    step: int = 1

    def __post_init__(self) -> None:
        _check_range("Int", self.low, self.high, self.log, self.step)
        for name in ("low", "high", "step"):
            bound = getattr(self, name)
            if bound != int(bound):
                raise SpaceError(f"Int: `{name}` must be an integer, but got {bound!r}.")
            object.__setattr__(self, name, int(bound))

    def contains(self, value: object) -> bool:
        """Integers (NumPy's too, bool not) inside the bounds and on the grid."""
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
            return False
        return self.low <= value <= self.high and (int(value) - self.low) % self.step == 0

    def sample(self, rng: np.random.Generator) -> int:
        """Every value equally likely; with `log`, the rounding of a log-uniform draw half a step beyond the bounds."""
        if not self.log:
            return self.low + int(rng.integers(self._count)) * self.step
        half = self.step / 2
        return self.round(_draw(rng, max(self.low - half, self.low / 2), self._last + half, log=True))

    def round(self, value: float) -> int:
        """The nearest value of this parameter."""
        steps = round((float(value) - self.low) / self.step)
        return self.low + min(max(steps, 0), self._count - 1) * self.step

    def middle(self) -> int:
        """The centre, geometric if `log`, rounded to the grid."""
        return self.round(math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2)

    def values(self) -> tuple[int, ...]:
        """All of them, ascending."""
        return tuple(range(self.low, self.high + 1, self.step))

    def grid(self, points: int) -> Choice:
        """At most `points` values from `low` to `high`, evenly spaced (in the logarithm if `log`), as a `Choice`.

        Raises:
            SpaceError: If `points` is less than 1.
        """
        return Choice(list(dict.fromkeys(self.round(v) for v in _spaced(self.low, self.high, self.log, points))))

    @property
    def _count(self) -> int:
        return (self.high - self.low) // self.step + 1

    @property
    def _last(self) -> int:
        return self.low + (self._count - 1) * self.step

    def encode(self, value: Any) -> int:
        """A plain int, also of a NumPy integer."""
        return int(value)

    def decode(self, data: Any) -> int:
        """The inverse of `encode`."""
        return int(super().decode(data))


def _draw(rng: np.random.Generator, low: float, high: float, log: bool) -> float:
    if low == high:
        return low
    return math.exp(rng.uniform(math.log(low), math.log(high))) if log else float(rng.uniform(low, high))


def _spaced(low: float, high: float, log: bool, points: int) -> list[float]:
    if not isinstance(points, int) or isinstance(points, bool) or points < 1:
        raise SpaceError(f"grid: `points >= 1` must hold, but got (points={points!r}).")
    space = np.geomspace if log else np.linspace
    return [float(value) for value in space(low, high, points)]


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


def _identity(plain: Any) -> str:
    """What makes two choices the same value; True, 1 and 1.0 are three different ones."""
    return json.dumps(plain, sort_keys=True)


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
        object.__setattr__(self, "_key", _identity(_plain(value)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fixed) and self._key == other._key  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self._key)  # type: ignore[attr-defined]

    def contains(self, value: object) -> bool:
        """Only the value itself, type included."""
        try:
            return bool(_identity(_plain(value)) == self._key)  # type: ignore[attr-defined]
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

    __slots__ = ("_keys", "branches", "options")

    def __init__(self, options: Sequence[Any] | Mapping[str, Any]) -> None:
        from lightning_hpo.space.space import Space  # a space holds parameters and a choice holds spaces

        if isinstance(options, str) or not isinstance(options, (Sequence, Mapping, np.ndarray)):
            raise SpaceError(f"Choice: expected a list of values or a dict of branches, but got {options!r}.")
        branches: dict[str, Space] = {}
        if isinstance(options, Mapping):
            for name, branch in options.items():
                if not isinstance(name, str):
                    raise SpaceError(f"Choice: a branch must be named by a string, but got {name!r}.")
                branches[name] = branch if isinstance(branch, Space) else Space(branch or {})
        values = tuple(copy.deepcopy(list(options)))
        if not values:
            raise SpaceError("Choice: expected at least one option, but got none.")
        keys = [_identity(_plain(value)) for value in values]
        for key in keys:
            if keys.count(key) > 1:
                raise SpaceError(f"Choice: every option must be different, but {key} is there {keys.count(key)} times.")
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
            return int(self._keys[_identity(_plain(value))])
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
