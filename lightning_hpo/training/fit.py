"""One trial's training, from its seed to its end, in the calling thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning_hpo.training.callbacks import ReportCallback
from lightning_hpo.training.channel import Channel
from lightning_hpo.training.inheriting import InheritCallback
from lightning_hpo.training.resuming import Checkpoint, Every, LastCallback, ResumeCallback
from lightning_hpo.training.task import Assembly, Parts, Task
from lightning_hpo.training.writing import CheckpointWriter

__all__ = ["fit", "prepare", "seed_everything"]

_EVERY_EPOCH = Every()


def prepare(assembly: Assembly, task: Task) -> Parts:
    """Sets the process's threads, and builds the parts under the trial's seed.

    The seed is set for Python, NumPy and torch, data-loading workers included.
    """
    import torch

    torch.set_num_threads(max(1, int(task.cpus)))
    if task.gpus > 0:
        torch.cuda.reset_peak_memory_stats()  # which `out_of_memory` tells of
    assembly.warm()  # before the seed: a module of the user's may draw random numbers while it is imported
    seed_everything(task.seed)
    return assembly.build(task)


def seed_everything(seed: int) -> None:
    """Lightning's own `seed_everything`, which both distributions share, without its log line."""
    from lightning_hpo.training.family import families_loaded

    families_loaded()[0].load().seed_everything(seed, workers=True, verbose=False)


def fit(
    assembly: Assembly,
    task: Task,
    channel: Channel,
    checkpoint: CheckpointWriter | Path | None,
    *,
    every: Every = _EVERY_EPOCH,
    resume: Checkpoint | None = None,
) -> Parts:
    """Trains one trial to its end: its last epoch, its own early stopping, or a verdict.

    Args:
        assembly: Builds the parts.
        task: The trial.
        channel: Hears every report and answers with verdicts.
        checkpoint: Writes the checkpoints, the trained module's last, or where to write them; None keeps nothing.
        every: How often a checkpoint is written before the end.
        resume: Where to go on; None begins.

    Returns:
        The parts, trained.

    Raises:
        UsageError: If the objective's metric is not logged, or training ends before its first validation.
        StorageError: If the disk refuses a checkpoint.
        Exception: Whatever the user's code raises.
    """
    writer = CheckpointWriter(checkpoint) if isinstance(checkpoint, Path) else checkpoint
    parts = prepare(assembly, task)
    kind = ReportCallback if writer is None else LastCallback
    report: Any = kind(channel, objective=task.objective, resource=task.resource)
    # After the user's own, past the Trainer's check of enable_checkpointing.
    parts.trainer.callbacks.append(report)
    if writer is not None:
        report.keeper = ResumeCallback(writer, every, report, resumed=resume is not None)
        parts.trainer.callbacks.insert(0, report.keeper)
    if parts.ckpt_path is not None and resume is None:
        parts.trainer.callbacks.insert(0, InheritCallback())
    if resume is not None:
        parts.ckpt_path, parts.weights_only = str(resume.path), parts.family.weights_only(resume.weights_only)
    try:
        parts.train()
    finally:
        if writer is not None:
            writer.wait()
    return parts
