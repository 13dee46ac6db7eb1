"""Makes a trained module from a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning_hpo.training.task import Assembly
from lightning_hpo.trial import Config

__all__ = ["load_model"]


def load_model(assembly: Assembly, config: Config, checkpoint: Path) -> Any:
    """The trained module on the CPU, in evaluation mode: built from its config, with the checkpoint's weights.

    Works for modules that do not save their hyperparameters, and for factories, where `load_from_checkpoint` cannot.
    The checkpoint is one of ours; a checkpoint may run code when it is loaded, so load none that you do not trust.
    """
    import torch

    model = assembly.build_model(config)
    loaded = torch.load(checkpoint, map_location="cpu", weights_only=False)
    model.on_load_checkpoint(loaded)
    model.load_state_dict(loaded["state_dict"])
    return model.eval()
