"""Disks that are full: the run stops, says what to free, has lost nothing, and goes on afterwards."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch

from faulty_modules import Faulty
from lightning_hpo import Objective, RunFolderError, Space
from lightning_hpo.results import RunFolder, TrialFolder
from lightning_hpo.training.objects import ObjectsAssembly
from lightning_hpo.training.task import Task
from lightning_hpo.tuning.host import TrialHost
from lightning_hpo.tuning.run import TuningRun
from lightning_hpo.tuning.settings import RunSettings

RECIPE = """
seed_everything: 3
model: {class_path: faulty_modules.Steady}
trainer: {max_epochs: 6}
tune:
  objective: {metric: val_loss}
  scheduler: none
  searcher: random
  n_trials: 3
  max_concurrent: 1
  keep_best: 3
"""


@pytest.fixture
def files_up_to() -> Iterator[Callable[[int], AbstractContextManager[None]]]:
    """Makes the system refuse to write any file of this process beyond a size, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    yield limited
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_checkpoint_that_does_not_fit_stops_the_trial_and_names_the_disk(files_up_to, tmp_path: Path):
    threads = torch.get_num_threads()
    folder = TrialFolder(tmp_path / "0001")
    task = Task(trial=1, config={}, seed=1, directory=str(folder.path), objective=Objective(metric="val_loss"))
    host = TrialHost(ObjectsAssembly(Faulty, flags={"max_epochs": 4}), task, folder, [])
    with files_up_to(2000):
        host.start()
        message = host.next(60)
        while not message.done:
            message = host.next(60)
        host.stop()
    torch.set_num_threads(threads)
    assert "checkpoints: a checkpoint cannot be written: File too large. Free space on the disk" in message.storage
    assert not list(tmp_path.rglob("*.part"))
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_journal_that_does_not_fit_is_as_it_was_and_the_run_goes_on_from_it(files_up_to, tmp_path: Path):
    folder = RunFolder.create(tmp_path / "run")
    made = RunSettings(
        objective=Objective(metric="loss"),
        space=Space({"lr": {"float": [0.0, 1.0]}}),
        max_epochs=9,
        seed=1,
        defaults={"lr": 0.5},
        n_trials=5,
        searcher=("random", {}),
    )
    run = TuningRun(made, folder)
    run.open()
    first = run.propose()
    before = folder.journal.path.read_bytes()
    with files_up_to(len(before) + 20), pytest.raises(RunFolderError, match=r"File too large\. Free space on the disk"):
        run.started(first.id)
    assert folder.journal.path.read_bytes() == before
    again = TuningRun(made, folder)
    again.replay(folder.journal.read())
    assert again.propose() == first


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that holds a quarter of a megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("file systems can be mounted by root alone")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
def test_a_run_on_a_full_disk_stops_and_goes_on_when_there_is_room(small_disk: Path, tmp_path: Path):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    filler = small_disk / "filler"
    filler.write_bytes(bytes(200 * 1024))
    support = Path(__file__).parents[1] / "support"
    environment = {**os.environ, "PYTHONPATH": str(support)}

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("lightning-hpo")
        return subprocess.run(
            [str(program), *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
        )

    refused = command("run", "recipe.yaml", "--run-folder", str(small_disk / "run"))
    assert refused.returncode == 5, refused.stderr
    assert "No space left on device. Free space on the disk" in refused.stderr
    assert refused.stderr.endswith("Go on with: lightning-hpo resume disk/run\n")
    RunFolder.open(small_disk / "run").read()  # whole, as far as it goes
    filler.unlink()
    mended = command("resume", str(small_disk / "run"))
    assert mended.returncode == 0, mended.stderr
    state = RunFolder.open(small_disk / "run").read()
    assert [trial.step for trial in state] == [6, 6, 6]
    assert state.closed == "finished"


def test_a_disk_that_refuses_the_last_checkpoint_of_a_stopped_trial_is_remembered(files_up_to, tmp_path: Path):
    threads = torch.get_num_threads()
    folder = TrialFolder(tmp_path / "0001")
    task = Task(trial=1, config={}, seed=1, directory=str(folder.path), objective=Objective(metric="val_loss"))
    host = TrialHost(ObjectsAssembly(Faulty, flags={"max_epochs": 4}), task, folder, [1])
    host.start()
    assert host.next(60).due
    assert host.refused == ""
    with files_up_to(2000):
        host.stop()  # nobody hears its last message any more
    torch.set_num_threads(threads)
    assert "a checkpoint cannot be written" in host.refused
