"""The two callbacks that join a Lightning fit to a tuning run. Both also work alone, in a Ray Tune function."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from lightning_hpo.errors import UsageError
from lightning_hpo.objective import Objective
from lightning_hpo.training.channel import Channel
from lightning_hpo.training.family import Family, families_loaded
from lightning_hpo.training.writing import CheckpointWriter
from lightning_hpo.trial import Verdict

__all__ = ["CheckpointCallback", "FamilyCallback", "ReportCallback", "Resource", "numbers"]

#: What a trial's progress is counted in: epochs, or optimiser steps (Lightning's `global_step`).
Resource = Literal["epoch", "step"]

#: Batches between two looks at the losses that were computed on a device.
_LOOKS_EVERY = 16


@cache
def _joined(hooks: Any, families: tuple[Family, ...]) -> Any:
    # Lightning runs subclasses of its `Checkpoint` after all other callbacks and after the module's own hooks, so that
    # whatever anybody logs at an epoch's end is there to be reported. Where both distributions are loaded the class
    # derives from both, and either Trainer takes it.
    bases = tuple(getattr(family.load("callbacks"), hooks.base) for family in families)
    return type(hooks.__name__, (hooks, *bases), {"__module__": hooks.__module__, "__doc__": hooks.__doc__})


def _rebuild(hooks: Any, state: dict[str, Any]) -> Any:
    callback = hooks.__new__(hooks)
    callback.__dict__.update(state)
    return callback


class FamilyCallback:
    """A callback of whichever Lightning distribution the process uses."""

    #: What it derives from there.
    base = "Checkpoint"

    def __new__(cls, *_args: Any, **_settings: Any) -> Any:
        """An instance of a class that is made for the families that are loaded."""
        hooks: Any = cls
        return object.__new__(_joined(hooks, families_loaded()))

    def __reduce__(self) -> Any:
        return _rebuild, (type(self).__bases__[0], self.__dict__)  # the joined class is made anew where it is unpickled


class ReportCallback(FamilyCallback):
    """Reports what the module logged, and carries out the verdict.

    With `resource="epoch"` it reports at the end of every training epoch in which the objective was measured anew; an
    epoch whose validation was skipped (`check_val_every_n_epoch`) reports nothing. With `resource="step"` it reports
    after every validation, and at the end of an epoch without one. The step is Lightning's own count: epochs finished,
    or `global_step`.

    A STOP sets `trainer.should_stop`, over `min_epochs` and `min_steps`: Lightning then ends as after any fit, its
    loggers close with success, and the process lives on.

    Edges:
        * The sanity check reports nothing.
        * Only rank 0 reports.
        * Metrics that are not single numbers are left out.
        * A training loss that is not finite ends the fit after that batch (on a GPU, up to some batches later), and is
          reported as an objective that is NaN. Without an objective, or with a loss that is no tensor, nobody looks.
        * A fit that the channel asked to stop in the middle of an epoch reports nothing more.
        * When the channel asks to stop, Lightning still validates once before it ends the epoch, as it does after any
          `should_stop`: the user's own callbacks count on its metrics.

    Args:
        channel: Whom to tell.
        objective: The metric that must be there; None reports whatever is logged.
        resource: What `step` counts.

    Raises:
        UsageError: During the fit, if an epoch with validation ends without the objective's metric, or if training
            ends before anything could be reported.
    """

    def __init__(self, channel: Channel, *, objective: Objective | None = None, resource: Resource = "epoch") -> None:
        self._channel = channel
        self._objective = objective
        self._resource = resource
        self._before: frozenset[str] = frozenset()
        self._from_validation: set[str] = set()
        self._validated = False
        self._last_step = 0
        self.verdict = Verdict.CONTINUE
        self.cut = False
        self._bad: Any = None

    def progress(self) -> dict[str, Any]:
        """What a resumed fit has to know. No `state_dict`: Lightning would ask whoever loads the checkpoint for us."""
        return {"from_validation": sorted(self._from_validation), "step": self._last_step}

    def go_on(self, progress: Mapping[str, Any]) -> None:
        """Goes on from where the fit was left."""
        self._from_validation = set(progress["from_validation"])
        self._last_step = progress["step"]

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Remembers which metrics were there before."""
        self._before = frozenset(trainer.callback_metrics)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Learns which metrics come from validation; reports, if steps are counted."""
        if trainer.sanity_checking:
            return
        self._from_validation |= set(trainer.callback_metrics) - self._before
        self._validated = True
        if self._resource == "step":
            self._report(trainer, trainer.global_step)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Ends the fit within a batch when the run asks for it, or when the training loss is no number any more."""
        if self._channel.stopping:
            self.cut = True
            self._stop(trainer)
        elif self._objective is not None and self._diverged(outputs, batch_idx):
            self._report_divergence(trainer, self._objective)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Reports the epoch."""
        if self._resource == "epoch":
            self._report(trainer, trainer.current_epoch + 1)
        elif not self._validated:
            self._report(trainer, trainer.global_step)
        self._validated = False

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Refuses a fit that ended too early to be judged."""
        if self._objective is None or self._last_step or self._channel.stopping or trainer.global_rank != 0:
            return
        raise UsageError(
            f"The objective '{self._objective.metric}' was never measured: training ended in epoch "
            f"{trainer.current_epoch}, after {trainer.global_step} optimiser steps, before the first validation. "
            "Train longer (max_epochs, max_steps) or validate earlier (val_check_interval, check_val_every_n_epoch)."
        )

    def _diverged(self, outputs: Any, batch_idx: int) -> bool:
        """Whether the loss of this batch, or of one before on a device, is not finite."""
        import torch

        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if not isinstance(loss, torch.Tensor):
            return False
        if loss.device.type == "cpu" and loss.numel() == 1:  # after every batch, so as cheaply as can be
            return not math.isfinite(loss.item())
        bad = ~torch.isfinite(loss.detach()).all()
        self._bad = bad if self._bad is None else self._bad | bad
        # To look at a device's number is to wait for the device.
        return batch_idx % _LOOKS_EVERY == 0 and bool(self._bad)

    def _report_divergence(self, trainer: Any, objective: Objective) -> None:
        """Reports the step in which training went astray, with an objective that is no number."""
        step = trainer.current_epoch + 1 if self._resource == "epoch" else max(trainer.global_step, self._last_step + 1)
        if trainer.global_rank == 0:
            self._last_step = step
            self.verdict = self._channel.report(step, {**numbers(trainer.callback_metrics), objective.metric: math.nan})
        self.cut = True
        self._stop(trainer)

    def _report(self, trainer: Any, step: int) -> None:
        if trainer.global_rank != 0 or step <= self._last_step or self.cut:
            return
        metrics = numbers(trainer.callback_metrics)
        if self._objective is not None:
            name = self._objective.metric
            if name in self._from_validation and not self._validated:
                return  # the value is the one of an earlier epoch
            if name not in metrics:
                if not self._validated and _validates(trainer):
                    return  # its validation is still to come
                self._objective.loss(metrics)  # says that it was not logged, and what was
        self._last_step = step
        self.verdict = self._channel.report(step, metrics)
        if self.verdict is not Verdict.CONTINUE:
            self._stop(trainer)

    @staticmethod
    def _stop(trainer: Any) -> None:
        trainer.should_stop = True
        # Lightning honours should_stop only after min_epochs and min_steps; a verdict outranks both.
        trainer.fit_loop.min_epochs = 0
        trainer.fit_loop.epoch_loop.min_steps = 0


