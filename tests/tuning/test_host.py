from __future__ import annotations

import gc
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_hpo import Objective, Verdict
from lightning_hpo.results import RunFolder, TrialFolder
from lightning_hpo.training import Task
from lightning_hpo.training.objects import ObjectsAssembly
from lightning_hpo.training.resuming import newest_sound
from lightning_hpo.tuning.host import Keeping, Message, TrialHost
from tuned_modules import Plain, Slow, training_loader, validation_loader

MakeHost = Callable[..., TrialHost]


@pytest.fixture
def folder(tmp_path: Path) -> TrialFolder:
    return RunFolder(tmp_path / "run").trial(4)


@pytest.fixture
def host(folder: TrialFolder) -> Iterator[MakeHost]:
    """Makes hosts, and ends whatever still runs when the test does."""
    made: list[TrialHost] = []

    def make(
        model: Any = Plain,
        *,
        milestones: tuple[int, ...] = (),
        config: dict[str, Any] | None = None,
        into: TrialFolder | None = None,
        told: int | None = None,
        target: float | None = None,
        keeping: Keeping | None = None,
        **flags: Any,
    ) -> TrialHost:
        into = into or folder
        loaders = {"train_dataloaders": training_loader(), "val_dataloaders": validation_loader()}
        assembly = ObjectsAssembly(model, loaders=loaders, flags={"max_epochs": 5, **flags})
        task = Task(
            trial=into.id,
            config=config or {"model.lr": 0.01},
            seed=1,
            directory=str(into.path),
            objective=Objective(metric="val_loss"),
        )
        made.append(TrialHost(assembly, task, into, milestones, told=told, target=target, keeping=keeping))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def messages(host: TrialHost, patience: float = 60.0) -> list[Message]:
    """What a trial that nobody stops says."""
    host.start()
    found = [host.next(patience)]
    while not found[-1].done:
        assert found[-1].due, "the host said nothing in time"
        found.append(host.next(patience))
    return found


def test_a_fit_runs_to_its_end_by_itself(host: MakeHost, folder: TrialFolder):
    (last,) = messages(host())
    assert (last.step, last.done, last.due, last.error) == (5, True, False, "")
    assert last.metrics["val_loss"] == folder.curve()[-1].metrics["val_loss"]
    assert folder.checkpoint.exists()
    assert folder.read_config() == {"model.lr": 0.01}
    assert not folder.error.exists()


def test_a_fit_waits_at_each_milestone_until_it_is_answered(host: MakeHost):
    trial = host(milestones=(1, 3))
    trial.start()
    first = trial.next(60)
    assert (first.step, first.due, first.done) == (1, True, False)
    time.sleep(0.2)
    assert trial._last.step == 1  # it has not gone on by itself
    assert trial.next(60).step == 3  # asking for the next one answers CONTINUE
    last = trial.next(60)
    assert (last.step, last.done) == (5, True)


def test_a_verdict_of_stop_ends_the_fit_at_its_milestone(host: MakeHost, folder: TrialFolder):
    trial = host(milestones=(2,))
    trial.start()
    assert trial.next(60).step == 2
    trial.answer(Verdict.STOP)
    last = trial.next(60)
    assert (last.step, last.done, last.error) == (2, True, "")
    assert folder.checkpoint.exists()  # it may still be the best


def test_a_milestone_that_a_report_jumps_over_is_due_then(host: MakeHost):
    # With validation every second epoch, epoch 1 reports nothing; its milestone falls due at epoch 2.
    assert [message.step for message in messages(host(milestones=(1, 4), check_val_every_n_epoch=2))] == [2, 4, 4]


def test_between_milestones_the_heartbeat_says_how_far_the_trial_is(host: MakeHost):
    trial = host(Slow, max_epochs=50)
    trial.start()
    until = time.monotonic() + 60
    while (message := trial.next(0.2)).step < 1 and time.monotonic() < until:
        pass
    assert message.step >= 1
    assert not message.due
    assert not message.done
    assert "val_loss" in message.metrics


def test_stopping_from_outside_ends_the_fit_within_a_batch_and_joins(host: MakeHost, folder: TrialFolder):
    trial = host(Slow, max_epochs=50)
    trial.start()
    while trial.next(0.05).step < 1:
        pass
    began = time.monotonic()
    trial.stop()
    # An epoch takes four batches of 0.1 s; 49 of them are left.
    assert time.monotonic() - began < 3
    assert not trial._thread.is_alive()
    trial.stop()
    assert not folder.error.exists()
    assert len(folder.curve()) < 10


def test_a_host_that_never_started_can_be_stopped(host: MakeHost):
    trial = host()
    trial.stop()
    assert not trial._thread.is_alive()


def test_stopping_a_trial_that_waits_for_a_verdict_ends_it(host: MakeHost):
    trial = host(milestones=(1,))
    trial.start()
    assert trial.next(60).due
    trial.stop()
    assert not trial._thread.is_alive()
    assert trial.next(1).done


