"""What `TuneTrainer` was given, checked, and in the words that the rest knows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, get_args

from lightning_hpo.errors import SettingError, SpaceError, UsageError, did_you_mean
from lightning_hpo.space import Choice, Space
from lightning_hpo.training import Resource

__all__ = ["algorithm", "checked_space", "full_length", "full_names", "shares"]

_BLOCKS = ("model", "data", "trainer")


def algorithm(kind: str, given: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A searcher's or a scheduler's name and settings.

    Raises:
        UsageError: If it is neither a name nor a dict with one.
    """
    if isinstance(given, str):
        return given, {}
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise UsageError(f"{kind} is {given!r}. Expected a name, or a dict with a name and settings.")
    return given["name"], {name: value for name, value in given.items() if name != "name"}


def shares(given: Mapping[str, float]) -> dict[str, float]:
    """CPUs and GPUs of one trial.

    Raises:
        UsageError: If something else is asked for, or a share is no number.
    """
    unknown = [name for name in given if name not in ("cpu", "gpu")]
    if unknown:
        told = ", ".join(unknown)
        hint = did_you_mean(unknown[0], ("cpu", "gpu"))
        raise UsageError(
            f"resources: unknown {told}. Expected cpu and gpu, like {{'cpu': 2, 'gpu': 0.5}}. {hint}".rstrip()
        )
    for name, share in given.items():
        if not isinstance(share, (int, float)) or isinstance(share, bool) or not 0 <= share < math.inf:
            raise UsageError(f"resources: {name} is {share!r}. Expected a number, 0 or more.")
    return {"cpu": float(given.get("cpu", 1)), "gpu": float(given.get("gpu", 0))}


def checked_space(space: Mapping[str, Any]) -> Mapping[str, Any]:
    """The space, unless it holds what is more likely a slip than a fixed value.

    Raises:
        UsageError: If it is no mapping, or holds a list.
    """
    if not isinstance(space, Mapping):
        raise UsageError(
            f"space is {space!r}. Expected a dict of names to parameters, like {{'lr': Float(1e-4, 1e-1)}}."
        )
    for name, value in space.items():
        if isinstance(value, (list, tuple, set, range)):
            options = list(value)
            raise SpaceError(
                f"{name} is {value!r}, which does not say how it may vary. Expected Choice({options!r}) for one of "
                f"these, Float(low, high) or Int(low, high) for a range, or Fixed({options!r}) for this one value."
            )
    return space


def full_names(names: Mapping[str, Any]) -> dict[str, Any]:
    """Bare names are arguments of the model; in the branches of a choice, too.

    Raises:
        SpaceError: If an argument is there twice.
    """
    found: dict[str, Any] = {}
    for name, value in names.items():
        full = name if name.partition(".")[0] in _BLOCKS and "." in name else f"model.{name}"
        if full in found:
            raise SpaceError(f"{name} and {full} are the same argument; expected it once.")
        if isinstance(value, Choice) and value.branches:
            value = Choice({taken: full_names(branch) for taken, branch in value.branches.items()})
        found[full] = value
    return found


def full_length(flags: Mapping[str, Any], space: Space, resource: Resource) -> int:
    """How long a full trial is; where that is tuned, its longest.

    Raises:
        UsageError: If nothing says how long, or the resource is not known.
    """
    if resource not in get_args(Resource):
        raise SettingError("resource", f"is {resource!r}", "Expected 'epoch' or 'step'.")
    flag = "max_steps" if resource == "step" else "max_epochs"
    tuned = [parameter for _, name, parameter in space.walk() if name == f"trainer.{flag}"]
    lengths = [value for parameter in tuned for value in (parameter.values() or ())] or [flags.get(flag)]
    if not all(isinstance(length, int) and length >= 1 for length in lengths):
        raise UsageError(
            f"{flag} is {flags.get(flag)!r}. Expected how long a full trial is: TuneTrainer({flag}=N, ...)."
        )
    return int(max(lengths))