class CheckpointCallback(FamilyCallback):
    """Writes one checkpoint, when training ends; replaced atomically, so a reader never sees half of it.

    Nothing more is written when the fit fails. The file is an ordinary Lightning checkpoint.

    Args:
        path: The file to write; its folder is made.
        every: Also write after every so many epochs; None for only at the end.

    Raises:
        UsageError: If `every` is less than 1.
        StorageError: During the fit, if the disk refuses; what was there before stays.
    """

    def __init__(self, path: str | os.PathLike[str], *, every: int | None = None) -> None:
        if every is not None and every < 1:
            raise UsageError(f"CheckpointCallback: `every >= 1` must hold, but got (every={every!r}).")
        self.path = Path(path)
        self.every = every
        self._writer = CheckpointWriter(self.path)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Saves after every `every`-th epoch."""
        if self.every is not None and (trainer.current_epoch + 1) % self.every == 0:
            self._writer.save(trainer)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Saves the trained module."""
        self._writer.save(trainer)


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """What was logged, as plain floats; whatever is not a single number is left out."""
    found: dict[str, float] = {}
    for name, value in metrics.items():
        try:
            found[name] = float(value)
        except (TypeError, ValueError, RuntimeError):
            continue
    return found


def _validates(trainer: Any) -> bool:
    return bool(trainer.enable_validation)