class Reaches(Plain):
    """Logs what is not finite from its second epoch on."""

    value = math.nan

    def validation_step(self, batch: Any, index: int) -> None:
        self.log("val_loss", 1.0 if self.current_epoch < 1 else self.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_due_at_once(host: MakeHost, value: float):
    trial = host(type("Reached", (Reaches,), {"value": value}), milestones=(4,))
    trial.start()
    message = trial.next(60)
    assert (message.step, message.due) == (2, True)
    assert not math.isfinite(message.metrics["val_loss"])


HOOKS = [
    "__init__",
    "setup",
    "configure_optimizers",
    "on_fit_start",
    "on_train_start",
    "on_train_epoch_start",
    "training_step",
    "on_before_optimizer_step",
    "validation_step",
    "on_validation_epoch_end",
    "on_train_epoch_end",
    "on_save_checkpoint",
    "on_train_end",
    "on_fit_end",
    "teardown",
]


@pytest.mark.parametrize("hook", HOOKS)
def test_an_exception_in_any_hook_is_a_message_with_its_traceback(host: MakeHost, folder: TrialFolder, hook: str):
    def fails(self: Any, *args: Any, **settings: Any) -> Any:
        raise ValueError(f"{hook} is broken")

    message = messages(host(type("Broken", (Plain,), {hook: fails}), max_epochs=1))[-1]
    assert message.done
    assert message.error.startswith("Traceback")
    assert message.error.rstrip().endswith(f"ValueError: {hook} is broken")
    assert folder.error.read_text() == message.error
    assert threading.current_thread().is_alive()


def test_an_exception_of_the_data_is_a_message(host: MakeHost):
    class Broken(Plain):
        def train_dataloader(self) -> Any:
            raise OSError("the file of the data is gone")

    trial = host(Broken)
    trial._assembly.loaders.clear()  # type: ignore[attr-defined]
    (message,) = messages(trial)
    assert "OSError: the file of the data is gone" in message.error


@pytest.mark.parametrize("end", [SystemExit(0), SystemExit("enough"), KeyboardInterrupt()])
def test_a_module_that_exits_ends_its_trial_and_not_the_worker(host: MakeHost, end: BaseException):
    class Exits(Plain):
        def on_train_epoch_start(self) -> None:
            raise end

    (message,) = messages(host(Exits))
    assert message.done
    assert type(end).__name__ in message.error


def test_a_metric_that_is_never_logged_is_told_in_the_error(host: MakeHost):
    class Silent(Plain):
        def validation_step(self, batch: Any, index: int) -> None:
            self.log("validation_loss", 1.0)

    (message,) = messages(host(Silent))
    assert "'val_loss' was not logged" in message.error
    assert "validation_loss" in message.error


def test_a_folder_that_cannot_be_written_fails_the_trial_with_the_reason(host: MakeHost, tmp_path: Path):
    (tmp_path / "blocked").write_text("a file, where the run's trials should be")
    (message,) = messages(host(into=RunFolder(tmp_path / "blocked").trial(0)))
    assert message.done
    assert "RunFolderError" in message.error


def test_the_curve_holds_every_epoch_whoever_decides_when(host: MakeHost, folder: TrialFolder):
    messages(host(milestones=(3,)))
    curve = folder.curve()
    assert [report.step for report in curve] == [1, 2, 3, 4, 5]
    assert all(set(report.metrics) == {"val_loss"} for report in curve)
    assert curve[-1].metrics["val_loss"] < curve[0].metrics["val_loss"]


def test_a_second_attempt_at_a_trial_begins_its_curve_anew(host: MakeHost, folder: TrialFolder):
    messages(host())
    messages(host(max_epochs=2))
    assert [report.step for report in folder.curve()] == [1, 2]


def test_what_a_trial_says_is_in_its_log_and_nowhere_else(
    host: MakeHost, folder: TrialFolder, capsys: pytest.CaptureFixture[str]
):
    class Talks(Plain):
        def on_train_start(self) -> None:
            print("a print")
            print("an error print", file=sys.stderr)

    before = sys.stdout, sys.stderr, [list(logging.getLogger(name).handlers) for name in ("pytorch_lightning", "")]
    messages(host(Talks))
    log = folder.log.read_text()
    assert "a print" in log
    assert "an error print" in log
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "")
    assert before == (
        sys.stdout,
        sys.stderr,
        [list(logging.getLogger(name).handlers) for name in ("pytorch_lightning", "")],
    )


def test_the_same_task_trains_the_same_wherever_it_comes_in_a_process(host: MakeHost, tmp_path: Path):
    run = RunFolder(tmp_path / "run")
    for number in range(3):
        torch.rand(number)  # the process's random state is another one each time
        messages(host(into=run.trial(number), max_epochs=2))
    curves = [[report.metrics for report in run.trial(number).curve()] for number in range(3)]
    assert len(curves[0]) == 2
    assert curves[1] == curves[0]
    assert curves[2] == curves[0]


