"""Everything that a run has decided before its first trial."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np

from lightning_hpo.errors import SettingError, SpaceError, UsageError, did_you_mean
from lightning_hpo.objective import Objective
from lightning_hpo.schedulers import SCHEDULERS
from lightning_hpo.schedulers.base import Scheduler
from lightning_hpo.searchers import SEARCHERS
from lightning_hpo.searchers.base import Searcher
from lightning_hpo.space import Choice, Fixed, Space
from lightning_hpo.training import Resource
from lightning_hpo.trial import Config
from lightning_hpo.tunable import arguments_of
from lightning_hpo.tuning.limits import Limits

__all__ = ["DEFAULT_TRIALS", "RunSettings", "plain_defaults", "trial_seed"]

#: How many trials a run has when nobody says.
DEFAULT_TRIALS = 20
#: What the run itself gives to searchers and schedulers.
_GIVEN = ("space", "objective", "rng", "max_epochs")


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What a run does, as values.

    Args:
        objective: What is optimised.
        space: Full names (`model.lr`) to parameters.
        max_epochs: The last epoch of a full trial (optimiser step, if `resource` is "step").
        seed: Every random draw of the run derives from it.
        defaults: The first trial's config: the user's own defaults; inside the space or not.
        initial_points: Configs that are tried right after the defaults; what a point leaves out keeps its default,
            inside the space or not.
        n_trials: How many trials, the defaults and initial points among them; None is the whole grid, or
            for searchers that never end as many as the time budget allows, or `DEFAULT_TRIALS` without one.
        searcher: The searcher's name, and its settings.
        scheduler: The scheduler's name, and its settings.
        resource: What a step counts.
        cpus: CPUs of one trial.
        gpus: GPUs of one trial; a fraction shares one.
        max_concurrent: At most so many trials at a time; None for as many as fit.
        keep_best: How many trials keep their checkpoints.
        max_failures: When the first so many trials all fail alike, the run stops.
        proof: Whether a dry run comes before the first trial.
        limits: What is done about faults, and when the run ends early.

    Raises:
        UsageError: If an initial point lies outside the space, a number is out of bounds, or a searcher or scheduler
            is not known or takes no such setting.
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
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for name in ("max_epochs", "keep_best", "max_failures", "n_trials", "max_concurrent"):
            given = getattr(self, name)
            if given is None and name in ("n_trials", "max_concurrent"):
                continue
            if not isinstance(given, int) or isinstance(given, bool) or given < 1:
                raise SettingError(name, f"is {given!r}", "Expected a whole number, 1 or more.")
        for name in ("cpus", "gpus"):
            given = getattr(self, name)
            if not isinstance(given, (int, float)) or isinstance(given, bool) or not 0 <= given < math.inf:
                raise SettingError(name, f"is {given!r}", "Expected a number, 0 or more.")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or not 0 <= self.seed < 2**32:
            raise SettingError("seed", f"is {self.seed!r}", "Expected a whole number from 0 to 4294967295.")
        if self.resource not in get_args(Resource):
            raise SettingError("resource", f"is {self.resource!r}", "Expected 'epoch' or 'step'.")
        self.limits.check(self.objective)
        _check_algorithm("searcher", SEARCHERS, self.searcher)
        _check_algorithm("scheduler", SCHEDULERS, self.scheduler)
        for place, point in enumerate(self.initial_points):
            try:
                self._check_point(point)
            except SpaceError as error:
                raise UsageError(f"initial_points[{place}]: {error}") from error

    def _check_point(self, point: Config) -> None:
        names = self.space.names()
        for name in point:
            if name not in names:
                raise SpaceError(f"{name} is not in the space. {did_you_mean(name, names)}".rstrip())
        active = dict(self.space.active(self.space.complete({**self.defaults, **point})))
        for name, value in point.items():
            if name not in active:
                raise SpaceError(f"{name} is not active under the choices made. Leave it out, or change the choice.")
            if not active[name].contains(value):
                raise SpaceError(f"{name} is {value!r}, which is not a value of {active[name]!r}.")

    def first_configs(self) -> list[dict[str, Any]]:
        """The defaults, then the initial points; a point's missing names are filled from the defaults."""
        first = [dict(self.defaults)]
        for point in self.initial_points:
            config = self.space.complete({**self.defaults, **point})
            if config not in first:
                first.append(config)
        return first

    def trials(self) -> int | None:
        """How many trials there will be; None if the searcher or the time budget decides."""
        if self.n_trials is None and self.searcher[0] != "grid" and self.limits.time_budget is None:
            return DEFAULT_TRIALS
        return self.n_trials

    def make_searcher(self, generation: int = 0) -> Searcher:
        """The searcher, at its beginning; each generation of a run that was extended draws something else."""
        name, settings = self.searcher
        seed = [self.seed, generation] if generation else self.seed
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        searcher: Searcher = SEARCHERS[name](space=self.space, objective=self.objective, rng=rng, **settings)
        return searcher

    def make_scheduler(self) -> Scheduler:
        """The scheduler, at its beginning."""
        name, settings = self.scheduler
        scheduler: Scheduler = SCHEDULERS[name](objective=self.objective, max_epochs=self.max_epochs, **settings)
        return scheduler

    def explicit(self) -> RunSettings:
        """The same, with every setting of searcher and scheduler said, those left to their defaults among them.

        What a run begins with is kept so, and it is gone on with as it began when a later release has other defaults.
        """
        searcher, scheduler = _said(self.make_searcher()), _said(self.make_scheduler())
        return replace(self, searcher=(self.searcher[0], searcher), scheduler=(self.scheduler[0], scheduler))

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


def _check_algorithm(kind: str, registry: Mapping[str, Any], given: tuple[str, Mapping[str, Any]]) -> None:
    """That there is such an algorithm, and that it takes these settings by name; it checks their values itself."""
    name, settings = given
    if name not in registry:
        known = ", ".join(sorted(registry))
        raise UsageError(f"{kind} is '{name}'. Known {kind}s: {known}. {did_you_mean(name, registry)}".rstrip())
    known_settings = _settings_of(registry[name])
    for setting in settings:
        if setting not in known_settings:
            takes = f"It takes: {', '.join(known_settings)}." if known_settings else "It takes no settings."
            hint = did_you_mean(setting, known_settings)
            raise UsageError(f"{kind} '{name}' takes no setting '{setting}'. {takes} {hint}".rstrip())


def _settings_of(algorithm: Any) -> list[str]:
    return [name for name in arguments_of(algorithm).names if name not in _GIVEN]


def _said(made: Any) -> dict[str, Any]:
    """The settings of a searcher or scheduler, each of which it keeps under its own name."""
    return {name: getattr(made, name) for name in _settings_of(type(made))}


def plain_defaults(space: Space, defaults: Config) -> dict[str, Any]:
    """The first trial's config: the defaults, and the middle of the range for a name that has none.

    A default that no file can hold (a class, an infinity) is left out: the argument keeps it when nothing is given.
    """
    config = space.complete(defaults)
    return {name: value for name, value in config.items() if name not in defaults or _plain(value)}


def _plain(value: Any) -> bool:
    try:
        Fixed(value)
    except SpaceError:
        return False
    return True


def trial_seed(run_seed: int, trial: int) -> int:
    """The seed of one trial's training; the same pair always gives the same seed."""
    return int(np.random.SeedSequence([run_seed, trial]).generate_state(1)[0])
