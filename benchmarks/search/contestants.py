"""Who takes part, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from search.curves import Task
from search.ours import Ours
from search.peers import OptunaTPE, RayHyperOptASHA, SyneTuneASHACQR
from search.simulator import Contestant

__all__ = ["CONTESTANTS", "OURS", "PEERS", "SLOW", "contestant"]

_RANDOM = {"name": "random"}
#: The usual setting of asynchronous successive halving, everybody's alike.
_ASHA = {"name": "asha", "grace_period": 1, "eta": 3}

#: The one whose numbers are to be the best.
OURS = "lightning-hpo"

CONTESTANTS: Mapping[str, Callable[[Task, int], Contestant]] = MappingProxyType(
    {
        OURS: partial(Ours, searcher={"name": "tpe"}, scheduler={"name": "asha"}),
        "random": partial(Ours, searcher=_RANDOM, scheduler={"name": "none"}),
        "random + ASHA": partial(Ours, searcher=_RANDOM, scheduler=_ASHA),
        "random + ASHA from 3": partial(Ours, searcher=_RANDOM, scheduler={**_ASHA, "grace_period": 3}),
        "Ray HyperOpt + ASHA": RayHyperOptASHA,
        "Ray HyperOpt + ASHA from 3": partial(RayHyperOptASHA, grace_period=3),
        "Optuna TPE + median": partial(OptunaTPE, pruner="median"),
        "Optuna TPE + halving": partial(OptunaTPE, pruner="halving"),
        "Optuna TPE + Hyperband": partial(OptunaTPE, pruner="hyperband"),
        "Syne Tune ASHA + CQR": SyneTuneASHACQR,
    }
)

_NEEDS = {"Ray": "ray", "Optuna": "optuna", "Syne": "syne_tune"}

#: Half a minute a run, where the others take a second: only by name.
SLOW = ("Syne Tune ASHA + CQR",)

#: Everybody else who is installed here and is not slow.
PEERS = tuple(
    name
    for name in CONTESTANTS
    if name not in (OURS, *SLOW) and find_spec(_NEEDS.get(name.partition(" ")[0], "numpy")) is not None
)


def contestant(name: str, task: Task, seed: int, settings: Mapping[str, Mapping[str, Any]] | None = None) -> Contestant:
    """A fresh contestant.

    Args:
        name: One of `CONTESTANTS`.
        task: What it tunes.
        seed: What it is seeded with.
        settings: For ours, `searcher` and `scheduler` settings that replace the defaults.
    """
    if not settings:
        return CONTESTANTS[name](task, seed)
    searcher = {"name": "tpe", **settings.get("searcher", {})}
    return Ours(task, seed, searcher=searcher, scheduler={"name": "asha", **settings.get("scheduler", {})})
