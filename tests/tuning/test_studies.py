"""Whole studies on a real Ray, of modules that train in a blink."""

from __future__ import annotations

import itertools
import os
import signal
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from lightning_hpo import (
    Choice,
    Float,
    NoTrialSucceeded,
    RecipeError,
    Results,
    RunInterrupted,
    Status,
    StorageError,
    TuneTrainer,
    open_run,
)
from lightning_hpo.results import RunFolder
from lightning_hpo.results.events import Ended, Reported, Started
from lightning_hpo.trial import Origin
from tuned_modules import (
    Mishaps,
    Naps,
    OtherPlain,
    OtherSums,
    Plain,
    Rich,
    Slow,
    Sums,
    squared_error,
    training_loader,
    validation_loader,
)

NINE_TRIALS = 9


@pytest.fixture(scope="module")
def rich(study: Any) -> Results:
    """A decorated class, a data module class, names of all three blocks, TPE and ASHA; two trials at a time."""
    return study(
        Rich,
        datamodule=Sums,
        space={"data.batch_size": Choice([8, 16]), "trainer.gradient_clip_val": Float(0.1, 1.0)},
        initial_points=[{"optimizer": "sgd", "momentum": 0.25, "sizes": (8, 4)}],
        searcher={"name": "tpe", "startup": 4},
        n_trials=NINE_TRIALS,
        max_epochs=9,
        keep_best=2,
    )


def test_every_trial_ends_and_the_best_of_them_is_the_best(rich: Results):
    assert len(rich) == NINE_TRIALS
    assert {trial.status for trial in rich} <= {Status.COMPLETED, Status.STOPPED}
    assert rich.best.value == min(trial.value for trial in rich)
    assert rich.gain == pytest.approx(rich.trials[0].value - rich.best.value)
    assert rich.epochs_spent == sum(trial.step for trial in rich)
    assert rich.epochs_spent < rich.epochs_full == NINE_TRIALS * 9  # ASHA stopped some


def test_the_defaults_are_trial_zero_and_the_initial_point_is_next(rich: Results):
    defaults, point = rich.trials[:2]
    assert defaults.origin is Origin.DEFAULTS
    assert defaults.config == {
        "model.lr": 0.01,
        "model.sizes": [4],
        "model.optimizer": "adam",
        "data.batch_size": 16,
        # The Trainer's own default is no clipping, which lies outside the range.
        "trainer.gradient_clip_val": None,
    }
    assert point.origin is Origin.INITIAL
    assert point.config == {
        **defaults.config,
        "model.sizes": [8, 4],
        "model.optimizer": "sgd",
        "model.momentum": 0.25,
    }


def test_a_branchs_names_are_there_under_its_branch_only(rich: Results):
    for trial in rich:
        assert ("model.momentum" in trial.config) == (trial.config["model.optimizer"] == "sgd")


def test_values_reach_the_module_the_data_and_the_trainer_with_their_types(rich: Results, facts: Any):
    for trial, fact in zip(rich, facts(rich), strict=True):
        assert fact["kinds"] == {"sizes": "tuple", "lr": "float"}
        assert fact["batch_size"] == trial.config["data.batch_size"]
        assert fact["clip"] == trial.config["trainer.gradient_clip_val"]


def test_trials_follow_one_another_in_the_same_two_workers(rich: Results, facts: Any):
    assert len({fact["pid"] for fact in facts(rich)}) <= 2


def test_a_trial_with_one_cpu_trains_with_one_thread(rich: Results, facts: Any):
    assert {fact["threads"] for fact in facts(rich)} == {1}


def test_every_trial_has_its_own_seed(rich: Results, facts: Any):
    assert len({fact["seed"] for fact in facts(rich)}) == NINE_TRIALS


def test_every_trial_was_torn_down_by_lightning_the_stopped_ones_included(rich: Results, facts: Any):
    assert any(trial.status is Status.STOPPED for trial in rich)
    assert [fact["last_epoch"] for fact in facts(rich)] == [trial.step for trial in rich]


def test_the_best_models_forward_is_the_trained_modules(rich: Results):
    model = rich.best_model()
    assert not model.training
    with torch.no_grad():
        recomputed = squared_error(model, next(iter(validation_loader())))
    assert float(recomputed) == pytest.approx(rich.best.value, rel=1e-6)


def test_a_run_opened_later_hands_out_the_same_model(rich: Results):
    again = open_run(rich.path).best_model()
    before = rich.best_model().state_dict()
    assert all(torch.equal(value, before[name]) for name, value in again.state_dict().items())


def test_the_checkpoints_of_the_best_two_stay_and_no_others(rich: Results):
    kept = [trial.id for trial in rich if (trial.path / "checkpoints").exists()]
    assert sorted(kept) == sorted(trial.id for trial in sorted(rich, key=lambda trial: (trial.loss, trial.id))[:2])


