"""What a recipe may write under `tune.searcher` and `tune.scheduler`: read from the algorithms' own signatures.

The classes are given by the caller, so this package knows no algorithm.
"""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from lightning_hpo.errors import Problem, did_you_mean
from lightning_hpo.recipe.document import Algorithm
from lightning_hpo.recipe.places import Places
from lightning_hpo.recipe.reading import KeyPath, dotted
from lightning_hpo.recipe.wording import describe, show
from lightning_hpo.tunable import arguments_of

__all__ = ["BASE_ARGUMENTS", "DEFAULTS", "Kind", "Setting", "read_algorithm", "settings_of"]

Kind = Literal["searcher", "scheduler"]

#: What the run itself gives to an algorithm, and no recipe writes.
BASE_ARGUMENTS: Mapping[Kind, tuple[str, ...]] = {
    "searcher": ("space", "objective", "rng"),
    "scheduler": ("objective", "max_epochs"),
}

#: What is taken where the recipe names none.
DEFAULTS: Mapping[Kind, str] = {"searcher": "tpe", "scheduler": "asha"}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting of an algorithm.

    Args:
        annotation: Its type, resolved; `Any` if there is none or it cannot be resolved.
        default: Its default; `inspect.Parameter.empty` if it has none.
        description: From the `Args` of the class's docstring; empty if there is nothing.
    """

    annotation: Any
    default: Any
    description: str = ""

    def accepts(self, value: Any) -> bool:
        """Whether the value, as YAML holds it, is of the type; what no one can check is accepted."""
        if self.annotation is Any:
            return True
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(self.annotation)
        except PydanticUserError:  # a type that pydantic knows no rules for
            return True
        try:  # as JSON, so that a list does for a tuple and a number does not for text
            adapter.validate_json(json.dumps(value), strict=True)
        except (ValidationError, TypeError, ValueError):
            return False
        return True


def settings_of(algorithm: type, kind: Kind) -> dict[str, Setting]:
    """The settings of a searcher or scheduler class, in order."""
    hints: dict[str, Any] = {}
    for base in reversed(algorithm.__mro__):
        hints |= _hints(vars(base).get("__init__"))
    described = _described(algorithm)
    return {
        name: Setting(annotation=hints.get(name, Any), default=parameter.default, description=described.get(name, ""))
        for name, parameter in arguments_of(algorithm).parameters.items()
        if name not in BASE_ARGUMENTS[kind]
    }


def _hints(init: Any) -> dict[str, Any]:
    """The annotations of an `__init__`, those in quotes resolved; one that cannot be resolved is left out."""
    found: dict[str, Any] = {}
    for name, annotation in getattr(init, "__annotations__", {}).items():
        alone = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            found |= typing.get_type_hints(alone, globalns=init.__globals__, include_extras=True)
        except Exception:  # it may name what only a type checker imports; such a setting is not checked
            continue
    return found


def read_algorithm(
    raw: Any, kind: Kind, known: Mapping[str, type], places: Places, problems: list[Problem]
) -> Algorithm | None:
    """The algorithm that stands under `tune.searcher` or `tune.scheduler`.

    Args:
        raw: What stands there: a name, a mapping with a name and settings, or None for the default.
        kind: Which of the two.
        known: Names to classes.
        places: Where values came from.
        problems: Takes what is wrong.

    Returns:
        The algorithm with the settings that are sound, or None if it cannot be made.
    """
    path: KeyPath = ("tune", kind)
    raw = {} if raw is None else raw
    name_path, name = path, raw
    settings: dict[Any, Any] = {}
    if isinstance(raw, Mapping):
        name_path, settings = (*path, "name"), dict(raw)
        name = settings.pop("name", DEFAULTS[kind])
    elif not isinstance(raw, str):
        expected = f"Expected a name, or a mapping with a name and settings, like {{name: {DEFAULTS[kind]}}}."
        problems.append(places.problem(path, f"tune.{kind} is {show(raw)}.", expected))
        return None
    if not isinstance(name, str) or name not in known:
        fact = f"{dotted(name_path)} is {show(name)}. Known {kind}s: {', '.join(sorted(known))}."
        hint = did_you_mean(name, known) if isinstance(name, str) else ""
        problems.append(places.problem(name_path, fact, hint=hint))
        return None
    allowed = settings_of(known[name], kind)
    sound: dict[str, Any] = {}
    for key, value in settings.items():
        wrong = _check_setting(kind, name, str(key), value, allowed, places)
        problems += wrong
        sound |= {} if wrong else {key: value}
    missing = [
        key for key, setting in allowed.items() if setting.default is inspect.Parameter.empty and key not in settings
    ]
    for key in missing:
        fact = f"tune.{kind}.{key} is missing, and '{name}' needs it."
        expected = f"Expected {describe(allowed[key].annotation)}."
        problems.append(places.problem((*path, key), fact, expected))
    return None if missing else Algorithm(name=name, settings=sound)


def _check_setting(
    kind: Kind, name: str, key: str, value: Any, allowed: Mapping[str, Setting], places: Places
) -> list[Problem]:
    where = ("tune", kind, key)
    if key not in allowed:
        takes = f"Its settings: {', '.join(allowed)}." if allowed else "It takes no settings."
        hint = did_you_mean(key, allowed)
        return [places.problem(where, f"tune.{kind}.{key} is no setting of '{name}'. {takes}", hint=hint)]
    setting = allowed[key]
    if setting.accepts(value):
        return []
    hint = did_you_mean(value, _options(setting.annotation)) if isinstance(value, str) else ""
    expected = f"Expected {describe(setting.annotation)}."
    return [places.problem(where, f"tune.{kind}.{key} is {show(value)}.", expected, hint)]


def _options(annotation: Any) -> list[str]:
    options = typing.get_args(annotation) if typing.get_origin(annotation) is Literal else ()
    return [option for option in options if isinstance(option, str)]


def _described(algorithm: type) -> dict[str, str]:
    """What the `Args` sections of the class and its bases say of each argument."""
    found: dict[str, str] = {}
    for base in reversed(algorithm.__mro__):
        section = re.search(r"^Args:\n((?:[ \t]+.*\n|\n)*)", inspect.cleandoc(base.__doc__ or "") + "\n", re.MULTILINE)
        if section:
            entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section[1], re.MULTILINE)
            found |= {name: " ".join(words.split()) for name, words in entries}
    return found
