"""Everything that may vary in a study: names to parameters, with the branches that a choice opens."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lightning_hpo.errors import SpaceError, did_you_mean
from lightning_hpo.space.choices import Choice
from lightning_hpo.space.parameter import Parameter
from lightning_hpo.space.syntax import as_parameter
from lightning_hpo.trial import Config

__all__ = ["Space"]


class Space(Mapping[str, Parameter]):
    """Names to parameters, in the order given.

    A config of the space holds a value for every active name and for no other: all names at the top, and the names in
    the branches that its choices took. As a mapping it shows the names at the top only; `walk` shows all.

    Edges:
        * A plain value is a `Fixed` parameter; Ray Tune's own domains are converted.
        * One name may stand in several branches of the same choice, with different ranges, since only one is active.
        * An empty space has exactly one config, the empty one.

    Args:
        parameters: Names to parameters.

    Raises:
        SpaceError: If a name is no string, if a value is no parameter, or if a name could be active twice.
    """

    __slots__ = ("parameters",)

    parameters: Mapping[str, Parameter]

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        if not isinstance(parameters, Mapping):
            raise SpaceError(f"A space is a mapping of names to parameters, but got {parameters!r}.")
        converted: dict[str, Parameter] = {}
        for name, parameter in parameters.items():
            if not isinstance(name, str) or not name:
                raise SpaceError(f"A parameter must be named by a string, but got {name!r}.")
            try:
                converted[name] = as_parameter(parameter)
            except SpaceError as error:
                raise SpaceError(f"{name}: {error}") from error
        object.__setattr__(self, "parameters", converted)
        self._check_names()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Space is frozen; make a new one to change `{name}`.")

    def __reduce__(self) -> tuple[Any, ...]:
        return (Space, (dict(self.parameters),))

    def __getitem__(self, name: str) -> Parameter:
        return self.parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def __repr__(self) -> str:
        return f"Space({dict(self.parameters)!r})"

    def __hash__(self) -> int:
        return hash(frozenset(self.parameters.items()))  # equal whatever the order, so the hash must be too

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and dict(self.parameters) == dict(other.parameters)

    def _check_names(self) -> set[str]:
        seen = set(self.parameters)
        for name, parameter in self.parameters.items():
            if isinstance(parameter, Choice):
                inner: set[str] = set()
                for branch in parameter.branches.values():
                    inner |= branch._check_names()
                for twice in sorted(seen & inner):
                    fact = f"could be active twice, once in a branch of '{name}'"
                    raise SpaceError(f"{twice}: {fact}. Rename one of them.")
                seen |= inner
        return seen

    def walk(self) -> Iterator[tuple[tuple[tuple[str, str], ...], str, Parameter]]:
        """Every parameter at any depth, as (the (choice, branch) pairs it stands under, its name, itself)."""
        for name, parameter in self.parameters.items():
            yield (), name, parameter
            if isinstance(parameter, Choice):
                for taken, branch in parameter.branches.items():
                    for under, inner, nested in branch.walk():
                        yield ((name, taken), *under), inner, nested

    def names(self) -> tuple[str, ...]:
        """Every name at any depth, each once, in order."""
        return tuple(dict.fromkeys(name for _, name, _ in self.walk()))

    def active(self, config: Config) -> Iterator[tuple[str, Parameter]]:
        """The names that a config with these choices has, with their parameters, parents before children.

        A choice whose value is missing or foreign opens no branch.
        """
        for name, parameter in self.parameters.items():
            yield name, parameter
            if isinstance(parameter, Choice) and parameter.branches and parameter.contains(config.get(name)):
                yield from parameter.branches[config[name]].active(config)

    def contains(self, config: object) -> bool:
        """Whether the config has a contained value for every active name, and no other name; never raises."""
        if not isinstance(config, Mapping):
            return False
        active = dict(self.active(config))
        return set(active) == set(config) and all(p.contains(config[name]) for name, p in active.items())

    def sample(self, rng: np.random.Generator) -> dict[str, Any]:
        """One config; parents are drawn before the branches they open."""
        config: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            config[name] = parameter.sample(rng)
            if isinstance(parameter, Choice) and parameter.branches:
                config |= parameter.branches[config[name]].sample(rng)
        return config

    def complete(self, partial: Config) -> dict[str, Any]:
        """A config with the given values, and the middle of every other active name; inactive names fall away.

        A given value is taken as it is, contained or not.
        """
        config: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            config[name] = partial[name] if name in partial else parameter.middle()
            if isinstance(parameter, Choice) and parameter.branches and parameter.contains(config[name]):
                config |= parameter.branches[config[name]].complete(partial)
        return config

    def grid(self) -> Iterator[dict[str, Any]]:
        """Every config, the last name varying fastest.

        Raises:
            SpaceError: If a range is continuous or holds more than a million values, naming all that do.
        """
        endless = list(dict.fromkeys(name for _, name, parameter in self.walk() if parameter.values() is None))
        if endless:
            verb = "is" if len(endless) == 1 else "are"
            raise SpaceError(
                f"A grid needs points, but {', '.join(endless)} {verb} continuous or too long to run through. "
                "Give each a step, a choice, or a number of points: `grid: 5` in a recipe, `.grid(5)` in Python."
            )
        return (copy.deepcopy(config) for config in self._grid())

    def _grid(self) -> Iterator[dict[str, Any]]:
        def options(name: str, parameter: Parameter) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            for value in parameter.values() or ():
                branch = parameter.branches.get(value) if isinstance(parameter, Choice) and parameter.branches else None
                found += [{name: value, **inner} for inner in branch._grid()] if branch is not None else [{name: value}]
            return found

        parts = [options(name, parameter) for name, parameter in self.parameters.items()]
        for combination in itertools.product(*parts):
            yield {name: value for part in combination for name, value in part.items()}

    def check(self, config: Config) -> None:
        """Says what is wrong with a config that is not contained.

        Raises:
            SpaceError: For a missing, unknown or inactive name, or a value outside its parameter.
        """
        active = dict(self.active(config))
        for name in config:
            if name not in active:
                known = self.names()
                fact = "is not active under the choices made" if name in known else "is not in the space"
                raise SpaceError(f"{name} {fact}. {did_you_mean(name, known) if name not in known else ''}".rstrip())
        for name, parameter in active.items():
            if name not in config:
                raise SpaceError(f"{name} is missing; expected a value of {parameter!r}.")
            if not parameter.contains(config[name]):
                raise SpaceError(f"{name} is {config[name]!r}, which is not a value of {parameter!r}.")

    def encode(self, config: Config) -> dict[str, Any]:
        """The config as JSON-ready plain data, names in the space's order.

        Raises:
            SpaceError: If the space does not contain the config.
        """
        self.check(config)
        return {name: parameter.encode(config[name]) for name, parameter in self.active(config)}

    def decode(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The inverse of `encode`.

        Raises:
            SpaceError: If the data are not those of a contained config.
        """
        self.check(data)
        return {name: parameter.decode(data[name]) for name, parameter in self.active(data)}

    def updated(self, other: Space) -> Space:
        """This space with the other's names added, and narrowed or replaced where both have one.

        Edges:
            * A name that stands in branches here is replaced there, in every branch that has it.
            * A choice of branches narrowed to some of their names (a plain `Choice`, or one fixed name) keeps what
              those branches hold.
        """
        parameters = dict(self.parameters)
        for name, parameter in other.items():
            if name in parameters:
                parameters[name] = _narrowed(parameters[name], parameter)
            elif name in self.names():
                parameters = {top: _replaced(held, name, parameter) for top, held in parameters.items()}
            else:
                parameters[name] = parameter
        return Space(parameters)


def _narrowed(old: Parameter, new: Parameter) -> Parameter:
    values = new.values()
    if not isinstance(old, Choice) or not old.branches or (isinstance(new, Choice) and new.branches):
        return new
    if values is None or not all(isinstance(value, str) and value in old.branches for value in values):
        return new
    return Choice({value: old.branches[value] for value in values})


def _replaced(held: Parameter, name: str, parameter: Parameter) -> Parameter:
    """A choice with a name replaced in those of its branches that have it, at any depth."""
    if not isinstance(held, Choice) or not held.branches:
        return held
    return Choice(
        {
            taken: branch.updated(Space({name: parameter})) if name in branch.names() else branch
            for taken, branch in held.branches.items()
        }
    )
