"""The Trainer flags that a trial needs, laid over the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning_hpo.training.family import Family
from lightning_hpo.training.task import Task

__all__ = ["checkpointing", "trainer_flags"]


def trainer_flags(flags: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """The user's flags, with what a trial in a worker process needs.

    * The device follows from the resources: one GPU if any share of one was asked for, else the CPU. A strategy that
      would spread a fit over devices or processes has one of each here, so it becomes "auto".
    * No logger, progress bar or model summary unless the user asked for it: our own `metrics.csv` holds the curve.
    * Files go to the trial's own folder unless the user named another root.

    Args:
        flags: As for `Trainer`; a flag that is None counts as not given.
        task: The trial. Its own flags win, but a limit of 0 batches stays 0.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    placed: dict[str, Any] = {"accelerator": "gpu" if task.gpus > 0 else "cpu", "devices": 1, "num_nodes": 1}
    if str(given.get("strategy")).startswith(("ddp", "fsdp", "deepspeed")):
        placed["strategy"] = "auto"
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": task.directory,
    }
    none = {name: 0 for name in task.flags if name.startswith("limit_") and given.get(name) == 0}
    return {**flags, **quiet, **given, **placed, **task.flags, **none}


def checkpointing(asked: bool | None, callbacks: Any, family: Family) -> bool:
    """The flag `enable_checkpointing`: Lightning's default checkpoint of every epoch is off, the user's own stay.

    Args:
        asked: The user's flag; True without a checkpoint callback would add the default one.
        callbacks: The user's callbacks, as objects: a list, one, or None.
        family: The Trainer's.
    """
    kind = family.load("callbacks").Checkpoint
    given = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
    has_one = any(isinstance(callback, kind) for callback in given)
    return has_one and asked is not False
