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
from lightning_hpo.recipe.paths import put_at
from lightning_hpo.recipe.reading import KeyPath
from lightning_hpo.training.blocks import BlocksAssembly
from lightning_hpo.training.imports import import_object
from lightning_hpo.trial import Config
from lightning_hpo.tunable import arguments_of

__all__ = ["parse_problems"]

_MOST = 50
_FRAME = ("Parser key", "Does not validate", "Subtypes", "Errors", "Given value")
_GROUP = re.compile(r"Group '([^']+)' does not accept option '([^']+)'")
_KEY = re.compile(r"[Pp]arser key \"([^\"]+)\":")
_OPTION = re.compile(r"Option '([^']+)' is not accepted")
_REQUIRED = re.compile(r"arguments are required: ([\w., ]+)")
_EXPECTED = re.compile(r"Expected a(?:n)? <class '([^']+)'>")
_CLASS = re.compile(r"(?:given class_path|class_path) '([^']+)'")


def parse_problems(assembly: BlocksAssembly, config: Config) -> list[Problem]:
    """Every fault that LightningCLI finds in the recipe's blocks with a config written into them.

    Edges:
        * After a missing argument of the model itself, later blocks are not looked at: there is no parsing without it.
    """
    blocks = assembly.with_config(config)
    cli = assembly._cli()
    found: list[Problem] = []
    taken: set[str] = set()
    for _ in range(_MOST):
        message = _refusal(cli, blocks)
        if not message:
            return found
        problem, path = _read(*_in_its_item(cli, blocks, message))
        missing = [name for name in _missing(message, problem.where) if name not in taken]
        if missing or not _REQUIRED.search(message):  # what was faulty, and is taken out, is missed by now
            found.append(problem)
        trimmed = _without(blocks, path)
        if trimmed is None:
            return found
        taken.add(problem.where)
        blocks = trimmed
    return found


def _refusal(cli: Any, blocks: Mapping[str, Any]) -> str:
    """What LightningCLI's parser says against the blocks; nothing if it takes them."""
    try:
        cli._parsed(blocks)
    except Exception as error:  # jsonargparse raises its own, TypeError, ValueError and KeyError for bad configs
        return str(error) or type(error).__name__
    return ""


def _in_its_item(cli: Any, blocks: Mapping[str, Any], message: str) -> tuple[str, Mapping[str, Any], KeyPath]:
    """The message with the item of a list that it is about, which jsonargparse leaves out.

    The last faulty item is told first: it can then be taken out without renumbering the others.
    """
    path = _grounded(blocks, _names(message))
    items = _value(blocks, path)

    def with_items(kept: list[Any]) -> str:
        alone = copy.deepcopy(dict(blocks))
        put_at(alone, path, kept)
        told = _refusal(cli, alone)
        return told if told and _grounded(alone, _names(told)) == path else ""

    if not isinstance(items, list) or with_items([]):  # a list is not what is expected there at all
        return message, blocks, ()
    for place in reversed(range(len(items))):
        told = with_items([items[place]])
        if told:
            return told, blocks, (*path, place)
    return message, blocks, ()


def _names(message: str) -> list[str]:
    return [part for key in _KEY.findall(message) for part in key.split(".")]


def _missing(message: str, owner: str) -> list[str]:
    """The full names of the arguments that a message misses."""
    required = _REQUIRED.search(message)
    names = [name.strip(" .") for name in required[1].split(",")] if required else []
    return [name if name.startswith(f"{owner}.") or not owner else f"{owner}.{name}" for name in names]


def _read(message: str, blocks: Mapping[str, Any], item: KeyPath) -> tuple[Problem, KeyPath]:
    """What a message of jsonargparse is about, in our words, and the key it is at; `item` is its item of a list."""
    group = _GROUP.search(message)
    if group:
        path: KeyPath = (*group[1].split("."), group[2])
        return _unknown(path, _known(blocks, path)), path
    names = _names(message)
    if item:
        outer = _path_names(item)
        names = [*outer, *names[len(outer) - 1 :]]
    path = _grounded(blocks, names)
    option = _OPTION.search(message)
    if option:
        path = _grounded(blocks, [*_path_names(path), option[1]], last=True)
        named = _CLASS.findall(message)
        return _unknown(path, _arguments(named[-1]) if named else ()), path
    name = paths.canonical(".".join(str(part) for part in path)) if path else ""
    missing = _missing(message, name)
    if missing:
        fact = f"{missing[0].rpartition('.')[0]}: {', '.join(missing)} must be given."
        return Problem(where=missing[0].rpartition(".")[0], fact=fact, hint="It has no default."), path
    lines = [line.strip(" -") for line in message.splitlines() if line.strip(" -")]
    useful = [line for line in lines if not line.startswith(_FRAME)]
    reason = next((line for line in useful if "NoneType" not in line and not line.startswith("Problem with")), "")
    reason = reason or (useful[0] if useful else message.strip())
    kinds = [kind.rpartition(".")[2] for kind in _EXPECTED.findall(message) if kind != "NoneType"]
    value = _value(blocks, path)
    expected = f"Expected {' or '.join(dict.fromkeys(kinds))}." if kinds else reason.rstrip(".") + "."
    if value is not None and not isinstance(value, (dict, list)):
        fact = f"{name} is {value!r}."
    else:
        kind = f" ({value['class_path']})" if isinstance(value, dict) and "class_path" in value else ""
        fact = f"{name or 'The config'}{kind} is not accepted."
    return Problem(where=name, fact=fact, expected=expected), path


def _path_names(path: KeyPath) -> list[str]:
    """A path's parts without the `init_args` that lie between a class and its arguments."""
    return [str(part) for part in path if part != "init_args"]


def _grounded(blocks: Mapping[str, Any], names: list[str], *, last: bool = False) -> KeyPath:
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


def _unknown(path: KeyPath, known: tuple[str, ...]) -> Problem:
    name = paths.canonical(".".join(str(part) for part in path))
    owner, _, key = name.rpartition(".")
    expected = f"It takes: {', '.join(known)}." if known and len(", ".join(known)) < 300 else ""
    return Problem(
        where=name, fact=f"{name}: {owner} takes no '{key}'.", expected=expected, hint=did_you_mean(key, known)
    )


def _known(blocks: Mapping[str, Any], path: KeyPath) -> tuple[str, ...]:
    if path[0] == "trainer" and len(path) == 2:
        from lightning_hpo.training.family import families_loaded

        return arguments_of(families_loaded()[0].load().Trainer).names
    return ()


def _arguments(class_path: str) -> tuple[str, ...]:
    try:
        return arguments_of(import_object(class_path)).names
    except UsageError:
        return ()


def _value(blocks: Mapping[str, Any], path: KeyPath) -> Any:
    node: Any = blocks
    try:
        for part in path:
            node = node[part]
    except (KeyError, IndexError, TypeError):
        return None
    return node


def _without(blocks: Mapping[str, Any], path: KeyPath) -> dict[str, Any] | None:
    """The blocks without one key; None if that key is not there or is a whole model."""
    if not path or path == ("model",):
        return None
    trimmed = copy.deepcopy(dict(blocks))
    parent: Any = _value(trimmed, path[:-1]) if len(path) > 1 else trimmed
    try:
        del parent[path[-1]]
    except (KeyError, IndexError, TypeError):
        return None
    return trimmed
