"""A run that was started from Python, told as a recipe as far as a recipe can."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from lightning_hpo.recipe.writing import dump_yaml
from lightning_hpo.space.syntax import render
from lightning_hpo.training.objects import ObjectsAssembly
from lightning_hpo.tuning.limits import Limits
from lightning_hpo.tuning.settings import RunSettings

__all__ = ["left_out", "script_recipe"]


def script_recipe(assembly: ObjectsAssembly, settings: RunSettings) -> str:
    """The text of `recipe.yaml` for a Python run; what only Python can say is named in its header.

    A class that can be imported becomes a `class_path`; objects, functions of a script or notebook, and flags that are
    no plain values are left out.
    """
    document: dict[str, Any] = {"seed_everything": settings.seed}
    for block, target in (("model", assembly.model), ("data", assembly.data)):
        path = _import_path(target)
        if path is not None:
            document[block] = {"class_path": path}
    document["trainer"] = {flag: value for flag, value in assembly.flags.items() if _plain(value)}
    if assembly.ckpt_path is not None:
        document["ckpt_path"] = str(assembly.ckpt_path)
    document["tune"] = {
        "objective": {"metric": settings.objective.metric, "mode": settings.objective.mode},
        "space": {name: render(parameter) for name, parameter in settings.space.items()},
        "searcher": {"name": settings.searcher[0], **settings.searcher[1]},
        "scheduler": {"name": settings.scheduler[0], **settings.scheduler[1]},
        **({"n_trials": settings.n_trials} if settings.n_trials is not None else {}),
        "resources": {"cpu": settings.cpus, "gpu": settings.gpus},
        "resource": settings.resource,
        "keep_best": settings.keep_best,
    }
    document["tune"] |= _limits(settings.limits)
    if settings.initial_points:
        document["tune"]["initial_points"] = [settings.encode(point) for point in settings.initial_points]
    left = left_out(assembly)
    header = "What ran, as a recipe. It was started from Python"
    header += f"; only Python can say: {', '.join(left)}." if left else "."
    return dump_yaml(document, header)


def _limits(limits: Limits) -> dict[str, Any]:
    """Those that are not the default; how often checkpoints are written is left out."""
    told = {each.name: getattr(limits, each.name) for each in fields(limits) if each.name[:10] != "checkpoint"}
    return {name: value for name, value in told.items() if value != getattr(Limits(), name)}


def left_out(assembly: ObjectsAssembly) -> list[str]:
    """What of a Python run no recipe can say."""
    left = [
        f"{block} ({getattr(target, '__qualname__', type(target).__qualname__)})"
        for block, target in (("model", assembly.model), ("data", assembly.data))
        if target is not None and _import_path(target) is None
    ]
    left += list(assembly.loaders)
    return left + [f"trainer.{flag}" for flag, value in assembly.flags.items() if not _plain(value)]


def _import_path(target: Any) -> str | None:
    if not inspect.isclass(target) or target.__module__ == "__main__" or "<locals>" in target.__qualname__:
        return None
    return f"{target.__module__}.{target.__qualname__}"


def _plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))
