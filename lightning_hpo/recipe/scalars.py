"""How a plain word in YAML becomes a value: by the rules of LightningCLI's own loader, for reading and for writing.

LightningCLI reads with jsonargparse, which takes PyYAML's YAML 1.1 rules with two changes: `1e-3` is a float, and
nothing is a date. So `on`, `yes` and `off` are booleans, `010` is eight and `1:30` is ninety, here as there.
"""

from __future__ import annotations

import math
import re
from typing import Any

from ruamel.yaml.resolver import VersionedResolver

__all__ = ["CORE", "Resolver", "plain_scalar", "scalar_tag", "scalar_value"]

#: What YAML's own tags begin with.
CORE = "tag:yaml.org,2002:"

# Source: PyYAML 6.0 (resolver.py) and jsonargparse 4.53 (_loaders_dumpers.py). Tried in this order: a whole number
# must be seen before a float.
_PATTERNS: tuple[tuple[str, str, re.Pattern[str]], ...] = (
    (
        "bool",
        "yYnNtTfFoO",
        re.compile(r"(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)\Z"),
    ),
    (
        "int",
        "-+0123456789",
        re.compile(
            r"(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+"
            r"|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)\Z"
        ),
    ),
    ("merge", "<", re.compile(r"<<\Z")),
    ("null", "~nN", re.compile(r"(?:~|null|Null|NULL)\Z")),
    (
        "float",
        "-+0123456789.",
        re.compile(
            r"(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
            r"|\.[0-9_]+(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
        ),
    ),
)

_BY_FIRST_LETTER: dict[str, list[tuple[str, re.Pattern[str]]]] = {"": [(CORE + "null", re.compile(r"\Z"))]}
for _name, _letters, _pattern in _PATTERNS:
    for _letter in _letters:
        _BY_FIRST_LETTER.setdefault(_letter, []).append((CORE + _name, _pattern))


class Resolver(VersionedResolver):
    """ruamel.yaml's place for the rules above; the version that a `%YAML` line names changes nothing."""

    @property
    def versioned_resolver(self) -> Any:
        """First letters to the tags and patterns to try."""
        return _BY_FIRST_LETTER


def scalar_tag(text: str) -> str:
    """The tag of an unquoted word, without the common beginning: "int", "str", …"""
    for tag, pattern in _BY_FIRST_LETTER.get(text[:1], []):
        if pattern.match(text):
            return tag.removeprefix(CORE)
    return "str"


def scalar_value(tag: str, text: str) -> Any:
    """The value of a scalar with one of YAML's own tags.

    Raises:
        ValueError: If the text is none of that tag, like `!!int many`.
    """
    if tag == "null":
        return None
    if tag == "bool":
        known = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
        if text.lower() not in known:
            raise ValueError(f"{text!r} is neither true nor false")
        return known[text.lower()]
    if tag == "int":
        return _int(text)
    if tag == "float":
        return _float(text)
    return text


def plain_scalar(text: str) -> Any:
    """The value of an unquoted word."""
    tag = scalar_tag(text)
    return scalar_value(tag if tag != "merge" else "str", text)


def _sign(text: str) -> tuple[int, str]:
    text = text.replace("_", "").lower()
    return (-1 if text.startswith("-") else 1), text.lstrip("+-")


def _sexagesimal(text: str) -> float:
    total = 0.0
    for digits in text.split(":"):
        total = total * 60 + float(digits)
    return total


def _int(text: str) -> int:
    sign, digits = _sign(text)
    if ":" in digits:
        return sign * int(_sexagesimal(digits))
    if digits.startswith(("0b", "0x")):
        return sign * int(digits, 0)
    return sign * int(digits, 8 if digits.startswith("0") and digits != "0" else 10)


def _float(text: str) -> float:
    sign, digits = _sign(text)
    if digits == ".inf":
        return sign * math.inf
    if digits == ".nan":
        return math.nan
    return sign * (_sexagesimal(digits) if ":" in digits else float(digits))
