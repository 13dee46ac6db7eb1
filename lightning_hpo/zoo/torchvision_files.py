"""Data sets that torchvision fetches and reads: found or fetched before anything trains, with one clear error."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning_hpo.errors import UsageError

__all__ = ["open_dataset"]

#: What torchvision raises for files that are missing, cut short or of another format, and for a failed download.
_FAILURES = (RuntimeError, OSError, ValueError, EOFError, KeyError, pickle.UnpicklingError)


def open_dataset(kind: Any, data_dir: str, *, train: bool, download: bool, files: Sequence[str]) -> Any:
    """A torchvision data set, after fetching it if it is not there and may be.

    Edges:
        * What is there is not fetched again.
        * A first download goes to a folder of its own and is moved into place whole, so that trials which start side
          by side may all fetch it, and none reads half a file.

    Args:
        kind: The class, such as `torchvision.datasets.MNIST`.
        data_dir: The folder that the data set's own folder is in.
        train: The training part, or the test part.
        download: Whether it may be fetched.
        files: What the folder holds when it is whole, for the message.

    Raises:
        UsageError: If the files are missing or damaged and cannot be fetched.
    """
    root = Path(data_dir).expanduser()
    failure: Exception | None = None
    try:
        return kind(root, train=train, download=False)
    except _FAILURES as error:
        failure = error
    if download:
        try:
            _fetch(kind, root, Path(files[0]).parts[0], train)
            return kind(root, train=train, download=False)
        except _FAILURES as error:
            failure = error
    name = kind.__name__
    if download:
        told = "The download failed"
        step = "Check the network and try again, or copy the files there from a machine that has them."
    else:
        told = "torchvision says"
        step = "Set download: true to fetch them, or copy them there from a machine that has them."
    raise UsageError(
        f"{name} cannot be read from {root.absolute()}. {told}: {_one_line(failure)}\n"
        f"Expected there: {', '.join(files)}.\n{step}"
    ) from failure


def _fetch(kind: Any, root: Path, own: str, train: bool) -> None:
    if (root / own).exists():  # in part, or as archives still to be unpacked: torchvision completes it
        kind(root, train=train, download=True)
        return
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{own}-", dir=root) as scratch:
        kind(Path(scratch), train=train, download=True)
        try:
            os.rename(Path(scratch) / own, root / own)
        except OSError:
            if not (root / own).exists():  # otherwise another process was faster
                raise


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if text.endswith(".") else f"{text}."
