"""An exception in any hook ends its trial, with its traceback, and leaves the process fit for the next one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from faulty_modules import HOOKS, Faulty, raising
from lightning_hpo import Objective
from lightning_hpo.results import TrialFolder
from lightning_hpo.training.objects import ObjectsAssembly
from lightning_hpo.training.task import Task
from lightning_hpo.tuning.host import Message, TrialHost


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def hosted(model: Any, path: Path, **config: Any) -> Message:
    """One trial in this process, to its end."""
    folder = TrialFolder(path)
    task = Task(
        trial=folder.id, config=config, seed=1, directory=str(folder.path), objective=Objective(metric="val_loss")
    )
    host = TrialHost(ObjectsAssembly(model, flags={"max_epochs": 4}), task, folder, [2])
    host.start()
    message = host.next(60)
    while not message.done and math.isfinite(message.metrics.get("val_loss", 0.0)):
        message = host.next(60)
    host.stop()
    return message


@pytest.mark.parametrize("hook", HOOKS)
def test_an_exception_in_a_hook_ends_the_trial_and_nothing_else(hook: str, tmp_path: Path):
    broken = hosted(raising(hook), tmp_path / "0001")
    assert broken.error.rstrip().endswith(f"ValueError: {hook} is broken")
    assert not broken.storage
    assert (tmp_path / "0001" / "error.txt").read_text() == broken.error
    assert not list(tmp_path.rglob("*.part"))
    sound = hosted(Faulty, tmp_path / "0002")
    assert (sound.error, sound.step) == ("", 4)


def test_want_of_memory_is_told_with_the_peak(tmp_path: Path):
    message = hosted(Faulty, tmp_path / "0001", **{"model.fault": "no-memory"})
    assert message.memory
    assert message.error.startswith("Out of memory: the worker held ")
    assert "GiB at its peak.\n\nTraceback" in message.error


def test_other_errors_are_no_want_of_memory(tmp_path: Path):
    assert not hosted(raising("training_step"), tmp_path / "0001").memory


@pytest.mark.parametrize("fault", ["nan-loss", "nan-metric"])
def test_what_is_no_number_ends_the_trial_at_that_step(fault: str, tmp_path: Path):
    message = hosted(Faulty, tmp_path / "0001", **{"model.fault": fault})
    assert (message.step, message.error) == (3, "")
    assert message.metrics["val_loss"] != message.metrics["val_loss"]
