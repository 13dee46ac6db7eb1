"""Starts a local Ray runtime where there is none, and stops what it started."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ray

from lightning_hpo.errors import ClusterError, UsageError
from lightning_hpo.tuning.ray.lean import lean_start, plain_actors, silent

__all__ = [
    "check_resources",
    "end_worker",
    "environment",
    "lost_process",
    "quiet_environment",
    "runtime",
    "workers_for",
]

#: Read by Ray when a run starts. No loggers in the driver's loop (each report would cost), the user's working
#: directory kept, no snapshot of an experiment that we never restore, nothing sent to anybody, Ctrl-C left to us, no
#: note of every trial error.
_ENVIRONMENT: Mapping[str, str] = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_THRESHOLD_S": "10",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

#: What Ray Tune gives its actors beside the variables above, for a runtime whose workers start before its actors.
_OF_OUR_WORKERS: Mapping[str, str] = {"PL_DISABLE_FORK": "1"}


@contextlib.contextmanager
def quiet_environment() -> Iterator[None]:
    """Ray's settings for a run of ours; everything is put back afterwards."""
    loggers = [logging.getLogger(name) for name in ("ray", "ray.tune", "ray.data", "ray.train")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)  # what matters is raised or told by us
    try:
        with environment(_ENVIRONMENT):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for as long as the block runs; what was there before is put back."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def runtime(address: str | None = None, *, workers: int | None = None) -> Iterator[None]:
    """A Ray runtime for as long as the block runs.

    A runtime that this process is already connected to is used and left as it is. Otherwise one is joined at `address`
    ("auto" or a cluster's), or a local one is started, quiet and without a dashboard, and stopped at the end.

    Args:
        address: Where to join one; None for a local one.
        workers: How many workers of a local one start at once; None for one a CPU.

    Raises:
        ClusterError: If Ray cannot be started or reached.
    """
    if ray.is_initialized():
        yield
        return
    with _token_kept_private():
        threading.Thread(target=_load_beside, name="load-beside-ray", daemon=True).start()
        try:
            with _undisturbed(), _own_start(workers) if address is None else contextlib.nullcontext():
                ray.init(
                    address=address,
                    include_dashboard=False if address is None else None,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    configure_logging=True,
                )
        except KeyboardInterrupt:
            ray.shutdown()
            raise
        except Exception as error:  # Ray raises ConnectionError, RuntimeError, ValueError, OSError and its own
            where = f"at {address}" if address else "on this machine"
            raise ClusterError(f"Ray cannot be started {where}: {type(error).__name__}: {error}") from error
        try:
            with _own_run() if address is None else contextlib.nullcontext():
                yield
        finally:
            ray.shutdown()


@contextlib.contextmanager
def _own_start(workers: int | None) -> Iterator[None]:
    with environment(_OF_OUR_WORKERS), lean_start(workers):
        yield


@contextlib.contextmanager
def _own_run() -> Iterator[None]:
    with silent(), plain_actors():
        yield


def _load_beside() -> None:
    """Loads what Ray Tune will need and what needs nothing of Ray itself, while Ray's processes are waited for."""
    for name in ("pandas", "pyarrow.fs", "requests"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Holds Ctrl-C back until the block is done: a Ray that is interrupted while it starts leaves processes behind.

    In threads other than the main one, signals are not ours.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: seen.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if seen:
        raise KeyboardInterrupt


@contextlib.contextmanager
def _token_kept_private() -> Iterator[None]:
    """Mends what Ray 2.60's `init` leaves behind when it switches token authentication on by itself.

    It writes a token that everybody on the machine can read, and leaves its mode in the environment; see
    ray/_private/authentication/authentication_token_setup.py. A token that was there before stays as it was.
    """
    before = os.environ.get("RAY_AUTH_MODE")
    token = Path.home() / ".ray" / "auth_token"
    new = not token.exists()
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("RAY_AUTH_MODE", None)
        if new and token.exists():
            token.chmod(0o600)


def lost_process() -> str | None:
    """The name of a process that Ray cannot do without and that is gone, of a runtime that this process started."""
    node: Any = ray._private.worker._global_node
    if node is None or not node.is_head():
        return None
    dead = [kind for kind, _ in node.dead_processes()]
    return next((kind for kind in ("raylet", "gcs_server") if kind in dead), None)


def end_worker(actor: Any, host: str, pid: int) -> None:
    """Ends an actor's process (0 for one that is not known), whatever state it is in.

    Ray asks a process to end itself, which one that hangs or was stopped does not do; on this machine it is killed.
    """
    with contextlib.suppress(ray.exceptions.RayError, ValueError):
        ray.kill(actor, no_restart=True)
    if host == socket.gethostname() and pid > 0:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def workers_for(cpus: float, gpus: float, *, trials: int | None, max_concurrent: int | None) -> int:
    """How many trials will run at a time in a local runtime that is still to start; at least 1."""
    here = {"CPU": ray._private.utils.get_num_cpus(), "GPU": _gpus_here() if gpus > 0 else 0}
    limits = [limit for limit in (trials, max_concurrent) if limit is not None]
    return max(1, min([_fit(here, cpus, gpus), *limits]))


def _fit(node: Mapping[str, float], cpus: float, gpus: float) -> int:
    """How many trials fit on a node at a time; one that asks for nothing runs by itself."""
    asked = {"CPU": cpus, "GPU": gpus}
    return min((int(node.get(kind, 0) / share + 1e-9) for kind, share in asked.items() if share > 0), default=1)


def _gpus_here() -> int:
    manager: Any = ray._private.accelerators.get_accelerator_manager_for_resource("GPU")
    visible = manager.get_current_process_visible_accelerator_ids()
    return len(visible) if visible is not None else int(manager.get_current_node_num_accelerators())


def check_resources(cpus: float, gpus: float) -> int:
    """How many trials fit at a time.

    Raises:
        UsageError: If one trial needs more than any node of the runtime has.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fit = sum(_fit(node, cpus, gpus) for node in nodes)
    if fit:
        return fit
    most = {kind: max((node.get(kind, 0) for node in nodes), default=0) for kind in ("CPU", "GPU")}
    for kind, asked in (("gpu", gpus), ("cpu", cpus)):
        if asked > most[kind.upper()]:
            raise UsageError(
                f"tune.resources.{kind} is {asked:g}, but this machine has {most[kind.upper()]:g}. "
                f"Ask for less: --set tune.resources.{kind}={most[kind.upper()]:g}"
            )
    raise UsageError(
        f"tune.resources asks for {cpus:g} CPUs and {gpus:g} GPUs on one node, but no node has both. Ask for less."
    )
