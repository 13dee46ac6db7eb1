from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import pytorch_lightning as pl
import tiny_modules as tiny
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from torch.utils.data import DataLoader

from lightning_hpo import Objective
from lightning_hpo.errors import UsageError
from lightning_hpo.training import CheckpointCallback, ReportCallback
from lightning_hpo.training.callbacks import numbers
from lightning_hpo.trial import Verdict

VAL = Objective(metric="val_loss")


def run(module: Any, callbacks: list[Any], tmp_path: Any, data: Any = None, **flags: Any) -> pl.Trainer:
    """A fit with our callbacks as a user of Ray Tune gives them: among the Trainer's. Four batches an epoch."""
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = pl.Trainer(**{**quiet, "default_root_dir": tmp_path, "callbacks": callbacks, **flags})
    trainer.fit(module, datamodule=tiny.Data() if data is None else data)
    return trainer


def test_an_epoch_reports_once_with_its_own_number(recorder, tmp_path):
    channel = recorder()
    run(tiny.Lit(), [ReportCallback(channel, objective=VAL)], tmp_path, max_epochs=3)
    assert channel.steps == [1, 2, 3]
    assert set(channel.heard[0][1]) == {"train_loss", "val_loss"}
    assert len(set(channel.values("val_loss"))) == 3  # measured anew each time


def test_what_hooks_log_at_the_end_of_an_epoch_is_reported_in_the_same_epoch(recorder, tmp_path):
    class Late(tiny.Lit):
        def on_validation_epoch_end(self) -> None:
            self.log("val/epoch", float(self.current_epoch))

        def on_train_epoch_end(self) -> None:
            self.log("train/epoch", float(self.current_epoch))

    class Callback(pl.Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            pl_module.log("callback/epoch", float(trainer.current_epoch))

    channel = recorder()
    ours = ReportCallback(channel, objective=Objective(metric="callback/epoch"))
    run(Late(), [ours, Callback()], tmp_path, max_epochs=2)
    for name in ("val/epoch", "train/epoch", "callback/epoch"):
        assert channel.values(name) == [0.0, 1.0]


def test_a_metric_of_training_alone_reports_every_epoch(recorder, tmp_path):
    class TrainOnly(tiny.Lit):
        validation_step = pl.LightningModule.validation_step

    channel = recorder()
    ours = ReportCallback(channel, objective=Objective(metric="train_loss"))
    run(TrainOnly(), [ours], tmp_path, DataOnlyForTraining(), max_epochs=2)
    assert channel.steps == [1, 2]


class DataOnlyForTraining(pl.LightningDataModule):
    def train_dataloader(self) -> Any:
        return tiny.Data().train_dataloader()


def test_an_epoch_without_validation_does_not_report_the_last_ones_value(recorder, tmp_path):
    channel = recorder()
    run(tiny.Lit(), [ReportCallback(channel, objective=VAL)], tmp_path, max_epochs=5, check_val_every_n_epoch=2)
    assert channel.steps == [2, 4]


def test_a_metric_of_training_reports_in_epochs_without_validation_too(recorder, tmp_path):
    channel = recorder()
    ours = ReportCallback(channel, objective=Objective(metric="train_loss"))
    run(tiny.Lit(), [ours], tmp_path, max_epochs=3, check_val_every_n_epoch=2)
    assert channel.steps == [1, 2, 3]


def test_several_validations_in_an_epoch_make_one_report(recorder, tmp_path):
    channel = recorder()
    run(tiny.Lit(), [ReportCallback(channel, objective=VAL)], tmp_path, max_epochs=2, val_check_interval=0.25)
    assert channel.steps == [1, 2]


def test_steps_report_at_every_validation_with_lightnings_count(recorder, tmp_path):
    channel = recorder()
    ours = ReportCallback(channel, objective=VAL, resource="step")
    run(tiny.Lit(), [ours], tmp_path, max_epochs=2, val_check_interval=0.5)
    assert channel.steps == [2, 4, 6, 8]  # four batches an epoch, validated after every second


def test_validation_every_so_many_steps_over_epochs_reports_them(recorder, tmp_path):
    channel = recorder()
    ours = ReportCallback(channel, objective=VAL, resource="step")
    run(tiny.Lit(), [ours], tmp_path, max_epochs=4, val_check_interval=6, check_val_every_n_epoch=None)
    assert channel.steps == [6, 12]  # 16 steps in all


def test_steps_count_optimiser_steps_and_not_batches(recorder, tmp_path):
    channel = recorder()
    ours = ReportCallback(channel, objective=VAL, resource="step")
    run(tiny.Lit(), [ours], tmp_path, max_epochs=2, accumulate_grad_batches=2)
    assert channel.steps == [2, 4]


def test_max_steps_within_an_epoch_ends_quietly_once_something_was_reported(recorder, tmp_path):
    channel = recorder()
    trainer = run(tiny.Lit(), [ReportCallback(channel, objective=VAL)], tmp_path, max_epochs=9, max_steps=6)
    assert trainer.global_step == 6
    assert channel.steps == [1]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"max_epochs": 9, "max_steps": 2}, "after 2 optimiser steps"),
        ({"max_epochs": 1, "check_val_every_n_epoch": 2}, "after 4 optimiser steps"),
    ],
)
def test_a_fit_that_ends_before_its_first_validation_is_refused(flags: dict[str, Any], told: str, recorder, tmp_path):
    with pytest.raises(UsageError, match=f"'val_loss' was never measured: .*{told}.*val_check_interval"):
        run(tiny.Lit(), [ReportCallback(recorder(), objective=VAL)], tmp_path, **flags)


