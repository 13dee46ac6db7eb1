"""A recipe as a value: the LightningCLI config, and the block `tune` with everything checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lightning_hpo.durations import seconds_of
from lightning_hpo.errors import Problem
from lightning_hpo.objective import Objective
from lightning_hpo.recipe.places import Places
from lightning_hpo.recipe.reading import KeyPath
from lightning_hpo.recipe.wording import Words
from lightning_hpo.recipe.writing import dump_yaml
from lightning_hpo.space import Int, Space
from lightning_hpo.space.syntax import render

__all__ = ["Algorithm", "Checkpoint", "ObjectiveBlock", "Recipe", "Resources", "Tune", "full_length", "length_name"]


class _Block(BaseModel):
    """What all blocks share: frozen, no unknown keys, no silent conversion of one type into another."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


class ObjectiveBlock(_Block):
    """What is optimised."""

    metric: str = Field(min_length=1, description="The name under which the module logs the metric, like val_acc.")
    mode: Literal["min", "max"] = Field("min", description="Which way is better: min or max.")


class Algorithm(_Block):
    """A searcher or a scheduler by its name in recipes, with its settings beside the name."""

    name: str = Field(min_length=1)
    settings: dict[str, Any] = Field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """As it is written in a recipe."""
        return {"name": self.name, **self.settings}


class Resources(_Block):
    """What one trial gets."""

    cpu: float = Field(
        default=1, gt=0, allow_inf_nan=False, description="CPU cores of one trial; its torch threads follow."
    )
    gpu: float = Field(
        default=0,
        ge=0,
        allow_inf_nan=False,
        description="GPUs of one trial; 0.25 lets four trials share one. 0 trains on CPU.",
    )


#: Seconds; written as a number of them, or as "90 s", "10 min", "2h".
_Duration = Annotated[
    float,
    BeforeValidator(seconds_of, json_schema_input_type=float | str),
    Words("a time like '90 s', '10 min' or '2h'"),
]


class Checkpoint(_Block):
    """Which checkpoints of a running trial are written and kept."""

    every: Annotated[int | str | None, Words("a number of epochs, or a time like '10 min'")] = Field(
        1, description="At the end of every so many epochs, or of the first one after a time; null for never."
    )
    keep: Literal[1, 2] = Field(
        1, description="How many; with 2 there is one to fall back on if the newest is damaged."
    )


