"""The live block of a run on a terminal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from lightning_hpo.results import RunState
from lightning_hpo.results.events import Ended, Event, Reported
from lightning_hpo.trial import Status
from lightning_hpo.tuning.plain_lines import shown_config, shown_value
from lightning_hpo.tuning.run import Listener

__all__ = ["duration", "live_block"]


@dataclass
class _Seen:
    """What the block shows; replaced as a whole by the driver's thread, read by the drawing one."""

    total: int | None = None
    ended: int = 0
    counts: dict[Status, int] = field(default_factory=dict)
    epochs: int = 0
    full: int = 0
    unit: str = "epoch"
    metric: str = ""
    best: str = ""
    began: float = field(default_factory=time.monotonic)


@contextlib.contextmanager
def live_block(name: str, console: Console | None = None) -> Iterator[Listener]:
    """A block of three lines that follows a run; it disappears when the run ends, and the summary takes its place."""
    console = console or Console()
    block = _Block(name)
    with Live(block, console=console, refresh_per_second=8, transient=True, redirect_stderr=False):
        yield block.listen


class _Block:
    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: _Seen | None = None
        self.waiting = Spinner("dots", Text(f"{name}: starting Ray, and proving that the study tunes what it says …"))
        self.running: dict[int, int] = {}
        self.began = time.monotonic()

    def listen(self, event: Event, state: RunState) -> None:
        """Takes a new picture of the run."""
        if isinstance(event, Reported):
            self.running[event.report.trial] = event.report.step
        elif isinstance(event, Ended):
            self.running.pop(event.outcome.trial, None)
        opened = state.opened
        ahead = sum(max(0, step - state.trials[trial].step) for trial, step in self.running.items())
        best = state.best_so_far
        told = ""
        if best is not None:
            value = shown_value(state.objective.value(best.loss))
            told = f"{value}  trial {best.id}  {shown_config(best.trial.config)}"
        self.seen = _Seen(
            total=opened.n_trials,
            ended=len([trial for trial in state if trial.status.ended]),
            counts=dict(state.counts),
            epochs=state.epochs_spent + ahead,
            full=(opened.n_trials or len(state.trials)) * opened.max_epochs,
            unit=opened.resource,
            metric=opened.objective.metric,
            best=told,
            began=self.began,
        )

    def __rich__(self) -> RenderableType:
        seen = self.seen
        if seen is None:
            return self.waiting
        spent = time.monotonic() - seen.began
        first = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=seen.total or 1, completed=seen.ended, width=24) if seen.total else Text("")
        of = f"{seen.ended}/{seen.total}" if seen.total else str(seen.ended)
        told = [
            f"{seen.counts.get(status, 0)} {status.value}"
            for status in (Status.RUNNING, Status.COMPLETED, Status.STOPPED, Status.DIVERGED, Status.FAILED)
            if seen.counts.get(status, 0)
        ]
        first.add_row(Text(self.name, style="bold"), bar, Text(f"{of} trials"), Text(" · ".join(told), style="dim"))
        saved = f" of {seen.full} ({100 * seen.epochs / seen.full:.0f} %)" if seen.full else ""
        left = ""
        if seen.total and 3 <= seen.ended < seen.total:
            left = f"   left about {duration(spent / seen.ended * (seen.total - seen.ended))}"
        second = Text(f"{seen.epochs} {seen.unit}s{saved}   {duration(spent)} gone{left}")
        third = Text(f"best {seen.metric} ", style="green") + Text(seen.best or "none yet")
        third.truncate(200, overflow="ellipsis")
        return Group(first, second, third)


def duration(seconds: float) -> str:
    """Seconds as people say them: 42 s, 3 min 5 s, 2 h 10 min."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
