"""One trial in a worker process: Lightning's fit on a thread, the trial's folder, the line to the driver."""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lightning_hpo.errors import HPOError, RunFolderError, StorageError
from lightning_hpo.results import MetricsFile, TrialFolder
from lightning_hpo.training import Assembly, Task
from lightning_hpo.training.fit import fit
from lightning_hpo.training.memory import out_of_memory, release_memory
from lightning_hpo.training.output import speaking_into
from lightning_hpo.training.resuming import Checkpoint, Every, newest_sound
from lightning_hpo.training.writing import CheckpointWriter
from lightning_hpo.trial import Verdict

__all__ = ["Keeping", "Message", "TrialHost"]


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """Which checkpoints of a running trial are kept.

    Args:
        every: How often one is written.
        two: Whether the one before the newest stays, to fall back on.
    """

    every: Every = field(default_factory=Every)
    two: bool = False


@dataclass(frozen=True, kw_only=True)
class Message:
    """What a trial tells the driver.

    Args:
        step: The last step reported; 0 if there is none yet.
        metrics: What was reported then.
        due: Whether the trial waits for a verdict.
        done: Whether the fit is over.
        error: The traceback, if it ended with an exception.
        memory: Whether that was for want of memory.
        storage: What a disk refused, if that was why.
        resumed: Whether this is the first message of a trial that an earlier process had begun.
        repeats: How many steps beyond that it had trained, and trains again.
        note: Why it does not go on where it could have, if so.
    """

    step: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    due: bool = False
    done: bool = False
    error: str = ""
    memory: bool = False
    storage: str = ""
    resumed: bool = False
    repeats: int = 0
    note: str = ""


class TrialHost:
    """Runs one trial's fit on a thread of its own. Also the fit's `Channel`.

    The fit goes on by itself between milestones; at one it waits until `answer` or `stop` is called. Every report is
    kept in the trial's `metrics.csv`. A non-finite objective is due at once.

    A trial that an earlier process began goes on from its newest sound checkpoint. Steps that were due and that the
    driver has not heard of are reported first, from the curve; those that it has heard of are not reported again.

    Args:
        assembly: Builds the trial.
        task: The trial.
        folder: The trial's folder, which the worker can write.
        milestones: The steps at which the driver decides, ascending.
        told: The last step that the driver has heard of; None for a trial that begins.
        target: A loss that is due at once when it is reached, since it ends the run.
        keeping: Which checkpoints are kept while it runs.
    """

    def __init__(
        self,
        assembly: Assembly,
        task: Task,
        folder: TrialFolder,
        milestones: Sequence[int],
        *,
        told: int | None = None,
        target: float | None = None,
        keeping: Keeping | None = None,
    ) -> None:
        self._assembly = assembly
        self._task = task
        self._folder = folder
        self._milestones = tuple(milestones)
        self._resumed = told is not None
        self._told = told or 0
        self._target = -math.inf if target is None else target
        self._keeping = keeping or Keeping()
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._verdicts: queue.SimpleQueue[Verdict] = queue.SimpleQueue()
        self._last = Message()
        self._stopping = threading.Event()
        self._waiting = False
        #: What a disk refused, also while a trial that was stopped ended; empty for nothing.
        self.refused = ""
        self._curve = MetricsFile(folder.metrics, fresh=not self._resumed)
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
        self._curve.append(step, metrics)
        return self._ask(step, metrics)

    def _ask(self, step: int, metrics: Mapping[str, float]) -> Verdict:
        due = self._due(step, metrics)
        self._last = Message(step=step, metrics=dict(metrics), due=due)
        if self.stopping:
            return Verdict.STOP
        if not due:
            return Verdict.CONTINUE
        self._messages.put(self._last)
        return self._verdicts.get()

    def _due(self, step: int, metrics: Mapping[str, float]) -> bool:
        if step <= self._told:
            return False
        reached = [milestone for milestone in self._milestones if self._told < milestone <= step]
        if reached:
            self._told = reached[-1]
        loss = self._task.objective.loss(metrics)
        return bool(reached) or not math.isfinite(loss) or loss <= self._target

    def _run(self) -> None:
        error, memory = "", False
        try:
            self._folder.create()
            self._folder.write_config(dict(self._task.config))
            found = self._found() if self._resumed else None
            with self._folder.log.open("a" if found else "w", encoding="utf-8", buffering=1) as log, speaking_into(log):
                if found is None or self._caught_up(found):
                    writer = CheckpointWriter(
                        self._folder.checkpoint,
                        before=self._folder.checkpoint_before if self._keeping.two else None,
                        background=True,
                    )
                    fit(self._assembly, self._task, self, writer, every=self._keeping.every, resume=found)
        except (StorageError, RunFolderError) as refused:  # raised by what we write ourselves
            error, self.refused = traceback.format_exc(), str(refused)
        except BaseException as raised:  # whatever the user's code does ends this trial and nothing else
            error = traceback.format_exc()
            lack = out_of_memory(raised)
            memory = lack is not None
            error = f"{lack}\n\n{error}" if lack else error
        if error and not self.refused:
            with contextlib.suppress(HPOError):
                self._folder.write_error(error)
        if self._task.gpus > 0:
            release_memory()
        last = self._last
        self._messages.put(
            Message(step=last.step, metrics=last.metrics, done=True, error=error, memory=memory, storage=self.refused)
        )

    def _found(self) -> Checkpoint | None:
        """Where the trial goes on; tells the driver."""
        found, notes = newest_sound([self._folder.checkpoint, self._folder.checkpoint_before])
        if found is None and self._told and not notes:
            notes = (f"{self._folder.checkpoint} is missing",)
        step, known = found.step if found else 0, self._curve.read()
        repeats = max(0, known[-1][0] - step) if known else 0
        if found is None:
            self._curve = MetricsFile(self._folder.metrics, fresh=True)
        self._messages.put(Message(step=step, resumed=True, repeats=repeats, note="; ".join(notes)))
        return found

    def _caught_up(self, found: Checkpoint) -> bool:
        """Reports what the driver missed; returns whether there is something left to train."""
        for step, metrics in self._curve.read():
            if step <= found.step and self._ask(step, metrics) is not Verdict.CONTINUE:
                return False
        return not found.over
