"""What is written down while a run goes on: one event a line of the journal, in the order it happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from lightning_hpo.results.event import Event
from lightning_hpo.results.plain import Fields, plain_metrics
from lightning_hpo.results.run_events import Closed, Extended, Opened, Resumed
from lightning_hpo.trial import Origin, Outcome, Report, Status, Trial, Verdict

__all__ = ["EVENTS", "Continued", "Ended", "Judged", "Lost", "Reported", "Started", "Suggested"]


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
class Continued(Event):
    """A trial that was started again goes on.

    Args:
        trial: Its number.
        step: From where; 0 for its beginning.
        repeats: How many steps beyond it had been trained before, and are trained again.
        note: Why not from further on, if a checkpoint was damaged or missing.
    """

    kind: ClassVar[str] = "continued"

    trial: int
    step: int
    repeats: int = 0
    note: str = ""

    def _body(self) -> dict[str, Any]:
        return {"trial": self.trial, "step": self.step, "repeats": self.repeats, "note": self.note}

    @classmethod
    def _decode(cls, fields: Fields, when: float) -> Continued:
        trial, step, repeats = (fields.take(name, int) for name in ("trial", "step", "repeats"))
        return cls(time=when, trial=trial, step=step, repeats=repeats, note=fields.take("note", str))


@dataclass(frozen=True, kw_only=True)
class Lost(Event):
    """A trial has no worker any more, through no fault of its own, and waits for another one.

    Args:
        trial: Its number.
        reason: What is known of it.
        alone: Whether it is to train while no other trial does, from now on.
    """

    kind: ClassVar[str] = "lost"

    trial: int
    reason: str
    alone: bool = False

    def _body(self) -> dict[str, Any]:
        return {"trial": self.trial, "reason": self.reason, "alone": int(self.alone)}

    @classmethod
    def _decode(cls, fields: Fields, when: float) -> Lost:
        trial, reason = fields.take("trial", int), fields.take("reason", str)
        return cls(time=when, trial=trial, reason=reason, alone=bool(fields.take("alone", int)))


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


#: The words for the events to their classes.
EVENTS: Mapping[str, type[Event]] = {
    event.kind: event
    for event in (
        Opened,
        Suggested,
        Started,
        Continued,
        Lost,
        Reported,
        Judged,
        Ended,
        Closed,
        Extended,
        Resumed,
    )
}
