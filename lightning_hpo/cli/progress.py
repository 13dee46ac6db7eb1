"""The live block of a run on a terminal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from lightning_hpo.results import RunState
from lightning_hpo.results.event import Event
from lightning_hpo.results.events import Ended, Reported
from lightning_hpo.results.run_events import Resumed
from lightning_hpo.trial import Status
from lightning_hpo.tuning.plain_lines import counted, mishap, shown_config, shown_value

if TYPE_CHECKING:
    from lightning_hpo.tuning.run import Listener

__all__ = ["LiveBlock", "duration", "live_block"]

#: What is told of the trials, in this order.
_TOLD = (Status.RUNNING, Status.COMPLETED, Status.STOPPED, Status.DIVERGED, Status.FAILED)
#: So many trials must have ended before the time left can be guessed.
_GUESS_AFTER = 3
_LONGEST_BAR = 24
#: A config takes at most so many lines.
_CONFIG_LINES = 2


@contextlib.contextmanager
def live_block(name: str, doing: str, console: Console | None = None) -> Iterator[Listener]:
    """A few lines that follow a run; they disappear when the run ends, and the summary takes their place.

    Args:
        name: The run's.
        doing: What is done before the first trial, like "starting Ray".
        console: Where to; None is the terminal.
    """
    block = LiveBlock(name, doing)
    console = console or Console()

    def listen(event: Event, state: RunState) -> None:
        block.listen(event, state)
        told = mishap(event) or (event.note if isinstance(event, Resumed) else "")
        if told:  # stays above the block, also when this is gone
            console.print(Text(told, style="yellow"), soft_wrap=True)

    with Live(block, console=console, refresh_per_second=8, transient=True, redirect_stderr=False):
        yield listen


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What the block shows; replaced as a whole by the driver's thread, read by the drawing one."""

    total: int | None
    ended: int
    counts: dict[Status, int]
    spent: int
    full: int
    unit: str
    metric: str
    best: str = ""
    config: str = ""
    left: float | None = None


class LiveBlock:
    """Draws where a run stands, never wider than the terminal and never more than five lines.

    Args:
        name: The run's.
        doing: What is done before the first trial.
        clock: Seconds, from any moment on.
    """

    def __init__(self, name: str, doing: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._doing = doing
        self._clock = clock
        self._began = clock()
        self._spinner = Spinner("dots")
        self._running: dict[int, int] = {}
        self._seen: _Seen | None = None
        self._opened = 0.0
        self._ended_before = 0

    def listen(self, event: Event, state: RunState) -> None:
        """Takes a new picture of the run."""
        now = self._clock()
        ended = len([trial for trial in state if trial.status.ended])
        if self._seen is None:  # trials that ended before a resume took none of this process's time
            self._opened, self._ended_before = now, ended
        if isinstance(event, Reported):
            self._running[event.report.trial] = event.report.step
        elif isinstance(event, Ended):
            self._running.pop(event.outcome.trial, None)
        opened = state.opened
        ahead = sum(max(0, step - state.trials[trial].step) for trial, step in self._running.items())
        best = state.best_so_far
        self._seen = _Seen(
            total=opened.n_trials,
            ended=ended,
            counts=dict(state.counts),
            spent=state.epochs_spent + ahead,
            full=(opened.n_trials or len(state.trials)) * opened.max_epochs,
            unit=opened.resource,
            metric=opened.objective.metric,
            best="" if best is None else f"{shown_value(state.objective.value(best.loss))} (trial {best.id})",
            config="" if best is None else shown_config(best.trial.config),
            left=self._left(opened.n_trials, ended, now),
        )

    def _left(self, total: int | None, ended: int, now: float) -> float | None:
        done = ended - self._ended_before
        if not total or done < _GUESS_AFTER or ended >= total:
            return None
        return (now - self._opened) / done * (total - ended)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, each cut to the width."""
        seen, width = self._seen, options.max_width
        gone = duration(self._clock() - self._began)
        if seen is None:
            self._spinner.update(text=_cut(Text(f"{self._name}: {self._doing} … {gone}"), width - 2))
            yield self._spinner
            return
        told = [f"{seen.counts[status]} {status.value}" for status in _TOLD if seen.counts.get(status)]
        head = [Text(self._name, style="bold")]
        numbers = Text(f"{seen.ended}/{seen.total} trials" if seen.total else counted(seen.ended, "trial"))
        states = Text(", ".join(told), style="dim")
        if seen.total:
            room = width - sum(part.cell_len + 2 for part in (*head, numbers, states))
            if room >= 8:
                head.append(_bar(seen.ended / seen.total, min(room, _LONGEST_BAR)))
        yield _cut(Text("  ").join([part for part in (*head, numbers, states) if part]), width)
        spent = counted(seen.spent, seen.unit)
        if seen.full and seen.total:
            spent = f"{seen.spent} of {counted(seen.full, seen.unit)} ({100 * seen.spent / seen.full:.0f} %)"
        left = "" if seen.left is None else f", about {duration(seen.left)} left"
        yield _cut(Text(f"{spent}  {gone} gone{left}"), width)
        yield _cut(Text(f"best {seen.metric} ", style="green") + Text(seen.best or "none yet"), width)
        yield from _folded(seen.config, width)


def _bar(share: float, width: int) -> Text:
    full = round(share * width)
    return Text("━" * full, style="green") + Text("─" * (width - full), style="dim")  # told apart without colour, too


def _cut(text: Text, width: int) -> Text:
    text.no_wrap = True
    text.truncate(max(1, width), overflow="ellipsis")
    return text


def _folded(config: str, width: int) -> list[Text]:
    """A config over a few lines, broken between values; what does not fit any more is an ellipsis."""
    if not config:
        return []
    lines = [""]
    for word in config.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else f"  {word}"
        if len(longer) <= width or not lines[-1] or len(lines) == _CONFIG_LINES:
            lines[-1] = longer
        else:
            lines.append(f"  {word}")
    return [_cut(Text(line), width) for line in lines]


def duration(seconds: float) -> str:
    """Seconds as people say them: 42 s, 3 min 5 s, 2 h 10 min, 3 d 4 h."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
