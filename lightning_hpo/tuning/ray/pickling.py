"""Ray's pickler, which takes functions and classes of notebooks and scripts by value."""

from __future__ import annotations

from typing import Any

from ray import cloudpickle

__all__ = ["dumps", "loads"]


def dumps(value: Any) -> bytes:
    """The value as bytes."""
    return bytes(cloudpickle.dumps(value))


def loads(data: bytes) -> Any:
    """The inverse of `dumps`; runs code that the bytes name."""
    return cloudpickle.loads(data)
