"""How a parameter is written as plain data, in a recipe and in the journal, and what else stands for one.

{float: [1.0e-4, 1.0e-1], log: true}      {float: [0, 1], step: 0.25}     {float: [1.0e-4, 1], log: true, grid: 5}
{int: [1, 9], step: 2}                    {choice: [32, 64, 128]}         {fixed: 7}, or plainly 7
{choice: {sgd: {momentum: {float: [0, 0.99]}}, adamw: {}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning_hpo.errors import SpaceError, did_you_mean
from lightning_hpo.space.choices import Choice, Fixed
from lightning_hpo.space.foreign import from_ray, is_ray_domain
from lightning_hpo.space.parameter import Parameter
from lightning_hpo.space.ranges import Float, Int

__all__ = ["KINDS", "as_parameter", "parse", "render"]

#: The key that says what a parameter is, and the keys that may stand beside it.
KINDS: Mapping[str, tuple[str, ...]] = {
    "float": ("log", "step", "grid"),
    "int": ("log", "step", "grid"),
    "choice": (),
    "fixed": (),
}


def as_parameter(value: Any) -> Parameter:
    """The parameter that a value stands for: ours, Ray Tune's, the plain syntax above, or a fixed plain value.

    Raises:
        SpaceError: If it is a list or a set (a choice, or a fixed list?), a dict that is not of the syntax, or
            anything that YAML cannot hold.
    """
    if isinstance(value, Parameter):
        return value
    if is_ray_domain(value):
        return from_ray(value)
    if isinstance(value, Mapping):
        return parse(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        raise SpaceError(
            f"{value!r} could be a choice or one fixed value. "
            "Write Choice([...]) or Fixed([...]); in a recipe, {choice: [...]} or {fixed: [...]}."
        )
    return Fixed(value)


def parse(data: Any) -> Parameter:
    """The parameter that plain data describe.

    Raises:
        SpaceError: If the data are not of the syntax above, with the nearest known key.
    """
    if not isinstance(data, Mapping):
        return as_parameter(data)
    kinds = [key for key in data if key in KINDS]
    if len(kinds) != 1:
        unknown = [str(key) for key in data if key not in KINDS]
        hint = next((found for key in unknown if (found := did_you_mean(key, KINDS))), "")
        found = f"found {', '.join(map(str, data)) or 'an empty mapping'}"
        raise SpaceError(f"Expected exactly one of {', '.join(KINDS)}, but {found}. {hint}".rstrip())
    kind = kinds[0]
    for key in data:
        if key != kind and key not in KINDS[kind]:
            allowed = ", ".join(KINDS[kind]) or "nothing"
            hint = did_you_mean(str(key), KINDS[kind])
            raise SpaceError(f"'{key}' does not go with '{kind}': allowed is {allowed}. {hint}".rstrip())
    body = data[kind]
    if kind == "fixed":
        return Fixed(body)
    if kind == "choice":
        if isinstance(body, Mapping):
            for name, branch in body.items():
                if branch is not None and not isinstance(branch, Mapping):
                    raise SpaceError(f"Branch '{name}' must hold parameters ({{}} for none), but got {branch!r}.")
        return Choice(body)
    return _parse_range(kind, body, data)


def _parse_range(kind: str, body: Any, data: Mapping[str, Any]) -> Parameter:
    if isinstance(body, (str, bytes)) or not hasattr(body, "__len__") or isinstance(body, Mapping) or len(body) != 2:
        raise SpaceError(f"'{kind}' must be [low, high], but got {body!r}.")
    log = data.get("log", False)
    if not isinstance(log, bool):
        raise SpaceError(f"'log' must be true or false, but got {log!r}.")
    low, high = body
    step = data.get("step")
    parameter: Float | Int
    if kind == "float":
        parameter = Float(low, high, log=log, step=step)
    else:
        parameter = Int(low, high, log=log, step=1 if step is None else step)
    return parameter.grid(data["grid"]) if data.get("grid") is not None else parameter


def render(parameter: Parameter) -> Any:
    """Plain data from which `parse` makes an equal parameter; a choice of tuples comes back as one of lists."""
    if isinstance(parameter, Fixed):
        return {"fixed": parameter.encode(parameter.value)}
    if isinstance(parameter, Choice):
        if parameter.branches:
            return {
                "choice": {
                    taken: {name: render(inner) for name, inner in branch.items()}
                    for taken, branch in parameter.branches.items()
                }
            }
        return {"choice": [parameter.encode(option) for option in parameter.options]}
    if not isinstance(parameter, (Float, Int)):
        raise SpaceError(f"{parameter!r} has no plain form; known are Float, Int, Choice and Fixed.")
    data: dict[str, Any] = {"float" if isinstance(parameter, Float) else "int": [parameter.low, parameter.high]}
    if parameter.log:
        data["log"] = True
    if parameter.step is not None and not (isinstance(parameter, Int) and parameter.step == 1):
        data["step"] = parameter.step
    return data
