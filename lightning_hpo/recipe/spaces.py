"""The block `tune.space` and the points given for it, read with the place of everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning_hpo.errors import Problem, SpaceError, UsageError
from lightning_hpo.recipe import paths
from lightning_hpo.recipe.places import Places
from lightning_hpo.recipe.reading import KeyPath
from lightning_hpo.recipe.wording import show
from lightning_hpo.space import Choice, Parameter, Space
from lightning_hpo.space.syntax import as_parameter

__all__ = ["SpaceReader"]

_SPACE: KeyPath = ("tune", "space")


class SpaceReader:
    """Reads `tune.space` and `tune.initial_points`, collecting problems.

    Args:
        config: The rest of the recipe, which the paths of the space lead into.
        places: Where values came from.
        problems: Takes what is wrong.
    """

    def __init__(self, config: Mapping[str, Any], places: Places, problems: list[Problem]) -> None:
        self._config = config
        self._places = places
        self._problems = problems
        self._given: set[str] = set()

    def space(self, raw: Any) -> Space:
        """The space of what could be read; its names are canonical paths.

        Args:
            raw: What stands under `tune.space`: paths to parameters in the syntax of a recipe, or a space made in
                Python.
        """
        if raw is None:
            return Space({})
        if not isinstance(raw, Mapping):
            expected = "Expected a mapping, like {model.lr: {float: [1.0e-4, 1.0e-1], log: true}}."
            self._problems.append(self._places.problem(_SPACE, f"tune.space is {show(raw)}.", expected))
            return Space({})
        self._given = _names(raw)
        parameters = self._parameters(raw, _SPACE)
        try:
            return Space(parameters)
        except SpaceError as error:  # a name that could be active twice
            self._problems.append(self._places.problem(_SPACE, f"tune.space: {error}"))
            return Space({})

    def _parameters(self, raw: Mapping[Any, Any], path: KeyPath) -> dict[str, Parameter]:
        found: dict[str, Parameter] = {}
        for key, definition in raw.items():
            here = (*path, key)
            name = self._name(key, here)
            if name in found:
                fact = f"{_words(here)} is the same as {name}, which is there already."
                self._problems.append(self._places.problem(here, fact, "Keep one of them."))
                continue
            parameter = self._parameter(definition, here)
            if name is not None and parameter is not None:
                found[name] = parameter
        return found

    def _name(self, key: Any, path: KeyPath) -> str | None:
        try:
            name = paths.canonical(key)
            parents = name.split(".")
            if not any(".".join(parents[:end]) in self._given for end in range(1, len(parents))):
                paths.resolve(self._config, name)  # what is tuned itself may be anything, so below it nothing is known
        except UsageError as error:
            self._problems.append(self._places.problem(path, f"tune.space: {error}"))
            return None
        return name

    def _parameter(self, definition: Any, path: KeyPath) -> Parameter | None:
        branches = _branches(definition)
        try:
            if branches is None:
                return as_parameter(definition)
            hollow = {taken: ({} if isinstance(inner, Mapping) else inner) for taken, inner in branches.items()}
            as_parameter({**definition, "choice": hollow} if isinstance(definition, Mapping) else Choice(hollow))
        except SpaceError as error:
            self._problems.append(self._places.problem(path, f"{_words(path)}: {error}"))
            return None
        inside = (*path, "choice") if isinstance(definition, Mapping) else path
        read = {taken: self._parameters(inner or {}, (*inside, taken)) for taken, inner in branches.items()}
        try:
            return Choice(read)
        except SpaceError as error:  # a name twice within one branch
            self._problems.append(self._places.problem(path, f"{_words(path)}: {error}"))
            return None

    def points(self, raw: Any, space: Space) -> Any:
        """The initial points with flat, canonical names; what is no list of mappings is handed back as it is.

        A name that the recipe's space does not have may be one that `@tunable` declares, so it is let through.

        Args:
            raw: What stands under `tune.initial_points`.
            space: The recipe's space.
        """
        if not isinstance(raw, (list, tuple)) or not all(isinstance(point, Mapping) for point in raw):
            return raw
        points = []
        for place, point in enumerate(raw):
            flat: dict[str, Any] = {}
            self._flatten(point, "", ("tune", "initial_points", place), space, flat)
            points.append(flat)
        return points

    def _flatten(self, node: Mapping[Any, Any], prefix: str, path: KeyPath, space: Space, flat: dict[str, Any]) -> None:
        known = space.names()
        for key, value in node.items():
            here = (*path, key)
            try:
                name = paths.canonical(f"{prefix}{key}")
                if isinstance(value, Mapping) and name not in known:
                    self._flatten(value, f"{prefix}{key}.", here, space, flat)
                    continue
                if not any(name.startswith(f"{parent}.") for parent in known):
                    paths.resolve(self._config, name)
            except UsageError as error:
                self._problems.append(self._places.problem(here, f"{_words(path[:3])}: {error}"))
                continue
            if name in flat:
                fact = f"{_words(path[:3])} has {name} twice."
                self._problems.append(self._places.problem(here, fact, "Keep one of them."))
            candidates = [parameter for _, inner, parameter in space.walk() if inner == name]
            if candidates and not any(parameter.contains(value) for parameter in candidates):
                fact = f"{_words(path[:3])} has {name} = {show(value)}, which is outside its place in tune.space."
                expected = f"Expected a value of {' or '.join(map(repr, candidates))}."
                self._problems.append(self._places.problem(here, fact, expected))
            flat[name] = value


def _branches(definition: Any) -> Mapping[Any, Any] | None:
    """The branches of a choice that has some, as they are written, else None."""
    if isinstance(definition, Choice):
        return definition.branches or None
    body = definition.get("choice") if isinstance(definition, Mapping) else None
    return body if isinstance(body, Mapping) and body else None


def _names(raw: Mapping[Any, Any]) -> set[str]:
    """Every name that is written at any depth, canonical where it can be."""
    found: set[str] = set()
    for key, definition in raw.items():
        if isinstance(key, str) and all(part.strip() for part in key.split(".")):
            found.add(paths.canonical(key))
        for inner in (_branches(definition) or {}).values():
            found |= _names(inner) if isinstance(inner, Mapping) else set()
    return found


def _words(path: KeyPath) -> str:
    return ".".join(map(str, path))
