"""Which of a module's saved hyperparameters its code reads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

__all__ = ["recorded_reads"]


@contextlib.contextmanager
def recorded_reads(model: Any) -> Iterator[set[str]]:
    """Notes the names that are read from `model.hparams`, until left; yields the set that they are added to.

    A warm-up that is counted in epochs changes nothing that one batch could show, but it is looked up.

    Args:
        model: A LightningModule; one without saved hyperparameters is left alone.
    """
    read: set[str] = set()
    saved = getattr(model, "_hparams", None)
    if type(saved).__name__ != "AttributeDict":  # a custom container of the user's, or none at all
        yield read
        return
    kind: Any = type(saved)

    class Recorded(kind):  # type: ignore[misc]
        """The same mapping, noting what is asked of it."""

        def __getitem__(self, name: str) -> Any:
            read.add(name)
            return super().__getitem__(name)

        def __getattr__(self, name: str) -> Any:
            read.add(name)
            return super().__getattr__(name)

        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

    model._hparams = Recorded(saved)
    try:
        yield read
    finally:
        model._hparams = kind(model._hparams)