class Tune(_Block):
    """The block `tune`: all that a recipe adds to a LightningCLI config."""

    objective: ObjectiveBlock = Field(description="The metric that is optimised, and which way is better.")
    space: Space = Field(
        default_factory=lambda: Space({}),
        description="What may vary, by its path in the recipe: added to, or narrowing, what @tunable declares.",
    )
    searcher: Algorithm = Field(
        Algorithm(name="tpe"), description="What proposes the configs: a name, or a name with settings."
    )
    scheduler: Algorithm = Field(
        Algorithm(name="asha"), description="What judges running trials: a name, or a name with settings."
    )
    n_trials: int | None = Field(
        None,
        ge=1,
        description="How many configs are tried. Without it: the whole grid, what time_budget allows, or else 20.",
    )
    resources: Resources = Field(Resources(), description="What one trial gets.")
    resource: Literal["epoch", "step"] = Field(
        "epoch",
        description="What the scheduler counts: epochs (to trainer.max_epochs) or optimiser steps (to max_steps).",
    )
    max_concurrent: int | None = Field(
        None, ge=1, description="The most trials at a time. Without it: as many as the resources allow."
    )
    initial_points: Annotated[tuple[dict[str, Any], ...], Field(strict=False)] = Field(
        (), description="Known good configs, tried first: paths to values, {model.lr: 0.1} or {model: {lr: 0.1}}."
    )
    keep_best: int = Field(3, ge=1, description="Of how many of the best trials the checkpoints are kept.")
    max_failures: int = Field(3, ge=1, description="The run stops if its first so many trials all fail.")
    time_budget: _Duration | None = Field(None, description="The run ends after so long, and can be extended.")
    stop_when: dict[str, float] = Field(
        default_factory=dict, description="The run ends when a trial reaches this value: {val_acc: 0.99}."
    )
    trial_timeout: _Duration | None = Field(None, description="A trial that takes longer has failed.")
    worker_timeout: _Duration = Field(300.0, description="A worker that is silent for so long is given up.")
    retries: int = Field(3, ge=0, description="How often a trial goes on after its worker was lost.")
    on_oom: Literal["fail", "retry"] = Field(
        "fail", description="Whether a trial out of memory has failed, or is tried once more while no other one runs."
    )
    checkpoint: Checkpoint = Field(
        Checkpoint(every=1, keep=1), description="Which checkpoints of running trials are kept."
    )
    proof: bool = Field(
        True, description="Whether a dry run proves, before any time is spent, that the run tunes what it says."
    )
    model_class: str | None = Field(
        None,
        min_length=1,
        description="The import path of the module, if the block model holds its arguments directly.",
    )
    data_class: str | None = Field(
        None,
        min_length=1,
        description="The import path of the data module, if the block data holds its arguments directly.",
    )
    name: str | None = Field(None, min_length=1, description="The run's name; it is made up if there is none.")
    run_folder: str | None = Field(None, min_length=1, description="The folder that the run is kept in.")

    def to_plain(self) -> dict[str, Any]:
        """As it is written in a recipe, with every default; what is null is left out."""
        plain: dict[str, Any] = self.model_dump(exclude={"space", "searcher", "scheduler"})
        plain["initial_points"] = [dict(point) for point in self.initial_points]
        plain["space"] = {name: render(parameter) for name, parameter in self.space.items()}
        plain["searcher"], plain["scheduler"] = self.searcher.to_plain(), self.scheduler.to_plain()
        return {key: plain[key] for key in type(self).model_fields if plain[key] is not None}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A complete, checked description of a run. Equal if config and tune are, wherever they came from.

    Args:
        config: The LightningCLI config, without `tune`. Copied by whoever changes it (see `paths.apply`).
        tune: What the recipe adds.
        source: The file as the user named it, or what stands for it.
        places: Where each value came from.
    """

    config: dict[str, Any]
    tune: Tune
    source: str = field(default="recipe", compare=False)
    places: Places = field(default_factory=Places, compare=False, repr=False)

    @property
    def seed(self) -> int | None:
        """The run's seed, or None where `seed_everything` is true, false, null or missing."""
        seed = self.config.get("seed_everything")
        return seed if isinstance(seed, int) and not isinstance(seed, bool) else None

    @property
    def objective(self) -> Objective:
        """What is optimised."""
        return Objective(metric=self.tune.objective.metric, mode=self.tune.objective.mode)

    @property
    def space(self) -> Space:
        """What the recipe says may vary, by paths; what `@tunable` declares is not in it."""
        return self.tune.space

    @property
    def model_class(self) -> str | None:
        """The import path of the LightningModule, or None if the recipe names none."""
        return _class_of(self.config.get("model")) or self.tune.model_class

    @property
    def data_class(self) -> str | None:
        """The import path of the LightningDataModule, or None if the recipe names none."""
        return _class_of(self.config.get("data")) or self.tune.data_class

    @property
    def full_length(self) -> int | None:
        """How far a full trial trains, in what `tune.resource` counts; None if the trainer block does not say.

        Where the length itself is tuned, its largest value.
        """
        return full_length(self.config, self.tune.space, self.tune.resource)

    def problem(self, path: KeyPath, fact: str, expected: str = "", hint: str = "") -> Problem:
        """A problem at a place of this recipe, with its line; for whoever checks what only they can know."""
        return self.places.problem(path, fact, expected, hint)

    def to_plain(self) -> dict[str, Any]:
        """The complete document again, from which an equal recipe is read."""
        return {**self.config, "tune": self.tune.to_plain()}

    def dump(self, header: str = "") -> str:
        """The complete document as YAML text.

        Args:
            header: A comment for the top, without the `#`.

        Raises:
            UsageError: If the config holds something that YAML cannot.
        """
        return dump_yaml(self.to_plain(), header)


def full_length(config: Mapping[str, Any], space: Space, resource: str) -> int | None:
    """The largest `trainer.max_epochs` (or `max_steps`, for the resource "step"); None if it is open."""
    name = length_name(resource)
    tuned = [parameter for _, tuned_name, parameter in space.walk() if tuned_name == name]
    values: list[Any] = []
    for parameter in tuned:
        values += [parameter.high] if isinstance(parameter, Int) else list(parameter.values() or ())
    trainer = config.get("trainer")
    if not tuned and isinstance(trainer, Mapping):
        values = [trainer.get(name.removeprefix("trainer."))]
    known = [value for value in values if isinstance(value, int) and not isinstance(value, bool) and value >= 1]
    return max(known) if known and len(known) == len(values) else None


def length_name(resource: str) -> str:
    """The path of the setting that bounds what is counted."""
    return "trainer.max_steps" if resource == "step" else "trainer.max_epochs"


def _class_of(block: Any) -> str | None:
    found = block.get("class_path") if isinstance(block, Mapping) else None
    return found if isinstance(found, str) else None
