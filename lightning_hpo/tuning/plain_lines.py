"""A run told in plain lines: one for each event that is worth reading."""

from __future__ import annotations

import sys
from typing import TextIO

from lightning_hpo.results import RunState
from lightning_hpo.results.events import Closed, Ended, Event, Opened, Resumed
from lightning_hpo.trial import Config, Status
from lightning_hpo.tuning.run import Listener

__all__ = ["plain_lines", "shown_config", "shown_value"]


def plain_lines(stream: TextIO | None = None) -> Listener:
    """A listener that writes a line when the run begins, when a trial is the best so far, fails or diverges, at each
    tenth of the trials, and when the run ends.

    Args:
        stream: Where to; None is the standard error of the moment.
    """
    told_tenths = 0
    best: int | None = None

    def listen(event: Event, state: RunState) -> None:
        nonlocal told_tenths, best
        out = stream or sys.stderr
        if isinstance(event, Opened):
            wanted = f"{event.n_trials} trials" if event.n_trials else "the whole grid"
            print(f"tuning {event.objective.metric} ({event.objective.mode}): {wanted} of up to "
                  f"{event.max_epochs} {event.resource}s", file=out)  # fmt: skip
        elif isinstance(event, Resumed):
            print(f"resumed: {_ended(state)} trials have ended, {len(state.unfinished)} go on", file=out)
        elif isinstance(event, Ended):
            trial = state.trials[event.outcome.trial]
            number = _ended(state)
            total = state.opened.n_trials
            of = f"{number}/{total}" if total else f"{number}"
            if trial.status is Status.FAILED:
                reason = trial.error.strip().splitlines()[-1] if trial.error.strip() else "no reason known"
                print(f"[{of}] trial {trial.id} failed: {reason}", file=out)
            elif trial.status is Status.DIVERGED:
                print(
                    f"[{of}] trial {trial.id} diverged at {event.outcome.step}: {shown_config(trial.trial.config)}",
                    file=out,
                )
            elif state.best is not None and state.best.id == trial.id and best != trial.id:
                best = trial.id
                print(f"[{of}] trial {trial.id} is the best so far: {state.objective.metric}="
                      f"{shown_value(state.objective.value(trial.loss))} {shown_config(trial.trial.config)}", file=out)  # fmt: skip
            elif total and number * 10 // total > told_tenths:
                print(f"[{of}] {state.epochs_spent} {state.opened.resource}s spent", file=out)
            if total:
                told_tenths = number * 10 // total
        elif isinstance(event, Closed):
            print(f"{event.reason}: {_ended(state)} trials, {state.epochs_spent} {state.opened.resource}s", file=out)
        out.flush()

    return listen


def _ended(state: RunState) -> int:
    return len([trial for trial in state if trial.status.ended])


def shown_value(value: object) -> str:
    """A value as people read it: floats to four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def shown_config(config: Config) -> str:
    """A config on one line; the model's own names without their prefix."""
    return " ".join(f"{name.removeprefix('model.')}={shown_value(value)}" for name, value in config.items())
