from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from lightning_hpo.errors import NoTrialSucceeded, RunFolderError, UsageError
from lightning_hpo.results import Event, MetricsFile, Results, RunFolder, TrialState
from lightning_hpo.trial import Origin, Report, Status

Story = Callable[..., list[Event]]


@pytest.fixture
def finished(folder: RunFolder, story: Story) -> RunFolder:
    """The defaults, a better trial that was stopped, one that diverged, one that failed."""
    folder.journal.append(*story(0, [0.5, 0.6], Status.COMPLETED, origin=Origin.DEFAULTS))
    folder.journal.append(*story(1, [0.8], Status.STOPPED))
    folder.journal.append(*story(2, [math.nan], Status.DIVERGED))
    folder.journal.append(*story(3, [], Status.FAILED, error="Traceback\nValueError: bad shape\n"))
    return folder


def test_trials_stand_in_the_order_of_suggestion(finished: RunFolder) -> None:
    results = Results.open("runs/mlp-1")
    assert [trial.id for trial in results] == [0, 1, 2, 3]
    assert len(results) == 4
    trial = results.trials[1]
    assert (trial.status, trial.origin, trial.step) == (Status.STOPPED, Origin.SEARCHER, 1)
    assert (trial.value, trial.loss, trial.metrics, trial.seconds) == (0.8, -0.8, {"acc": 0.8}, 1.5)
    assert trial.config == {"lr": 0.02}
    assert trial.path == finished.path / "trials" / "0001"
    assert math.isnan(results.trials[2].value)
    assert results.trials[3].error == "Traceback\nValueError: bad shape\n"


def test_the_best_the_baseline_and_what_was_gained(finished: RunFolder) -> None:
    results = Results.open(finished.path)
    assert results.best.id == 1
    assert results.baseline is not None
    assert results.baseline.id == 0
    assert results.gain == pytest.approx(0.2)
    # Steps 2 + 1 + 1 + 0, of four trials of ten epochs.
    assert (results.epochs_spent, results.epochs_full) == (4, 40)
    assert results.objective.metric == "acc"
    assert results.path == finished.path


def test_results_follow_a_run_that_goes_on(folder: RunFolder, story: Story) -> None:
    state = folder.read()
    results = Results(folder, state)
    assert (len(results), results.baseline, results.gain) == (0, None, None)
    for event in story(0, [0.5], Status.COMPLETED):
        state.apply(event)
    assert results.best.value == 0.5


def test_results_say_what_they_are(finished: RunFolder, here: object) -> None:
    assert repr(Results.open(finished.path)) == (
        "<Results of runs/mlp-1: 4 trials (1 completed, 1 stopped, 1 diverged, 1 failed), best acc=0.8 (trial 1)>"
    )


def test_results_without_a_trial_say_so(folder: RunFolder) -> None:
    assert repr(Results.open(folder.path)) == "<Results of runs/mlp-1: 0 trials (none yet), no best yet>"


def test_without_a_success_the_last_error_is_told(folder: RunFolder, story: Story) -> None:
    folder.journal.append(*story(1, [], Status.FAILED, error="Traceback\nValueError: second\n"))
    folder.journal.append(*story(0, [], Status.FAILED, error="Traceback\nValueError: first\n"))
    results = Results.open(folder.path)
    with pytest.raises(NoTrialSucceeded) as caught:
        results.best  # noqa: B018 - reading it is what raises
    # Trial 1 ended at 1101, trial 0 at 1100 (see conftest): the clock decides, not the line.
    assert str(caught.value) == (
        "runs/mlp-1 has no trial that ended with a finite 'acc': 2 failed. "
        "The last error, of trial 1 (also in runs/mlp-1/trials/0001/error.txt):\n\n"
        "Traceback\nValueError: second"
    )
    assert caught.value.exit_code == 3


def test_without_a_success_yet_the_way_to_go_on_is_told(folder: RunFolder, story: Story) -> None:
    folder.journal.append(*story(0, [0.5]))
    results = Results.open(folder.path)
    with pytest.raises(NoTrialSucceeded, match=r"1 running\. Go on with it: lightning-hpo resume runs/mlp-1$"):
        results.best  # noqa: B018 - reading it is what raises


def test_the_table_has_one_row_a_trial(finished: RunFolder) -> None:
    table = Results.open(finished.path).table()
    assert [row["trial"] for row in table] == [0, 1, 2, 3]
    assert [row["status"] for row in table] == ["completed", "stopped", "diverged", "failed"]


def test_curves_come_from_the_trials_own_folders(finished: RunFolder) -> None:
    MetricsFile(finished.trial(1).create().metrics).append(1, {"acc": 0.8})
    curves = Results.open(finished.path).curves()
    assert curves == {0: [], 1: [Report(trial=1, step=1, metrics={"acc": 0.8})], 2: [], 3: []}


def test_the_best_model_is_what_the_loader_makes_of_the_best_trial(finished: RunFolder) -> None:
    def load(trial: TrialState) -> tuple[str, int]:
        return ("model", trial.id)

    assert Results.open(finished.path, load).best_model() == ("model", 1)


def test_without_a_loader_the_way_to_the_model_is_told(finished: RunFolder) -> None:
    with pytest.raises(UsageError) as caught:
        Results.open(finished.path).best_model()
    assert str(caught.value) == (
        "These results were opened without a way to make the model. "
        "Open the run with: lightning_hpo.open_run('runs/mlp-1').best_model()"
    )


def test_there_are_no_results_where_there_is_no_run(here: object) -> None:
    with pytest.raises(RunFolderError, match="runs does not exist"):
        Results.open("runs")
