"""Lengths of time as people write them."""

from __future__ import annotations

import math
import re

__all__ = ["seconds_of"]

_UNITS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400}
_UNITS |= {"hr": 3600, "day": 86400}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+?)s?(?=\d|\s|$)", re.IGNORECASE)


def seconds_of(written: object) -> float:
    """The seconds of a time such as "90 s", "10 minutes", "2h", "1 h 30 min" or "1.5 days"; a number is seconds.

    Raises:
        ValueError: If it is no time, or none above 0.
    """
    number = isinstance(written, (int, float)) and not isinstance(written, bool)
    total = float(written) if number else _read(written) if isinstance(written, str) else None  # type: ignore[arg-type]
    if total is None:
        raise ValueError(f"{written!r} is no time. Expected one like '90 s', '10 min', '2h' or '1 h 30 min'.")
    if not 0 < total < math.inf:
        raise ValueError(f"{written!r} is no time. Expected one above 0.")
    return total


def _read(written: str) -> float | None:
    """The seconds of a text; None if it is no time."""
    total, end = 0.0, 0
    while found := _PART.match(written, end):
        unit = _UNITS.get(found[2].lower())
        if unit is None:
            return None
        total, end = total + float(found[1]) * unit, found.end()
    return None if end == 0 or written[end:].strip() else total
