"""Deciders through an extension: what is replayed is what was decided live."""

from __future__ import annotations

import dataclasses
import itertools
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from lightning_hpo import Choice, Float, Objective, Outcome, Report, Space, Status, Trial, Verdict
from lightning_hpo.errors import RunFolderError
from lightning_hpo.results import Extended, RunFolder
from lightning_hpo.space.syntax import render
from lightning_hpo.tuning.run import TuningRun
from lightning_hpo.tuning.settings import RunSettings

SPACE = Space({"model.lr": Float(0.01, 0.1, log=True), "model.width": Choice([1, 2])})
WIDER = Space({"model.lr": Float(0.001, 1.0, log=True), "model.width": Choice([1, 2, 4])})
SEARCHERS = pytest.mark.parametrize("searcher", [("random", {}), ("tpe", {"startup": 2})], ids=["random", "tpe"])


def settings(**changes: Any) -> RunSettings:
    given: dict[str, Any] = {
        "objective": Objective(metric="loss"),
        "space": SPACE,
        "max_epochs": 3,
        "seed": 7,
        "defaults": {"model.lr": 0.05, "model.width": 2},
        "n_trials": 3,
        "scheduler": ("asha", {"eta": 2}),
    }
    return RunSettings(**{**given, **changes})


def opened(path: Path, made: RunSettings) -> TuningRun:
    run = TuningRun(made, RunFolder.create(path))
    run.open()
    return run


def driven(run: TuningRun) -> TuningRun:
    """Every trial trained in turn; the loss follows from the config, and falls with the epochs."""
    while (trial := run.propose()) is not None:
        train(run, trial)
    return run


def train(run: TuningRun, trial: Trial) -> None:
    run.started(trial.id)
    for step in range(1, run.settings.max_epochs + 1):
        loss = abs(math.log(trial.config["model.lr"] / 0.3)) + 1 / trial.config["model.width"] + 1 / step
        report = Report(trial=trial.id, step=step, metrics={"loss": loss})
        verdict = run.report(report)
        if verdict is Verdict.STOP or step == run.settings.max_epochs:
            status = Status.STOPPED if verdict is Verdict.STOP else Status.COMPLETED
            run.end(Outcome(trial=trial.id, status=status, step=step, metrics=report.metrics))
            return


def extended(run: TuningRun, made: RunSettings) -> TuningRun:
    """The run gone on with by other settings, as a new driver does it."""
    space = {name: render(parameter) for name, parameter in made.space.items()}
    run.folder.journal.append(
        Extended(n_trials=made.n_trials, max_epochs=made.max_epochs, space=space, seconds=made.limits.time_budget)
    )
    return replayed(run, made)


def replayed(run: TuningRun, made: RunSettings) -> TuningRun:
    again = TuningRun(made, run.folder)
    again.replay(run.folder.journal.read())
    return again


def copied(run: TuningRun, path: Path) -> TuningRun:
    shutil.copytree(run.folder.path, path)
    return TuningRun(run.settings, RunFolder.open(path))


def suggested(run: TuningRun) -> list[Trial]:
    return [state.trial for state in run.state]


def states(run: TuningRun) -> tuple[Any, Any]:
    return run.deciders.searcher.state_dict(), run.deciders.scheduler.state_dict()


@SEARCHERS
def test_more_trials_alone_are_the_run_that_had_them_from_the_start(tmp_path: Path, searcher: Any):
    whole = driven(opened(tmp_path / "whole", settings(searcher=searcher, n_trials=9)))
    first = driven(opened(tmp_path / "first", settings(searcher=searcher)))
    first.close()
    second = driven(extended(first, settings(searcher=searcher, n_trials=6)))
    second.close()
    third = driven(extended(second, settings(searcher=searcher, n_trials=9)))
    assert suggested(third) == suggested(whole)
    assert states(third) == states(whole)
    outcomes = [[(trial.status, trial.step, trial.loss) for trial in run.state] for run in (third, whole)]
    assert outcomes[0] == outcomes[1]


