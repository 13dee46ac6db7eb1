"""Plain data as YAML text that people like to read and that `read_yaml` and LightningCLI read back unchanged."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import RepresenterError, SafeRepresenter

from lightning_hpo.errors import UsageError
from lightning_hpo.recipe.scalars import CORE, Resolver
from lightning_hpo.space.syntax import KINDS

__all__ = ["dump_yaml", "flow"]

#: Longer than this, a list or a parameter is written over several lines.
_WIDTH = 90

#: What may stand unquoted (if it is no number or boolean); everything else is put in quotes.
_WORD = re.compile(r"[A-Za-z0-9_./+-](?:[A-Za-z0-9_./+ -]*[A-Za-z0-9_./+-])?\Z")


class _Flow(list[Any]):
    """A list to be written on one line."""


class _FlowMap(dict[Any, Any]):
    """A mapping to be written on one line."""


class _Representer(SafeRepresenter):
    def ignore_aliases(self, data: Any) -> bool:
        """No anchors: the same value twice is written twice."""
        return True


def _text(representer: _Representer, data: str) -> Any:
    style = None if _WORD.match(data) and not data.startswith(("-", "...")) else '"'
    return representer.represent_scalar(CORE + "str", data, style=style)


def _float(representer: _Representer, data: float) -> Any:
    shown = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(repr(data), repr(data))
    mantissa, e, exponent = shown.partition("e")  # "1e-05" has no point, and other YAML readers would see text
    return representer.represent_scalar(
        CORE + "float", mantissa + ("" if "." in mantissa or not e else ".0") + e + exponent
    )


_Representer.add_representer(str, _text)
_Representer.add_representer(float, _float)
_Representer.add_representer(tuple, lambda r, data: r.represent_sequence(CORE + "seq", list(data)))
_Representer.add_representer(_Flow, lambda r, data: r.represent_sequence(CORE + "seq", data, flow_style=True))
_Representer.add_representer(_FlowMap, lambda r, data: r.represent_mapping(CORE + "map", data, flow_style=True))


def dump_yaml(data: Any, header: str = "") -> str:
    """The data as YAML text: blocks, with short lists and short parameters on one line.

    Args:
        data: Dicts, lists, tuples (which become lists), strings, numbers, booleans and None.
        header: A comment for the top, without the `#`.

    Raises:
        UsageError: If something in the data cannot be written as YAML.
    """
    comment = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
    return comment + _emit(_styled(data))


def flow(data: Any) -> str:
    """The data on one line, as it may stand after a key."""
    return _emit(_all_flow(data)).removesuffix("...\n").rstrip("\n")


def _emit(data: Any) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.Resolver = Resolver
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 2**20
    yaml.allow_unicode = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    try:
        yaml.dump(data, stream)
    except RepresenterError as error:
        culprit = str(error).partition(": ")[2] or str(error)
        raise UsageError(
            f"{culprit} cannot be written into a recipe. Expected text, numbers, true, false, null, "
            "and lists and mappings of these."
        ) from None
    return stream.getvalue()


def _all_flow(data: Any) -> Any:
    if isinstance(data, Mapping):
        return _FlowMap({key: _all_flow(value) for key, value in data.items()})
    if isinstance(data, (list, tuple)):
        return _Flow([_all_flow(item) for item in data])
    return data


def _styled(data: Any) -> Any:
    """The data with what is short marked to stand on one line."""
    if isinstance(data, Mapping):
        if _is_parameter(data) and len(repr(data)) <= _WIDTH:
            return _all_flow(data)
        return {key: _styled(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        short = len(repr(data)) <= _WIDTH and not any(isinstance(item, (Mapping, list, tuple)) for item in data)
        return _all_flow(data) if short else [_styled(item) for item in data]
    return data


def _is_parameter(data: Mapping[Any, Any]) -> bool:
    """Whether it is a parameter or an algorithm of a recipe: small things that read best on one line."""
    kinds = [key for key in data if key in KINDS]
    if len(kinds) == 1:
        return all(key in KINDS[kinds[0]] for key in data if key != kinds[0])
    return False
