"""The run: what is tried, what is heard, what comes of it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_hpo.tuning.opening import open_run
    from lightning_hpo.tuning.ray.channel import FunctionChannel
    from lightning_hpo.tuning.trainer import TuneTrainer

__all__ = ["FunctionChannel", "TuneTrainer", "open_run"]

_HOMES = {"FunctionChannel": "ray.channel", "TuneTrainer": "trainer", "open_run": "opening"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
