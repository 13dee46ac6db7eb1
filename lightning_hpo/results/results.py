"""What a run hands out: its trials, the best of them, and the model that it trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_hpo.errors import NoTrialSucceeded, UsageError
from lightning_hpo.objective import Objective
from lightning_hpo.results.disk import shown
from lightning_hpo.results.folder import RunFolder
from lightning_hpo.results.state import RunState, TrialState
from lightning_hpo.results.table import rows
from lightning_hpo.trial import Config, Origin, Report, Status

__all__ = ["Results", "TrialResult"]


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """One trial as it stands when the results are looked at.

    Args:
        id: The trial's number.
        config: What it trained with, as plain data (a tuple is a list).
        status: Where it stands.
        origin: Who proposed the config.
        step: How far it trained, in epochs or whatever the run counts.
        value: The objective's metric at its last report; NaN if there is no finite one.
        loss: The same, to be minimised; `inf` if there is none.
        metrics: Everything at its last report.
        seconds: Its wall clock; 0 before it ended.
        path: Its folder.
        error: The traceback, if it failed.
    """

    id: int
    config: Config
    status: Status
    origin: Origin
    step: int
    value: float
    loss: float
    metrics: dict[str, float] = field(repr=False)
    seconds: float = field(repr=False)
    path: Path = field(repr=False)
    error: str = field(repr=False)


class Results:
    """The results of a run, going on or ended.

    Edges:
        * While the run goes on in this process, the results follow it; opened from a folder, they show the moment of
          opening.
        * Trials stand in the order in which they were suggested; trial 0 is the module's defaults.

    Args:
        folder: Where the run is kept.
        state: What its events add up to.
        load: Makes the trained model of a trial; without it there is no `best_model`.
    """

    def __init__(self, folder: RunFolder, state: RunState, load: Callable[[TrialState], Any] | None = None) -> None:
        self.folder = folder
        self.state = state
        self._load = load

    @classmethod
    def open(cls, path: Path | str, load: Callable[[TrialState], Any] | None = None) -> Results:
        """The results kept in a run folder; neither Ray nor torch is needed.

        Raises:
            RunFolderError: If there is no run, or if its journal cannot be read.
        """
        folder = RunFolder.open(path)
        return cls(folder, folder.read(), load)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {status.value}" for status, count in self.state.counts.items() if count)
        best = self.state.best
        metric = self.objective.metric
        found = f"best {metric}={self.objective.value(best.loss):.6g} (trial {best.id})" if best else "no best yet"
        return f"<Results of {self.folder}: {len(self)} trials ({counts or 'none yet'}), {found}>"

    def __len__(self) -> int:
        return len(self.state.trials)

    def __iter__(self) -> Iterator[TrialResult]:
        return iter(self.trials)

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.folder.path

    @property
    def objective(self) -> Objective:
        """What was optimised."""
        return self.state.objective

    @property
    def trials(self) -> list[TrialResult]:
        """All trials in the order of suggestion."""
        return [self._result(trial) for trial in self.state]

    @property
    def best(self) -> TrialResult:
        """The trial with the best value among those that ended well.

        Raises:
            NoTrialSucceeded: If there is none; the message ends with the last error.
        """
        return self._result(self._best())

    @property
    def baseline(self) -> TrialResult | None:
        """The trial of the module's own defaults; None if the run had none."""
        baseline = self.state.baseline
        return None if baseline is None else self._result(baseline)

    @property
    def gain(self) -> float | None:
        """By how much the best is better than the defaults, in the metric; None if one of the two is missing."""
        return self.state.gain

    @property
    def epochs_spent(self) -> int:
        """How many epochs all trials trained together."""
        return self.state.epochs_spent

    @property
    def epochs_full(self) -> int:
        """How many it would have been without stopping any trial."""
        return self.state.epochs_full

    def table(self) -> list[dict[str, Any]]:
        """One row a trial, all with the same keys: trial, status, origin, step, the metrics, the config, seconds.

        `pandas.DataFrame(results.table())` makes a data frame of it.
        """
        return rows(self.state)

    def curves(self) -> dict[int, list[Report]]:
        """Every trial's whole learning curve, from its own folder; empty where nothing was measured.

        Raises:
            RunFolderError: If a file is unreadable or damaged.
        """
        return {trial.id: self.folder.trial(trial.id).curve() for trial in self.state}

    def best_model(self) -> Any:
        """The model of the best trial, with the parameters it ended with.

        Raises:
            UsageError: If the results were opened without what makes a model.
            NoTrialSucceeded: If there is no best trial.
        """
        if self._load is None:
            raise UsageError(
                "These results were opened without a way to make the model. "
                f"Open the run with: lightning_hpo.open_run({str(self.folder)!r}).best_model()"
            )
        return self._load(self._best())

    def _best(self) -> TrialState:
        best = self.state.best
        if best is not None:
            return best
        counts = ", ".join(f"{count} {status.value}" for status, count in self.state.counts.items() if count)
        failed = [trial for trial in self.state if trial.error]
        message = (
            f"{self.folder} has no trial that ended with a finite '{self.objective.metric}': "
            f"{counts or 'no trial was suggested'}."
        )
        if self.state.unfinished:
            message += f" Go on with it: lightning-hpo resume {self.folder}"
        if failed:
            last = max(failed, key=lambda trial: (trial.ended or -math.inf, trial.id))
            error = shown(self.folder.trial(last.id).error)
            message += f" The last error, of trial {last.id} (also in {error}):\n\n{last.error.strip()}"
        raise NoTrialSucceeded(message)

    def _result(self, trial: TrialState) -> TrialResult:
        return TrialResult(
            id=trial.id,
            config=dict(trial.trial.config),
            status=trial.status,
            origin=trial.trial.origin,
            step=trial.step,
            value=self.objective.value(trial.loss),
            loss=trial.loss,
            metrics=dict(trial.metrics),
            seconds=trial.seconds,
            path=self.folder.trial(trial.id).path,
            error=trial.error,
        )
