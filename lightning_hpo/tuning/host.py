"""One trial in a worker process: Lightning's fit on a thread, the trial's folder, the line to the driver."""

from __future__ import annotations

import contextlib
import gc
import math
import queue
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lightning_hpo.errors import HPOError
from lightning_hpo.results import MetricsFile, TrialFolder
from lightning_hpo.training import Assembly, Task
from lightning_hpo.training.fit import fit
from lightning_hpo.training.output import speaking_into
from lightning_hpo.trial import Verdict

__all__ = ["Message", "TrialHost"]


@dataclass(frozen=True, kw_only=True)
class Message:
    """What a trial tells the driver.

    Args:
        step: The last step reported; 0 if there is none yet.
        metrics: What was reported then.
        due: Whether the trial waits for a verdict.
        done: Whether the fit is over.
        error: The traceback, if it ended with an exception.
    """

    step: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    due: bool = False
    done: bool = False
    error: str = ""


class TrialHost:
    """Runs one trial's fit on a thread of its own. Also the fit's `Channel`.

    The fit goes on by itself between milestones; at one it waits until `answer` or `stop` is called. Every report is
    kept in the trial's `metrics.csv`. A non-finite objective is due at once.

    Args:
        assembly: Builds the trial.
        task: The trial.
        folder: The trial's folder, which the worker can write.
        milestones: The steps at which the driver decides, ascending.
    """

    def __init__(self, assembly: Assembly, task: Task, folder: TrialFolder, milestones: Sequence[int]) -> None:
        self._assembly = assembly
        self._task = task
        self._folder = folder
        self._milestones = tuple(milestones)
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._verdicts: queue.SimpleQueue[Verdict] = queue.SimpleQueue()
        self._last = Message()
        self._told = 0
        self._stopping = threading.Event()
        self._waiting = False
        self._curve: MetricsFile | None = None
        self._thread = threading.Thread(target=self._run, name=f"trial-{task.trial}", daemon=True)

    def start(self) -> None:
        """Begins the fit."""
        self._thread.start()

    def next(self, timeout: float) -> Message:
        """The next due report or the end; after `timeout` seconds, how far the trial is, whatever it does.

        Seconds. Called on the driver's side only.
        """
        if self._waiting:
            self.answer(Verdict.CONTINUE)
        try:
            message = self._messages.get(timeout=timeout)
        except queue.Empty:
            return Message(step=self._last.step, metrics=self._last.metrics)
        self._waiting = message.due
        return message

    def answer(self, verdict: Verdict) -> None:
        """Lets a waiting fit go on, or end."""
        self._waiting = False
        self._verdicts.put(verdict)

    def stop(self) -> None:
        """Ends the fit within a batch, through Lightning's ordinary teardown, and waits for it. Safe to call twice."""
        self._stopping.set()
        self._verdicts.put(Verdict.STOP)
        if self._thread.is_alive():
            self._thread.join()

    @property
    def stopping(self) -> bool:
        """Whether the fit should end now (`Channel`)."""
        return self._stopping.is_set()

    def report(self, step: int, metrics: Mapping[str, float]) -> Verdict:
        """Keeps the report; waits for a verdict where one is due (`Channel`)."""
        if self._curve is not None:
            self._curve.append(step, metrics)
        due = self._due(step, metrics)
        self._last = Message(step=step, metrics=dict(metrics), due=due)
        if self.stopping:
            return Verdict.STOP
        if not due:
            return Verdict.CONTINUE
        self._messages.put(self._last)
        return self._verdicts.get()

    def _due(self, step: int, metrics: Mapping[str, float]) -> bool:
        reached = [milestone for milestone in self._milestones if self._told < milestone <= step]
        if reached:
            self._told = reached[-1]
        return bool(reached) or not math.isfinite(self._task.objective.loss(metrics))

    def _run(self) -> None:
        error = ""
        try:
            self._folder.create()
            self._folder.write_config(dict(self._task.config))
            self._curve = MetricsFile(self._folder.metrics, fresh=True)
            with self._folder.log.open("w", encoding="utf-8", buffering=1) as log, speaking_into(log):
                fit(self._assembly, self._task, self, self._folder.checkpoint)
        except BaseException:  # whatever the user's code or the disk does ends this trial and nothing else
            error = traceback.format_exc()
            with contextlib.suppress(HPOError):
                self._folder.write_error(error)
        if self._task.gpus > 0:
            gc.collect()  # a module and its Trainer hold each other; the next trial needs the memory on the device now
        last = self._last
        self._messages.put(Message(step=last.step, metrics=last.metrics, done=True, error=error))
