"""`--set a.b=c`: a value on the command line in place of the one in the file."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from lightning_hpo.errors import Problem, RecipeError, UsageError
from lightning_hpo.recipe import paths
from lightning_hpo.recipe.reading import KeyPath, parse_yaml
from lightning_hpo.recipe.scalars import plain_scalar
from lightning_hpo.space.syntax import KINDS

__all__ = ["override", "parse_value"]

#: What may follow a parameter's own name: `tune.space.model.lr.log=true`.
_INSIDE_A_PARAMETER = frozenset(KINDS) | {key for keys in KINDS.values() for key in keys}


def override(
    data: Any, overrides: Sequence[str], text_keys: Iterable[KeyPath] = ()
) -> tuple[Any, dict[KeyPath, str], list[Problem]]:
    """A copy of the document with the overrides made, in the order given.

    A path addresses a block's values as the space does, and everything else by its keys; what is missing on the way is
    made. The key of a parameter may hold dots: `tune.space.model.lr={float: [0, 1]}`.

    Args:
        data: The document.
        overrides: The words after `--set`.
        text_keys: Places that hold text, so that `--set tune.name=2024` is a name and no number.

    Returns:
        The copy; the places written, with the words that wrote them; what was wrong with the words.
    """
    changed = copy.deepcopy(data)
    sets: dict[KeyPath, str] = {}
    problems: list[Problem] = []
    texts = frozenset(text_keys)
    for words in overrides:
        name, equals, raw = words.partition("=")
        name = name.strip()
        try:
            if not equals or not name:
                raise UsageError("Expected NAME=VALUE, like tune.n_trials=20.")
            path = _place(changed, name)
            value = raw.strip() if path in texts else parse_value(raw)
            paths.put_at(changed, path, value)
        except UsageError as error:
            problems.append(Problem(where=name, fact=f"--set {words}: {error}"))
            continue
        sets = {place: by for place, by in sets.items() if place[: len(path)] != path}
        sets[path] = words
    return changed, sets, problems


def parse_value(raw: str) -> Any:
    """The value of what stands behind the `=`: a list, a mapping or a quoted word in YAML, or one plain word.

    Raises:
        UsageError: If a bracket or quote is opened and not closed, or YAML cannot read what is in it.
    """
    raw = raw.strip()
    if not raw.startswith(("{", "[", '"', "'")):
        return plain_scalar(raw)
    try:
        document = parse_yaml(f"value: {raw}", "--set")
    except RecipeError as error:
        raise UsageError(error.problems[0].fact) from None
    if document.problems or set(document.data) != {"value"}:
        raise UsageError(document.problems[0].fact if document.problems else "Expected one value.")
    return document.data["value"]


def _place(data: Any, name: str) -> KeyPath:
    parts = paths.canonical(name).split(".")
    if parts[0] in paths.BLOCKS:
        return paths.resolve(data, name)
    if parts[:2] == ["tune", "space"] and len(parts) > 2:
        return _in_space(data, parts[2:])
    if parts[0] == "tune" and len(parts) > 2 and parts[1] in ("searcher", "scheduler"):
        tune = data.get("tune")
        if isinstance(tune, dict) and isinstance(tune.get(parts[1]), str):
            tune[parts[1]] = {"name": tune[parts[1]]}  # the short form has no place for settings
    return paths.walk(data, parts, see_through=False)


def _in_space(data: Any, rest: list[str]) -> KeyPath:
    paths.walk(data, ["tune", "space", "name"], see_through=False)  # refuses a space that is no mapping
    space = (data.get("tune") or {}).get("space") or {}
    written = {paths.canonical(key): key for key in space if isinstance(key, str) and all(key.split("."))}
    name, inner = ".".join(rest), ".".join(rest[:-1])
    if name not in written and inner in written and rest[-1] in _INSIDE_A_PARAMETER:
        return ("tune", "space", *paths.walk(space, [written[inner], rest[-1]], see_through=False))
    return ("tune", "space", written.get(name, name))
