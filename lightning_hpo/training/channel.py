"""What a training process may say to its run, and hear back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from lightning_hpo.trial import Verdict

__all__ = ["Channel"]


class Channel(Protocol):
    """The line from one trial's fit to whoever runs it. Called on the training thread."""

    @property
    def stopping(self) -> bool:
        """Whether the trial should end now; read after every batch, so it must be cheap."""

    def report(self, step: int, metrics: Mapping[str, float]) -> Verdict:
        """Says what was measured after `step` epochs or optimiser steps, and returns what to do.

        Waits for an answer only where somebody decides; elsewhere it returns CONTINUE at once.
        """
