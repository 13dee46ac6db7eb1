"""How a fit's checkpoints reach the disk: whole or not at all, and without keeping the fit waiting."""

from __future__ import annotations

import contextlib
import copy
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lightning_hpo.errors import StorageError

__all__ = ["CheckpointWriter"]

#: Bytes from which on a checkpoint is written in the background, and waited for until it is on the disk.
_BIG = 16 * 2**20


class CheckpointWriter:
    """Writes one checkpoint file, again and again; a reader sees the old one or the new one, never a part.

    Args:
        path: The file; its folder is made.
        before: Where the file that is replaced goes; None for nowhere.
        background: Whether a big file is written on a thread of its own, from a copy, while the fit goes on. Strategies
            over several devices write for themselves and are waited for; so is what cannot be copied. Small ones are
            waited for as well: two threads of Python hinder each other for longer than writing takes.
    """

    def __init__(self, path: Path, *, before: Path | None = None, background: bool = False) -> None:
        self.path = path
        self._before = before
        self._background = background
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def save(self, trainer: Any) -> None:
        """Saves what the Trainer holds now. At most one file is being written at a time.

        Raises:
            StorageError: If the disk refuses this one, or refused the one before.
        """
        self.wait()
        partial = self.path.with_name(self.path.name + ".part")
        strategy = trainer.strategy
        alone = type(strategy).__name__ == "SingleDeviceStrategy"
        if not (self._background and alone):
            with _cleared(partial):
                trainer.save_checkpoint(partial, weights_only=False)
                if trainer.global_rank == 0:
                    self._replace(partial)
            return
        theirs = strategy.checkpoint_io
        taker = _Taker()
        strategy.checkpoint_io = taker
        try:
            trainer.save_checkpoint(partial, weights_only=False)
        finally:
            strategy.checkpoint_io = theirs
        self.path.parent.mkdir(parents=True, exist_ok=True)
        taken, later = taker.checkpoint, _size(taker.checkpoint) >= _BIG
        if later:
            try:
                taken = _copied(taken, {})
            except Exception:  # a callback's or module's state may hold what cannot be copied
                later = False

        def write() -> None:
            try:
                with _cleared(partial):
                    theirs.save_checkpoint(taken, partial)
                    self._replace(partial)
            except BaseException as error:
                self._failure = error

        if later:
            self._thread = threading.Thread(target=write, name="checkpoint", daemon=True)
            self._thread.start()
        else:
            write()
            self.wait()

    def wait(self) -> None:
        """Returns when the last checkpoint is on disk.

        Raises:
            StorageError: If the disk refused it.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _replace(self, partial: Path) -> None:
        if partial.stat().st_size >= _BIG:
            with open(partial, "rb") as file:
                os.fsync(file.fileno())  # or a loss of power leaves the name with nothing behind it
        if self._before is not None:
            with contextlib.suppress(FileNotFoundError):
                os.replace(self.path, self._before)
        os.replace(partial, self.path)


class _Taker:
    """Stands where Lightning's CheckpointIO stands, and takes the checkpoint instead of writing it."""

    checkpoint: Mapping[str, Any]

    def save_checkpoint(self, checkpoint: Mapping[str, Any], path: Any, storage_options: Any = None) -> None:
        """Takes it."""
        self.checkpoint = checkpoint


@contextlib.contextmanager
def _cleared(partial: Path) -> Iterator[None]:
    """Leaves no half file behind; says what a full disk is."""
    try:
        yield
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StorageError.of(partial.parent, "a checkpoint cannot be written", error) from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _size(value: Any) -> int:
    """Bytes of the tensors in a checkpoint."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.nbytes
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if type(value) in (list, tuple) else 0


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    """A copy that training does not change any more; tensors are copied into main memory, each once."""
    import torch

    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, torch.Tensor):
        if id(value) not in memo:
            memo[id(value)] = value.detach().to("cpu", copy=True)
        return memo[id(value)]
    if isinstance(value, dict):
        copied = copy.copy(value)  # an OrderedDict keeps its kind, and a state_dict its `_metadata`
        for key, each in value.items():
            copied[key] = _copied(each, memo)
        return copied
    if type(value) in (list, tuple):
        return type(value)(_copied(each, memo) for each in value)
    return copy.deepcopy(value)