def test_the_sanity_check_reports_nothing(recorder, tmp_path):
    channel = recorder()
    ours = ReportCallback(channel, objective=VAL, resource="step")
    run(tiny.Lit(), [ours], tmp_path, max_epochs=1, num_sanity_val_steps=2)
    assert channel.steps == [4]


def test_a_metric_that_is_never_logged_is_an_error_with_the_nearest_name(recorder, tmp_path):
    ours = ReportCallback(recorder(), objective=Objective(metric="val_los"))
    with pytest.raises(
        UsageError, match=r"'val_los' was not logged; logged: train_loss, val_loss\. Did you mean 'val_"
    ):
        run(tiny.Lit(), [ours], tmp_path, max_epochs=1)


def test_a_metric_that_is_logged_but_switched_off_is_an_error(recorder, tmp_path):
    with pytest.raises(UsageError, match="'val_loss' was not logged; logged: train_loss"):
        run(tiny.Lit(), [ReportCallback(recorder(), objective=VAL)], tmp_path, max_epochs=1, limit_val_batches=0)


def test_without_an_objective_whatever_is_logged_is_reported(recorder, tmp_path):
    channel = recorder()
    run(tiny.Lit(), [ReportCallback(channel)], tmp_path, max_epochs=1, limit_val_batches=0)
    assert [sorted(metrics) for _, metrics in channel.heard] == [["train_loss"]]


def test_only_single_numbers_are_metrics():
    logged = {"a/b": torch.tensor(1.5), "one": torch.tensor([2.0]), "two": torch.ones(2), "word": "high", "int": 3}
    assert numbers(logged) == {"a/b": 1.5, "one": 2.0, "int": 3.0}