@SEARCHERS
@pytest.mark.parametrize("times", [1, 2])
def test_an_extended_journal_is_replayed_to_the_state_it_was_written_in(tmp_path: Path, searcher: Any, times: int):
    run = driven(opened(tmp_path / "run", settings(searcher=searcher)))
    run.close()
    made = settings(searcher=searcher, n_trials=7, space=WIDER, max_epochs=6)
    live = extended(run, made)
    for trial in itertools.islice(iter(live.propose, None), 2):
        train(live, trial)
    if times == 2:
        made = dataclasses.replace(made, n_trials=9, max_epochs=12)
        live = extended(live, made)
        for trial in itertools.islice(iter(live.propose, None), 2):
            train(live, trial)
    again = [replayed(copied(live, tmp_path / name), made) for name in ("one", "two")]
    assert [states(each) for each in again] == [states(live)] * 2
    following = [[each.propose() for _ in range(2)] for each in (live, *again)]
    assert following[0] == following[1] == following[2]
    assert None not in following[0]


def test_an_extended_run_draws_from_the_wider_space_and_knows_what_it_knew(tmp_path: Path):
    run = driven(opened(tmp_path / "run", settings(searcher=("random", {}))))
    wide = settings(searcher=("random", {}), n_trials=40, space=WIDER, max_epochs=6)
    live = driven(extended(run, wide))
    assert len(suggested(live)) == 40
    assert suggested(live)[:3] == suggested(run)
    new = [trial.config for trial in suggested(live)[3:]]
    assert all(WIDER.contains(config) for config in new)
    assert any(not SPACE.contains(config) for config in new)
    assert max(state.step for state in live.state) == 6
    assert live.state.opened.max_epochs == 6


def test_a_wider_grid_is_the_configs_that_it_did_not_have(tmp_path: Path):
    narrow, wide = Space({"model.lr": Choice([0.1]), "model.width": Choice([1, 2])}), Space(
        {"model.lr": Choice([0.1, 0.2]), "model.width": Choice([1, 2, 4])}
    )  # fmt: skip
    grid: dict[str, Any] = {
        "searcher": ("grid", {}),
        "n_trials": None,
        "defaults": {"model.lr": 0.1, "model.width": 1},
    }
    run = driven(opened(tmp_path / "run", settings(space=narrow, **grid)))
    live = driven(extended(run, settings(space=wide, **grid)))
    configs = [tuple(trial.config.values()) for trial in suggested(live)]
    assert configs[:2] == [(0.1, 1), (0.1, 2)]
    assert sorted(configs[2:]) == [(0.1, 4), (0.2, 1), (0.2, 2), (0.2, 4)]


def test_initial_points_that_were_waiting_still_come_first(tmp_path: Path):
    points = [{"model.width": 1}, {"model.lr": 0.02}]
    run = opened(tmp_path / "run", settings(initial_points=points, searcher=("random", {})))
    for trial in itertools.islice(iter(run.propose, None), 2):
        train(run, trial)
    live = extended(run, settings(initial_points=points, searcher=("random", {}), n_trials=6, space=WIDER))
    following = live.propose()
    assert following is not None
    assert following.config == {"model.lr": 0.02, "model.width": 2}


def test_settings_left_to_their_defaults_are_those_that_the_journal_says(tmp_path: Path):
    first = driven(opened(tmp_path / "first", settings(searcher=("tpe", {})).explicit()))
    again = replayed(copied(first, tmp_path / "again"), settings(searcher=("tpe", {})))
    assert states(again) == states(first)
    said = r"tune.searcher is {'name': 'tpe', 'gamma': 0.5}, but was {'name': 'tpe', 'startup': 10, "
    with pytest.raises(RunFolderError, match=said):
        replayed(copied(first, tmp_path / "other"), settings(searcher=("tpe", {"gamma": 0.5})))
