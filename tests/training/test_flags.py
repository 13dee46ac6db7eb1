from __future__ import annotations

from typing import Any

import pytest
import tiny_modules as tiny
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, OnExceptionCheckpoint

from lightning_hpo.training.family import Family
from lightning_hpo.training.flags import checkpointing, trainer_flags


def test_a_trial_is_quiet_and_writes_into_its_own_folder(task):
    made = task()
    assert trainer_flags({}, made) == {
        "accelerator": "cpu",
        "devices": 1,
        "num_nodes": 1,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": made.directory,
    }


@pytest.mark.parametrize(("gpus", "accelerator"), [(0, "cpu"), (0.25, "gpu"), (1, "gpu"), (4, "gpu")])
def test_the_device_follows_from_the_resources_and_not_from_the_flags(gpus: float, accelerator: str, task):
    flags = trainer_flags({"accelerator": "tpu", "devices": 8, "num_nodes": 2}, task(gpus=gpus))
    assert (flags["accelerator"], flags["devices"], flags["num_nodes"]) == (accelerator, 1, 1)


@pytest.mark.parametrize(
    ("given", "made"), [("ddp", "auto"), ("ddp_spawn", "auto"), ("fsdp", "auto"), ("auto", "auto")]
)
def test_a_strategy_that_spreads_a_fit_has_nothing_to_spread_it_over(given: str, made: str, task):
    assert trainer_flags({"strategy": given}, task())["strategy"] == made


def test_a_strategy_object_is_the_users(task):
    strategy = object()
    assert trainer_flags({"strategy": strategy}, task())["strategy"] is strategy


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("logger", True),
        ("enable_progress_bar", True),
        ("enable_model_summary", True),
        ("default_root_dir", "elsewhere"),
        ("precision", "bf16-mixed"),
        ("gradient_clip_val", 0.5),
        ("limit_train_batches", 0.1),
        ("max_time", "00:01:00:00"),
        ("overfit_batches", 2),
    ],
)
def test_what_the_user_gave_is_kept(flag: str, value: Any, task):
    assert trainer_flags({flag: value}, task())[flag] == value


def test_none_counts_as_not_given(task):
    flags = trainer_flags({"logger": None, "gradient_clip_val": None, "enable_progress_bar": None}, task())
    assert (flags["logger"], flags["enable_progress_bar"], flags["gradient_clip_val"]) == (False, False, None)


def test_the_tasks_own_flags_win_but_nothing_stays_nothing(task):
    made = task(flags={"limit_val_batches": 1, "limit_train_batches": 1, "logger": False})
    flags = trainer_flags({"limit_val_batches": 0, "limit_train_batches": 0.5, "logger": True}, made)
    assert (flags["limit_val_batches"], flags["limit_train_batches"], flags["logger"]) == (0, 1, False)


@pytest.mark.parametrize(
    ("asked", "callbacks", "expected"),
    [
        (None, None, False),
        (True, None, False),  # else Lightning adds one that saves every epoch
        (False, None, False),
        (None, [EarlyStopping("x")], False),
        (None, [EarlyStopping("x"), ModelCheckpoint()], True),
        (True, ModelCheckpoint(), True),
        (None, [tiny.KeepsBest()], True),
        (None, (OnExceptionCheckpoint("folder"),), True),
        (False, [ModelCheckpoint()], False),  # a contradiction, which Lightning tells
    ],
)
def test_checkpoints_are_the_users_or_none(asked: Any, callbacks: Any, expected: bool):
    assert checkpointing(asked, callbacks, Family("pytorch_lightning")) is expected