def test_the_table_and_the_curves_hold_every_trial(rich: Results):
    rows = rich.table()
    assert [row["trial"] for row in rows] == list(range(NINE_TRIALS))
    assert rows[1]["model.momentum"] == 0.25
    for trial in rich:
        assert [report.step for report in rich.curves()[trial.id]] == list(range(1, trial.step + 1))
    assert len((rich.path / "results.csv").read_text().splitlines()) == NINE_TRIALS + 1


def test_what_modules_print_and_warn_is_in_their_logs(rich: Results, capfd: pytest.CaptureFixture[str]):
    for trial in rich:
        log = (trial.path / "log.txt").read_text()
        assert "a print of the module" in log
        assert "a warning of the module" in log


def test_the_journal_is_whole_and_tells_the_same_as_the_results(rich: Results):
    again = open_run(rich.path)
    assert again.table() == rich.table()
    assert again.state.closed == "finished"


def test_a_runtime_of_the_users_own_is_left_running(rich: Results):
    import ray

    assert ray.is_initialized()


# Going on beyond the end.


def test_a_finished_study_is_extended_by_trials_and_by_epochs(study: Any, facts: Any):
    first = study(
        Plain, datamodule=Sums, space={"lr": Float(1e-3, 1e-1, log=True)}, scheduler="none", n_trials=2, max_epochs=2
    )
    before = first.table()
    wider = {"lr": Float(1e-4, 1e-1, log=True)}
    results = TuneTrainer.extend(first.path, n_trials=2, max_epochs=4, space=wider, listeners=[])
    assert results.state.closed == "finished"
    assert [trial.step for trial in results] == [2, 2, 4, 4]
    assert results.table()[:2] == before
    assert [trial.origin for trial in results][2:] == [Origin.SEARCHER] * 2
    kinds = [event.kind for event in RunFolder.open(first.path).journal]
    after = kinds.index("extended")
    assert kinds[after - 1 : after + 2] == ["closed", "extended", "resumed"]
    assert kinds.count("opened") == 1
    assert results.epochs_spent == 12
    assert open_run(first.path).table() == results.table()
    assert TuneTrainer.resume(first.path, listeners=[]).table() == results.table()  # nothing is left to do


# Other ways to say what is tuned.


def reproducible(study: Any) -> Results:
    """A factory that closes over an object, loaders, optimiser steps; one trial at a time."""
    encoder = torch.nn.Linear(4, 4, bias=False)
    with torch.no_grad():
        encoder.weight.copy_(torch.eye(4))

    def build(lr: float = 0.01, width: int = 4) -> Plain:
        model = Plain(lr, width)
        model.net = torch.nn.Sequential(encoder, model.net)
        return model

    return study(
        build,
        train_dataloaders=training_loader(),
        val_dataloaders=validation_loader(),
        space={"lr": Float(1e-3, 1e-1, log=True), "width": Choice([2, 4, 8])},
        searcher={"name": "tpe", "startup": 2},
        scheduler={"name": "asha", "grace_period": 4, "eta": 2},
        n_trials=6,
        max_epochs=-1,
        max_steps=12,
        resource="step",
        max_concurrent=1,
        seed=5,
    )


@pytest.fixture(scope="module")
def twice(study: Any) -> tuple[Results, Results]:
    return reproducible(study), reproducible(study)


def test_one_trial_at_a_time_the_same_seed_gives_the_same_configs_and_losses(twice: tuple[Results, Results]):
    first, second = ([{**row, "seconds": None} for row in results.table()] for results in twice)
    assert first == second
    assert len({row["model.lr"] for row in first}) == 6


def test_steps_are_optimiser_steps_where_these_are_the_resource(twice: tuple[Results, Results]):
    # 64 rows in batches of 16 are 4 steps an epoch, each epoch ends with a validation, and 12 steps are all.
    results = twice[0]
    assert {trial.step for trial in results} <= {4, 8, 12}
    assert results.trials[0].step == 12  # the first at each rung goes on
    assert any(trial.status is Status.STOPPED for trial in results)
    assert [report.step for report in results.curves()[0]] == [4, 8, 12]


def test_one_trial_at_a_time_never_has_two(twice: tuple[Results, Results], facts: Any):
    noted = facts(twice[0])
    assert all(before["ended"] <= after["began"] for before, after in itertools.pairwise(noted))
    assert len({fact["pid"] for fact in noted}) == 1


def test_a_factorys_model_comes_back_with_the_object_it_closes_over(twice: tuple[Results, Results]):
    model = twice[0].best_model()
    assert torch.equal(model.net[0].weight, twice[1].best_model().net[0].weight)
    with torch.no_grad():
        recomputed = float(squared_error(model, next(iter(validation_loader()))))
    assert recomputed == pytest.approx(twice[0].best.value, rel=1e-6)


