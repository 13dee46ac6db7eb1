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

__all__ = ["CHANGES", "CONTESTANTS", "OURS", "PEERS", "SLOW", "contestant"]

_RANDOM = {"name": "random"}
#: The usual setting of asynchronous successive halving, everybody's alike.
_ASHA = {"name": "asha", "grace_period": 1, "eta": 3}

#: The one whose numbers are to be the best.
OURS = "lightning-hpo"


def _changed(searcher: Mapping[str, Any] = MappingProxyType({}), **scheduler: Any) -> Callable[[Task, int], Contestant]:
    return partial(Ours, searcher={"name": "tpe", **searcher}, scheduler={"name": "asha", **scheduler})


#: Ours with one thing changed, which says what each is worth.
CHANGES: Mapping[str, Callable[[Task, int], Contestant]] = MappingProxyType(
    {
        "joint: false": _changed({"joint": False}),
        "gamma: 0.05": _changed({"gamma": 0.05}),
        "gamma: 0.15": _changed({"gamma": 0.15}),
        "gamma: 0.25": _changed({"gamma": 0.25}),
        "candidates: 24": _changed({"candidates": 24}),
        "candidates: 128": _changed({"candidates": 128}),
        "startup: 30": _changed({"startup": 30}),
        "random_fraction: 0": _changed({"random_fraction": 0}),
        "random_fraction: 0.3": _changed({"random_fraction": 0.3}),
        "prior_weight: 3": _changed({"prior_weight": 3}),
        "grace_period: 1": _changed(grace_period=1),
        "grace_period: 6": _changed(grace_period=6),
        "eta: 2": _changed(eta=2),
        "eta: 4": _changed(eta=4),
    }
)

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
        **CHANGES,
    }
)

_NEEDS = {"Ray": "ray", "Optuna": "optuna", "Syne": "syne_tune"}

#: Half a minute a run, where the others take a second: only by name.
SLOW = ("Syne Tune ASHA + CQR",)

#: Everybody else who is installed here and is not slow.
PEERS = tuple(
    name
    for name in CONTESTANTS
    if name not in (OURS, *SLOW, *CHANGES) and find_spec(_NEEDS.get(name.partition(" ")[0], "numpy")) is not None
)


def contestant(name: str, task: Task, seed: int) -> Contestant:
    """A fresh one of `CONTESTANTS`."""
    return CONTESTANTS[name](task, seed)
