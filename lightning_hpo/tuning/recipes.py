"""From a recipe to a study."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning_hpo.errors import Problem, RecipeError, UsageError
from lightning_hpo.recipe import Recipe, json_schema, load_recipe, paths
from lightning_hpo.schedulers import SCHEDULERS
from lightning_hpo.searchers import SEARCHERS
from lightning_hpo.tuning.examine import Examination, Question
from lightning_hpo.tuning.execute import Study
from lightning_hpo.tuning.limits import Limits
from lightning_hpo.tuning.settings import RunSettings

#: The keys of `tune` that are limits, but for `checkpoint`.
_LIMITS = ("time_budget", "stop_when", "trial_timeout", "worker_timeout", "retries", "on_oom")

__all__ = ["machine_problems", "read_recipe", "schema", "study_of"]


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Reads and checks a recipe, as far as that can be done without importing the user's classes.

    Args:
        path: The file.
        overrides: `--set` arguments, like "trainer.max_epochs=5".

    Raises:
        RecipeError: With every problem at once.
    """
    recipe = load_recipe(path, searchers=SEARCHERS, schedulers=SCHEDULERS, overrides=overrides)
    problems = _own_problems(recipe)
    if problems:
        raise RecipeError(recipe.source, problems)
    return recipe


def study_of(recipe: Recipe, *, dry_run: bool | None = None) -> Study:
    """The study that a recipe describes.

    Args:
        recipe: As `read_recipe` gives it.
        dry_run: Whether to fit one batch beforehand; None leaves it to the recipe's `tune.proof`.
    """
    from lightning_hpo.training.blocks import BlocksAssembly

    tune = recipe.tune
    seed = recipe.seed if recipe.seed is not None else secrets.randbelow(2**31)
    question = Question(
        assembly=BlocksAssembly(recipe.config, model_class=tune.model_class, data_class=tune.data_class),
        space=tune.space,
        objective=recipe.objective,
        seed=seed,
        resource=tune.resource,
        cpus=tune.resources.cpu,
        gpus=tune.resources.gpu,
        dry_run=tune.proof if dry_run is None else dry_run,
    )
    return Study(
        question=question,
        trials=tune.n_trials,
        max_concurrent=tune.max_concurrent,
        settings=lambda seen: _settings(recipe, seed, seen),
        recipe=lambda settings: _resolved(recipe, settings),
        complain=lambda problems: RecipeError(recipe.source, [_placed(recipe, problem) for problem in problems]),
    )


def _settings(recipe: Recipe, seed: int, seen: Examination) -> RunSettings:
    tune = recipe.tune
    length = recipe.full_length
    if length is None:
        raise RecipeError(recipe.source, [_no_length(recipe)])
    return RunSettings(
        objective=recipe.objective,
        space=seen.space,
        max_epochs=length,
        seed=seed,
        defaults=seen.defaults,
        initial_points=[{paths.canonical(name): value for name, value in p.items()} for p in tune.initial_points],
        n_trials=tune.n_trials,
        searcher=(tune.searcher.name, tune.searcher.settings),
        scheduler=(tune.scheduler.name, tune.scheduler.settings),
        resource=tune.resource,
        cpus=tune.resources.cpu,
        gpus=tune.resources.gpu,
        max_concurrent=tune.max_concurrent,
        keep_best=tune.keep_best,
        max_failures=tune.max_failures,
        proof=tune.proof,
        limits=Limits.of(
            {name: getattr(tune, name) for name in _LIMITS} | {"checkpoint": tune.checkpoint.model_dump()}
        ),
    )


def _resolved(recipe: Recipe, settings: RunSettings) -> str:
    """The recipe as it ran: seed drawn, `@tunable` space and the settings of searcher and scheduler written out."""
    config = {**recipe.config, "seed_everything": settings.seed}
    searcher = recipe.tune.searcher.model_copy(update={"settings": dict(settings.searcher[1])})
    scheduler = recipe.tune.scheduler.model_copy(update={"settings": dict(settings.scheduler[1])})
    tune = recipe.tune.model_copy(update={"space": settings.space, "searcher": searcher, "scheduler": scheduler})
    header = f"The resolved recipe of a run of {recipe.source}; it can be run again as it is."
    return dataclasses.replace(recipe, config=config, tune=tune).dump(header)


def _placed(recipe: Recipe, problem: Problem) -> Problem:
    """A problem found in the classes, with the line of the recipe that it comes from."""
    parts: tuple[Any, ...]
    if problem.where.startswith("tune.space."):
        parts = ("tune", "space", problem.where[len("tune.space.") :])
    elif problem.where.partition(".")[0] in paths.BLOCKS:
        try:
            parts = tuple(paths.resolve(recipe.config, problem.where))
        except UsageError:
            parts = (problem.where.partition(".")[0],)
    else:
        parts = tuple(problem.where.split("."))
    return recipe.problem(parts, problem.fact, problem.expected, problem.hint)


def _own_problems(recipe: Recipe) -> list[Problem]:
    """What this release cannot run although LightningCLI could."""
    found = [] if recipe.full_length is not None else [_no_length(recipe)]
    trainer = recipe.config.get("trainer") or {}
    gpu = recipe.tune.resources.gpu
    devices = trainer.get("devices")
    if devices not in (None, "auto", 1, "1", [0]):
        found.append(
            recipe.problem(
                ("trainer", "devices"),
                f"trainer.devices is {devices!r}, but a trial trains on one device.",
                "Expected 1 or none: the device follows from tune.resources.",
            )
        )
    accelerator = trainer.get("accelerator")
    if accelerator not in (None, "auto", "cpu" if gpu == 0 else "gpu") and not (gpu > 0 and accelerator == "cuda"):
        told = "asks for no GPU" if gpu == 0 else f"asks for {gpu:g} GPU"
        found.append(
            recipe.problem(
                ("trainer", "accelerator"),
                f"trainer.accelerator is {accelerator!r}, but tune.resources {told}.",
                "Expected both to say the same; leave the accelerator out and set tune.resources.gpu.",
            )
        )
    return found


def machine_problems(recipe: Recipe) -> list[Problem]:
    """What this machine lacks for one trial. A cluster may have it, so only a dry run asks."""
    from lightning_hpo.training.family import families_loaded

    asked = recipe.tune.resources.gpu
    if asked == 0:
        return []
    here = families_loaded()[0].load("accelerators").CUDAAccelerator.auto_device_count()
    if asked <= here:
        return []
    fact = f"tune.resources.gpu is {asked:g}, but this machine has {here}."
    hint = f"Ask for less: --set tune.resources.gpu={here}"
    return [recipe.problem(("tune", "resources", "gpu"), fact, "", hint)]


def _no_length(recipe: Recipe) -> Problem:
    name = "max_steps" if recipe.tune.resource == "step" else "max_epochs"
    return recipe.problem(
        ("trainer", name),
        f"trainer.{name} is not set, so nobody knows how long a full trial is.",
        f"Expected trainer: {{{name}: N}} with N of at least 1.",
    )


def schema() -> dict[str, Any]:
    """The JSON schema of recipes, with every registered algorithm and its settings."""
    return json_schema(SEARCHERS, SCHEDULERS)
