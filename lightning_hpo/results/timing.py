"""For how long a run was driven, from its events."""

from __future__ import annotations

from collections.abc import Iterable

from lightning_hpo.results.event import Event
from lightning_hpo.results.run_events import Extended, Opened, Resumed

__all__ = ["time_driven", "time_left"]


def time_driven(events: Iterable[Event]) -> float:
    """Seconds that a run was driven for; the time between an end, or an interruption, and going on does not count."""
    total, since, last = 0.0, 0.0, 0.0
    for event in events:
        if isinstance(event, Extended):  # comes when nobody drives the run
            continue
        if isinstance(event, (Opened, Resumed)):
            total += last - since
            since = event.time
        last = event.time
    return max(0.0, total + last - since)


def time_left(events: Iterable[Event], budget: float | None) -> float | None:
    """Seconds that a run may still be driven for, 0 or less if it has had them all; None without a limit.

    Args:
        events: What happened.
        budget: The seconds that the run was opened with; an extension since then says itself how many there are.
    """
    after: list[Event] = []
    for event in events:
        if isinstance(event, Extended):
            budget, after = event.seconds, []
        else:
            after.append(event)
    return None if budget is None else budget - time_driven(after)
