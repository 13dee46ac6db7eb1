"""What every searcher is: something that proposes configs and learns from reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from lightning_hpo.objective import Objective
from lightning_hpo.space import Space
from lightning_hpo.trial import Config, Outcome, Report

__all__ = ["Searcher"]


class Searcher(ABC):
    """Proposes configs. Pure: it sees configs, reports and outcomes, and never Ray, torch, clocks, files or global
    random state.

    The run calls, for each trial: `suggest` or `adopt` once, then `observe` for each report that crossed, then `end`
    once. Trials interleave in any order. A report's steps ascend within a trial. The same calls on a searcher made
    with the same arguments give the same suggestions.

    Subclasses take further settings as keyword arguments with defaults; these are what a recipe may write under
    `tune.searcher`. Each is kept as an attribute of the same name, from which an equal searcher can be made. A setting
    out of bounds raises `SettingError`.

    Args:
        space: What may vary.
        objective: What is minimised, through `Objective.loss`; a non-finite value is the worst loss, not a missing one.
        rng: The only source of randomness.
    """

    #: The name in recipes, of the module and in the docs.
    name: ClassVar[str]

    def __init__(self, *, space: Space, objective: Objective, rng: np.random.Generator) -> None:
        self.space = space
        self.objective = objective
        self.rng = rng

    @abstractmethod
    def suggest(self, trial: int) -> Config | None:
        """The config of a new trial, contained in the space, or None when there is nothing left to propose."""

    def adopt(self, trial: int, config: Config) -> None:
        """Learns of a trial that somebody else proposed: the defaults, an initial point, an earlier run.

        The config may lie outside the space (a default may); what cannot be used is left aside, never an error.
        """

    def observe(self, report: Report) -> None:
        """Learns what a trial measured so far."""

    def end(self, outcome: Outcome) -> None:
        """Learns how a trial ended; a FAILED or DIVERGED one counts as bad."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that later suggestions depend on, as JSON-ready plain data with a "version"."""
        return {"version": 1, "rng": _plain(self.rng.bit_generator.state), **self._state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over the state of a searcher made with the same arguments.

        Raises:
            ValueError: If the state's version is not known.
        """
        if state.get("version") != 1:
            raise ValueError(f"The state of searcher '{self.name}' has version {state.get('version')!r}; expected 1.")
        self.rng.bit_generator.state = state["rng"]
        self._load_state(state)

    def _state(self) -> dict[str, Any]:
        """The subclass's own part of `state_dict`."""
        return {}

    def _load_state(self, state: Mapping[str, Any]) -> None:
        """Takes over the subclass's own part."""


def _plain(state: Any) -> Any:
    """A bit generator's state with lists for the arrays that some of them hold."""
    if isinstance(state, Mapping):
        return {key: _plain(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state
