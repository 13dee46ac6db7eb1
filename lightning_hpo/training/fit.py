"""One trial's training, from its seed to its end, in the calling thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning_hpo.training.callbacks import CheckpointCallback, ReportCallback
from lightning_hpo.training.channel import Channel
from lightning_hpo.training.task import Assembly, Parts, Task

__all__ = ["fit", "prepare", "seed_everything"]


def prepare(assembly: Assembly, task: Task) -> Parts:
    """Sets the process's threads, and builds the parts under the trial's seed.

    The seed is set for Python, NumPy and torch, data-loading workers included.
    """
    import torch

    torch.set_num_threads(max(1, int(task.cpus)))
    assembly.warm()  # before the seed: a module of the user's may draw random numbers while it is imported
    seed_everything(task.seed)
    return assembly.build(task)


def seed_everything(seed: int) -> None:
    """Lightning's own `seed_everything`, which both distributions share, without its log line."""
    from lightning_hpo.training.family import families_loaded

    families_loaded()[0].load().seed_everything(seed, workers=True, verbose=False)


def fit(assembly: Assembly, task: Task, channel: Channel, checkpoint: Path | None) -> Parts:
    """Trains one trial to its end: its last epoch, its own early stopping, or a verdict.

    Args:
        assembly: Builds the parts.
        task: The trial.
        channel: Hears every report and answers with verdicts.
        checkpoint: Where the trained module goes; None keeps nothing.

    Returns:
        The parts, trained.

    Raises:
        UsageError: If the objective's metric is not logged, or training ends before its first validation.
        Exception: Whatever the user's code raises.
    """
    parts = prepare(assembly, task)
    report = ReportCallback(channel, objective=task.objective, resource=task.resource)
    ours: list[Any] = [report] if checkpoint is None else [report, CheckpointCallback(checkpoint)]
    parts.trainer.callbacks.extend(ours)  # after the user's own, past the Trainer's check of enable_checkpointing
    parts.train()
    return parts
