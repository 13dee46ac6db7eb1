"""A run told in plain lines: one for each event that is worth reading."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from lightning_hpo.results import RunState
from lightning_hpo.results.event import Event
from lightning_hpo.results.events import Continued, Ended, Lost
from lightning_hpo.results.run_events import Closed, Extended, Opened, Resumed
from lightning_hpo.trial import Config, Status

if TYPE_CHECKING:  # what reads a run folder shows values too, and must not load what runs one
    from lightning_hpo.tuning.run import Listener

__all__ = ["counted", "mishap", "plain_lines", "shown_config", "shown_value"]


def plain_lines(stream: TextIO | None = None) -> Listener:
    """A listener that writes a line when the run begins or is extended, when a trial is the best so far, fails or
    diverges, at each tenth of the trials, and when the run ends.

    Args:
        stream: Where to; None is the standard error of the moment.
    """
    tenth = 0
    best: int | None = None

    def listen(event: Event, state: RunState) -> None:
        nonlocal tenth, best
        told = ""
        if isinstance(event, Opened):
            told = _opened(event)
        elif isinstance(event, Extended):
            told = f"extended to {_wanted(state.opened)}"
        elif isinstance(event, Resumed):
            best = state.best.id if state.best is not None else None
            tenth = _tenth(state)
            again = counted(len(state.unfinished), "trial")
            told = f"resumed: {counted(_ended(state), 'trial')} had ended, {again} to take up again"
            told += f"\n{event.note}" if event.note else ""
        elif isinstance(event, (Continued, Lost)):
            told = mishap(event)
        elif isinstance(event, Ended):
            told = _trouble(event, state)
            if not told and state.best is not None and state.best.id == event.outcome.trial != best:
                best = event.outcome.trial
                told = _best(event, state)
            if not told and _tenth(state) > tenth:
                told = f"{counted(state.epochs_spent, state.opened.resource)} spent"
            tenth = _tenth(state)
            told = f"[{_place(state)}] {told}" if told else ""
        elif isinstance(event, Closed):
            spent = counted(state.epochs_spent, state.opened.resource)
            told = f"{event.reason}: {counted(_ended(state), 'trial')} ended, {spent} spent"
        if told:
            out = stream or sys.stderr
            out.write(told + "\n")
            out.flush()

    return listen


def mishap(event: Event) -> str:
    """What happened to a trial through no fault of its own, as a line; nothing for other events."""
    if isinstance(event, Lost):
        reason = event.reason.strip().splitlines()[0]
        return f"trial {event.trial}: {reason} It is tried again{', alone' if event.alone else ''}."
    if isinstance(event, Continued) and event.note:
        where = f"step {event.step}" if event.step else "its beginning"
        return f"trial {event.trial} goes on from {where}: {event.note}"
    return ""


def _opened(event: Opened) -> str:
    return f"tuning {event.objective.metric} ({event.objective.mode}): {_wanted(event)}"


def _wanted(opened: Opened) -> str:
    endless = "the whole grid" if opened.searcher.get("name") == "grid" else "as many trials as there is time for"
    wanted = counted(opened.n_trials, "trial") if opened.n_trials else endless
    return f"{wanted} of up to {counted(opened.max_epochs, opened.resource)}"


def _trouble(event: Ended, state: RunState) -> str:
    """How a trial failed; nothing if it did not."""
    trial = state.trials[event.outcome.trial]
    if trial.status is Status.FAILED:
        reason = trial.error.strip().splitlines()[-1] if trial.error.strip() else "no reason known"
        return f"trial {trial.id} failed: {reason}"
    if trial.status is Status.DIVERGED:
        where = f"{state.opened.resource} {event.outcome.step}"
        return f"trial {trial.id} diverged at {where}: {shown_config(trial.trial.config)}".rstrip(": ")
    return ""


def _best(event: Ended, state: RunState) -> str:
    trial = state.trials[event.outcome.trial]
    value = shown_value(state.objective.value(trial.loss))
    config = shown_config(trial.trial.config)
    return f"trial {trial.id} is the best so far: {state.objective.metric}={value} {config}".rstrip()


def _place(state: RunState) -> str:
    total = state.opened.n_trials
    return f"{_ended(state)}/{total}" if total else f"{_ended(state)}"


def _tenth(state: RunState) -> int:
    """How many tenths of the trials have ended; of a run whose length nobody knows, how many tens."""
    return _ended(state) * 10 // state.opened.n_trials if state.opened.n_trials else _ended(state) // 10


def _ended(state: RunState) -> int:
    return len([trial for trial in state if trial.status.ended])


def counted(number: float, word: str) -> str:
    """A number and what is counted: "1 epoch", "2 epochs", "0.5 CPUs"."""
    return f"{number:g} {word}" if number == 1 else f"{_whole(number)} {word}s"


def _whole(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:g}"  # "%g" would write 1e+06


def shown_value(value: object) -> str:
    """A value as people read it: floats to four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def shown_config(config: Config) -> str:
    """A config on one line; the model's own names without their prefix."""
    return " ".join(f"{name.removeprefix('model.')}={shown_value(value)}" for name, value in config.items())
