from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest

from lightning_hpo.results import Ended, Event, Opened, Reported, RunState, Started, Suggested
from lightning_hpo.results.table import as_csv, rows
from lightning_hpo.trial import Origin, Outcome, Report, Status, Trial

Story = Callable[..., list[Event]]


def one_trial(config: dict[str, object], metrics: dict[str, float]) -> list[Event]:
    return [
        Suggested(trial=Trial(id=0, config=config, seed=0)),
        Started(trial=0, worker=""),
        Reported(report=Report(trial=0, step=1, metrics=metrics)),
        Ended(outcome=Outcome(trial=0, status=Status.COMPLETED, step=1, metrics=metrics, seconds=2.0)),
    ]


def test_one_row_a_trial_with_the_objective_before_the_other_metrics(opened: Opened) -> None:
    state = RunState.of([opened, *one_trial({"lr": 0.5}, {"loss": 1.0, "acc": 0.75})])
    assert [list(row.items()) for row in rows(state)] == [
        [
            ("trial", 0),
            ("status", "completed"),
            ("origin", "searcher"),
            ("step", 1),
            ("acc", 0.75),
            ("loss", 1.0),
            ("lr", 0.5),
            ("seconds", 2.0),
        ]
    ]


def test_all_rows_have_the_same_keys_and_none_for_what_a_trial_lacks(opened: Opened, story: Story) -> None:
    branch = Suggested(trial=Trial(id=1, config={"momentum": 0.9}, seed=0, origin=Origin.INITIAL))
    first, second = rows(RunState.of([opened, *story(0, [0.5], Status.STOPPED), branch]))
    assert list(first) == list(second) == ["trial", "status", "origin", "step", "acc", "lr", "momentum", "seconds"]
    assert first["momentum"] is None
    assert (second["acc"], second["lr"], second["seconds"]) == (None, None, None)
    assert (second["status"], second["origin"]) == ("waiting", "initial")


def test_names_that_are_taken_are_told_apart(opened: Opened) -> None:
    events = one_trial({"acc": 7, "step": 8, "lr": 9}, {"acc": 0.5, "lr": 0.1, "seconds": 3.0})
    (row,) = rows(RunState.of([opened, *events]))
    assert row == {
        "trial": 0,
        "status": "completed",
        "origin": "searcher",
        "step": 1,
        "acc": 0.5,
        "lr": 0.1,
        "metric.seconds": 3.0,
        "config.acc": 7,
        "config.step": 8,
        "config.lr": 9,
        "seconds": 2.0,
    }


def test_csv_holds_lists_and_booleans_as_json_and_nothing_for_none(opened: Opened) -> None:
    config = {"sizes": [64, 32], "bias": True, "decay": None, "act": "re,lu"}
    text = as_csv(RunState.of([opened, *one_trial(config, {"acc": float("nan")})]))
    assert text == (
        "trial,status,origin,step,acc,sizes,bias,decay,act,seconds\n"
        '0,completed,searcher,1,nan,"[64, 32]",true,,"re,lu",2.0\n'
    )
    assert next(csv.DictReader(io.StringIO(text)))["sizes"] == "[64, 32]"


@pytest.mark.parametrize("as_what", [rows, lambda state: as_csv(state).splitlines()[1:]])
def test_a_run_without_trials_has_no_rows(opened: Opened, as_what: Callable[[RunState], list[object]]) -> None:
    assert as_what(RunState.of([opened])) == []
    assert as_csv(RunState.of([opened])) == "trial,status,origin,step,acc,seconds\n"
