from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from ray._private.node import Node

from lightning_hpo.tuning.ray.lean import lean_start

#: Starts a runtime in a process of its own, and prints Ray's processes and an actor's answer.
SCRIPT = """
import contextlib, sys
import ray
import psutil  # Ray brings its own
from lightning_hpo.tuning.ray import lean, runtime
if sys.argv[1] == "stock":
    runtime.lean_start = contextlib.nullcontext

@ray.remote
class Worker:
    def answer(self):
        return "it works"

with runtime.runtime():
    print(ray.get(Worker.remote().answer.remote()))
    for process in psutil.Process().children(recursive=True):
        print(" ".join(process.cmdline()))
print("left:", [process.name() for process in psutil.Process().children(recursive=True)])
"""

#: Starts a runtime in a process of its own, and prints whether Ray Tune's actor took a worker that was there before.
TUNE_SCRIPT = """
import contextlib, sys, tempfile, time
from lightning_hpo.tuning.ray import runtime
import psutil  # Ray brings its own
if sys.argv[1] == "stock":
    runtime.plain_actors = contextlib.nullcontext

with runtime.quiet_environment(), runtime.runtime(workers=1):
    from ray import tune

    def workers():
        return {process.pid for process in psutil.Process().children(recursive=True) if "ray::IDLE" in process.name()}

    while not workers():
        time.sleep(0.1)
    time.sleep(2)
    before = workers()

    class Tells(tune.Trainable):
        def step(self):
            import os
            return {"pid": os.getpid(), "fork": os.environ.get("PL_DISABLE_FORK"), "done": True}

    config = tune.RunConfig(storage_path=tempfile.mkdtemp(), verbose=0)
    (told,) = tune.Tuner(Tells, run_config=config).fit()
    print(len(before), told.metrics["pid"] in before, told.metrics["fork"])
"""

LEFT_OUT = ("autoscaler/_private/monitor.py", "log_monitor.py", "dashboard/dashboard.py")


def told_by(kind: str, script: str = SCRIPT) -> str:
    done = subprocess.run([sys.executable, "-c", script, kind], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_runtime_of_our_own_starts_what_runs_actors_and_nothing_else():
    told = told_by("ours")
    assert told.startswith("it works\n")
    assert "raylet/raylet" in told
    assert "gcs_server" in told
    assert not [name for name in LEFT_OUT if name in told]
    assert told.endswith("left: []\n")


@pytest.mark.slow
def test_the_workaround_is_needed_as_long_as_ray_starts_them_by_itself():
    told = told_by("stock")
    missing = [name for name in LEFT_OUT if name not in told]
    assert not missing, f"Ray starts {missing} no more by itself: lean.py need not leave it out."


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "taken"), [("ours", "1 True 1\n"), ("stock", "1 False 1\n")])
def test_tunes_actors_take_the_workers_that_ray_started_and_without_us_they_would_not(kind: str, taken: str):
    assert told_by(kind, TUNE_SCRIPT).endswith(taken)


def test_everything_is_put_back():
    before = (Node.start_monitor, Node.start_log_monitor, Node.start_api_server)
    loaded = "ray.dashboard.optional_deps" in sys.modules
    with lean_start():
        assert before[0] is not Node.start_monitor
    assert (Node.start_monitor, Node.start_log_monitor, Node.start_api_server) == before
    assert ("ray.dashboard.optional_deps" in sys.modules) is loaded


def test_a_ray_that_is_built_otherwise_starts_everything(monkeypatch: pytest.MonkeyPatch):
    def other(self: Any, and_more: int) -> None: ...

    monkeypatch.setattr(Node, "start_monitor", other)
    with lean_start():
        assert Node.start_monitor is other
        assert Node.start_log_monitor.__module__ == "ray._private.node"


def test_ray_does_not_tell_of_lost_workers_on_standard_output(tmp_path: Any):
    script = """
import os, time
import ray
from lightning_hpo.tuning.ray.runtime import runtime

@ray.remote(max_restarts=0)
class Dies:
    def now(self):
        os._exit(1)

with runtime():
    try:
        ray.get(Dies.remote().now.remote())
    except ray.exceptions.ActorDiedError:
        time.sleep(1)  # time for Ray to tell
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "")
