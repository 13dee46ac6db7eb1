"""Random search: every config is drawn on its own."""

from __future__ import annotations

from typing import Any, ClassVar

from lightning_hpo.searchers.base import Searcher

__all__ = ["RandomSearcher"]


class RandomSearcher(Searcher):
    """Draws every config from the space, whatever was reported before.

    Edges:
        * It never runs out; in a finite space a config can come twice.
        * Adopted trials and reports change nothing, so the n-th suggestion depends on the seed alone.

    Source: Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13, 2012.
    """

    name: ClassVar[str] = "random"

    def suggest(self, trial: int) -> dict[str, Any]:
        """One sample of the space."""
        return self.space.sample(self.rng)