@pytest.fixture(scope="module")
def other(study: Any) -> Results:
    """The other distribution, a data module's instance, early stopping, two CPUs a trial."""
    from lightning.pytorch.callbacks import EarlyStopping

    return study(
        OtherPlain,
        datamodule=OtherSums(batch_size=8),
        space={"lr": Float(1e-3, 1e-1), "data.batch_size": Choice([8, 32])},
        # Nothing improves by so much, so that every trial ends itself after its second epoch.
        callbacks=[EarlyStopping("val_loss", min_delta=1e9, patience=1)],
        searcher="random",
        scheduler="none",
        n_trials=4,
        max_epochs=5,
        resources={"cpu": 2},
    )


def test_a_module_of_lightning_pytorch_is_tuned_as_well(other: Results):
    assert [trial.status for trial in other] == [Status.COMPLETED] * 4
    assert type(other.best_model()) is OtherPlain


def test_early_stopping_ends_each_trial_by_itself(other: Results):
    assert [trial.step for trial in other] == [2, 2, 2, 2]


def test_a_data_modules_instance_is_set_for_each_trial(other: Results, facts: Any):
    drawn = [trial.config["data.batch_size"] for trial in other]
    assert drawn[0] == 8  # the instance's own
    assert [fact["batch_size"] for fact in facts(other)] == drawn


def test_threads_follow_the_cpus_of_a_trial(other: Results, facts: Any):
    assert {fact["threads"] for fact in facts(other)} == {2}


# Mishaps.


@pytest.fixture(scope="module")
def mishaps(study: Any) -> Results:
    """A grid, one trial at a time: a good one (the default), one that raises, one that kills its worker, a NaN."""
    return study(
        Mishaps,
        datamodule=Sums,
        space={"what": Choice(["fine", "raises", "dies", "diverges"])},
        searcher="grid",
        scheduler="none",
        max_concurrent=1,
    )


def test_a_grid_without_a_number_of_trials_is_run_through(mishaps: Results):
    assert [trial.config["model.what"] for trial in mishaps] == ["fine", "raises", "dies", "diverges"]
    assert [trial.status for trial in mishaps] == [
        Status.COMPLETED,
        Status.FAILED,
        Status.FAILED,
        Status.DIVERGED,
    ]
    assert mishaps.best.id == 0


def test_a_trial_that_raises_leaves_its_traceback_and_its_worker_lives_on(mishaps: Results, facts: Any):
    raised = mishaps.trials[1]
    assert raised.error.rstrip().endswith("ValueError: the second epoch is bad")
    assert (raised.path / "error.txt").read_text() == raised.error
    assert raised.step == 1
    pids = [fact["pid"] for fact in facts(mishaps)]
    assert pids[0] == pids[1]


def test_a_worker_that_always_dies_fails_its_trial_after_the_retries_and_the_run_goes_on(mishaps: Results, facts: Any):
    died = mishaps.trials[2]
    assert died.error.startswith("Its worker process was lost. It was gone on with 3 times (tune.retries).\n")
    assert mishaps.state.trials[2].losses == 3
    assert "died" in died.error
    pids = [fact["pid"] for fact in facts(mishaps)]
    assert pids[3] != pids[2]


def test_a_value_that_is_not_finite_ends_its_trial_at_once(mishaps: Results):
    assert mishaps.trials[3].step == 2
    assert mishaps.trials[3].loss == float("inf")


def test_a_study_whose_first_trials_fail_alike_stops_with_their_traceback(study: Any, tmp_path: Path):
    def build(lr: float = 0.01) -> Mishaps:
        return Mishaps("raises", lr)

    with pytest.raises(NoTrialSucceeded, match=r"(?s)The first \d trials failed alike.*the second epoch is bad"):
        study(
            build,
            datamodule=Sums,
            space={"lr": Float(0.01, 0.1)},
            scheduler="none",  # ASHA would stop some before they come to fail
            n_trials=12,
            run_folder=tmp_path / "run",
        )
    state = RunFolder.open(tmp_path / "run").read()
    assert state.closed == "failed"
    # Three decide; a fourth may have begun beside the third.
    assert 3 <= len([trial for trial in state if trial.status is Status.FAILED]) <= 4


