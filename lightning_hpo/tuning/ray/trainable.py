"""One Ray Tune trial as a class trainable that hosts Lightning's fit."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray import tune

from lightning_hpo.errors import HPOError, UsageError
from lightning_hpo.results import RunFolder
from lightning_hpo.training import Task
from lightning_hpo.training.imports import uncollected
from lightning_hpo.tuning.examine import Question, examine, warm
from lightning_hpo.tuning.host import TrialHost
from lightning_hpo.tuning.ray.pickling import loads

__all__ = ["LightningTrainable", "WorkerPlan"]


@dataclass(frozen=True, kw_only=True)
class WorkerPlan:
    """What is the same for all trials of a run.

    Args:
        question: The study (a `Question`), pickled, in Ray's object store: what builds a trial, and what it is to log.
            Pickled apart, since it may hold code that only `import_paths` lead to, and since unpickling it imports
            that code, torch and Lightning: seconds for which no worker should hold up the start of the next.
        import_paths: The driver's `sys.path`, so that workers import what it can.
        folder: The run folder's path, which every worker can write.
        heartbeat: Seconds after which a trial that nobody decides on says how far it is.
        idle: Seconds between two signs of life of a warm worker that waits for its first trial.
    """

    question: ray.ObjectRef[bytes]
    import_paths: tuple[str, ...]
    folder: str
    heartbeat: float
    idle: float


class LightningTrainable(tune.Trainable):
    """Trains one trial after the other in the same process: Ray calls `reset_config` between them.

    A result holds "step", "metrics", "due", "done", "over" and "error". An exception of the user's code is a result,
    not a failure of the worker, so the worker lives on; Ray sees an error only if the process itself dies.
    """

    def setup(self, config: dict[str, Any], plan: WorkerPlan | None = None) -> None:
        """Takes note of the first trial, and begins nothing: Ray also makes actors that it then has no use for, since
        another worker was free before they were there, and these must not train the trial a second time.
        """
        if plan is None:
            raise TypeError("LightningTrainable needs its plan; give it with ray.tune.with_parameters(plan=...).")
        self._plan = plan
        sys.path += [path for path in plan.import_paths if path not in sys.path]
        self._question: Question | None = None
        self._host: TrialHost | None = None
        self._first: Mapping[str, Any] | None = config
        self._loader: threading.Thread | None = None
        self._new = False
        self._refused = ""

    def step(self) -> dict[str, Any]:
        """Waits for the next due report, the end, or the heartbeat. Calling it again means CONTINUE."""
        if self._first is not None:
            return self._take_up(self._first)
        if self._host is None:
            time.sleep(self._plan.idle)
            return {"warm": True}
        if self._new:  # says at once that the worker has let go of the trial before
            self._new = False
            return {"step": 0, "due": False, "storage": self._refused}
        message = self._host.next(self._plan.heartbeat)
        return {
            "step": message.step,
            "metrics": dict(message.metrics),
            "due": message.due,
            "done": message.done,
            "over": message.done,  # Ray sets "done" itself on trials that it ends; this stays what the fit said
            "error": message.error,
            "memory": message.memory,
            "storage": message.storage,
            "resumed": message.resumed,
            "repeats": message.repeats,
            "note": message.note,
        }

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Ends the trial before, as Lightning ends any fit, and begins the next one."""
        self._finish()
        self._first = new_config if "warmup" in new_config or self._question is None else None
        if self._first is None:
            self._begin(new_config)
        return True

    def cleanup(self) -> None:
        """Ends the trial, if it still runs."""
        self._finish()

    def _take_up(self, first: Mapping[str, Any]) -> dict[str, Any]:
        """Loads the study for the first trial, with signs of life meanwhile: torch alone takes seconds."""
        if "warmup" in first:
            self._first = None
            return self._warm(first)
        if self._loader is None:
            self._loader = threading.Thread(target=self._load, name="load-study", daemon=True)
            self._loader.start()
        else:
            self._loader.join(self._plan.heartbeat)
        if not self._loader.is_alive():
            self._first = None
            self._begin(first)
        return {"step": 0, "due": False}

    def _load(self) -> None:
        with contextlib.suppress(Exception):  # whoever needs the study meets what is wrong with it again
            self._study()

    def _begin(self, config: Mapping[str, Any]) -> None:
        question = self._study()
        folder = RunFolder(self._plan.folder).trial(config["trial"])
        task = Task(
            trial=config["trial"],
            config=config["config"],
            seed=config["seed"],
            directory=str(folder.path),
            objective=question.objective,
            resource=question.resource,
            cpus=question.cpus,
            gpus=question.gpus,
        )
        self._host = TrialHost(
            question.assembly,
            task,
            folder,
            config["milestones"],
            told=config["told"],
            target=config["target"],
            keeping=config["keeping"],
        )
        self._host.start()
        self._new = True

    def _warm(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Imports, and looks at the study if asked to."""
        try:
            with uncollected():
                question = self._study()
                warm(question)
            gc.freeze()  # what is loaded stays: looking for garbage in it takes a quarter of a second each time
            if config["look"]:
                return {"warm": True, "examination": examine(question)}
        except HPOError as error:  # told by the driver as it is
            return {"warm": True, "fault": error}
        except Exception as error:  # the user's modules may fail in any way when imported, with what does not pickle
            fact = f"A worker cannot load what is to be tuned: {type(error).__name__}: {error}"
            return {"warm": True, "fault": UsageError(fact)}
        return {"warm": True}

    def _study(self) -> Question:
        if self._question is None:
            self._question = loads(ray.get(self._plan.question))
        return self._question

    def _finish(self) -> None:
        if self._host is not None:
            self._host.stop()
            self._refused = self._host.refused
            self._host = None
