"""Leaves out what a Ray runtime of our own has no use for: the autoscaler, the log monitor, the API server.

`ray.init` has no arguments for that (Ray 2.50 to 2.60). The autoscaler has nothing to scale on one machine that is
ours, and does not end when it is told to, so that `ray.shutdown` waits a second for it; the log monitor feeds the
driver's terminal, which we switch off; the API server is waited for, and serves nobody without a dashboard; and without
a dashboard, agents need not load what `ray[default]` has more than `ray`. Ray Tune gives its actors an environment of
their own, for which the workers that Ray has started meanwhile are of no use.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Iterator
from typing import Any

import ray
from ray._private import services, worker
from ray._private.node import Node

from lightning_hpo.training.imports import uncollected

__all__ = ["lean_start", "plain_actors", "silent"]

#: The module by which Ray tells `ray[default]` from plain `ray`.
_DEFAULT = "ray.dashboard.optional_deps"
#: The option of the raylet's command that says how many workers it starts by itself.
_WORKERS = "--num_prestart_python_workers="
#: The function by which a driver says what its cluster reports.
_TOLD = "print_to_stdstream"
#: The method by which Ray Tune makes the class of its actors.
_MADE = "get"


@contextlib.contextmanager
def lean_start(workers: int | None = None) -> Iterator[None]:
    """A `ray.init` inside starts only what runs tasks and actors; with a Ray that is built otherwise, everything.

    Args:
        workers: How many workers start with it; None for one a CPU, as Ray has it.
    """
    ours: dict[str, Any] = {
        "start_monitor": _nothing,
        "start_log_monitor": _nothing,
        "start_api_server": _no_api_server,
    }
    theirs = {name: getattr(Node, name, None) for name in ours}
    if not all(_takes_the_same(theirs[name], ours[name]) for name in ours):
        yield
        return
    loaded = sys.modules.get(_DEFAULT)
    start = services.start_ray_process

    def with_workers(command: list[str], *given: Any, **named: Any) -> Any:
        if workers is not None:
            command = [f"{_WORKERS}{workers}" if word.startswith(_WORKERS) else word for word in command]
        return start(command, *given, **named)

    try:
        services.start_ray_process = with_workers
        sys.modules[_DEFAULT] = None  # type: ignore[assignment]  # to be imported, it is missing
        for name, step in ours.items():
            setattr(Node, name, step)
        yield
    finally:
        for name, step in theirs.items():
            setattr(Node, name, step)
        services.start_ray_process = start
        sys.modules.pop(_DEFAULT)
        if loaded is not None:
            sys.modules[_DEFAULT] = loaded


@contextlib.contextmanager
def plain_actors() -> Iterator[None]:
    """Has Ray Tune's actors take the workers that Ray started with itself, instead of waiting for new ones.

    For a runtime of our own, whose processes have the driver's environment variables as they are, those included that
    Ray Tune would hand to its actors (Ray 2.50 to 2.60, `_ActorClassCache`).
    """
    with uncollected():
        from ray.tune.execution.class_cache import _ActorClassCache as Cache
    theirs = getattr(Cache, _MADE, None)
    if not _takes_the_same(theirs, _plain):
        yield
        return
    try:
        setattr(Cache, _MADE, _plain)
        yield
    finally:
        setattr(Cache, _MADE, theirs)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Keeps what Ray says of lost workers out of the terminal: ten lines each time, on standard output, whatever
    `log_to_driver` and the log level are (Ray 2.60, `listen_error_messages`). The run tells of it in one.
    """
    theirs = getattr(worker, _TOLD, None)
    if theirs is None:
        yield
        return
    setattr(worker, _TOLD, _nothing)
    try:
        yield
    finally:
        setattr(worker, _TOLD, theirs)


def _takes_the_same(theirs: Any, ours: Any) -> bool:
    names = [list(inspect.signature(each).parameters) for each in (theirs, ours) if callable(each)]
    return len(names) == 2 and names[0] == [name for name in names[1] if name != "_"]


def _nothing(self: Any, **_: Any) -> None:
    """Starts nothing, says nothing."""


def _plain(self: Any, trainable_cls: Any) -> Any:
    """The actor class, made once: Ray exports it to its store each time."""
    if trainable_cls not in self._cache:
        self._cache[trainable_cls] = ray.remote(trainable_cls)
    return self._cache[trainable_cls]


def _no_api_server(self: Any, *, include_dashboard: bool | None, raise_on_failure: bool) -> None:
    """Starts nothing, and says so where Ray would keep the address."""
    self._webui_url = None
