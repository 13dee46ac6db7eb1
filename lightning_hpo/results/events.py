"""What is written down while a run goes on: one event a line of the journal, in the order it happened."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lightning_hpo.errors import did_you_mean
from lightning_hpo.objective import Objective
from lightning_hpo.results.plain import Fields, plain_metrics
from lightning_hpo.trial import Origin, Outcome, Report, Status, Trial, Verdict

__all__ = [
    "EVENTS",
    "VERSION",
    "Closed",
    "Ended",
    "Event",
    "Judged",
    "Opened",
    "Reported",
    "Resumed",
    "Started",
    "Suggested",
]

#: The format of the journal that this lightning-hpo writes, and the only one that it reads.
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Event(ABC):
    """Something that happened in a run.

    Args:
        time: When, in unix seconds.
    """

    #: The word for it in the journal.
    kind: ClassVar[str]

    time: float = field(default_factory=time.time)

    def to_plain(self) -> dict[str, Any]:
        """Itself as JSON-ready plain data. A metric that is not finite becomes "NaN", "Infinity" or "-Infinity"."""
        return {"kind": self.kind, "time": self.time, **self._body()}

    @staticmethod
    def from_plain(data: Any) -> Event:
        """The inverse of `to_plain`, for an event of any kind.

        Raises:
            ValueError: If the data are not those of an event: the kind is unknown, or something is missing, is of
                another type, or is too much.
        """
        if not isinstance(data, Mapping):
            raise ValueError(f"an event must be a mapping, but this is {data!r}")
        kind = data.get("kind")
        if not isinstance(kind, str) or kind not in EVENTS:
            hint = did_you_mean(str(kind), EVENTS)
            raise ValueError(f"{kind!r} is no kind of event; known: {', '.join(EVENTS)}. {hint}".rstrip(" ."))
        fields = Fields(data)
        fields.take("kind", str)
        event = EVENTS[kind]._decode(fields, fields.number("time"))
        fields.close()
        return event

    @abstractmethod
    def _body(self) -> dict[str, Any]:
        """What stands beside the kind and the time."""

    @classmethod
    @abstractmethod
    def _decode(cls, fields: Fields, when: float) -> Event:
        """The inverse of `_body`."""


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
class Suggested(Event):
    """A trial was made. Its config is plain data, as `Space.encode` gives it."""

    kind: ClassVar[str] = "suggested"

    trial: Trial

    def _body(self) -> dict[str, Any]:
        trial = self.trial
        return {"trial": trial.id, "config": dict(trial.config), "seed": trial.seed, "origin": trial.origin.value}

    @classmethod
    def _decode(cls, fields: Fields, when: float) -> Suggested:
        id, config, seed = fields.take("trial", int), fields.take("config", dict), fields.take("seed", int)
        return cls(time=when, trial=Trial(id=id, config=config, seed=seed, origin=fields.member("origin", Origin)))


@dataclass(frozen=True, kw_only=True)
class Started(Event):
    """A trial went to a worker: for the first time, or again after a crash or a resume."""

    kind: ClassVar[str] = "started"

    trial: int
    worker: str

    def _body(self) -> dict[str, Any]:
        return {"trial": self.trial, "worker": self.worker}

    @classmethod
    def _decode(cls, fields: Fields, when: float) -> Started:
        return cls(time=when, trial=fields.take("trial", int), worker=fields.take("worker", str))


@dataclass(frozen=True, kw_only=True)
class Reported(Event):
    """A trial's report reached the run."""

    kind: ClassVar[str] = "reported"

    report: Report

    def _body(self) -> dict[str, Any]:
        report = self.report
        return {"trial": report.trial, "step": report.step, "metrics": plain_metrics(report.metrics)}

    @classmethod
    def _decode(cls, fields: Fields, when: float) -> Reported:
        report = Report(trial=fields.take("trial", int), step=fields.take("step", int), metrics=fields.metrics())
        return cls(time=when, report=report)


@dataclass(frozen=True, kw_only=True)
class Judged(Event):
    """A report was answered."""

    kind: ClassVar[str] = "verdict"

    trial: int
    step: int
    verdict: Verdict

    def _body(self) -> dict[str, Any]:
        return {"trial": self.trial, "step": self.step, "verdict": self.verdict.value}

    @classmethod
    def _decode(cls, fields: Fields, when: float) -> Judged:
        trial, step = fields.take("trial", int), fields.take("step", int)
        return cls(time=when, trial=trial, step=step, verdict=fields.member("verdict", Verdict))


@dataclass(frozen=True, kw_only=True)
class Ended(Event):
    """Nothing more will come from a trial.

    Raises:
        ValueError: If the outcome's status is not an end.
    """

    kind: ClassVar[str] = "ended"

    outcome: Outcome

    def __post_init__(self) -> None:
        if not self.outcome.status.ended:
            ends = ", ".join(status.value for status in Status if status.ended)
            raise ValueError(f"'status' of an ended trial must be one of {ends}, but is '{self.outcome.status.value}'")

    def _body(self) -> dict[str, Any]:
        outcome = self.outcome
        return {
            "trial": outcome.trial,
            "status": outcome.status.value,
            "step": outcome.step,
            "metrics": plain_metrics(outcome.metrics),
            "error": outcome.error,
            "seconds": float(outcome.seconds),
        }

    @classmethod
    def _decode(cls, fields: Fields, when: float) -> Ended:
        outcome = Outcome(
            trial=fields.take("trial", int),
            status=fields.member("status", Status),
            step=fields.take("step", int),
            metrics=fields.metrics(),
            error=fields.take("error", str),
            seconds=fields.number("seconds"),
        )
        return cls(time=when, outcome=outcome)


@dataclass(frozen=True, kw_only=True)
class Closed(Event):
    """The run let go of its folder.

    Args:
        reason: "finished" when every trial ended, "interrupted" by a person, "failed" for any other end.

    Raises:
        ValueError: If the reason is none of these.
    """

    kind: ClassVar[str] = "closed"

    #: Every reason there is.
    REASONS: ClassVar[tuple[str, ...]] = ("finished", "interrupted", "failed")

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
class Resumed(Event):
    """A run that was closed, or whose process died, goes on; no trial has a worker at this moment."""

    kind: ClassVar[str] = "resumed"

    def _body(self) -> dict[str, Any]:
        return {}

    @classmethod
    def _decode(cls, fields: Fields, when: float) -> Resumed:
        return cls(time=when)


#: The words for the events to their classes.
EVENTS: Mapping[str, type[Event]] = {
    event.kind: event for event in (Opened, Suggested, Started, Reported, Judged, Ended, Closed, Resumed)
}
