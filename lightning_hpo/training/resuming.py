"""How a fit goes on at the epoch where an earlier process left it, as if that process had gone on itself."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_hpo.errors import UsageError
from lightning_hpo.training.callbacks import FamilyCallback, ReportCallback
from lightning_hpo.training.randomness import random_state, set_random_state
from lightning_hpo.training.writing import CheckpointWriter
from lightning_hpo.trial import Verdict

__all__ = ["Checkpoint", "Every", "LastCallback", "ResumeCallback", "load_checkpoint", "newest_sound"]

#: What ours is called in a checkpoint, beside what Lightning keeps there.
_KEY = "lightning_hpo"


@dataclass(frozen=True, kw_only=True)
class Every:
    """How often a running trial writes a checkpoint; always at the end of an epoch, since no loader resumes within one.

    Args:
        epochs: After so many epochs; 0 for never.
        seconds: Not before so many seconds after the last one.

    Raises:
        UsageError: If a number is negative.
    """

    epochs: int = 1
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.epochs < 0 or self.seconds < 0:
            raise UsageError(f"A checkpoint cannot be written every {self!r}. Expected 0 or more.")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One from which a trial can go on.

    Args:
        path: The file.
        step: What the trial had reported last; 0 if nothing yet.
        over: Whether the fit had come to its own end.
        weights_only: Whether it loads so, without running code.
    """

    path: Path
    step: int
    over: bool
    weights_only: bool


def newest_sound(paths: Sequence[Path]) -> tuple[Checkpoint | None, tuple[str, ...]]:
    """The first of the files that is whole and ours, and a sentence for each one before it that is neither."""
    notes: list[str] = []
    for path in paths:
        if not path.exists():
            continue
        try:
            loaded, safe = load_checkpoint(path)
            step, over = int(loaded[_KEY]["step"]), bool(loaded[_KEY]["over"])
            return Checkpoint(path=path, step=step, over=over, weights_only=safe), tuple(notes)
        except Exception as error:  # a damaged file may fail in any way
            notes.append(f"{path} is damaged ({type(error).__name__}: {_first_line(error)})")
    return None, tuple(notes)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:80]


def load_checkpoint(path: Path) -> tuple[dict[str, Any], bool]:
    """A checkpoint of ours on the CPU, and whether it loads with `weights_only=True`, as all do that hold plain data.

    Every byte is held against the checksums that torch's format keeps. One that holds objects of the user's runs their
    code while it is loaded: open no run folder that you do not trust.

    Raises:
        Exception: Whatever a damaged file leads to: BadZipFile, ValueError, RuntimeError, ...
    """
    import pickle

    import torch

    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"the checksum of {damaged} is wrong")
    try:
        return torch.load(path, map_location="cpu", weights_only=True), True
    except pickle.UnpicklingError:
        return torch.load(path, map_location="cpu", weights_only=False), False


class ResumeCallback(FamilyCallback):
    """Writes checkpoints from which a trial goes on exactly, and makes it go on exactly.

    It saves at the start of an epoch, before anybody else does anything there: the epoch before is over for loops,
    learning rate schedules and callbacks alike, which it is not yet in `on_train_epoch_end`. With it goes the state of
    every random generator, which Lightning does not keep (pytorch-lightning#17543, closed as "won't fix"; 2.6), so that
    data order, dropout and augmentation are those of a fit that was never interrupted. Lightning also makes the data's
    iterator of a resumed epoch before anybody could put that state back, so the epoch is made to begin like any other.

    Edges:
        * What a module keeps beside its `state_dict` is its own affair, as with Lightning's own checkpoints.
        * A fit that is cut in the middle of an epoch writes nothing.

    Args:
        writer: Writes the file.
        every: How often.
        report: Knows the last step that was reported, and whether the fit was stopped from outside.
        resumed: Whether the Trainer starts from a checkpoint of this callback.
    """

    base = "Callback"

    def __init__(self, writer: CheckpointWriter, every: Every, report: ReportCallback, *, resumed: bool) -> None:
        self._writer = writer
        self._every = every
        self._report = report
        self._resumed = resumed
        self._written = time.monotonic()
        self._epoch = 0
        self._loaded: Mapping[str, Any] | None = None
        self._over = False

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: Mapping[str, Any]) -> None:
        """Takes what the earlier process left."""
        if self._resumed:
            self._loaded = checkpoint[_KEY]
            self._report.go_on(checkpoint[_KEY])

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Adds what a later process needs."""
        metrics = {name: value.detach().cpu() for name, value in _tensors(trainer.callback_metrics).items()}
        checkpoint[_KEY] = {
            **self._report.progress(),
            "over": self._over,
            "random": random_state(trainer),
            "metrics": metrics,
        }

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Goes on where the checkpoint was written; or writes one, if it is time."""
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            self._epoch = trainer.current_epoch
            # From here on it is an epoch like any other: its loops begin anew, and so do its data.
            trainer.fit_loop.restarting = False
            trainer.fit_loop._resuming_from_checkpoint = False
            trainer.callback_metrics.update(loaded["metrics"])
            set_random_state(loaded["random"], trainer)
        elif trainer.global_rank == 0 and self._due(trainer.current_epoch):
            self._writer.save(trainer)
            self._epoch, self._written = trainer.current_epoch, time.monotonic()

    def save_end(self, trainer: Any) -> None:
        """Saves the trained module, unless the fit was cut in the middle of an epoch."""
        if trainer.global_rank == 0 and not self._report.cut:
            self._over = self._report.verdict is Verdict.CONTINUE
            self._writer.save(trainer)

    def _due(self, epoch: int) -> bool:
        if not self._every.epochs or epoch - self._epoch < self._every.epochs:
            return False
        return time.monotonic() - self._written >= self._every.seconds


class LastCallback(ReportCallback):
    """Reports, and has the trained module saved when everybody else has heard that training ended, weight averaging
    among them. One callback for both: Lightning asks each of them at every hook of every batch.
    """

    #: What saves.
    keeper: ResumeCallback

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """As a report's; then saves."""
        super().on_train_end(trainer, pl_module)
        self.keeper.save_end(trainer)


def _tensors(metrics: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    return {name: value for name, value in metrics.items() if isinstance(value, torch.Tensor)}
