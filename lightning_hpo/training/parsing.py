"""LightningCLI's own check of a config, told as problems of a recipe.

jsonargparse stops at the first fault. To tell all at once, each faulty key is noted, taken out, and the rest parsed
again.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from lightning_hpo.errors import Problem, UsageError, did_you_mean
from lightning_hpo.recipe import paths
from lightning_hpo.training.blocks import BlocksAssembly
from lightning_hpo.training.imports import import_object
from lightning_hpo.trial import Config
from lightning_hpo.tunable import arguments_of

__all__ = ["parse_problems"]

_MOST = 50
_GROUP = re.compile(r"Group '([^']+)' does not accept option '([^']+)'")
_KEY = re.compile(r"[Pp]arser key \"([^\"]+)\":")
_OPTION = re.compile(r"Option '([^']+)' is not accepted")
_REQUIRED = re.compile(r"Key \"([^\"]+)\" is required|Key '([^']+)' is required|required but not (?:included|given)")
_EXPECTED = re.compile(r"Expected a(?:n)? <class '([^']+)'>")
_CLASS = re.compile(r"(?:given class_path|class_path) '([^']+)'")


def parse_problems(assembly: BlocksAssembly, config: Config) -> list[Problem]:
    """Every fault that LightningCLI finds in the recipe's blocks with a config written into them."""
    blocks = assembly.with_config(config)
    cli = assembly._cli()
    found: list[Problem] = []
    for _ in range(_MOST):
        try:
            cli._parsed(blocks)
        except Exception as error:  # jsonargparse raises its own, TypeError, ValueError and KeyError for bad configs
            problem, path = _read(str(error), blocks)
            found.append(problem)
            trimmed = _without(blocks, path)
            if trimmed is None:
                return found
            blocks = trimmed
        else:
            return found
    return found


def _read(message: str, blocks: Mapping[str, Any]) -> tuple[Problem, tuple[str | int, ...]]:
    """What a message of jsonargparse is about, in our words, and the key it is at."""
    group = _GROUP.search(message)
    if group:
        path = (*group[1].split("."), group[2])
        return _unknown(path, _known(blocks, path)), path
    names = [part for key in _KEY.findall(message) for part in key.split(".")]
    path = _grounded(blocks, names)
    option = _OPTION.search(message)
    if option:
        path = _grounded(blocks, [*path_names(path), option[1]], last=True)
        named = _CLASS.findall(message)
        return _unknown(path, _arguments(named[-1]) if named else ()), path
    name = paths.canonical(".".join(str(part) for part in path)) if path else ""
    told = [line.strip(" -") for line in message.splitlines() if line.strip(" -")]
    useful = [line for line in told if not line.startswith(("Parser key", "Does not validate", "Subtypes", "Errors", "Given value"))]
    reason = next((line for line in useful if "NoneType" not in line and not line.startswith("Problem with")), "")
    reason = reason or (useful[0] if useful else message.strip())
    kinds = [kind.rpartition(".")[2] for kind in _EXPECTED.findall(message) if kind != "NoneType"]
    value = _value(blocks, path)
    expected = f"Expected {' or '.join(dict.fromkeys(kinds))}." if kinds else reason.rstrip(".") + "."
    fact = f"{name} is {value!r}." if value is not None and not isinstance(value, (dict, list)) else f"{name or 'The config'} is not accepted."
    return Problem(where=name, fact=fact, expected=expected), path


def path_names(path: tuple[str | int, ...]) -> list[str]:
    """A path's parts without the `init_args` that lie between a class and its arguments."""
    return [str(part) for part in path if part != "init_args"]


def _grounded(blocks: Mapping[str, Any], names: list[str], *, last: bool = False) -> tuple[str | int, ...]:
    """The names as a path that exists in the blocks, as far as it does; `init_args` is put in where it lies between."""
    node: Any = blocks
    path: list[str | int] = []
    for place, name in enumerate(names):
        if isinstance(node, Mapping) and name not in node and isinstance(node.get("init_args"), Mapping):
            node = node["init_args"]
            path.append("init_args")
        if isinstance(node, list) and name.isdigit():
            path.append(int(name))
            node = node[int(name)] if int(name) < len(node) else None
        elif isinstance(node, Mapping) and name in node:
            path.append(name)
            node = node[name]
        elif last and place == len(names) - 1:
            path.append(name)
        else:
            break
    return tuple(path)


def _unknown(path: tuple[str | int, ...], known: tuple[str, ...]) -> Problem:
    name = paths.canonical(".".join(str(part) for part in path))
    owner, _, key = name.rpartition(".")
    expected = f"It takes: {', '.join(known)}." if known and len(", ".join(known)) < 300 else ""
    return Problem(where=name, fact=f"{name}: {owner} takes no '{key}'.", expected=expected, hint=did_you_mean(key, known))


def _known(blocks: Mapping[str, Any], path: tuple[str | int, ...]) -> tuple[str, ...]:
    if path[0] == "trainer" and len(path) == 2:
        from lightning_hpo.training.family import families_loaded

        return arguments_of(families_loaded()[0].load().Trainer).names
    return ()


def _arguments(class_path: str) -> tuple[str, ...]:
    try:
        return arguments_of(import_object(class_path)).names
    except UsageError:
        return ()


def _value(blocks: Mapping[str, Any], path: tuple[str | int, ...]) -> Any:
    node: Any = blocks
    try:
        for part in path:
            node = node[part]
    except (KeyError, IndexError, TypeError):
        return None
    return node


def _without(blocks: Mapping[str, Any], path: tuple[str | int, ...]) -> dict[str, Any] | None:
    """The blocks without one key; None if that key is not there or is a whole model."""
    if len(path) < 2:
        return None
    trimmed = copy.deepcopy(dict(blocks))
    parent = _value(trimmed, path[:-1])
    if isinstance(parent, dict) and path[-1] in parent:
        del parent[path[-1]]
        return trimmed
    return None
