"""What every scheduler is: something that judges a running trial by what it reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from lightning_hpo.errors import SettingError
from lightning_hpo.objective import Objective
from lightning_hpo.trial import Outcome, Report, Verdict

__all__ = ["Scheduler"]


class Scheduler(ABC):
    """Judges trials. Pure: it sees reports and outcomes, and never Ray, torch, clocks, files or random state.

    The run calls `judge` for every report that crosses and acts on the answer; `end` follows once per trial. Reports
    may come at any step, not only at milestones, and trials interleave in any order.

    Subclasses take further settings as keyword arguments with defaults; these are what a recipe may write under
    `tune.scheduler`. Each is kept as an attribute of the same name, from which an equal scheduler can be made. A
    setting out of bounds raises `SettingError`.

    Args:
        objective: What is compared, through `Objective.loss`; its mode decides what "best" means.
        max_epochs: The last epoch of a full trial (the last optimiser step, where the recipe counts those).

    Raises:
        SettingError: If `max_epochs` is not a whole number of at least 1.
    """

    #: The name in recipes, of the module and in the docs.
    name: ClassVar[str]

    def __init__(self, *, objective: Objective, max_epochs: int) -> None:
        if not isinstance(max_epochs, int) or isinstance(max_epochs, bool) or max_epochs < 1:
            raise SettingError("max_epochs", f"is {max_epochs!r}", "Expected a whole number, 1 or more.")
        self.objective = objective
        self.max_epochs = max_epochs

    @abstractmethod
    def judge(self, report: Report) -> Verdict:
        """Whether the trial goes on. A report with a non-finite objective is answered STOP by every scheduler."""

    def end(self, outcome: Outcome) -> None:
        """Learns how a trial ended."""

    @property
    def milestones(self) -> tuple[int, ...]:
        """The steps, ascending, at which a decision may be taken: a trial waits there for its verdict."""
        return ()

    def state_dict(self) -> dict[str, Any]:
        """Everything that later verdicts depend on, as JSON-ready plain data with a "version"."""
        return {"version": 1, **self._state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over the state of a scheduler made with the same arguments.

        Raises:
            ValueError: If the state's version is not known.
        """
        if state.get("version") != 1:
            raise ValueError(f"The state of scheduler '{self.name}' has version {state.get('version')!r}; expected 1.")
        self._load_state(state)

    def _state(self) -> dict[str, Any]:
        """The subclass's own part of `state_dict`."""
        return {}

    def _load_state(self, state: Mapping[str, Any]) -> None:
        """Takes over the subclass's own part."""