def test_a_name_that_nothing_takes_is_refused_with_the_one_that_is_meant_and_leaves_no_folder(
    study: Any, tmp_path: Path
):
    with pytest.raises(
        RecipeError, match=r"Plain takes no argument 'batch_size'.*(?s:.)*Did you mean 'data.batch_size'"
    ):
        study(Plain, datamodule=Sums, space={"batch_size": Choice([8, 16])}, run_folder=tmp_path / "runs" / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_listener_that_raises_ends_the_run_with_its_error(study: Any, tmp_path: Path):
    def listen(event: Any, state: Any) -> None:
        if isinstance(event, Ended):
            raise ZeroDivisionError("a listener's own")

    with pytest.raises(ZeroDivisionError, match="a listener's own"):
        study(
            Plain,
            datamodule=Sums,
            space={"lr": Float(1e-3, 1e-1)},
            proof=False,
            max_concurrent=1,
            listeners=[listen],
            run_folder=tmp_path / "run",
        )
    assert len([trial for trial in RunFolder.open(tmp_path / "run").read() if trial.status.ended]) == 1


def test_a_journal_on_a_full_disk_ends_the_run_with_that_error(study: Any, tmp_path: Path):
    journal = tmp_path / "run" / "journal.jsonl"

    def fill_the_disk(event: Any, state: Any) -> None:
        if isinstance(event, Started):
            journal.rename(tmp_path / "saved.jsonl")
            journal.symlink_to("/dev/full")

    with pytest.raises(StorageError, match=r"No space left on device[\s\S]*Go on with: lightning-hpo resume"):
        study(
            Plain,
            datamodule=Sums,
            space={"lr": Float(1e-3, 1e-1)},
            proof=False,
            max_concurrent=1,
            listeners=[fill_the_disk],
            run_folder=tmp_path / "run",
        )


# Ctrl-C, and going on.


@pytest.mark.slow
def test_an_interrupted_run_goes_on_where_it_was_without_running_ended_trials_again(study: Any, tmp_path: Path):
    pressed = []

    def press_ctrl_c(event: Any, state: Any) -> None:
        midway = isinstance(event, Reported) and event.report.step < 5
        if midway and any(trial.status.ended for trial in state) and not pressed:
            pressed.append(event)  # once: a second time would not wait for the trials
            signal.raise_signal(signal.SIGINT)  # in the middle of another one

    with pytest.raises(RunInterrupted, match="lightning-hpo resume") as caught:
        study(
            Slow,
            datamodule=Sums,
            space={"lr": Float(1e-3, 1e-1)},
            searcher="random",
            scheduler="none",
            n_trials=3,
            max_epochs=5,  # two seconds; a running trial says every second how far it is
            listeners=[press_ctrl_c],
            run_folder=tmp_path / "run",
        )
    assert Path(caught.value.path) == tmp_path / "run"
    before = RunFolder.open(tmp_path / "run").read()
    assert before.closed == "interrupted"
    ended = [trial.id for trial in before if trial.status.ended]
    assert ended
    assert before.unfinished

    results = TuneTrainer.resume(tmp_path / "run", listeners=[])
    assert [trial.status for trial in results] == [Status.COMPLETED] * 3
    assert results.state.closed == "finished"
    events = RunFolder.open(tmp_path / "run").journal.read()
    starts = Counter(event.trial for event in events if isinstance(event, Started))
    ends = Counter(event.outcome.trial for event in events if isinstance(event, Ended))
    assert [starts[trial] for trial in ended] == [1] * len(ended)
    assert set(ends.values()) == {1}
    assert results.best_model() is not None
    assert TuneTrainer.resume(tmp_path / "run", listeners=[]).table() == results.table()  # nothing is left to do


@pytest.mark.slow
def test_trials_can_start_from_a_checkpoint(study: Any, facts: Any, tmp_path: Path):
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = pl.Trainer(max_epochs=3, accelerator="cpu", default_root_dir=tmp_path, **quiet)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(Plain(), datamodule=Sums())
    checkpoint = tmp_path / "trained.ckpt"
    trainer.save_checkpoint(checkpoint)
    results = study(
        Plain,
        datamodule=Sums,
        space={"data.batch_size": Choice([8, 16])},
        ckpt_path=str(checkpoint),
        n_trials=2,
        max_epochs=5,
        scheduler="none",
    )
    # The checkpoint was trained for three epochs, so each trial begins with its fourth.
    assert [fact["epoch"] for fact in facts(results)] == [3, 3]
    assert [[report.step for report in curve] for curve in results.curves().values()] == [[4, 5], [4, 5]]


@pytest.mark.slow
def test_half_a_cpu_a_trial_runs_four_at_a_time_on_two(study: Any, facts: Any):
    results = study(
        Naps,
        datamodule=Sums,
        space={"lr": Float(1e-3, 1e-1)},
        scheduler="none",
        n_trials=8,
        max_epochs=16,  # eight seconds, in which the slowest of four workers is there
        resources={"cpu": 0.5},
    )
    noted = facts(results)
    at_a_time = [sum(other["began"] <= fact["began"] < other["ended"] for other in noted) for fact in noted]
    assert max(at_a_time) == 4
    assert len({fact["pid"] for fact in noted}) == 4
    assert {fact["threads"] for fact in noted} == {1}
    assert os.getpid() not in {fact["pid"] for fact in noted}
