from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as lp
import pytest
import pytorch_lightning as pl
import tiny_modules as tiny
import torch
import yaml
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from lightning_hpo.errors import UsageError
from lightning_hpo.training.blocks import BlocksAssembly
from lightning_hpo.training.family import Family
from lightning_hpo.training.fit import fit, prepare

MODEL = {"class_path": "tiny_modules.Lit"}
DATA = {"class_path": "tiny_modules.Data"}


def blocks(model: Any = MODEL, **more: Any) -> BlocksAssembly:
    return BlocksAssembly({"model": model, "data": DATA, "trainer": {"max_epochs": 1}, **more})


def trainer(**flags: Any) -> BlocksAssembly:
    return blocks(trainer={"max_epochs": 1, **flags})


def optimizer_of(parts: Any) -> Any:
    made = parts.model.configure_optimizers()
    return made[0][0] if isinstance(made, (list, tuple)) else made


@pytest.fixture(scope="module")
def shared() -> BlocksAssembly:
    """One assembly for many trials, as in a worker."""
    return blocks()


def test_a_config_reaches_model_data_and_trainer(shared: BlocksAssembly, task):
    config = {"model.lr": 0.02, "model.hidden": 5, "data.batch_size": 2, "trainer.gradient_clip_val": 0.5}
    parts = prepare(shared, task(config))
    assert (parts.model.hparams.lr, parts.model.net[0].out_features) == (0.02, 5)
    assert parts.data["datamodule"].batch_size == 2
    assert (parts.trainer.gradient_clip_val, parts.trainer.max_epochs) == (0.5, 1)


def test_one_trials_config_does_not_leak_into_the_next(shared: BlocksAssembly, task):
    prepare(shared, task({"model.hidden": 5, "data.batch_size": 2, "trainer.gradient_clip_val": 0.5}))
    parts = prepare(shared, task())
    assert parts.model.net[0].out_features == 3
    assert parts.data["datamodule"].batch_size == 4
    assert parts.trainer.gradient_clip_val is None
    assert shared.blocks["trainer"] == {"max_epochs": 1}


def test_every_trial_saves_its_own_hyperparameters(shared: BlocksAssembly, task, recorder, tmp_path):
    for hidden in (2, 4):
        path = tmp_path / f"{hidden}.ckpt"
        fit(shared, task({"model.hidden": hidden}), recorder(), path)
        assert tiny.Lit.load_from_checkpoint(path).net[0].out_features == hidden


def test_the_assembly_pickles_after_use(shared: BlocksAssembly, task):
    prepare(shared, task())
    again = pickle.loads(pickle.dumps(shared))
    assert again.family() == Family("pytorch_lightning")
    assert prepare(again, task({"model.hidden": 2})).model.net[0].out_features == 2


def test_nothing_of_a_trial_is_held_after_it_was_handed_out(shared: BlocksAssembly, task):
    prepare(shared, task())
    cli = shared._cli()
    assert (cli.model, cli.trainer, cli.datamodule, cli.config_init) == (None, None, None, None)


def test_a_module_of_the_other_distribution_gets_its_own_trainer(task):
    parts = prepare(BlocksAssembly({"model": {"class_path": "tiny_modules.Lit2"}, "trainer": {}}), task())
    assert isinstance(parts.trainer, lp.Trainer)
    assert parts.data == {}


@pytest.mark.filterwarnings("ignore:Attribute 'encoder' is an instance of `nn.Module`:UserWarning")  # Lightning advises
def test_classes_within_classes_are_built_and_addressed(task, recorder, tmp_path):
    encoder = {"class_path": "tiny_modules.Encoder", "init_args": {"width": 2}}
    study = blocks({"class_path": "tiny_modules.Nested", "init_args": {"encoder": encoder}})
    path = tmp_path / "x.ckpt"
    parts = fit(study, task({"model.encoder.dropout": 0.25, "model.encoder.width": 6}), recorder(), path)
    assert isinstance(parts.model.encoder, tiny.Encoder)
    assert parts.model.encoder.body[1].p == 0.25
    again = tiny.Nested.load_from_checkpoint(path)  # LightningCLI saves how the encoder was made
    assert (again.encoder.width, again.encoder.body[1].p) == (6, 0.25)


def test_a_function_that_says_what_it_returns_stands_for_a_class(task):
    study = blocks({"class_path": "tiny_modules.make_lit", "init_args": {"width": 5}})
    parts = prepare(study, task({"model.lr": 0.3}))
    assert (parts.model.net[0].out_features, parts.model.hparams.lr) == (5, 0.3)
    assert parts.family == Family("pytorch_lightning")


