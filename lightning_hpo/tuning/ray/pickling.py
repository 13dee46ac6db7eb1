"""Ray's pickler, which takes functions and classes of notebooks and scripts by value."""

from __future__ import annotations

from typing import Any

from ray import cloudpickle

from lightning_hpo.errors import UsageError

__all__ = ["dumps", "loads"]


def dumps(value: Any) -> bytes:
    """The value as bytes.

    Raises:
        UsageError: If it does not pickle, or holds something that does not.
    """
    try:
        return bytes(cloudpickle.dumps(value))
    except Exception as error:  # a user's object may fail to pickle in any way
        raise UsageError(
            f"What was given to TuneTrainer.tune cannot be sent to workers: {type(error).__name__}: {error}. "
            "Expected classes, functions and data that pickle; open files and locks do not."
        ) from error


def loads(data: bytes) -> Any:
    """The inverse of `dumps`; runs code that the bytes name."""
    return cloudpickle.loads(data)
