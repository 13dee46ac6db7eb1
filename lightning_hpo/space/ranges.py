"""Ranges of floats and of integers: frozen, validated when made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lightning_hpo.errors import SpaceError
from lightning_hpo.space.choices import Choice
from lightning_hpo.space.parameter import Parameter

__all__ = ["Float", "Int"]

#: How far, in steps, a float may be off the grid and still count as on it.
_TOLERANCE = 1e-9

#: A range with more values than this is not listed: nobody runs through so many, and the list alone would fill memory.
_LISTED = 1_000_000


def _is_number(value: object) -> bool:
    # NumPy counts its time spans among the integers.
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, (bool, np.timedelta64))


def _is_finite(value: object) -> bool:
    try:
        return _is_number(value) and math.isfinite(value)  # type: ignore[arg-type]
    except OverflowError:  # an integer beyond any float
        return False


def _check_range(kind: str, low: Any, high: Any, log: bool, step: Any) -> None:
    stepped = step is not None and not (kind == "Int" and step == 1)
    given = f"low={low!r}, high={high!r}" + (", log=True" if log else "") + (f", step={step!r}" if stepped else "")
    for name, bound in (("low", low), ("high", high)):
        if not _is_finite(bound):
            raise SpaceError(f"{kind}: `{name}` must be a finite number, but got ({given}).")
    if not isinstance(log, bool):
        raise SpaceError(f"{kind}: `log` must be True or False, but got {log!r}.")
    if low > high:
        raise SpaceError(f"{kind}: `low <= high` must hold, but got ({given}).")
    if log and low <= 0:
        raise SpaceError(f"{kind}: `low > 0` must hold for a logarithmic range, but got ({given}).")
    if not math.isfinite(float(high) - float(low)):
        raise SpaceError(f"{kind}: `high - low` must be a finite number, but got ({given}).")
    if step is not None:
        if not _is_finite(step) or step <= 0:
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
        if not _is_finite(value):
            return False
        number = float(value)  # type: ignore[arg-type]
        if not self.low <= number <= self.high:
            return False
        if self.step is None:
            return True
        # Far from zero, neighbouring floats may be further apart than a billionth of a step.
        slack = _TOLERANCE * max(self.step, number - self.low) + 2 * math.ulp(max(abs(self.low), abs(self.high)))
        return abs(number - self.round(number)) <= slack

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
        if self.step is None or (self.high - self.low) / self.step >= _LISTED:
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
            if abs(bound) >= 2**62:
                raise SpaceError(f"Int: `{name}` must be below 2**62, but got {bound!r}.")
            object.__setattr__(self, name, int(bound))

    def contains(self, value: object) -> bool:
        """Integers (NumPy's too, bool not) inside the bounds and on the grid."""
        if not isinstance(value, (int, np.integer)) or not _is_number(value):
            return False
        number = int(value)
        return self.low <= number <= self.high and (number - self.low) % self.step == 0

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

    def values(self) -> tuple[int, ...] | None:
        """All of them, ascending; None if they are more than a million."""
        return tuple(range(self.low, self.high + 1, self.step)) if self._count <= _LISTED else None

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
