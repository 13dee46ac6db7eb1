"""Imports what a user named, and says it well when that fails."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from lightning_hpo.errors import UsageError, did_you_mean

__all__ = ["find_class", "import_from_here", "import_object", "uncollected"]


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Without garbage collection: for big imports, which make little else than what stays.

    torch and Lightning load in three quarters of the time so.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def import_from_here() -> None:
    """Makes the current directory one that can be imported from, as it is with `python -m`."""
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def import_object(path: str) -> Any:
    """The class or function that an import path names: `package.module.Name` or `package.module:Name`.

    The current directory can be imported from, as it can with `python -m`.

    Raises:
        UsageError: If the module does not import (with the reason inside), or has no such name (with the nearest one).
    """
    module_path, _, name = path.partition(":") if ":" in path else path.rpartition(".")
    if not module_path or not name:
        raise UsageError(f"'{path}' is no import path. Expected something like package.module.ClassName.")
    import_from_here()
    parts = module_path.split(".")
    for length in range(len(parts), 0, -1):  # the rest may be classes that hold the name
        try:
            target = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError as error:
            tried = ".".join(parts[:length])
            if length > 1 and error.name is not None and f"{tried}.".startswith(f"{error.name}."):
                continue
            raise UsageError(f"'{path}' cannot be imported: {type(error).__name__}: {error}.") from error
        except Exception as error:  # a user's module may fail in any way while it is imported
            raise UsageError(f"'{path}' cannot be imported: {type(error).__name__}: {error}.") from error
        for part in [*parts[length:], name]:
            if not hasattr(target, part):
                public = [known for known in dir(target) if not known.startswith("_")]
                where = getattr(target, "__name__", module_path)
                fact = f"'{path}' cannot be imported: {where} has no '{part}'."
                raise UsageError(f"{fact} {did_you_mean(part, public)}".rstrip())
            target = getattr(target, part)
        return target
    raise UsageError(f"'{path}' cannot be imported.")


def find_class(name: str) -> Any:
    """The class that LightningCLI would take a short name such as `SGD` or `EarlyStopping` for; None if it is unknown.

    Only what has been imported counts, as there; where two classes share the name, none is meant.
    """
    import torch

    from lightning_hpo.training.family import families_loaded

    family = families_loaded()[0]
    waiting: list[type] = [torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler, torch.nn.Module]
    waiting += [family.load().Callback, family.load("loggers").Logger]
    found: set[type] = set()
    seen: set[type] = set()
    while waiting:
        kind = waiting.pop()
        if kind.__name__ == name:
            found.add(kind)
        seen.add(kind)
        below: list[type] = kind.__subclasses__()
        waiting += [inner for inner in below if inner not in seen]
    return found.pop() if len(found) == 1 else None
