"""The line from a Lightning fit to Ray Tune, for those who call `Trainer.fit` in a Ray Tune function of their own."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray import tune
from ray.train._internal.session import get_session

from lightning_hpo.trial import Verdict

__all__ = ["FunctionChannel"]


class FunctionChannel:
    """Carries reports to the Ray Tune trial that the calling function runs in, and its end back as a verdict.

    Give it to `ReportCallback`: metrics then reach Ray Tune with "step" beside them, counted by Lightning, so
    `ASHAScheduler(time_attr="step", ...)` counts epochs. Ray stops a function by raising SystemExit in the middle of
    its report, which Lightning takes for a crash: it skips `on_train_end` and closes loggers as failed, and the process
    may be gone before it has. Here the same moment becomes `Verdict.STOP`: the fit ends as after its last epoch, the
    function returns, and Ray waits for it.

    Edges:
        * Ray stopping the trial between two reports (a time budget, Ctrl-C) ends the fit within a batch.
        * After a stop nothing more is reported, whatever the function goes on to do.
        * A teardown that takes longer than `patience` is cut off, as Ray would have done at once.

    Args:
        checkpoint: The file that a `CheckpointCallback(checkpoint, every=...)` before the `ReportCallback` writes; its
            folder goes to Ray Tune with the first report after each time that it was written. None sends none.
        patience: Seconds that Ray waits for the function to return after a stop.
    """

    def __init__(self, *, checkpoint: str | os.PathLike[str] | None = None, patience: float = 60.0) -> None:
        self._checkpoint = None if checkpoint is None else Path(checkpoint)
        self._patience = patience
        self._sent: tuple[int, int] | None = None
        self._stopped = False
        self._session: Any = None

    @property
    def stopping(self) -> bool:
        """Whether Ray Tune has stopped the trial."""
        return self._stopped or (self._session is not None and self._session.stop_event.is_set())

    def report(self, step: int, metrics: Mapping[str, float]) -> Verdict:
        """Reports to Ray Tune, which answers when its scheduler has decided.

        Raises:
            RuntimeError: If not called inside a Ray Tune function.
        """
        self._attach()
        if not self._stopped:
            try:
                tune.report({**metrics, "step": step}, checkpoint=self._fresh_checkpoint())
            except SystemExit as end:
                if end.code not in (0, None):
                    raise
                self._stopped = True
                # The function's return is reported too, by Ray itself, and nobody would take that report any more.
                self._session.pause_reporting()
        return Verdict.STOP if self._stopped else Verdict.CONTINUE

    def _attach(self) -> None:
        """Makes Ray wait for the training thread when it stops the trial (`_TrainSession.finish` waits 0 seconds)."""
        session = get_session()
        if session is None:
            raise RuntimeError(
                "FunctionChannel.report was called outside a Ray Tune function. "
                "Use it in the function that is given to ray.tune.Tuner, or leave the callback out."
            )
        if session is self._session:
            return
        self._session = session
        thread = session.training_thread
        if thread is threading.current_thread():
            vars(thread)["join"] = functools.partial(_wait, type(thread).join, thread, self._patience)

    def _fresh_checkpoint(self) -> Any:
        """The checkpoint's folder, if there is a new one since the last report."""
        if self._checkpoint is None or not self._checkpoint.exists():
            return None
        found = self._checkpoint.stat()
        written = (found.st_mtime_ns, found.st_size)
        if written == self._sent:
            return None
        self._sent = written
        return tune.Checkpoint.from_directory(self._checkpoint.parent)


def _wait(join: Any, thread: threading.Thread, patience: float, timeout: float | None = None) -> Any:
    """`join` with more patience than was asked for; asked for none at all, it has all the patience there is."""
    return join(thread, timeout=None if timeout is None else max(timeout, patience))
