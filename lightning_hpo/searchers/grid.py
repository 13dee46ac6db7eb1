"""Grid search: every config of a finite space, once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from lightning_hpo.objective import Objective
from lightning_hpo.searchers.base import Searcher
from lightning_hpo.space import Float, Space
from lightning_hpo.trial import Config

__all__ = ["GridSearcher"]


class GridSearcher(Searcher):
    """Proposes every config of the space in the space's own order (the last name varies fastest), then None.

    Edges:
        * Only the parameters of the branch that a choice takes are run through, so no config comes twice.
        * A config that was adopted before its turn (the defaults, an initial point) is left out.
        * An empty space holds one config, the empty one.

    Args:
        space: What may vary; every range needs a step or a number of points.
        objective: What is minimised; a grid does not look at it.
        rng: Not drawn from.

    Raises:
        SpaceError: If a range is continuous, naming all that are.
    """

    name: ClassVar[str] = "grid"

    def __init__(self, *, space: Space, objective: Objective, rng: np.random.Generator) -> None:
        super().__init__(space=space, objective=objective, rng=rng)
        self._configs = space.grid()
        self._passed = 0
        self._adopted: set[str] = set()

    def suggest(self, trial: int) -> dict[str, Any] | None:
        """The next config that nobody has adopted, or None at the end."""
        for config in self._configs:
            self._passed += 1
            if self._identity(config) not in self._adopted:
                return config
        return None

    def adopt(self, trial: int, config: Config) -> None:
        """Strikes the config off the grid; one that is not on the grid is left aside."""
        if self.space.contains(config):
            self._adopted.add(self._identity(config))

    def _identity(self, config: Config) -> str:
        # A float on the grid may differ from the grid's own by a rounding error, so it is put back on it.
        data = {
            name: parameter.round(config[name]) if isinstance(parameter, Float) else parameter.encode(config[name])
            for name, parameter in self.space.active(config)
        }
        return json.dumps(data, sort_keys=True)

    def _state(self) -> dict[str, Any]:
        return {"passed": self._passed, "adopted": sorted(self._adopted)}

    def _load_state(self, state: Mapping[str, Any]) -> None:
        self._passed = state["passed"]
        self._adopted = set(state["adopted"])
        self._configs = itertools.islice(self.space.grid(), self._passed, None)