def test_a_process_stays_level_over_twenty_stopped_trials(host: MakeHost, tmp_path: Path):
    run = RunFolder(tmp_path / "run")

    def one(number: int) -> tuple[int, int, int]:
        trial = host(into=run.trial(number), milestones=(1,), max_epochs=3)
        trial.start()
        assert trial.next(60).due
        trial.stop()
        del trial
        gc.collect()
        modules = sum(issubclass(type(each), Plain) for each in gc.get_objects())
        return threading.active_count(), len(os.listdir("/proc/self/fd")), modules

    first = [one(number) for number in range(3)][-1]
    last = [one(number) for number in range(3, 20)][-1]
    assert last[0] <= first[0]
    assert last[1] <= first[1]
    assert last[2] <= first[2]


# Going on.


def left_at(make: MakeHost, step: int, **given: Any) -> None:
    """A trial whose process went away while it waited for the verdict on a step."""
    host = make(milestones=(step,), **given)
    host.start()
    assert host.next(60).step == step
    host.stop()


def curve(folder: TrialFolder) -> list[tuple[int, float]]:
    return [(report.step, report.metrics["val_loss"]) for report in folder.curve()]


@pytest.fixture
def whole(host: MakeHost, tmp_path: Path) -> list[tuple[int, float]]:
    into = RunFolder(tmp_path / "whole").trial(4)
    messages(host(into=into))
    return curve(into)


def test_a_trial_goes_on_where_it_was_and_says_so(host: MakeHost, folder: TrialFolder, whole: Any):
    left_at(host, 3)
    again = host(told=3)
    again.start()
    first = again.next(60)
    assert (first.resumed, first.step, first.repeats, first.note) == (True, 3, 0, "")
    assert again.next(60).done
    assert curve(folder) == whole


def test_what_the_driver_has_not_heard_of_is_reported_first(host: MakeHost, folder: TrialFolder, whole: Any):
    left_at(host, 3)
    again = host(milestones=(1, 3, 4), told=1)
    again.start()
    assert again.next(60).resumed
    missed = again.next(60)
    assert (missed.step, missed.due) == (3, True)
    assert missed.metrics["val_loss"] == whole[2][1]
    assert (again.next(60).step, again.next(60).done) == (4, True)
    assert curve(folder) == whole


def test_a_verdict_on_what_was_missed_may_end_the_trial_without_training(host: MakeHost, folder: TrialFolder):
    left_at(host, 3)
    again = host(milestones=(3,), told=1)
    again.start()
    assert again.next(60).resumed
    assert again.next(60).due
    again.stop()
    assert [step for step, _ in curve(folder)] == [1, 2, 3]


def test_a_trial_that_had_ended_ends_again_with_its_last_report(host: MakeHost, folder: TrialFolder, whole: Any):
    messages(host())
    written = folder.checkpoint.stat().st_mtime_ns
    again = host(told=3)
    again.start()
    assert again.next(60).step == 5
    end = again.next(60)
    assert (end.done, end.step, end.metrics["val_loss"], end.error) == (True, 5, whole[4][1], "")
    assert folder.checkpoint.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("harm", "note"),
    [
        (lambda path: path.unlink(), "last.ckpt is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "last.ckpt is damaged (BadZipFile"),
    ],
    ids=["missing", "truncated"],
)
def test_without_a_sound_checkpoint_it_begins_again_and_says_why(
    harm: Any, note: str, host: MakeHost, folder: TrialFolder, whole: Any
):
    left_at(host, 3)
    harm(folder.checkpoint)
    again = host(milestones=(3,), told=3)
    again.start()
    first = again.next(60)
    assert (first.step, first.repeats) == (0, 3)
    assert note in first.note
    assert again.next(60).done  # what was answered is not asked again
    assert curve(folder) == whole


def test_with_two_kept_it_falls_back_on_the_one_before(host: MakeHost, folder: TrialFolder, whole: Any):
    left_at(host, 3, keeping=Keeping(two=True))
    assert folder.checkpoint_before.exists()
    folder.checkpoint.write_bytes(b"nothing of use")
    again = host(told=3, keeping=Keeping(two=True))
    again.start()
    first = again.next(60)
    assert (first.step, first.repeats) == (2, 1)
    assert "last.ckpt is damaged" in first.note
    assert again.next(60).done
    assert curve(folder) == whole


def test_one_checkpoint_is_kept_unless_two_are_asked_for(host: MakeHost, folder: TrialFolder):
    messages(host())
    assert [path.name for path in folder.checkpoints.iterdir()] == ["last.ckpt"]


def test_what_is_good_enough_is_due_at_once(host: MakeHost, whole: Any):
    good = whole[1][1]
    found = messages(host(target=good))
    assert (found[0].step, found[0].due) == (2, True)


def test_a_trial_that_is_cut_within_an_epoch_keeps_no_row_of_it(host: MakeHost, folder: TrialFolder):
    slow = host(Slow, config={"model.lr": 0.01}, max_epochs=500)
    slow.start()
    while slow.next(0.2).step < 1:
        pass
    slow.stop()
    found, notes = newest_sound([folder.checkpoint])
    rows = [step for step, _ in curve(folder)]
    assert notes == ()
    assert rows == list(range(1, len(rows) + 1))
    assert found is not None
    assert found.step in (len(rows) - 1, len(rows))
