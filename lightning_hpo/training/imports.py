"""Imports what a user named, and says it well when that fails."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from lightning_hpo.errors import UsageError, did_you_mean

__all__ = ["import_object"]


def import_object(path: str) -> Any:
    """The class or function that an import path names: `package.module.Name` or `package.module:Name`.

    The current directory can be imported from, as it can with `python -m`.

    Raises:
        UsageError: If the module does not import (with the reason inside), or has no such name (with the nearest one).
    """
    module_path, _, name = path.partition(":") if ":" in path else path.rpartition(".")
    if not module_path or not name:
        raise UsageError(f"'{path}' is no import path. Expected something like package.module.ClassName.")
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    parts = module_path.split(".")
    for length in range(len(parts), 0, -1):  # the rest may be classes that hold the name
        try:
            target = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError as error:
            missing = ".".join(parts[:length])
            if error.name is not None and (missing == error.name or missing.startswith(error.name + ".")) and length > 1:
                continue
            raise UsageError(f"'{path}' cannot be imported: {type(error).__name__}: {error}.") from error
        except Exception as error:  # a user's module may fail in any way while it is imported
            raise UsageError(f"'{path}' cannot be imported: {type(error).__name__}: {error}.") from error
        for part in [*parts[length:], name]:
            if not hasattr(target, part):
                public = [known for known in dir(target) if not known.startswith("_")]
                where = getattr(target, "__name__", module_path)
                raise UsageError(f"'{path}' cannot be imported: {where} has no '{part}'. {did_you_mean(part, public)}".rstrip())
            target = getattr(target, part)
        return target
    raise UsageError(f"'{path}' cannot be imported.")
