"""The Trainer flags that a trial needs, laid over the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning_hpo.training.task import Task

__all__ = ["trainer_flags"]


def trainer_flags(flags: Mapping[str, Any], task: Task, *, has_checkpoint: bool) -> dict[str, Any]:
    """The user's flags, with what a trial in a worker process needs.

    * The device follows from the resources: one GPU if any share of one was asked for, else the CPU.
    * No logger, progress bar or model summary unless the user asked for it: our own `metrics.csv` holds the curve.
    * Lightning's default checkpoint of every epoch is off; checkpoint callbacks that the user gave stay.
    * Files go to the trial's own folder unless the user named another root.

    Args:
        flags: As for `Trainer`; a flag that is None counts as not given.
        task: The trial.
        has_checkpoint: Whether the user gave a checkpoint callback.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    placed = {"accelerator": "gpu" if task.gpus > 0 else "cpu", "devices": 1}
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": has_checkpoint,
        "default_root_dir": task.directory,
    }
    if not has_checkpoint:
        given.pop("enable_checkpointing", None)  # True without a callback would add one that saves every epoch
    return {**flags, **quiet, **given, **placed, **task.flags}
