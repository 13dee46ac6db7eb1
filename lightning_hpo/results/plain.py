"""Metrics and fields as plain data: what is checked when a line of the journal is read back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from lightning_hpo.errors import UsageError
from lightning_hpo.objective import Objective

__all__ = ["Fields", "plain_metrics"]

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_TYPES = {int: "a whole number", float: "a number", str: "a string", dict: "a mapping"}

E = TypeVar("E", bound=Enum)


def plain_metrics(metrics: Mapping[str, float]) -> dict[str, float | str]:
    """Metrics that JSON can hold: one that is not finite becomes "NaN", "Infinity" or "-Infinity"."""
    plain: dict[str, float | str] = {}
    for name, value in metrics.items():
        number = float(value)
        if math.isfinite(number):
            plain[name] = number
        else:
            plain[name] = "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    return plain


class Fields:
    """Takes the fields out of plain data one by one, so that what is left over is noticed.

    Every method raises a ValueError that says, as a clause, what is wrong with the field.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._rest = dict(data)

    def take(self, name: str, types: type | tuple[type, ...]) -> Any:
        """A field of a type; `object` for whatever it holds."""
        if name not in self._rest:
            raise ValueError(f"'{name}' is missing")
        value = self._rest.pop(name)
        # JSON's true and false are int in Python, and no number to anybody else.
        if not isinstance(value, types) or (isinstance(value, bool) and types is not object):
            first = types[0] if isinstance(types, tuple) else types
            raise ValueError(f"'{name}' must be {_TYPES[first]}, but is {value!r}")
        return value

    def text(self, name: str) -> str:
        """A field of text that may be missing, and is empty then."""
        return str(self.take(name, str)) if name in self._rest else ""

    def number(self, name: str) -> float:
        """A field that is any number."""
        return float(self.take(name, (float, int)))

    def member(self, name: str, enum: type[E]) -> E:
        """A field that names a member of the enum by its value."""
        value = self.take(name, str)
        try:
            return enum(value)
        except ValueError:
            known = ", ".join(member.value for member in enum)
            raise ValueError(f"'{name}' must be one of {known}, but is {value!r}") from None

    def metrics(self) -> dict[str, float]:
        """The field "metrics", the inverse of `plain_metrics`."""
        found: dict[str, float] = {}
        for name, value in self.take("metrics", dict).items():
            if isinstance(value, str) and value in _NOT_FINITE:
                found[name] = _NOT_FINITE[value]
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                found[name] = float(value)
            else:
                raise ValueError(f"the metric '{name}' must be a number, but is {value!r}")
        return found

    def objective(self) -> Objective:
        """The field "objective"."""
        within = Fields(self.take("objective", dict))
        try:
            found = Objective(metric=within.take("metric", str), mode=within.take("mode", str))
        except UsageError as error:
            raise ValueError(str(error).rstrip(".")) from error
        within.close()
        return found

    def close(self) -> None:
        """Says that nothing is expected any more."""
        if self._rest:
            raise ValueError(f"'{next(iter(self._rest))}' is not known here")
