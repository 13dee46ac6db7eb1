"""Rebuilds a run from its journal: what its deciders know, and what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lightning_hpo.errors import RunFolderError
from lightning_hpo.results import RunState
from lightning_hpo.results.event import Event
from lightning_hpo.results.events import Ended, Judged, Reported, Suggested
from lightning_hpo.results.run_events import Extended, Opened
from lightning_hpo.results.timing import time_left
from lightning_hpo.trial import Verdict
from lightning_hpo.tuning.deciding import Deciders, Diverted, contradictions, settings_at
from lightning_hpo.tuning.settings import RunSettings

__all__ = ["Replayed", "replayed"]


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A run as its journal left it.

    Args:
        state: Where it stands.
        settings: What it does, every extension included.
        deciders: Its searcher and scheduler, which know what they knew.
        answers: How the last report of each trial was answered.
        seconds: For how long it may still be driven; None without a limit.
    """

    state: RunState
    settings: RunSettings
    deciders: Deciders
    answers: dict[int, Verdict]
    seconds: float | None


def replayed(events: Sequence[Event], settings: RunSettings, name: str) -> Replayed:
    """Has the deciders see again what they saw. Nothing is written.

    Args:
        events: The journal, from its first event on.
        settings: What the run is to go on with; they must say the same as the journal.
        name: The run, for messages.

    Raises:
        RunFolderError: If the settings contradict the journal, with every difference, or if the searcher that is made
            from them would have suggested something else.
    """
    state = RunState()
    now = settings
    deciders = Deciders(now)
    answers: dict[int, Verdict] = {}
    for number, event in enumerate(events):
        state.apply(event)
        if isinstance(event, (Opened, Extended)):
            now = settings_at(event, settings)
        if isinstance(event, Opened):
            deciders = Deciders(now)
        elif isinstance(event, Extended):
            deciders = deciders.extended(now, events[:number])
        elif isinstance(event, Suggested):
            try:
                deciders.replay(event.trial)
            except Diverted as diverted:
                raise RunFolderError(
                    f"{name}: replaying the journal, trial {event.trial.id} would now be {diverted.config!r}, "
                    f"but was {dict(event.trial.config)!r}. The installed versions have changed since. "
                    "Resume with those that the run was started with, or start a new run."
                ) from diverted
        elif isinstance(event, Reported):
            answers[event.report.trial] = deciders.report(event.report)
        elif isinstance(event, Judged):
            answers[event.trial] = event.verdict
        elif isinstance(event, Ended):
            deciders.end(event.outcome)
    if wrong := contradictions(settings, state.opened):
        told = "\n  ".join(wrong)
        raise RunFolderError(
            f"{name} cannot go on with what is asked now:\n  {told}\nResume it with what it was started with, "
            f"widen it with: lightning-hpo extend {name}, or start a new run."
        )
    seconds = time_left(events, settings.limits.time_budget)
    return Replayed(state=state, settings=now, deciders=deciders, answers=answers, seconds=seconds)
