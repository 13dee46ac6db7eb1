"""What every test gets: a guard against what it leaves behind, and one Ray runtime for all that need one."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

#: Set when a library is imported or seeded for the first time, by whichever test happens to be first.
SET_BY_LIBRARIES = {
    "KMP_DUPLICATE_LIB_OK",  # torch and scikit-learn bring an OpenMP each
    "KMP_INIT_AT_FORK",
    "PL_GLOBAL_SEED",  # Lightning's seed_everything tells its subprocesses this way
    "PL_SEED_WORKERS",
    "PYTEST_CURRENT_TEST",
    "PYTORCH_NVML_BASED_CUDA_CHECK",
    "RAY_CLIENT_MODE",
    "TORCHINDUCTOR_CACHE_DIR",
}

#: The floors that promise to draw from the Generator they are given and from nothing else.
PURE = ("space", "searchers", "schedulers")

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    # Ray would write a token into the home directory of whoever runs the tests, and would phone home.
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    wanting = [item for item in items if item.get_closest_marker("gpu")]
    if wanting and not has_gpu():
        for item in wanting:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def has_gpu() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


@pytest.fixture(autouse=True)
def leaves_nothing_behind() -> Iterator[None]:
    """Fails a test that leaves an environment variable, a thread, a working directory or a signal handler changed."""
    environment = dict(os.environ)
    directory = os.getcwd()
    handler = signal.getsignal(signal.SIGINT)
    threads = set(threading.enumerate())
    path = list(sys.path)
    yield
    sys.path[:] = path  # recipes import from the current directory, so this one is meant to change
    changed = {name for name in {*environment, *os.environ} if environment.get(name) != os.environ.get(name)}
    for name in (changed - SET_BY_LIBRARIES) | {"PL_GLOBAL_SEED", "PL_SEED_WORKERS"}:
        if name in environment:
            os.environ[name] = environment[name]
        else:
            os.environ.pop(name, None)
    moved = os.getcwd() != directory
    os.chdir(directory)
    handled = signal.getsignal(signal.SIGINT) is not handler
    signal.signal(signal.SIGINT, handler)
    assert changed <= SET_BY_LIBRARIES, "environment variables left changed"
    assert not moved, "working directory left changed"
    assert not handled, "SIGINT handler left changed"
    assert left_running(threads) == [], "threads left running"


def left_running(before: set[threading.Thread], patience: float = 2.0) -> list[str]:
    """The names of the new threads that would keep the process from ending, after some time to end by themselves."""
    until = time.monotonic() + patience
    while True:
        left = [t.name for t in threading.enumerate() if t not in before and not t.daemon]
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def pure_floors_leave_global_random_state_alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test of a pure floor during which somebody drew from, or seeded, numpy's or Python's global state."""
    inside = request.path.is_relative_to(HERE) and request.path.relative_to(HERE).parts[0] in PURE
    before = (np.random.get_state()[1:3], random.getstate()) if inside else None
    yield
    if before is not None:
        (keys, position), pythons = before
        after = np.random.get_state()
        assert np.array_equal(after[1], keys), "numpy's global random state changed"
        assert after[2] == position, "numpy's global random state was drawn from"
        assert random.getstate() == pythons, "Python's global random state changed"


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A local Ray runtime with two CPUs, shared by all tests that ask for it."""
    import ray

    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")  # Ray's sockets lie below, and their paths must stay short
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        _temp_dir=folder,
    )
    yield
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


#: Tunes with what makes a study quick and quiet: `study(Model, max_epochs=3, seed=1, ...)`.
Study = Callable[..., Any]

#: What goes to `tune` itself; everything else goes to the TuneTrainer.
_OF_TUNE = {
    *("train_dataloaders", "val_dataloaders", "datamodule", "space", "initial_points", "seed", "ckpt_path"),
    *("run_folder", "resource", "max_concurrent", "keep_best", "limits", "proof", "listeners", "address"),
}


@pytest.fixture(scope="session")
def study(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Study:
    from lightning_hpo import TuneTrainer  # imports Ray, which must not happen before the test run's environment is set

    def run(model: Any, **given: Any) -> Any:
        of_tune = {name: given.pop(name) for name in list(given) if name in _OF_TUNE}
        of_tune.setdefault("run_folder", tmp_path_factory.mktemp("study") / "run")
        of_tune.setdefault("listeners", [])
        trainer = TuneTrainer(**{"monitor": "val_loss", "max_epochs": 3, **given})
        return trainer.tune(model, **{"seed": 1, **of_tune})

    return run


@pytest.fixture(scope="session")
def facts() -> Callable[[Any], list[dict[str, Any]]]:
    """What the workers noted, trial by trial."""

    def read(results: Any) -> list[dict[str, Any]]:
        return [json.loads((Path(trial.path) / "facts.json").read_text()) for trial in results]

    return read
