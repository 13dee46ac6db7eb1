"""The values that pass between the parts: a trial, what it reports, what is answered, how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

__all__ = ["Config", "Origin", "Outcome", "Report", "Status", "Trial", "Verdict"]

#: One drawn point of a space: names of the active parameters to their values, flat.
Config = Mapping[str, Any]


class Verdict(Enum):
    """A scheduler's answer to a report."""

    CONTINUE = "continue"
    PAUSE = "pause"
    STOP = "stop"


class Status(Enum):
    """Where a trial stands.

    WAITING trials have a config and no worker yet. The last four are ends: COMPLETED ran to its last epoch (or its
    own early stopping), STOPPED was ended by a verdict, DIVERGED reported a non-finite objective, FAILED raised.
    """

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether nothing more will come from the trial."""
        return self not in (Status.WAITING, Status.RUNNING)

    @property
    def usable(self) -> bool:
        """Whether the trial has a finite value that may win."""
        return self in (Status.COMPLETED, Status.STOPPED)


class Origin(Enum):
    """Who proposed a trial's config: the module's own defaults, the user's initial points, or the searcher."""

    DEFAULTS = "defaults"
    INITIAL = "initial"
    SEARCHER = "searcher"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A config with a number.

    Args:
        id: Counted from 0 in the order of suggestion; 0 is the module's defaults.
        config: Flat, names to values.
        seed: What the trial's training is seeded with, derived from the run's seed and the id.
        origin: Who proposed it.
    """

    id: int
    config: Config
    seed: int
    origin: Origin = Origin.SEARCHER


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a trial measured after `step` epochs (or optimiser steps, if the recipe counts those).

    Args:
        trial: The trial's id.
        step: How far it has trained, from 1; the count is Lightning's own, never the number of reports.
        metrics: Everything logged, as plain floats; may hold NaN.
    """

    trial: int
    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a trial ended.

    Args:
        trial: The trial's id.
        status: One of the ended ones.
        step: The last step it reached; 0 if it never reported.
        metrics: Its last report's metrics; empty if it never reported.
        error: The traceback of a FAILED trial, else an empty string.
        seconds: Wall clock from its start to its end.
    """

    trial: int
    status: Status
    step: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    seconds: float = 0.0
