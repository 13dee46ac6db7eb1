"""One address for everything in a recipe: `model.lr`, `trainer.callbacks.0.patience`, `optimizer.class_path`.

A path sees through `class_path`/`init_args`: where a block names its class, `model.lr` is the `lr` under `init_args`;
where the block is the arguments themselves, as a LightningCLI for one fixed class saves it, it is the `lr` right there.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from lightning_hpo.errors import UsageError, did_you_mean
from lightning_hpo.recipe.reading import KeyPath, dotted
from lightning_hpo.space import Choice, Parameter, Space

__all__ = ["BLOCKS", "addressed", "apply", "canonical", "get", "put", "put_at", "resolve", "walk"]

#: The blocks of a LightningCLI config that a path may begin with.
BLOCKS = ("model", "data", "trainer", "optimizer", "lr_scheduler")

#: What stands beside `init_args` in a block that names its class, and is addressed as it is.
_BESIDE = ("class_path", "init_args", "dict_kwargs")

_MISSING = object()


def canonical(name: str) -> str:
    """The short form of a path: `model.init_args.lr` is `model.lr`.

    Raises:
        UsageError: If it is no path: empty, or with an empty part.
    """
    parts = _split(name)
    return ".".join(
        part for place, part in enumerate(parts) if part != "init_args" or place == 0 or place == len(parts) - 1
    )


def resolve(config: Mapping[str, Any], name: str) -> KeyPath:
    """Where in a config the value of a path stands, or would stand if it were set.

    Edges:
        * What is missing on the way counts as an empty mapping, and so does null.
        * A part that names a place in a list counts from 0; the list and the place must be there.
        * A mapping without `class_path` is descended into plainly.

    Raises:
        UsageError: If the path begins with no block, runs through a scalar, or leaves a list.
    """
    parts = canonical(name).split(".")
    if parts[0] not in BLOCKS:
        hint = did_you_mean(parts[0], BLOCKS)
        raise UsageError(
            f"{name}: a path begins with {', '.join(BLOCKS[:-1])} or {BLOCKS[-1]}, but this one with "
            f"'{parts[0]}'. {hint}".rstrip()
        )
    return walk(config, parts)


def get(config: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """The value of a path, or the default if it is not set.

    Raises:
        UsageError: As `resolve`.
    """
    node: Any = config
    for key in resolve(config, name):
        if isinstance(node, list):
            node = node[int(key)]
        elif isinstance(node, Mapping) and key in node:
            node = node[key]
        else:
            return default
    return node


def put(config: dict[str, Any], name: str, value: Any) -> None:
    """Sets the value of a path in the config itself, making the mappings that are missing on the way.

    Raises:
        UsageError: As `resolve`.
    """
    put_at(config, resolve(config, name), value)


def apply(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the config with all the paths set, parents before children and a class before its arguments.

    Raises:
        UsageError: As `resolve`.
    """
    changed = copy.deepcopy(dict(config))

    def depth(name: str) -> float:
        parts = canonical(name).split(".")
        return len(parts) - (0.5 if parts[-1] == "class_path" else 0)

    for name in sorted(values, key=depth):
        put(changed, name, copy.deepcopy(values[name]))
    return changed


def addressed(space: Space, block: str) -> Space:
    """The space of a class, whose names are its arguments, with the paths of a recipe: `lr` becomes `model.lr`.

    Args:
        space: As `@tunable` declares it.
        block: Where the class stands: `model` or `data`.
    """

    def moved(parameter: Parameter) -> Parameter:
        if not isinstance(parameter, Choice) or not parameter.branches:
            return parameter
        return Choice({taken: addressed(branch, block) for taken, branch in parameter.branches.items()})

    return Space({f"{block}.{name}": moved(parameter) for name, parameter in space.items()})


def walk(root: Any, parts: list[str], *, see_through: bool = True) -> KeyPath:
    """The keys that the parts of a path lead through.

    Args:
        root: The document, or any part of one.
        parts: The path, split at its dots.
        see_through: Whether to step into `init_args` where a class is named.

    Raises:
        UsageError: If the path runs through a scalar or leaves a list.
    """
    name = ".".join(parts)
    path: list[str | int] = []
    node = root
    for part in parts:
        if see_through and isinstance(node, Mapping) and node.get("class_path") is not None and part not in _BESIDE:
            path.append("init_args")
            node = node.get("init_args")
        here = dotted(tuple(path))
        if isinstance(node, Mapping):
            path.append(part)
            node = node.get(part, _MISSING)
        elif isinstance(node, list):
            if not part.isdecimal() or int(part) >= len(node):
                count = f"{len(node)} item{'' if len(node) == 1 else 's'}"
                expected = f"Expected a place from 0 to {len(node) - 1}." if node else "Add the item to the list first."
                raise UsageError(f"{name}: {here} is a list of {count}, so it has no '{part}'. {expected}")
            path.append(int(part))
            node = node[int(part)]
        elif node is _MISSING or node is None:
            if part.isdecimal():
                raise UsageError(f"{name}: {here} is not set, so it has no item {part}. Write the list first.")
            path.append(part)
            node = _MISSING
        else:
            raise UsageError(f"{name}: {here} is {node!r}, which has nothing inside. {_long_form(node)}".rstrip())
    return tuple(path)


def put_at(root: Any, path: KeyPath, value: Any) -> None:
    """Sets the value at keys that `walk` answered, making the mappings that are missing."""
    node = root
    for key in path[:-1]:
        if isinstance(node, dict) and node.get(key) is None:
            node[key] = {}
        node = node[key]
    node[path[-1]] = value


def _split(name: str) -> list[str]:
    parts = name.split(".") if isinstance(name, str) else []
    if not parts or not all(part.strip() for part in parts):
        raise UsageError(f"{name!r} is no path. Expected something like model.lr or trainer.callbacks.0.patience.")
    return parts


def _long_form(node: object) -> str:
    """The hint for a class that is named by a bare string, as LightningCLI also allows."""
    if isinstance(node, str) and "." in node:
        return f"Write {{class_path: {node}, init_args: {{}}}} if it is a class."
    return ""
