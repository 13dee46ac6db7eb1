"""One Ray Tune trial as a class trainable that hosts Lightning's fit."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray import tune

from lightning_hpo.objective import Objective
from lightning_hpo.results import RunFolder
from lightning_hpo.training import Assembly, Resource, Task
from lightning_hpo.tuning.host import TrialHost

__all__ = ["LightningTrainable", "WorkerPlan"]


@dataclass(frozen=True, kw_only=True)
class WorkerPlan:
    """What is the same for all trials of a run.

    Args:
        assembly: Builds a trial's parts.
        folder: The run folder's path, which every worker can write.
        objective: The metric that must be logged.
        resource: What a step counts.
        cpus: CPUs of one trial.
        gpus: GPUs of one trial.
        milestones: The steps at which the driver decides.
        heartbeat: Seconds after which a trial that nobody decides on says how far it is.
        import_paths: The driver's `sys.path`, so that workers import what it can.
    """

    assembly: Assembly
    folder: str
    objective: Objective
    resource: Resource
    cpus: float
    gpus: float
    milestones: tuple[int, ...]
    heartbeat: float
    import_paths: tuple[str, ...]


class LightningTrainable(tune.Trainable):  # type: ignore[misc]  # Ray's class is untyped
    """Trains one trial after the other in the same process: Ray calls `reset_config` between them.

    A result is `{"step", "metrics", "due", "done", "over", "error"}`. An exception of the user's code is a result and not a
    failure of the worker, so the worker lives on; Ray sees an error only if the process itself dies.
    """

    def setup(self, config: dict[str, Any], plan: WorkerPlan | None = None) -> None:
        """Begins the first trial."""
        if plan is None:
            raise TypeError("LightningTrainable needs its plan; give it with ray.tune.with_parameters(plan=...).")
        self._plan = plan
        sys.path += [path for path in plan.import_paths if path not in sys.path]
        self._host: TrialHost | None = None
        self._begin(config)

    def step(self) -> dict[str, Any]:
        """Waits for the next due report, the end, or the heartbeat. Calling it again means CONTINUE."""
        if self._host is None:
            raise RuntimeError("step() was called before a trial began.")
        message = self._host.next(self._plan.heartbeat)
        return {
            "step": message.step,
            "metrics": dict(message.metrics),
            "due": message.due,
            "done": message.done,
            "over": message.done,  # Ray sets "done" itself on trials that it ends; this stays what the fit said
            "error": message.error,
        }

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Ends the trial before, as Lightning ends any fit, and begins the next one."""
        self._finish()
        self._begin(new_config)
        return True

    def cleanup(self) -> None:
        """Ends the trial, if it still runs."""
        self._finish()

    def _begin(self, config: Mapping[str, Any]) -> None:
        plan = self._plan
        trial = config["trial"]
        folder = RunFolder(plan.folder).trial(trial)
        task = Task(
            trial=trial,
            config=config["config"],
            seed=config["seed"],
            directory=str(folder.path),
            objective=plan.objective,
            resource=plan.resource,
            cpus=plan.cpus,
            gpus=plan.gpus,
        )
        self._host = TrialHost(plan.assembly, task, folder, plan.milestones)
        self._host.start()

    def _finish(self) -> None:
        if self._host is not None:
            self._host.stop()
            self._host = None


