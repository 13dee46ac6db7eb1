"""What a run does about faults, and when it ends early."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from lightning_hpo.durations import seconds_of
from lightning_hpo.errors import SettingError, did_you_mean
from lightning_hpo.objective import Objective
from lightning_hpo.training.resuming import Every
from lightning_hpo.trial import Report

__all__ = ["Limits", "OnOOM"]

#: What becomes of a trial that ran out of memory.
OnOOM = Literal["fail", "retry"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a run does about faults, and when it ends early.

    Args:
        time_budget: Seconds that the run is driven for; then it ends, and what still ran can be gone on with.
        stop_when: Values of the objective's metric that are good enough: the run ends with the first trial that
            reaches one.
        trial_timeout: Seconds that one trial may take; then it has failed.
        worker_timeout: Seconds without a sign of life after which a worker is given up and its trial retried.
        retries: How often a trial is gone on with after its worker was lost.
        on_oom: Whether a trial that ran out of memory has failed, or is tried once more while no other trial runs.
        checkpoint_every: How often a running trial writes a checkpoint.
        checkpoint_keep: How many of them it keeps, 1 or 2.

    Raises:
        SettingError: If one is out of bounds.
    """

    time_budget: float | None = None
    stop_when: Mapping[str, float] = field(default_factory=dict)
    trial_timeout: float | None = None
    worker_timeout: float = 300.0
    retries: int = 3
    on_oom: OnOOM = "fail"
    checkpoint_every: Every = field(default_factory=Every)
    checkpoint_keep: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.retries, int) or isinstance(self.retries, bool) or self.retries < 0:
            raise SettingError("retries", f"is {self.retries!r}", "Expected a whole number, 0 or more.")
        if self.on_oom not in get_args(OnOOM):
            raise SettingError("on_oom", f"is {self.on_oom!r}", "Expected 'fail' or 'retry'.")
        if self.checkpoint_keep not in (1, 2):
            raise SettingError("checkpoint.keep", f"is {self.checkpoint_keep!r}", "Expected 1 or 2.")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Limits:
        """From what a recipe or a caller wrote: times as text or seconds, `checkpoint` as a mapping.

        Raises:
            SettingError: If a name is not known or a value out of bounds.
        """
        known = [each.name for each in fields(cls) if not each.name.startswith("checkpoint")] + ["checkpoint"]
        made: dict[str, Any] = {}
        for name, value in given.items():
            if name not in known:
                hint = did_you_mean(name, known)
                raise SettingError(name, "is no limit", f"Known: {', '.join(known)}. {hint}".rstrip())
            if name == "checkpoint":
                made |= _checkpoint(value)
            elif name in ("time_budget", "trial_timeout", "worker_timeout") and value is not None:
                made[name] = _seconds(name, value)
            else:
                made[name] = value
        return cls(**made)

    def check(self, objective: Objective) -> None:
        """That `stop_when` names what the run optimises.

        Raises:
            SettingError: If it names something else, or its value is no number.
        """
        for metric, value in self.stop_when.items():
            if metric != objective.metric:
                expected = f"Expected the objective's metric, {objective.metric}: only of it is known what is better."
                raise SettingError("stop_when", f"names '{metric}'", expected)
            if not isinstance(value, (int, float)) or isinstance(value, bool):
                raise SettingError("stop_when", f"is {value!r}", "Expected a number.")

    def target(self, objective: Objective) -> float | None:
        """The loss that is good enough; None for none."""
        if objective.metric not in self.stop_when:
            return None
        return objective.loss({objective.metric: float(self.stop_when[objective.metric])})

    def reached(self, report: Report, objective: Objective) -> bool:
        """Whether a report is good enough to end the run."""
        target = self.target(objective)
        return target is not None and objective.loss(report.metrics) <= target


def _checkpoint(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise SettingError("checkpoint", f"is {value!r}", "Expected a mapping with every and keep.")
    unknown = [name for name in value if name not in ("every", "keep")]
    if unknown:
        raise SettingError(f"checkpoint.{unknown[0]}", "is not known", "Expected every or keep.")
    made: dict[str, Any] = {}
    if "every" in value:
        made["checkpoint_every"] = _every_of(value["every"])
    if "keep" in value:
        made["checkpoint_keep"] = value["keep"]
    return made


def _every_of(written: Any) -> Every:
    """How often a checkpoint is written: a number of epochs, a time like "10 min", or None for never.

    Raises:
        SettingError: If it is none of these.
    """
    if written is None:
        return Every(epochs=0)
    if isinstance(written, Every):
        return written
    text = str(written).strip().lower()
    count = text.removesuffix("epochs").removesuffix("epoch").strip()
    if count.isdigit() and int(count) >= 1 and not isinstance(written, bool):
        return Every(epochs=int(count))
    return Every(seconds=_seconds("checkpoint.every", written if isinstance(written, str) else None))


def _seconds(name: str, value: Any) -> float:
    try:
        return seconds_of(value)
    except ValueError as error:
        expected = "Expected a time like '90 s', '10 min' or '2h'"
        expected += ", or a number of epochs." if name == "checkpoint.every" else ", or seconds, above 0."
        raise SettingError(name, f"is {value!r}", expected) from error
