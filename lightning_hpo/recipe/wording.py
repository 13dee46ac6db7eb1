"""Types and values in the words of a message."""

from __future__ import annotations

import collections.abc
import math
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

__all__ = ["Words", "describe", "of_field", "show"]

_LONGEST = 70

_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "null",
    Any: "any value",
}


@dataclass(frozen=True)
class Words:
    """What a value is, where its type does not say it; stands beside the type in `Annotated`."""

    noun: str


def show(value: Any) -> str:
    """A value as YAML people know it, shortened if it is long.

    >>> show(None), show(True), show("many"), show(3)
    ('null', 'true', "'many'", '3')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    shown = repr(value)
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"


def describe(annotation: Any, constraints: typing.Sequence[Any] = ()) -> str:
    """What a value of a type is, as a noun: "a whole number of at least 1".

    Args:
        annotation: Any type; what is not known is named as Python writes it.
        constraints: What stands beside it in `Annotated`, or a pydantic field's metadata.
    """
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return describe(annotation.__origin__, [*_flat(annotation.__metadata__), *constraints])
    said = [mark.noun for mark in constraints if isinstance(mark, Words)]
    if said:
        return said[0]
    if origin in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(annotation) if part is not type(None)]  # null goes without saying
        return " or ".join(describe(part, constraints) for part in parts)
    if origin is Literal:
        options = [show(option) for option in typing.get_args(annotation)]
        return options[0] if len(options) == 1 else f"{', '.join(options[:-1])} or {options[-1]}"
    kind = origin or annotation
    if kind in _NAMES:
        return _NAMES[kind] + _bounds(constraints)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return f"a mapping with {_all_of(list(kind.model_fields))}"
    if isinstance(kind, type) and issubclass(kind, collections.abc.Mapping):
        return "a mapping"
    if isinstance(kind, type) and issubclass(kind, (collections.abc.Sequence, collections.abc.Set)):
        inner = [part for part in typing.get_args(annotation) if part is not Ellipsis]
        return f"a list, each item {describe(inner[0])}" if len(inner) == 1 and inner[0] is not Any else "a list"
    return f"a value of {getattr(kind, '__name__', annotation)}"


def of_field(field: FieldInfo) -> str:
    """What a value of a pydantic field is."""
    return describe(field.annotation, field.metadata)


def _flat(metadata: typing.Sequence[Any]) -> list[Any]:
    return [part for mark in metadata for part in (mark.metadata if isinstance(mark, FieldInfo) else [mark])]


def _bounds(constraints: typing.Sequence[Any]) -> str:
    found = []
    for attribute, words in (("ge", "of at least"), ("gt", "above"), ("le", "of at most"), ("lt", "below")):
        bounds = [getattr(mark, attribute, None) for mark in constraints]
        found += [f"{words} {bound}" for bound in bounds if bound is not None]
    return "".join(" and" * bool(place) + f" {words}" for place, words in enumerate(found))


def _all_of(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