class Noted(tiny.Lit):
    """Notes which hooks ran after training."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[str] = []

    def on_train_end(self) -> None:
        self.noted.append("train_end")

    def on_fit_end(self) -> None:
        self.noted.append("fit_end")

    def teardown(self, stage: str) -> None:
        self.noted.append("teardown")

    def on_exception(self, *_: Any) -> None:
        self.noted.append("exception")


@pytest.mark.parametrize("least", [{}, {"min_epochs": 4}, {"min_steps": 16}, {"min_epochs": 4, "min_steps": 16}])
@pytest.mark.parametrize(("resource", "answers", "heard"), [("epoch", 2, [1, 2]), ("step", 2, [1, 2])])
def test_a_stop_outranks_every_minimum(least: dict[str, int], resource, answers, heard, recorder, tmp_path):
    channel = recorder(answers={answers: Verdict.STOP})
    ours = ReportCallback(channel, objective=VAL, resource=resource)
    flags = {"val_check_interval": 0.25} if resource == "step" else {}
    trainer = run(tiny.Lit(), [ours], tmp_path, max_epochs=8, **least, **flags)
    assert channel.steps == heard
    assert trainer.global_step == (8 if resource == "epoch" else 2)


def test_a_stopped_fit_ends_as_after_any_fit(recorder, tmp_path):
    class Logger(CSVLogger):
        ended: list[str] = []  # noqa: RUF012

        def finalize(self, status: str) -> None:
            self.ended.append(status)
            super().finalize(status)

    module = Noted()
    ours = ReportCallback(recorder(answers={1: Verdict.STOP}), objective=VAL)
    trainer = run(module, [ours], tmp_path, max_epochs=5, logger=Logger(tmp_path))
    assert Logger.ended == ["success"]
    assert module.noted == ["train_end", "fit_end", "teardown"]
    assert trainer.state.finished
    assert trainer.current_epoch == 1
    assert ours.verdict is Verdict.STOP


def test_a_fit_that_is_asked_to_stop_ends_after_the_batch(recorder, tmp_path):
    module = Noted()
    channel = recorder(stopping=True)
    trainer = run(module, [ReportCallback(channel, objective=VAL)], tmp_path, max_epochs=5, min_epochs=3)
    assert trainer.global_step == 1
    assert module.noted == ["train_end", "fit_end", "teardown"]


def test_a_stop_within_the_first_epoch_leaves_early_stopping_its_metric(recorder, tmp_path):
    # EarlyStopping raises where its metric is missing, so Lightning's validation after a stop has to take place.
    callbacks = [EarlyStopping("val_loss"), ReportCallback(recorder(stopping=True), objective=VAL)]
    trainer = run(tiny.Lit(), callbacks, tmp_path, max_epochs=5)
    assert trainer.global_step == 1
    assert "val_loss" in trainer.callback_metrics


def test_early_stopping_ends_a_trial_by_itself(recorder, tmp_path):
    class Flat(tiny.Lit):
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val_loss", 1.0)

    channel = recorder()
    callbacks = [EarlyStopping("val_loss", patience=2), ReportCallback(channel, objective=VAL)]
    run(Flat(), callbacks, tmp_path, max_epochs=9)
    assert channel.steps == [1, 2, 3]  # the best at first, then two without a gain


def test_the_users_own_checkpoints_are_written_beside_ours(recorder, tmp_path):
    theirs = ModelCheckpoint(tmp_path / "theirs", monitor="val_loss", save_top_k=1, filename="best")
    ours = CheckpointCallback(tmp_path / "ours" / "last.ckpt")
    trainer = run(tiny.Lit(), [ReportCallback(recorder(), objective=VAL), theirs, ours], tmp_path, max_epochs=2)
    assert (tmp_path / "theirs" / "best.ckpt").is_file()
    assert [path.name for path in (tmp_path / "ours").iterdir()] == ["last.ckpt"]
    assert trainer.checkpoint_callback is not None


def test_manual_optimisation_reports_and_stops(recorder, tmp_path):
    class Manual(tiny.Lit):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False

        def configure_optimizers(self) -> Any:
            return [torch.optim.SGD(self.parameters(), lr=0.01), torch.optim.Adam(self.parameters(), lr=0.01)]

        def training_step(self, batch: Any, batch_idx: int) -> None:
            for optimizer in self.optimizers():
                loss = super().training_step(batch, batch_idx)
                optimizer.zero_grad()
                self.manual_backward(loss)
                optimizer.step()

    channel = recorder(answers={16: Verdict.STOP})
    ours = ReportCallback(channel, objective=VAL, resource="step")
    run(Manual(), [ours], tmp_path, max_epochs=5)
    assert channel.steps == [8, 16]  # two optimisers, four batches an epoch


def test_a_module_with_its_own_loaders_reports(recorder, tmp_path):
    class Whole(tiny.Lit):
        def train_dataloader(self) -> DataLoader:
            return tiny.Data().train_dataloader()

        def val_dataloader(self) -> DataLoader:
            return tiny.Data().val_dataloader()

    channel = recorder()
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "default_root_dir": tmp_path}
    trainer = pl.Trainer(max_epochs=1, logger=False, callbacks=[ReportCallback(channel, objective=VAL)], **quiet)
    trainer.fit(Whole())
    assert channel.steps == [1]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_our_callbacks_can_be_copied_and_pickled(copied: Any, recorder, tmp_path):
    channel = recorder()
    ours = copied(ReportCallback(channel, objective=VAL)) if copied is copy.deepcopy else ReportCallback(channel)
    again = copied(CheckpointCallback(tmp_path / "x.ckpt", every=2))
    assert isinstance(ours, ReportCallback)
    assert isinstance(again, pl.callbacks.Checkpoint)
    assert (again.path, again.every) == (tmp_path / "x.ckpt", 2)


def test_a_subclass_of_ours_is_a_callback_too(recorder, tmp_path):
    class Louder(ReportCallback):
        pass

    channel = recorder()
    ours = Louder(channel, objective=VAL)
    run(tiny.Lit(), [ours], tmp_path, max_epochs=1)
    assert isinstance(ours, Louder)
    assert channel.steps == [1]


def test_the_checkpoint_is_an_ordinary_one_of_the_trained_module(tmp_path):
    module = tiny.Lit(lr=0.01, hidden=2)
    path = tmp_path / "deep" / "last.ckpt"
    run(module, [CheckpointCallback(path)], tmp_path, max_epochs=1)
    again = tiny.Lit.load_from_checkpoint(path)
    assert dict(again.hparams) == {"lr": 0.01, "hidden": 2}
    assert all(again.state_dict()[name].equal(value) for name, value in module.state_dict().items())
    loaded = torch.load(path, weights_only=True)
    assert (loaded["epoch"], loaded["global_step"]) == (1, 4)


def test_a_fit_that_starts_from_our_checkpoint_counts_on(recorder, tmp_path):
    path = tmp_path / "last.ckpt"
    run(tiny.Lit(), [CheckpointCallback(path)], tmp_path, max_epochs=2)
    channel = recorder()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "default_root_dir": tmp_path}
    trainer = pl.Trainer(max_epochs=4, callbacks=[ReportCallback(channel, objective=VAL)], **quiet)
    trainer.fit(tiny.Lit(), datamodule=tiny.Data(), ckpt_path=path)
    assert channel.steps == [3, 4]
    assert trainer.global_step == 16


def test_a_fit_that_fails_writes_no_checkpoint(tmp_path):
    class Breaks(tiny.Lit):
        def on_train_epoch_end(self) -> None:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        run(Breaks(), [CheckpointCallback(tmp_path / "last.ckpt")], tmp_path, max_epochs=1)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_cannot_be_finished_leaves_the_last_one_whole(tmp_path):
    class Full(tiny.Lit):
        def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            if self.current_epoch == 1:
                checkpoint["unpicklable"] = lambda: None

    path = tmp_path / "last.ckpt"
    with pytest.raises(Exception, match=r"pickle|local"):
        run(Full(), [CheckpointCallback(path, every=1)], tmp_path, max_epochs=3)
    assert torch.load(path, weights_only=True)["epoch"] == 0
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_every_so_many_epochs_a_checkpoint_is_written(tmp_path):
    seen: list[bool] = []
    path = tmp_path / "last.ckpt"

    class Looks(pl.Callback):
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            seen.append(path.exists())

    run(tiny.Lit(), [CheckpointCallback(path, every=2), Looks()], tmp_path, max_epochs=4)
    assert seen == [False, False, True, True]
    assert path.is_file()


def test_every_less_than_one_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"every >= 1.*every=0"):
        CheckpointCallback(tmp_path / "x.ckpt", every=0)
