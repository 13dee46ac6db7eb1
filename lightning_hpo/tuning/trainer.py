"""The Python door: a Trainer that tunes instead of fitting once."""

from __future__ import annotations

import dataclasses
import inspect
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from lightning_hpo.errors import Problem, RecipeError, SettingError, SpaceError, UsageError, did_you_mean
from lightning_hpo.objective import Mode, Objective
from lightning_hpo.results import Results, RunFolder
from lightning_hpo.space import Choice, Space
from lightning_hpo.training import Resource
from lightning_hpo.trial import Config
from lightning_hpo.tuning.examine import Examination, Question
from lightning_hpo.tuning.execute import Study, execute, new_folder
from lightning_hpo.tuning.execute import resume as resume_run
from lightning_hpo.tuning.opening import saved
from lightning_hpo.tuning.plain_lines import plain_lines
from lightning_hpo.tuning.run import Listener
from lightning_hpo.tuning.script import script_recipe
from lightning_hpo.tuning.settings import RunSettings

__all__ = ["TuneTrainer"]

_BLOCKS = ("model", "data", "trainer")


class TuneTrainer:
    """Tunes a LightningModule: takes what `Trainer` takes, and what says how to search.

    The first trial is always the module's own defaults, so that every result can say what was gained. Each trial
    trains in a worker process of Ray, one after the other in the same warm process.

    Args:
        monitor: The metric that the module logs and that is optimised.
        mode: "min" or "max".
        n_trials: How many configs are tried; None is the whole grid for "grid", and 20 otherwise.
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
        self.searcher = _algorithm("searcher", searcher)
        self.scheduler = _algorithm("scheduler", scheduler)
        self.resources = _resources(resources or {})
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
        full = Space(_full_names(_checked_space(space or {})))
        points = [_full_names(point) for point in initial_points]
        assembly = ObjectsAssembly(model, data=datamodule, loaders=given, flags=self.flags, ckpt_path=ckpt_path)
        name = f"TuneTrainer.tune({getattr(model, '__qualname__', model)})"
        known = RunSettings(  # complains now about what can be seen now; space and defaults follow from a worker's look
            objective=self.objective,
            space=full,
            max_epochs=_length(self.flags, full, resource),
            seed=secrets.randbelow(2**31) if seed is None else seed,
            n_trials=self.n_trials,
            searcher=self.searcher,
            scheduler=self.scheduler,
            resource=resource,
            cpus=self.resources["cpu"],
            gpus=self.resources["gpu"],
            max_concurrent=max_concurrent,
            keep_best=keep_best,
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
        """Goes on with an interrupted run that was started from Python.

        Raises:
            RunFolderError: If there is no such run, or its journal is damaged.
            UsageError: If the run came from a recipe: `lightning-hpo resume` goes on with those.
        """
        folder = RunFolder.open(run_folder)
        found = saved(folder)
        if found is None:
            raise UsageError(f"{folder} came from a recipe. Go on with: lightning-hpo resume {folder}")
        assembly, settings = found
        heard = [plain_lines()] if listeners is None else listeners
        return resume_run(settings, assembly, folder, listeners=heard, address=address)


def _algorithm(kind: str, given: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if isinstance(given, str):
        return given, {}
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise UsageError(f"{kind} is {given!r}. Expected a name, or a dict with a name and settings.")
    return given["name"], {name: value for name, value in given.items() if name != "name"}


def _resources(given: Mapping[str, float]) -> dict[str, float]:
    unknown = [name for name in given if name not in ("cpu", "gpu")]
    if unknown:
        told = ", ".join(unknown)
        hint = did_you_mean(unknown[0], ("cpu", "gpu"))
        raise UsageError(
            f"resources: unknown {told}. Expected cpu and gpu, like {{'cpu': 2, 'gpu': 0.5}}. {hint}".rstrip()
        )
    for name, share in given.items():
        if not isinstance(share, (int, float)) or isinstance(share, bool) or not 0 <= share < math.inf:
            raise UsageError(f"resources: {name} is {share!r}. Expected a number, 0 or more.")
    return {"cpu": float(given.get("cpu", 1)), "gpu": float(given.get("gpu", 0))}


def _checked_space(space: Mapping[str, Any]) -> Mapping[str, Any]:
    """The space, unless it holds what is more likely a slip than a fixed value."""
    if not isinstance(space, Mapping):
        raise UsageError(
            f"space is {space!r}. Expected a dict of names to parameters, like {{'lr': Float(1e-4, 1e-1)}}."
        )
    for name, value in space.items():
        if isinstance(value, (list, tuple, set, range)):
            options = list(value)
            raise SpaceError(
                f"{name} is {value!r}, which does not say how it may vary. Expected Choice({options!r}) for one of "
                f"these, Float(low, high) or Int(low, high) for a range, or Fixed({options!r}) for this one value."
            )
    return space


def _full_names(names: Mapping[str, Any]) -> dict[str, Any]:
    """Bare names are arguments of the model; in the branches of a choice, too."""
    found: dict[str, Any] = {}
    for name, value in names.items():
        full = name if name.partition(".")[0] in _BLOCKS and "." in name else f"model.{name}"
        if full in found:
            raise SpaceError(f"{name} and {full} are the same argument; expected it once.")
        if isinstance(value, Choice) and value.branches:
            value = Choice({taken: _full_names(branch) for taken, branch in value.branches.items()})
        found[full] = value
    return found


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


def _length(flags: Mapping[str, Any], space: Space, resource: Resource) -> int:
    """How long a full trial is; where that is tuned, its longest."""
    if resource not in get_args(Resource):
        raise SettingError("resource", f"is {resource!r}", "Expected 'epoch' or 'step'.")
    flag = "max_steps" if resource == "step" else "max_epochs"
    tuned = [parameter for _, name, parameter in space.walk() if name == f"trainer.{flag}"]
    lengths = [value for parameter in tuned for value in (parameter.values() or ())] or [flags.get(flag)]
    if not all(isinstance(length, int) and length >= 1 for length in lengths):
        raise UsageError(
            f"{flag} is {flags.get(flag)!r}. Expected how long a full trial is: TuneTrainer({flag}=N, ...)."
        )
    return int(max(lengths))
