"""What happens to a run as a whole; what happens to its trials is in `events`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from lightning_hpo.objective import Objective
from lightning_hpo.results.event import Event
from lightning_hpo.results.plain import Fields

__all__ = ["VERSION", "Closed", "Extended", "Opened", "Resumed"]

#: The format of the journal that this lightning-hpo writes, and the only one that it reads.
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Opened(Event):
    """The run began; always the first line, since it says how the others are to be read.

    Args:
        version: The format of the journal.
        objective: What is optimised.
        space: What may vary, as plain data in the syntax of recipes.
        n_trials: How many trials were asked for; None for as many as the searcher has.
        max_epochs: The last step of a full trial.
        resource: What steps count: "epoch", or whatever else the recipe says.
        seed: The run's seed.
        searcher: Its name and settings.
        scheduler: Its name and settings.
        software: Names of packages to their versions.
    """

    kind: ClassVar[str] = "opened"

    version: int = VERSION
    objective: Objective
    space: Any
    n_trials: int | None
    max_epochs: int
    resource: str
    seed: int
    searcher: Mapping[str, Any]
    scheduler: Mapping[str, Any]
    software: Mapping[str, str]

    #: The fields that are plain data as they are, and their types.
    _PLAIN: ClassVar[Mapping[str, Any]] = {
        "space": object,
        "n_trials": (int, type(None)),
        "max_epochs": int,
        "resource": str,
        "seed": int,
        "searcher": dict,
        "scheduler": dict,
        "software": dict,
    }

    def _body(self) -> dict[str, Any]:
        objective = {"metric": self.objective.metric, "mode": self.objective.mode}
        plain = {name: getattr(self, name) for name in self._PLAIN}
        return {"version": self.version, "objective": objective, **plain}

    @classmethod
    def _decode(cls, fields: Fields, when: float) -> Opened:
        version = fields.take("version", int)
        if version != VERSION:
            raise ValueError(f"'version' is {version}; this lightning-hpo reads {VERSION}")
        plain = {name: fields.take(name, types) for name, types in cls._PLAIN.items()}
        return cls(time=when, version=version, objective=fields.objective(), **plain)


@dataclass(frozen=True, kw_only=True)
class Closed(Event):
    """The run let go of its folder.

    Args:
        reason: "finished" when every trial ended, "interrupted" by a person, "reached" when a trial was good enough,
            "out of time" when the time budget was spent, "failed" for any other end.

    Raises:
        ValueError: If the reason is none of these.
    """

    kind: ClassVar[str] = "closed"

    #: Every reason there is.
    REASONS: ClassVar[tuple[str, ...]] = ("finished", "interrupted", "reached", "out of time", "failed")

    reason: str

    def __post_init__(self) -> None:
        if self.reason not in self.REASONS:
            raise ValueError(f"'reason' must be one of {', '.join(self.REASONS)}, but is {self.reason!r}")

    def _body(self) -> dict[str, Any]:
        return {"reason": self.reason}

    @classmethod
    def _decode(cls, fields: Fields, when: float) -> Closed:
        return cls(time=when, reason=fields.take("reason", str))


@dataclass(frozen=True, kw_only=True)
class Extended(Event):
    """A run is to do more than it was opened for; what is not more stays as it was.

    Args:
        n_trials: How many trials from now on, those that there were among them; None for as many as the searcher has.
        max_epochs: The last step of a full trial.
        space: What may vary, as plain data; every range holds the one it had.
        seconds: How much longer it may be driven; None without a time budget.
    """

    kind: ClassVar[str] = "extended"

    n_trials: int | None
    max_epochs: int
    space: Any
    seconds: float | None

    def _body(self) -> dict[str, Any]:
        return {
            "n_trials": self.n_trials,
            "max_epochs": self.max_epochs,
            "space": self.space,
            "seconds": self.seconds,
        }

    @classmethod
    def _decode(cls, fields: Fields, when: float) -> Extended:
        return cls(
            time=when,
            n_trials=fields.take("n_trials", (int, type(None))),
            max_epochs=fields.take("max_epochs", int),
            space=fields.take("space", object),
            seconds=fields.take("seconds", (float, int, type(None))),
        )


@dataclass(frozen=True, kw_only=True)
class Resumed(Event):
    """A run that was closed, or whose process died, goes on; no trial has a worker at this moment.

    Args:
        note: What of the journal was left out, if a crash had torn it.
    """

    kind: ClassVar[str] = "resumed"

    note: str = ""

    def _body(self) -> dict[str, Any]:
        return {"note": self.note} if self.note else {}

    @classmethod
    def _decode(cls, fields: Fields, when: float) -> Resumed:
        return cls(time=when, note=fields.text("note"))
