"""Makes a trained module from a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning_hpo.errors import RunFolderError
from lightning_hpo.training.resuming import load_checkpoint
from lightning_hpo.training.task import Assembly
from lightning_hpo.trial import Config

__all__ = ["load_model"]


def load_model(assembly: Assembly, config: Config, checkpoint: Path) -> Any:
    """The trained module on the CPU, in evaluation mode: built from its config, with the checkpoint's weights.

    Works for modules that do not save their hyperparameters, and for factories, where `load_from_checkpoint` cannot.
    The checkpoint is one of ours; see `load_checkpoint`.

    Raises:
        RunFolderError: If the checkpoint is damaged.
    """
    model = assembly.build_model(config)
    try:
        loaded, _ = load_checkpoint(checkpoint)
    except Exception as error:  # a damaged file may fail in any way
        raise RunFolderError(
            f"{checkpoint} is damaged: {type(error).__name__}: {error}. Train its config again, or take another trial."
        ) from error
    model.on_load_checkpoint(loaded)
    model.load_state_dict(loaded["state_dict"])
    return model.eval()