@pytest.mark.parametrize(
    ("block", "config", "expected"),
    [
        ({"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}, {}, (torch.optim.SGD, 0.1)),
        ({"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}, {"optimizer.lr": 0.2}, (torch.optim.SGD, 0.2)),
        ({"class_path": "Adam"}, {"optimizer.lr": 0.2}, (torch.optim.Adam, 0.2)),
        (
            {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}},
            {"optimizer.class_path": "torch.optim.Adam"},
            (torch.optim.Adam, 0.1),
        ),
    ],
)
def test_an_optimizer_block_is_the_modules_optimiser(block: Any, config: Any, expected: Any, task):
    study = blocks({"class_path": "tiny_modules.Scheduled"}, optimizer=block)
    made = optimizer_of(prepare(study, task(config)))
    assert (type(made), made.defaults["lr"]) == expected


def test_an_lr_scheduler_block_is_the_modules_schedule(task, recorder):
    study = blocks(
        {"class_path": "tiny_modules.Scheduled"},
        optimizer={"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}},
        lr_scheduler={"class_path": "torch.optim.lr_scheduler.ExponentialLR", "init_args": {"gamma": 0.5}},
    )
    parts = fit(study, task({"lr_scheduler.gamma": 0.1}), recorder(), None)
    assert parts.trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.1 * 0.1)  # after one epoch


def test_plain_functions_make_optimiser_and_schedule(task, recorder):
    study = blocks(
        {"class_path": "tiny_modules.Scheduled"},
        optimizer={"class_path": "tiny_modules.make_sgd", "init_args": {"nesterov": True}},
        lr_scheduler={"class_path": "tiny_modules.make_decay"},
    )
    parts = fit(study, task({"optimizer.lr": 0.2, "lr_scheduler.gamma": 0.25}), recorder(), None)
    (made,) = parts.trainer.optimizers
    assert made.defaults["nesterov"] is True
    assert made.param_groups[0]["lr"] == pytest.approx(0.2 * 0.25)


def test_injected_callables_take_their_settings(task, recorder):
    study = blocks(
        {
            "class_path": "tiny_modules.Injected",
            "init_args": {
                "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}},
                "scheduler": {"class_path": "torch.optim.lr_scheduler.ExponentialLR", "init_args": {"gamma": 0.5}},
            },
        }
    )
    parts = fit(study, task({"model.optimizer.lr": 0.4, "model.scheduler.gamma": 0.1}), recorder(), None)
    (made,) = parts.trainer.optimizers
    assert isinstance(made, torch.optim.SGD)
    assert made.param_groups[0]["lr"] == pytest.approx(0.4 * 0.1)


def test_lists_of_callbacks_and_loggers_are_built_anew_and_addressed_by_place(task, tmp_path):
    study = trainer(
        callbacks=[
            {"class_path": "pytorch_lightning.callbacks.EarlyStopping", "init_args": {"monitor": "val_loss"}},
            {"class_path": "LearningRateMonitor"},
        ],
        logger=[{"class_path": "CSVLogger", "init_args": {"save_dir": str(tmp_path)}}],
    )
    parts = [prepare(study, task({"trainer.callbacks.0.patience": patience})) for patience in (7, 8)]
    assert [each.trainer.early_stopping_callback.patience for each in parts] == [7, 8]
    assert isinstance(parts[0].trainer.logger, CSVLogger)


@pytest.mark.parametrize(
    "callback",
    [
        {"class_path": "pytorch_lightning.callbacks.ModelCheckpoint"},
        {"class_path": "ModelCheckpoint"},
        {"class_path": "tiny_modules.KeepsBest"},
        "ModelCheckpoint",
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_a_checkpoint_callback_is_seen_by_whatever_name(callback: Any, listed: bool, task):
    parts = prepare(trainer(callbacks=[callback] if listed else callback), task())
    assert any(isinstance(callback, ModelCheckpoint) for callback in parts.trainer.checkpoint_callbacks)


@pytest.mark.parametrize("asked", [None, True, False])
def test_without_a_checkpoint_callback_nothing_is_saved(asked: bool | None, task):
    parts = prepare(trainer(enable_checkpointing=asked, callbacks=None), task())
    assert parts.trainer.checkpoint_callbacks == []


@pytest.mark.parametrize(
    ("flag", "kind"), [(None, None), (False, None), (True, pl.loggers.Logger), ("CSVLogger", CSVLogger)]
)
def test_a_logger_is_the_users_or_none(flag: Any, kind: Any, task, tmp_path):
    given = {"class_path": flag, "init_args": {"save_dir": str(tmp_path)}} if isinstance(flag, str) else flag
    parts = prepare(trainer(logger=given), task())
    assert parts.trainer.logger is None if kind is None else isinstance(parts.trainer.logger, kind)


def test_a_trainers_flags_are_passed_through(task):
    flags = {
        "precision": "bf16-mixed",
        "gradient_clip_val": 0.5,
        "limit_train_batches": 2,
        "accumulate_grad_batches": 2,
    }
    made = prepare(trainer(**flags, devices=4, accelerator="gpu", strategy="ddp"), task()).trainer
    assert made.precision == "bf16-mixed"
    assert (made.gradient_clip_val, made.limit_train_batches, made.accumulate_grad_batches) == (0.5, 2, 2)
    assert (made.num_devices, type(made.accelerator).__name__) == (1, "CPUAccelerator")
    assert made.default_root_dir == task().directory


def test_a_config_of_one_fixed_class_is_assembled(task):
    study = BlocksAssembly(
        {"model": {"width": 2}, "data": {"batch_size": 8}, "trainer": {"max_epochs": 1}},
        model_class="tiny_modules.Required",
        data_class="tiny_modules.Data",
    )
    parts = prepare(study, task({"model.lr": 0.3, "data.count": 32}))
    assert (type(parts.model), parts.model.net[0].out_features) == (tiny.Required, 2)
    assert (parts.data["datamodule"].batch_size, parts.data["datamodule"].count) == (8, 32)
    assert study.build_model({"model.width": 6}).net[0].out_features == 6


def test_the_model_alone_is_built_with_its_optimiser(task):
    study = blocks(
        {"class_path": "tiny_modules.Scheduled"}, optimizer={"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}
    )
    model = study.build_model({"model.hidden": 2, "optimizer.lr": 0.3, "data.batch_size": 2, "trainer.max_epochs": 3})
    assert model.net[0].out_features == 2
    assert model.configure_optimizers().defaults["lr"] == 0.3


def test_the_config_of_a_trial_is_one_that_lightning_cli_reads(shared: BlocksAssembly):
    drawn = shared.with_config({"model.lr": 0.3})
    assert drawn["model"] == {"class_path": "tiny_modules.Lit", "init_args": {"lr": 0.3}}
    assert shared.blocks["model"] == MODEL


@pytest.mark.parametrize("model", [None, {}, {"init_args": {"lr": 1}}])
def test_a_model_without_a_class_is_an_error(model: Any):
    with pytest.raises(UsageError, match="model block has no class_path"):
        BlocksAssembly({"model": model}).family()


CLI = """
import warnings; warnings.simplefilter("ignore")
import sys; sys.path.insert(0, {here!r})
import tiny_modules
from pytorch_lightning.cli import LightningCLI
common = ["fit", "--seed_everything=7", "--trainer.max_epochs=1", "--trainer.logger=CSVLogger",
          "--trainer.enable_progress_bar=false", "--trainer.callbacks+=EarlyStopping",
          "--trainer.callbacks.monitor=val_loss", "--optimizer=SGD", "--optimizer.lr=0.01", "--lr_scheduler=StepLR",
          "--lr_scheduler.step_size=2"]
LightningCLI(tiny_modules.Scheduled, tiny_modules.Data, args=[*common, "--trainer.logger.save_dir=fixed"])
LightningCLI(args=[*common, "--trainer.logger.save_dir=by_path", "--model=tiny_modules.Scheduled",
                   "--data=tiny_modules.Data"], subclass_mode_model=True, subclass_mode_data=True)
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a real LightningCLI has written its configs."""
    folder = tmp_path_factory.mktemp("cli")
    code = CLI.format(here=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", ["fixed", "by_path"])
def test_a_config_that_lightning_cli_saved_is_assembled(name: str, saved: Path, task, recorder):
    (path,) = (saved / name).rglob("config.yaml")
    config = yaml.safe_load(path.read_text())
    config["trainer"]["logger"][0 if isinstance(config["trainer"]["logger"], list) else "init_args"]["save_dir"] = str(
        saved / "trials"
    )
    fixed = {"model_class": "tiny_modules.Scheduled", "data_class": "tiny_modules.Data"} if name == "fixed" else {}
    channel = recorder()
    tuned = {"model.hidden": 5, "optimizer.lr": 0.3, "trainer.callbacks.0.patience": 9}
    parts = fit(BlocksAssembly(config, **fixed), task(tuned), channel, None)
    assert channel.steps == [1]
    assert parts.model.net[0].out_features == 5
    assert parts.trainer.optimizers[0].defaults["lr"] == 0.3
    assert [c.patience for c in parts.trainer.callbacks if isinstance(c, EarlyStopping)] == [9]
    assert isinstance(parts.trainer.lr_scheduler_configs[0].scheduler, torch.optim.lr_scheduler.StepLR)
