"""A YAML file as plain data that remembers its lines."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from lightning_hpo.errors import Problem, RecipeError
from lightning_hpo.recipe.scalars import CORE, Resolver, scalar_value

__all__ = ["Document", "KeyPath", "dotted", "open_yaml", "parse_yaml", "read_yaml"]

#: Where a value stands in a document: keys of mappings and places in lists.
KeyPath = tuple["str | int", ...]

#: More values than this are no recipe but a knot of aliases that unfolds without end.
_MOST_VALUES = 100_000

_SCALARS = ("str", "int", "float", "bool", "null")


def dotted(path: KeyPath) -> str:
    """The path as people write it."""
    return ".".join(map(str, path))


@dataclass(frozen=True, kw_only=True)
class Document:
    """What a YAML file holds.

    Args:
        source: The file as the user named it.
        data: Plain dicts, lists and scalars; no two places share an object, whatever was aliased.
        lines: Paths to the lines of their keys or list items, counted from 1.
        problems: What the reader could step over: keys that are there twice, tags that mean nothing here.
    """

    source: str
    data: Any
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def line(self, path: KeyPath) -> int | None:
        """The line of a key at any depth, of its nearest ancestor if it is not in the file, or None if none is."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return None


def read_yaml(path: str | Path) -> Document:
    """Reads a YAML file that holds a mapping.

    Safe YAML only: no tag makes an object. Words become values by the rules of LightningCLI's loader.

    Raises:
        RecipeError: If there is no such file, if it cannot be read or parsed, holds no mapping, a key twice, or a tag
            that is not one of YAML's own.
    """
    document = open_yaml(path)
    if document.problems:
        raise RecipeError(document.source, document.problems)
    return document


def open_yaml(path: str | Path) -> Document:
    """Like `read_yaml`, but leaves what could be stepped over to the caller, in `Document.problems`."""
    source = str(path)
    try:
        raw = Path(path).read_bytes()
    except FileNotFoundError:
        raise _refusal(source, f"There is no file '{source}'.", hint=_nearest_file(Path(path))) from None
    except IsADirectoryError:
        raise _refusal(source, f"'{source}' is a folder.", "Expected a YAML file.", _files_in(Path(path))) from None
    except OSError as error:
        raise _refusal(source, f"'{source}' cannot be read: {error.strerror}.") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _refusal(source, "The file is not UTF-8 text.", "Save it as UTF-8.", line=line) from None
    return parse_yaml(text, source)


def parse_yaml(text: str, source: str) -> Document:
    """Reads YAML text that holds a mapping.

    Raises:
        RecipeError: If it cannot be parsed or holds no mapping.
    """
    node = _compose(text, source)
    builder = _Builder()
    try:
        data = builder.build(node, ()) if node is not None else None
    except (OverflowError, RecursionError):
        raise _refusal(source, "The YAML unfolds without end: an alias (*name) stands inside what it names.") from None
    if data is None:
        raise _refusal(source, "The file is empty.", "Expected a mapping with model, trainer and tune.")
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else "one value"
        raise _refusal(source, f"The file holds {kind}.", "Expected a mapping with model, trainer and tune.", line=1)
    return Document(source=source, data=data, lines=builder.lines, problems=tuple(builder.problems))


def _refusal(source: str, fact: str, expected: str = "", hint: str = "", line: int | None = None) -> RecipeError:
    return RecipeError(source, [Problem(where="", fact=fact, expected=expected, hint=hint, line=line)])


def _files_in(folder: Path) -> str:
    names = sorted(found.name for found in folder.glob("*.y*ml")) if folder.is_dir() else []
    return f"In it: {', '.join(names[:8])}{' and more' if len(names) > 8 else ''}." if names else ""


def _nearest_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f"There is no folder '{path.parent}' either."
    names = [found.name for found in path.parent.glob("*.y*ml")]
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    if near:
        return f"Did you mean '{path.parent / near[0]}'?"
    return _files_in(path.parent).replace("In it", f"In '{path.parent}'")


