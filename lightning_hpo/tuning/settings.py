"""Everything that a run has decided before its first trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lightning_hpo.errors import SettingError, SpaceError, UsageError, did_you_mean
from lightning_hpo.objective import Objective
from lightning_hpo.schedulers import SCHEDULERS
from lightning_hpo.schedulers.base import Scheduler
from lightning_hpo.searchers import SEARCHERS
from lightning_hpo.searchers.base import Searcher
from lightning_hpo.space import Choice, Space
from lightning_hpo.training import Resource
from lightning_hpo.trial import Config

__all__ = ["RunSettings", "trial_seed"]

#: How many trials a run has when nobody says.
DEFAULT_TRIALS = 20


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What a run does, as values.

    Args:
        objective: What is optimised.
        space: Full names (`model.lr`) to parameters.
        max_epochs: The last epoch of a full trial (optimiser step, if `resource` is "step").
        seed: Every random draw of the run derives from it.
        defaults: The first trial's config: the user's own defaults; inside the space or not.
        initial_points: Configs that are tried right after the defaults.
        n_trials: How many trials, the defaults and initial points among them; None is the whole grid, or
            `DEFAULT_TRIALS` for searchers that never end.
        searcher: The searcher's name, and its settings.
        scheduler: The scheduler's name, and its settings.
        resource: What a step counts.
        cpus: CPUs of one trial.
        gpus: GPUs of one trial; a fraction shares one.
        max_concurrent: At most so many trials at a time; None for as many as fit.
        keep_best: How many trials keep their checkpoints.
        max_failures: When the first so many trials all fail alike, the run stops.
        proof: Whether a dry run comes before the first trial.

    Raises:
        UsageError: If an initial point lies outside the space, or a number is out of bounds.
    """

    objective: Objective
    space: Space
    max_epochs: int
    seed: int
    defaults: Config = field(default_factory=dict)
    initial_points: Sequence[Config] = ()
    n_trials: int | None = None
    searcher: tuple[str, Mapping[str, Any]] = ("tpe", {})
    scheduler: tuple[str, Mapping[str, Any]] = ("asha", {})
    resource: Resource = "epoch"
    cpus: float = 1.0
    gpus: float = 0.0
    max_concurrent: int | None = None
    keep_best: int = 3
    max_failures: int = 3
    proof: bool = True

    def __post_init__(self) -> None:
        for name, least in (("max_epochs", 1), ("keep_best", 1), ("max_failures", 1), ("cpus", 0), ("gpus", 0)):
            if getattr(self, name) < least:
                raise SettingError(name, f"is {getattr(self, name)}", f"Expected at least {least}.")
        for name in ("n_trials", "max_concurrent"):
            given = getattr(self, name)
            if given is not None and given < 1:
                raise SettingError(name, f"is {given}", "Expected at least 1.")
        for place, point in enumerate(self.initial_points):
            try:
                self.space.check(self.space.complete({**self.defaults, **point}))
                self._check_known(point)
            except SpaceError as error:
                raise UsageError(f"initial_points[{place}]: {error}") from error

    def _check_known(self, point: Config) -> None:
        names = self.space.names()
        for name in point:
            if name not in names:
                raise SpaceError(f"{name} is not in the space. {did_you_mean(name, names)}".rstrip())

    def first_configs(self) -> list[dict[str, Any]]:
        """The defaults, then the initial points; a point's missing names are filled from the defaults."""
        first = [dict(self.defaults)]
        for point in self.initial_points:
            config = self.space.complete({**self.defaults, **point})
            if config not in first:
                first.append(config)
        return first

    def trials(self) -> int | None:
        """How many trials there will be; None if the searcher alone decides."""
        if self.n_trials is None and self.searcher[0] != "grid":
            return DEFAULT_TRIALS
        return self.n_trials

    def make_searcher(self) -> Searcher:
        """The searcher, at its beginning."""
        name, settings = self.searcher
        found = _named(SEARCHERS, name, "searcher")
        rng = np.random.default_rng(np.random.SeedSequence(self.seed))
        searcher: Searcher = found(space=self.space, objective=self.objective, rng=rng, **settings)
        return searcher

    def make_scheduler(self) -> Scheduler:
        """The scheduler, at its beginning."""
        name, settings = self.scheduler
        found = _named(SCHEDULERS, name, "scheduler")
        scheduler: Scheduler = found(objective=self.objective, max_epochs=self.max_epochs, **settings)
        return scheduler

    def encode(self, config: Config) -> dict[str, Any]:
        """A config as plain data, also where a default lies outside the space."""
        found: dict[str, Any] = {}
        known = {name: parameter for _, name, parameter in self.space.walk()}
        for name, value in config.items():
            parameter = known.get(name)
            if parameter is not None and parameter.contains(value):
                found[name] = parameter.encode(value)
            else:
                found[name] = Choice([value]).encode(value)
        return found

    def decode(self, data: Config) -> dict[str, Any]:
        """The inverse of `encode`, as a worker needs it: options that were tuples are tuples again."""
        known = {name: parameter for _, name, parameter in self.space.walk()}
        return {
            name: known[name].decode(value) if name in known and known[name].contains(value) else value
            for name, value in data.items()
        }


def _named(registry: Mapping[str, Any], name: str, kind: str) -> Any:
    if name not in registry:
        known = ", ".join(sorted(registry))
        raise UsageError(f"{kind} is '{name}'. Known {kind}s: {known}. {did_you_mean(name, registry)}".rstrip())
    return registry[name]


def trial_seed(run_seed: int, trial: int) -> int:
    """The seed of one trial's training; the same pair always gives the same seed."""
    return int(np.random.SeedSequence([run_seed, trial]).generate_state(1)[0])
