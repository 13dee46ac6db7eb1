from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_hpo import UsageError
from lightning_hpo.tuning.ray.runtime import _gpus_here, check_resources, environment, workers_for

SCRIPT = """
import pytorch_lightning as pl
import torch
from lightning_hpo import Choice, Float, TuneTrainer, tunable
from torch.utils.data import DataLoader, TensorDataset

INPUTS = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
DATA = DataLoader(TensorDataset(INPUTS, INPUTS.sum(1, keepdim=True)), batch_size=16)


@tunable(lr=Float(1e-3, 1e-1, log=True))
class Defined(pl.LightningModule):
    def __init__(self, lr=1e-3):
        super().__init__()
        self.lr, self.net = lr, torch.nn.Linear(4, 1)

    def loss(self, batch):
        return torch.nn.functional.mse_loss(self.net(batch[0]), batch[1])

    def training_step(self, batch, index):
        return self.loss(batch)

    def validation_step(self, batch, index):
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


if __name__ == "__main__":
    import os
    import ray

    before = dict(os.environ)
    trainer = TuneTrainer(max_epochs=3, monitor="val_loss", n_trials=3, scheduler="none")
    results = trainer.tune(Defined, DATA, DATA, seed=3)
    assert not ray.is_initialized(), "the runtime was left running"
    changed = {name for name in {*before, *os.environ} if before.get(name) != os.environ.get(name)}
    print("changed:", sorted(changed))
    print("done:", results.path.name, [trial.status.value for trial in results], type(results.best_model()).__name__)
"""


@pytest.mark.slow
def test_a_class_of_a_script_is_tuned_on_a_runtime_that_is_started_and_stopped(tmp_path: Path):
    (tmp_path / "study.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "study.py"], cwd=tmp_path, capture_output=True, text=True, timeout=240, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert told["done"] == "defined-1 ['completed', 'completed', 'completed'] Defined"
    ours = {"TUNE_MAX_PENDING_TRIALS_PG", "TUNE_DISABLE_SIGINT_HANDLER", "RAY_CHDIR_TO_TRIAL_DIR"}
    assert not any(name in told["changed"] for name in ours)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["defined-1"]
    # One line for the start, one for the end, and one for each trial that is worth it; no words of other libraries.
    lines = done.stderr.splitlines()
    assert lines[0].startswith("tuning val_loss (min): 3 trials")
    assert lines[-1].startswith("finished: 3 trials")
    assert len(lines) <= 5


def test_environment_variables_are_put_back_as_they_were(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HPO_TEST_SET", "before")
    monkeypatch.delenv("HPO_TEST_UNSET", raising=False)
    with environment({"HPO_TEST_SET": "inside", "HPO_TEST_UNSET": "inside"}):
        assert (os.environ["HPO_TEST_SET"], os.environ["HPO_TEST_UNSET"]) == ("inside", "inside")
    assert os.environ["HPO_TEST_SET"] == "before"
    assert "HPO_TEST_UNSET" not in os.environ


@pytest.mark.parametrize(("cpus", "fit"), [(1.0, 2), (0.5, 4), (2.0, 1), (0.1, 20), (1.5, 1)])
def test_as_many_trials_fit_as_their_shares_add_up_to(ray_cluster: None, cpus: float, fit: int):
    # The runtime of the tests has two CPUs; ten times 0.1 is one, rounding errors or not.
    assert check_resources(cpus, 0) == fit


def test_a_trial_that_no_machine_can_hold_is_refused_with_what_there_is(ray_cluster: None):
    with pytest.raises(UsageError, match=r"resources.cpu is 3, but this machine has 2. Ask for less"):
        check_resources(3, 0)


@pytest.mark.skipif(os.path.exists("/dev/nvidia0"), reason="asks for more GPUs than a machine without any has")
def test_a_gpu_that_is_not_there_is_told_first(ray_cluster: None):
    with pytest.raises(UsageError, match=r"resources.gpu is 0.5, but this machine has 0"):
        check_resources(1, 0.5)


@pytest.mark.parametrize(
    ("cpus", "gpus", "trials", "max_concurrent", "expected"),
    [
        (1, 0, None, None, 8),
        (2, 0, None, None, 4),
        (0.5, 0, 100, None, 16),
        (1, 0, 3, None, 3),
        (1, 0, 100, 2, 2),
        (1, 1, None, None, 2),
        (1, 0.5, None, None, 4),
        (0, 1, None, None, 2),
        (0, 0, None, None, 1),  # nothing says how many: the others start when they are asked for
        (16, 0, None, None, 1),  # too much, which is said when Ray is up
        (1, 0, 0, None, 1),
    ],
)
def test_as_many_workers_start_with_a_runtime_of_our_own_as_trials_will_run(
    cpus: float,
    gpus: float,
    trials: int | None,
    max_concurrent: int | None,
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("ray._private.utils.get_num_cpus", lambda: 8)
    monkeypatch.setattr("lightning_hpo.tuning.ray.runtime._gpus_here", lambda: 2)
    assert workers_for(cpus, gpus, trials=trials, max_concurrent=max_concurrent) == expected


def test_the_gpus_of_a_machine_are_counted_as_ray_counts_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3,5")
    assert _gpus_here() == 3
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert _gpus_here() == 0