def _compose(text: str, source: str) -> Any:
    yaml = YAML(typ="safe", pure=True)
    yaml.Resolver = Resolver
    yaml.composer.warn_double_anchors = False  # a later anchor of the same name simply wins, as in the YAML standard
    try:
        return yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(part for part in (error.context, error.problem) if part) or "it is not YAML"
        hint = ""
        if "another document" in reason:
            hint = "A recipe is one document: remove the line with '---' between the parts."
        elif "\\t" in reason:
            hint = "Indent with spaces: YAML allows no tabs there."
        fact = f"The YAML cannot be parsed: {reason}".rstrip(".") + "."
        raise _refusal(source, fact, hint=hint, line=mark.line + 1 if mark else None) from None
    except YAMLError as error:  # characters that YAML forbids; this one has a position instead of a mark
        place = getattr(error, "position", None)
        line = text.count("\n", 0, place) + 1 if isinstance(place, int) else None
        raise _refusal(source, f"The YAML cannot be parsed: {str(error).splitlines()[0]}.", line=line) from None
    except RecursionError:
        raise _refusal(source, "The YAML is nested too deeply.") from None


class _Builder:
    """Turns nodes into plain data, noting lines and problems on the way."""

    def __init__(self) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self._count = 0

    def build(self, node: Any, path: KeyPath) -> Any:
        self._count += 1
        if self._count > _MOST_VALUES:
            raise OverflowError
        tag = str(node.tag)
        kind = tag.removeprefix(CORE)
        if isinstance(node, ScalarNode) and kind not in _SCALARS and tag in (CORE + "merge", CORE + "value"):
            kind = "str"
        allowed = {MappingNode: ("map",), SequenceNode: ("seq",)}.get(type(node), _SCALARS)
        if kind not in allowed:
            shown = tag.replace(CORE, "!!")
            self._note(node, path, f"has the tag {shown}", "Expected plain YAML: nothing is made from tags here.")
            kind = "str"
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            items = []
            for place, item in enumerate(node.value):
                here = (*path, place)
                self.lines[here] = item.start_mark.line + 1
                items.append(self.build(item, here))
            return items
        try:
            return scalar_value(kind, node.value)
        except ValueError:
            self._note(node, path, f"is {node.value!r}, which its tag !!{kind} does not allow", "")
            return None

    def _mapping(self, node: Any, path: KeyPath) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        own: dict[Any, int] = {}
        pairs: list[tuple[Any, Any, bool]] = []
        for key_node, value_node in node.value:  # what is merged in comes first, so that the mapping's own keys win
            if str(key_node.tag) == CORE + "merge":
                pairs[:0] = [(key, value, False) for key, value in self._merged(value_node, path)]
            else:
                pairs.append((key_node, value_node, True))
        for key_node, value_node, is_own in pairs:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._note(key_node, path, "has a key that is a list or a mapping", "Expected a word.")
                continue
            key = self.build(key_node, path)
            here = (*path, key)
            if is_own and key in own:
                fact = f"{dotted(here)} is there twice, first on line {own[key]}."
                self.problems.append(Problem(where=dotted(here), fact=fact, expected="Keep one of them.", line=line))
                continue
            if is_own:
                own[key] = line
            self._forget(here)
            self.lines[here] = line
            found[key] = self.build(value_node, here)
        return found

    def _merged(self, node: Any, path: KeyPath) -> list[tuple[Any, Any]]:
        """The pairs behind a merge key (<<), later ones winning; of several mappings the first one wins."""
        if isinstance(node, SequenceNode):
            return [pair for item in reversed(node.value) for pair in self._merged(item, path)]
        if not isinstance(node, MappingNode):
            self._note(node, path, "has a merge key (<<) that names no mapping", "")
            return []
        pairs: list[tuple[Any, Any]] = []
        for key, value in node.value:
            self._count += 1
            if self._count > _MOST_VALUES:
                raise OverflowError
            if str(key.tag) == CORE + "merge":
                pairs[:0] = self._merged(value, path)
            else:
                pairs.append((key, value))
        return pairs

    def _forget(self, path: KeyPath) -> None:
        """Drops the lines below a key that is about to be overridden."""
        if path in self.lines:
            for inner in [known for known in self.lines if known[: len(path)] == path]:
                del self.lines[inner]

    def _note(self, node: Any, path: KeyPath, fact: str, expected: str) -> None:
        name = dotted(path) or "The document"
        line = node.start_mark.line + 1
        self.problems.append(Problem(where=dotted(path), fact=f"{name} {fact}.", expected=expected, line=line))
