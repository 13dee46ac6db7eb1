from __future__ import annotations

from typing import Any

import pytest

from lightning_hpo import Objective, Report, SettingError
from lightning_hpo.training.resuming import Every
from lightning_hpo.tuning.limits import Limits

ACC = Objective(metric="val_acc", mode="max")


def test_times_are_written_as_people_say_them():
    limits = Limits.of({"time_budget": "2h", "trial_timeout": "90 s", "worker_timeout": 45})
    assert (limits.time_budget, limits.trial_timeout, limits.worker_timeout) == (7200, 90, 45)


@pytest.mark.parametrize(
    ("written", "every"),
    [
        (1, Every(epochs=1)),
        (5, Every(epochs=5)),
        ("5", Every(epochs=5)),
        ("3 epochs", Every(epochs=3)),
        ("1 epoch", Every(epochs=1)),
        ("10 min", Every(epochs=1, seconds=600)),
        (None, Every(epochs=0)),
    ],
)
def test_checkpoints_come_by_epochs_or_by_time(written: Any, every: Every):
    assert Limits.of({"checkpoint": {"every": written, "keep": 2}}).checkpoint_every == every


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"time_budgt": 5}, r"time_budgt is no limit\. Known: time_budget, .* Did you mean 'time_budget'\?"),
        ({"time_budget": "soon"}, r"time_budget is 'soon'\. Expected a time like '90 s', '10 min' or '2h', or seconds"),
        ({"trial_timeout": -1}, r"trial_timeout is -1\. Expected"),
        ({"worker_timeout": 0}, r"worker_timeout is 0\. Expected"),
        ({"retries": -1}, r"retries is -1\. Expected a whole number, 0 or more"),
        ({"retries": True}, r"retries is True\. Expected a whole number"),
        ({"on_oom": "cry"}, r"on_oom is 'cry'\. Expected 'fail' or 'retry'"),
        ({"checkpoint": 5}, r"checkpoint is 5\. Expected a mapping with every and keep"),
        ({"checkpoint": {"evry": 5}}, r"checkpoint\.evry is not known\. Expected every or keep"),
        ({"checkpoint": {"every": 0}}, r"checkpoint\.every is .* Expected a time like .* or a number of epochs"),
        ({"checkpoint": {"every": "often"}}, r"checkpoint\.every is 'often'"),
        ({"checkpoint": {"every": True}}, r"checkpoint\.every is"),
        ({"checkpoint": {"keep": 3}}, r"checkpoint\.keep is 3\. Expected 1 or 2"),
    ],
)
def test_what_cannot_be_is_refused_by_name(given: dict[str, Any], message: str):
    with pytest.raises(SettingError, match=message):
        Limits.of(given)


def test_only_the_objectives_metric_can_be_good_enough():
    Limits(stop_when={"val_acc": 0.9}).check(ACC)
    with pytest.raises(SettingError, match=r"stop_when names 'val_loss'\. Expected the objective's metric, val_acc"):
        Limits(stop_when={"val_loss": 0.1}).check(ACC)
    with pytest.raises(SettingError, match=r"stop_when is 'high'\. Expected a number"):
        Limits(stop_when={"val_acc": "high"}).check(ACC)  # type: ignore[dict-item]


@pytest.mark.parametrize(("value", "reached"), [(0.89, False), (0.9, True), (0.95, True), (float("nan"), False)])
def test_good_enough_follows_the_mode(value: float, reached: bool):
    report = Report(trial=0, step=1, metrics={"val_acc": value})
    assert Limits(stop_when={"val_acc": 0.9}).reached(report, ACC) is reached
    assert Limits().reached(report, ACC) is False
