"""The Python door: a Trainer that tunes instead of fitting once."""

from __future__ import annotations

import dataclasses
import inspect
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning_hpo.errors import Problem, RecipeError, UsageError
from lightning_hpo.objective import Mode, Objective
from lightning_hpo.results import Results, RunFolder
from lightning_hpo.space import Space
from lightning_hpo.training import Resource
from lightning_hpo.trial import Config
from lightning_hpo.tuning.continuing import extend as extend_run
from lightning_hpo.tuning.continuing import seconds_wished
from lightning_hpo.tuning.examine import Examination, Question
from lightning_hpo.tuning.execute import Study, execute, new_folder
from lightning_hpo.tuning.execute import resume as resume_run
from lightning_hpo.tuning.extending import Wish
from lightning_hpo.tuning.given import algorithm, checked_space, full_length, full_names, shares
from lightning_hpo.tuning.limits import Limits
from lightning_hpo.tuning.opening import reopen
from lightning_hpo.tuning.plain_lines import plain_lines
from lightning_hpo.tuning.run import Listener
from lightning_hpo.tuning.script import script_recipe
from lightning_hpo.tuning.settings import RunSettings

__all__ = ["TuneTrainer"]


class TuneTrainer:
    """Tunes a LightningModule: takes what `Trainer` takes, and what says how to search.

    The first trial is always the module's own defaults, so that every result can say what was gained. Each trial
    trains in a worker process of Ray, one after the other in the same warm process.

    Args:
        monitor: The metric that the module logs and that is optimised.
        mode: "min" or "max".
        n_trials: How many configs are tried; None is the whole grid for "grid", what a time budget allows, or 20.
        searcher: "tpe", "random" or "grid", or a dict of a name and settings: `{"name": "tpe", "gamma": 0.2}`.
        scheduler: "asha" or "none", or a dict of a name and settings.
        resources: CPUs and GPUs of one trial, like `{"cpu": 2, "gpu": 0.5}`; one CPU if not given. Without a GPU
            share trials train on the CPU.
        **flags: Everything else goes to the `Trainer` of the module's own Lightning distribution: `max_epochs`,
            `gradient_clip_val`, `precision`, `callbacks`, … Callbacks and loggers are copied for each trial.

    Raises:
        UsageError: If the arguments contradict each other.
    """

    def __init__(
        self,
        *,
        monitor: str,
        mode: Mode = "min",
        n_trials: int | None = None,
        searcher: str | Mapping[str, Any] = "tpe",
        scheduler: str | Mapping[str, Any] = "asha",
        resources: Mapping[str, float] | None = None,
        **flags: Any,
    ) -> None:
        self.objective = Objective(metric=monitor, mode=mode)
        self.n_trials = n_trials
        self.searcher = algorithm("searcher", searcher)
        self.scheduler = algorithm("scheduler", scheduler)
        self.resources = shares(resources or {})
        self.flags = flags

    def tune(
        self,
        model: Callable[..., Any],
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        *,
        datamodule: Any = None,
        space: Mapping[str, Any] | None = None,
        initial_points: Sequence[Config] = (),
        seed: int | None = None,
        ckpt_path: str | None = None,
        run_folder: str | Path | None = None,
        resource: Resource = "epoch",
        max_concurrent: int | None = None,
        keep_best: int = 3,
        limits: Mapping[str, Any] | None = None,
        proof: bool = True,
        listeners: Sequence[Listener] | None = None,
        address: str | None = None,
    ) -> Results:
        """Runs the study and returns its results.

        Args:
            model: A LightningModule class, decorated with `@tunable` or not, or a function that returns a module:
                its arguments are then what is tuned.
            train_dataloaders: As for `Trainer.fit`.
            val_dataloaders: As for `Trainer.fit`.
            datamodule: A LightningDataModule class (built for each trial) or instance.
            space: Names to parameters, added to or narrowing what `@tunable` declares. `lr` is an argument of the
                model; `data.batch_size` and `trainer.gradient_clip_val` address the data module and the Trainer.
            initial_points: Known good configs, tried right after the defaults; names that a point leaves out keep
                their default.
            seed: Everything random derives from it; None draws one and records it.
            ckpt_path: A checkpoint that every trial starts from.
            run_folder: A new folder for the run; None makes the next `runs/NAME-N`.
            resource: What the scheduler counts: "epoch", or "step" for optimiser steps.
            max_concurrent: At most so many trials at a time; None for as many as the resources allow.
            keep_best: How many trials keep their checkpoints.
            limits: What is done about faults and when the run ends early, as in a recipe: `time_budget`, `stop_when`,
                `trial_timeout`, `worker_timeout`, `retries`, `on_oom`, `checkpoint`.
            proof: Whether a dry run of one batch shows first that the study tunes what it says.
            listeners: Told of every event; None prints a plain line for each that is worth reading.
            address: A Ray cluster to join; None uses the runtime that is connected, or starts a local one.

        Raises:
            UsageError: If the study cannot run as it says; all problems come at once.
            NoTrialSucceeded: If nothing usable came of it.
            RunInterrupted: After Ctrl-C; the run can be resumed.
        """
        from lightning_hpo.training.objects import ObjectsAssembly

        if isinstance(model, type) is False and not callable(model):
            raise UsageError(
                f"tune() needs a LightningModule class or a function that returns a module, but got "
                f"{type(model).__qualname__}. Pass the class itself: every trial builds its own module."
            )
        if _is_module(model):
            raise UsageError(
                f"tune() got an instance of {type(model).__qualname__}; pass the class, or a function that builds it: "
                "every trial needs a module of its own."
            )
        loaders = {"train_dataloaders": train_dataloaders, "val_dataloaders": val_dataloaders}
        given = {name: value for name, value in loaders.items() if value is not None}
        if datamodule is not None and given:
            raise UsageError(f"tune() got both datamodule and {' and '.join(given)}; expected one of them.")
        full = Space(full_names(checked_space(space or {})))
        points = [full_names(point) for point in initial_points]
        assembly = ObjectsAssembly(model, data=datamodule, loaders=given, flags=self.flags, ckpt_path=ckpt_path)
        name = f"TuneTrainer.tune({getattr(model, '__qualname__', model)})"
        known = RunSettings(  # complains now about what can be seen now; space and defaults follow from a worker's look
            objective=self.objective,
            space=full,
            max_epochs=full_length(self.flags, full, resource),
            seed=secrets.randbelow(2**31) if seed is None else seed,
            n_trials=self.n_trials,
            searcher=self.searcher,
            scheduler=self.scheduler,
            resource=resource,
            cpus=self.resources["cpu"],
            gpus=self.resources["gpu"],
            max_concurrent=max_concurrent,
            keep_best=keep_best,
            limits=Limits.of(limits or {}),
            proof=proof,
        )
        known.make_scheduler()

        def settings(seen: Examination) -> RunSettings:
            return dataclasses.replace(known, space=seen.space, defaults=seen.defaults, initial_points=points)

        def complain(problems: Sequence[Problem]) -> RecipeError:
            return RecipeError(name, [_as_called(problem) for problem in problems])

        study = Study(
            question=Question(
                assembly=assembly,
                space=full,
                objective=self.objective,
                seed=known.seed,
                resource=resource,
                cpus=known.cpus,
                gpus=known.gpus,
                dry_run=proof,
            ),
            settings=settings,
            trials=self.n_trials,
            max_concurrent=max_concurrent,
            recipe=lambda made: script_recipe(assembly, made),
            complain=complain,
            pickled=True,
        )
        folder = new_folder(run_folder, getattr(model, "__name__", "study").lower())
        return execute(study, folder, listeners=[plain_lines()] if listeners is None else listeners, address=address)

    @staticmethod
    def resume(
        run_folder: str | Path, *, listeners: Sequence[Listener] | None = None, address: str | None = None
    ) -> Results:
        """Goes on with a run that ended before it was done, whether it came from Python or from a recipe.

        Ended trials stay; the others go on from their newest sound checkpoint. A run that has finished hands back its
        results.

        Raises:
            RunFolderError: If there is no such run, its journal is damaged, or another process drives it.
            RecipeError: If the recipe or the classes it names have changed so that it cannot go on.
            UsageError: If it has reached what was good enough, or is out of time.
        """
        folder = RunFolder.open(run_folder)
        closed = folder.read().closed
        if closed in ("reached", "out of time"):
            fact = "has reached what was good enough" if closed == "reached" else "is out of time"
            raise UsageError(f"{folder} {fact}. Go beyond that with: TuneTrainer.extend({str(folder)!r}, ...)")
        settings, assembly = reopen(folder)
        heard = [plain_lines()] if listeners is None else listeners
        return resume_run(settings, assembly, folder, listeners=heard, address=address)

    @staticmethod
    def extend(
        run_folder: str | Path,
        *,
        n_trials: int | None = None,
        time: str | float | None = None,
        max_epochs: int | None = None,
        max_steps: int | None = None,
        space: Mapping[str, Any] | None = None,
        stop_when: Mapping[str, float] | None = None,
        listeners: Sequence[Listener] | None = None,
        address: str | None = None,
    ) -> Results:
        """Goes on with a run that was started from Python, finished or not, beyond what it was to do.

        The trials that ended stay; those that have not go on, and what is new holds for them, too.

        Args:
            run_folder: The run.
            n_trials: So many more trials than it was to have.
            time: How much longer it may be driven, from now on: seconds, or text like "2h". With this alone, a run
                whose trials have all ended gets as many more as there is time for.
            max_epochs: Longer trials.
            max_steps: Longer trials.
            space: Names to wider parameters; each holds all that it held.
            stop_when: What is good enough from now on, harder to reach than before; an empty dict for nothing.
            listeners: As for `tune`.
            address: As for `tune`.

        Raises:
            UsageError: If what is asked for contradicts the run, with every difference, and nothing has changed; if
                the run came from a recipe: `lightning-hpo extend` goes on with those.
            RunFolderError: If there is no such run, its journal is damaged, or another process drives it.
            NoTrialSucceeded: If nothing usable came of it.
            RunInterrupted: After Ctrl-C; the run can be resumed.
        """
        folder = RunFolder.open(run_folder)
        lengths = {"max_epochs": max_epochs, "max_steps": max_steps}
        wish = Wish(
            trials=n_trials,
            seconds=seconds_wished(time),
            space=Space(full_names(checked_space(space or {}))),
            flags={flag: length for flag, length in lengths.items() if length is not None},
            stop_when=stop_when,
        )
        if not folder.assembly.exists():
            raise UsageError(f"{folder} came from a recipe. Go on with: lightning-hpo extend {folder}")
        heard = [plain_lines()] if listeners is None else listeners
        return extend_run(folder, wish, listeners=heard, address=address)


def _as_called(problem: Problem) -> Problem:
    """The problem without a recipe's addresses."""
    return Problem(
        where=problem.where,
        fact=problem.fact.replace("tune.space.", "").replace("tune.objective.metric", "monitor"),
        expected=problem.expected,
        hint=problem.hint,
    )


def _is_module(model: object) -> bool:
    return not inspect.isclass(model) and hasattr(model, "training_step") and hasattr(model, "state_dict")
