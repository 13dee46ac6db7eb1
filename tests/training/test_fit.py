from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_modules as tiny
import torch
from pytorch_lightning.callbacks import Timer

from lightning_hpo import Objective
from lightning_hpo.errors import UsageError
from lightning_hpo.training.blocks import BlocksAssembly
from lightning_hpo.training.fit import fit, prepare, seed_everything
from lightning_hpo.training.loading import load_model
from lightning_hpo.training.objects import ObjectsAssembly
from lightning_hpo.trial import Verdict

FLAGS = {"max_epochs": 2}


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def assembly(**flags) -> ObjectsAssembly:
    return ObjectsAssembly(tiny.Lit, data=tiny.Data, flags={**FLAGS, **flags})


def test_the_same_seed_gives_the_same_metrics_and_another_one_others(task, recorder):
    curves = []
    for seed in (1, 1, 2):
        channel = recorder()
        fit(assembly(), task(seed=seed), channel, None)
        curves.append(channel.heard)
    assert curves[0] == curves[1]
    assert curves[0][0][1]["val_loss"] != curves[2][0][1]["val_loss"]


def test_a_seed_reaches_python_numpy_and_torch():
    drawn = []
    for _ in range(2):
        seed_everything(5)
        drawn.append((random.random(), float(np.random.rand()), float(torch.rand(()))))
    assert drawn[0] == drawn[1]


def test_a_module_that_draws_while_it_is_imported_does_not_shift_the_first_trial(tmp_path, monkeypatch, task):
    (tmp_path / "drawing_one.py").write_text(
        "import torch\nfrom tiny_modules import Lit as Base\ntorch.rand(7)\nclass Lit(Base):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []
    for _ in range(2):
        blocks = {"model": {"class_path": "drawing_one.Lit"}, "trainer": FLAGS}
        made.append(prepare(BlocksAssembly(blocks), task()).model.net[0].weight)
    del sys.modules["drawing_one"]
    assert made[0].equal(made[1])


@pytest.mark.parametrize(("cpus", "threads"), [(1, 1), (2, 2), (0.5, 1), (2.7, 2)])
def test_threads_follow_the_trials_cpus(cpus: float, threads: int, task):
    prepare(assembly(), task(cpus=cpus))
    assert torch.get_num_threads() == threads


def test_the_parts_come_back_trained_and_on_disk(task, recorder, tmp_path):
    path = tmp_path / "a" / "trained.ckpt"
    parts = fit(assembly(), task({"model.hidden": 5}), recorder(), path)
    assert parts.trainer.global_step == 8
    again = load_model(assembly(), {"model.hidden": 5}, path)
    assert not again.training
    inputs = tiny.rows().tensors[0]
    assert again(inputs).equal(parts.model.eval()(inputs))


def test_a_stop_still_leaves_a_checkpoint(task, recorder, tmp_path):
    path = tmp_path / "trained.ckpt"
    parts = fit(assembly(max_epochs=9), task(), recorder(answers={1: Verdict.STOP}), path)
    assert parts.trainer.current_epoch == 1
    assert path.is_file()


def test_without_a_path_nothing_is_written(task, recorder, tmp_path):
    fit(assembly(), task(), recorder(), None)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_missing_objective_ends_the_trial_with_the_nearest_name(task, recorder, tmp_path):
    path = tmp_path / "trained.ckpt"
    with pytest.raises(UsageError, match="Did you mean 'val_loss'"):
        fit(assembly(), task(objective=Objective(metric="val_lss")), recorder(), path)
    assert not path.exists()


def test_callbacks_are_fresh_in_every_trial(task, recorder):
    class Counts(Timer):
        def __init__(self) -> None:
            super().__init__()
            self.started = 0

        def on_train_start(self, *args) -> None:
            self.started += 1
            super().on_train_start(*args)

    given = Counts()
    study = assembly(callbacks=given)
    for _ in range(2):
        parts = fit(study, task(), recorder(), None)
        (theirs,) = [callback for callback in parts.trainer.callbacks if isinstance(callback, Counts)]
        assert theirs.started == 1
    assert given.started == 0


def test_what_the_users_code_raises_comes_through(task, recorder):
    with pytest.raises(ValueError, match="width must be even"):
        fit(ObjectsAssembly(tiny.Failing, data=tiny.Data, flags=FLAGS), task({"model.width": 3}), recorder(), None)


def test_a_starting_checkpoint_is_gone_on_from(task, recorder, tmp_path: Path):
    path = tmp_path / "first.ckpt"
    fit(assembly(), task(), recorder(), path)
    channel = recorder()
    study = ObjectsAssembly(tiny.Lit, data=tiny.Data, flags={"max_epochs": 3}, ckpt_path=str(path))
    fit(study, task(), channel, None)
    assert channel.steps == [3]


@pytest.mark.parametrize("weights_only", [None, True, False])
def test_a_recipes_starting_checkpoint_is_loaded_as_it_says(weights_only, task, recorder, tmp_path: Path):
    path = tmp_path / "first.ckpt"
    fit(assembly(), task(), recorder(), path)
    channel = recorder()
    blocks = {
        "model": {"class_path": "tiny_modules.Lit"},
        "data": {"class_path": "tiny_modules.Data"},
        "trainer": {"max_epochs": 3},
        "ckpt_path": str(path),
        "weights_only": weights_only,
    }
    parts = fit(BlocksAssembly(blocks), task(), channel, None)
    assert channel.steps == [3]
    assert parts.weights_only is weights_only
