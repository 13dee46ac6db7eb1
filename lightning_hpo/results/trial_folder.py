"""The folder of one trial: its config, learning curve, log, error and checkpoints."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_hpo.errors import InternalError, RunFolderError
from lightning_hpo.results.disk import atomic_write, refusals, shown
from lightning_hpo.results.metrics_file import MetricsFile
from lightning_hpo.trial import Report

__all__ = ["TrialFolder"]


class TrialFolder:
    """Alone knows the paths inside a trial's folder. It may be made from the path alone, in any process.

    Args:
        path: The folder, named by the trial's number like `trials/0007`; it need not exist before `create`.

    Raises:
        InternalError: If the folder is not named by a number.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()
        if not (self.path.name.isascii() and self.path.name.isdigit()):
            raise InternalError(f"{shown(self.path)} is no trial's folder: it is not named by a number.")
        #: The trial's number.
        self.id = int(self.path.name)

    @staticmethod
    def name(trial: int) -> str:
        """The folder's name: four digits at least, so that names sort as numbers do up to ten thousand trials."""
        return f"{trial:04d}"

    def __repr__(self) -> str:
        return f"TrialFolder({shown(self.path)!r})"

    @property
    def config(self) -> Path:
        """The config as plain data."""
        return self.path / "config.json"

    @property
    def metrics(self) -> Path:
        """The learning curve; written through `MetricsFile`."""
        return self.path / "metrics.csv"

    @property
    def log(self) -> Path:
        """What the trial printed."""
        return self.path / "log.txt"

    @property
    def error(self) -> Path:
        """The traceback, if the trial failed."""
        return self.path / "error.txt"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints; whoever saves the first one makes it."""
        return self.path / "checkpoints"

    @property
    def checkpoint(self) -> Path:
        """The newest checkpoint."""
        return self.checkpoints / "last.ckpt"

    @property
    def checkpoint_before(self) -> Path:
        """The one before the newest, if two are kept."""
        return self.checkpoints / "before.ckpt"

    def create(self) -> TrialFolder:
        """Makes the folder, unless it is there, and answers itself.

        Raises:
            RunFolderError: If the system refuses.
        """
        with refusals(self.path, "cannot be made"):
            self.path.mkdir(parents=True, exist_ok=True)
        return self

    def write_config(self, plain: Mapping[str, Any]) -> None:
        """Writes the config, as `Space.encode` gives it.

        Raises:
            RunFolderError: If the system refuses.
        """
        atomic_write(self.config, json.dumps(dict(plain), indent=2, ensure_ascii=False) + "\n")

    def read_config(self) -> dict[str, Any]:
        """The config that was written.

        Raises:
            RunFolderError: If it is missing, unreadable or damaged.
        """
        with refusals(self.config, "cannot be read"):
            text = self.config.read_bytes()
        try:
            return dict(json.loads(text))
        except (TypeError, ValueError) as error:
            raise RunFolderError(
                f"{shown(self.config)} is damaged: {error}. Expected a config in JSON; "
                "the journal beside the trials holds it too."
            ) from error

    def write_error(self, traceback: str) -> None:
        """Writes why the trial failed.

        Raises:
            RunFolderError: If the system refuses.
        """
        atomic_write(self.error, traceback.rstrip("\n") + "\n")

    def curve(self) -> list[Report]:
        """The whole learning curve, steps ascending; empty if nothing was measured.

        Raises:
            RunFolderError: If the file is unreadable or damaged.
        """
        return [Report(trial=self.id, step=step, metrics=row) for step, row in MetricsFile(self.metrics).read()]

    def drop_checkpoints(self) -> None:
        """Deletes all checkpoints, if there are any.

        Raises:
            RunFolderError: If the system refuses.
        """
        with refusals(self.checkpoints, "cannot be deleted"):
            if self.checkpoints.exists():
                shutil.rmtree(self.checkpoints)
