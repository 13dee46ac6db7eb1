"""Our space as Ray Tune's, for the searchers that Ray brings, and what they draw as our configs again.

The way from Ray's domains to our parameters is `lightning_hpo.space.foreign`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

from ray import tune

from lightning_hpo.errors import SpaceError
from lightning_hpo.space import Choice, Fixed, Float, Int, Parameter, Space
from lightning_hpo.trial import Config

__all__ = ["from_drawn", "to_drawn", "to_ray"]


def to_ray(space: Space) -> dict[str, Any]:
    """The space as a flat `param_space` of Ray Tune.

    Edges:
        * Ray's quantised ranges hold the multiples of q. A step whose values are not multiples of it becomes a choice
          of the values in order, and so do a range of one value and an integer step of 2.
        * Few of Ray's searchers know conditions. A parameter in a branch stands beside all others, under a key that
          tells its branch, like `optimizer=sgd:momentum`; it is always drawn, and `from_drawn` drops it where its
          branch was not taken.
        * A fixed value is a plain value.

    Raises:
        SpaceError: If a step leaves more than a million values that Ray can only take as a choice, or if two
            parameters would have the same key.
    """
    domains: dict[str, Any] = {}
    for under, name, parameter in space.walk():
        key = _key(under, name)
        if key in domains:
            raise SpaceError(f"'{key}' would name two parameters of Ray Tune. Rename one of them.")
        domains[key] = _domain(key, parameter)
    return domains


def from_drawn(space: Space, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """The config that a draw from `to_ray(space)` stands for: contained in the space, inactive parameters dropped.

    Numbers that a searcher put between two steps or just outside a bound go to the nearest value.

    Raises:
        SpaceError: If an active parameter is missing, or is no value of its choice.
    """
    config: dict[str, Any] = {}
    for under, name, parameter in space.walk():
        if all(config.get(choice) == branch for choice, branch in under):
            key = _key(under, name)
            if key not in drawn:
                raise SpaceError(f"{key} is missing in the draw; it holds {', '.join(drawn) or 'nothing'}.")
            if isinstance(parameter, (Float, Int)):
                config[name] = parameter.round(drawn[key])
            else:
                config[name] = parameter.decode(drawn[key])
    return config


def to_drawn(space: Space, config: Config) -> dict[str, Any]:
    """The draw that stands for a config of the space; inactive parameters take the middle."""
    return {
        _key(under, name): config[name]
        if all(config.get(choice) == branch for choice, branch in under)
        else parameter.middle()
        for under, name, parameter in space.walk()
    }


def _key(under: tuple[tuple[str, str], ...], name: str) -> str:
    # Not a slash: Ray unfolds keys with slashes into nested dicts.
    return ":".join([*(f"{choice}={branch}" for choice, branch in under), name])


def _domain(key: str, parameter: Parameter) -> Any:
    if isinstance(parameter, Fixed):
        return copy.deepcopy(parameter.value)
    if isinstance(parameter, Choice):
        return tune.choice(list(parameter.values()))
    if isinstance(parameter, Float):
        return _float(key, parameter)
    if isinstance(parameter, Int):
        return _int(key, parameter)
    raise SpaceError(f"{key}: Ray Tune has no domain for {parameter!r}.")


def _float(key: str, parameter: Float) -> Any:
    low, high, step = parameter.low, parameter.high, parameter.step
    if low == high:
        return tune.choice([low])
    if step is None:
        return tune.loguniform(low, high) if parameter.log else tune.uniform(low, high)
    high = parameter.round(high)
    if low == high or not all(math.isclose(bound / step, round(bound / step)) for bound in (low, high)):
        return _listed(key, parameter)
    return tune.qloguniform(low, high, step) if parameter.log else tune.quniform(low, high, step)


def _int(key: str, parameter: Int) -> Any:
    low, high, step = parameter.low, parameter.round(parameter.high), parameter.step
    if low == high:
        return tune.choice([low])
    if step == 1:  # Ray leaves the upper end out, except where q > 1
        return tune.lograndint(low, high + 1) if parameter.log else tune.randint(low, high + 1)
    # HyperOptSearch rounds a draw that ends at high - 1, so with a step of 2 it never reaches `high` (Ray 2.60).
    if low % step or (step == 2 and not parameter.log and parameter.values() is not None):
        return _listed(key, parameter)
    return tune.qlograndint(low, high, step) if parameter.log else tune.qrandint(low, high, step)


def _listed(key: str, parameter: Float | Int) -> Any:
    values = parameter.values()
    if values is None:
        raise SpaceError(
            f"{key}: Ray Tune cannot express {parameter!r}: its values are no multiples of the step, and too many to "
            "list. Expected a `low` that is a multiple of `step`."
        )
    return tune.choice(list(values))
