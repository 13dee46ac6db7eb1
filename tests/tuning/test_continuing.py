"""Extending a run up to the moment when Ray would be started: what is written, and that refusals leave no trace."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import toy_modules
from lightning_hpo import Choice, Float, Objective, Outcome, Report, Space, Status, TuneTrainer
from lightning_hpo.errors import InternalError, RecipeError, RunFolderError, SettingError, UsageError
from lightning_hpo.results import Closed, Extended, Opened, RunFolder, time_left
from lightning_hpo.training.objects import ObjectsAssembly
from lightning_hpo.tuning import continuing
from lightning_hpo.tuning.continuing import extend, seconds_wished
from lightning_hpo.tuning.extending import Wish
from lightning_hpo.tuning.limits import Limits
from lightning_hpo.tuning.opening import reopen, save_assembly, saved
from lightning_hpo.tuning.recipes import read_recipe
from lightning_hpo.tuning.run import TuningRun
from lightning_hpo.tuning.script import script_recipe
from lightning_hpo.tuning.settings import RunSettings

RECIPE = """\
# The resolved recipe of a run of r.yaml; it can be run again as it is.
seed_everything: 7
model:
  class_path: toy_modules.Line
trainer:
  max_epochs: 3
tune:
  objective: {metric: val_loss}
  space:
    model.lr: {float: [0.001, 0.1], log: true}
  searcher: random
  n_trials: 2
"""

LONGER = "trainer.max_epochs=9"
WIDER = "tune.space.model.lr.float=[1e-5,1.0]"


def trained(run: TuningRun, trials: int) -> None:
    for _ in range(trials):
        trial = run.propose()
        assert trial is not None
        run.started(trial.id)
        run.report(Report(trial=trial.id, step=3, metrics={"val_loss": 0.5}))
        run.end(Outcome(trial=trial.id, status=Status.COMPLETED, step=3, metrics={"val_loss": 0.5}))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A finished run of a recipe."""
    monkeypatch.chdir(tmp_path)
    made = RunFolder.create("runs/r-1")
    made.write_recipe(RECIPE)
    run = TuningRun(reopen(made)[0], made)
    run.open()
    trained(run, 2)
    run.close()
    return made


SETTINGS = RunSettings(
    objective=Objective(metric="val_loss"),
    space=Space({"model.lr": Float(0.001, 0.1, log=True), "model.sizes": Choice([(4,), (8, 4)])}),
    max_epochs=3,
    seed=7,
    defaults={"model.lr": 0.1, "model.sizes": (4,)},
    n_trials=2,
    searcher=("random", {}),
)


@pytest.fixture
def pickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A finished run from Python, with tuples and loaders that no recipe can say."""
    monkeypatch.chdir(tmp_path)
    made = RunFolder.create("runs/p-1")
    assembly = ObjectsAssembly(toy_modules.Line, loaders={"train_dataloaders": [1]}, flags={"max_epochs": 3})
    made.write_recipe(script_recipe(assembly, SETTINGS))
    save_assembly(made, assembly, SETTINGS)
    run = TuningRun(SETTINGS, made)
    run.open()
    trained(run, 2)
    run.close()
    return made


@pytest.fixture(autouse=True)
def resumed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would be resumed, instead of resuming it."""
    found: list[Any] = []
    monkeypatch.setattr(continuing, "resume", lambda *given, **more: found.append((given, more)))
    return found


def files(folder: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.iterdir() if path.is_file() and path.stat().st_size}


@pytest.fixture
def untouched() -> Callable[[RunFolder], Any]:
    """Says whether a folder is byte for byte what it was when this was first called."""
    before: dict[Path, dict[str, bytes]] = {}

    def same(folder: RunFolder) -> bool:
        return files(folder) == before.setdefault(folder.path, files(folder))

    return same


def last(folder: RunFolder) -> Extended:
    event = folder.journal.read()[-1]
    assert isinstance(event, Extended)
    return event


# What is written.


def test_more_trials_are_in_the_journal_and_in_the_recipe(folder: RunFolder, resumed: list[Any]):
    heard: list[Any] = []
    extend(folder, Wish(trials=3), listeners=[lambda event, state: heard.append((event, state.opened.n_trials))])
    event = last(folder)
    assert (event.n_trials, event.max_epochs, event.seconds) == (5, 3, None)
    assert heard == [(event, 5)]
    assert read_recipe(folder.recipe).tune.n_trials == 5
    assert folder.recipe.read_text().startswith(
        "# The resolved recipe of a run of r.yaml; it can be run again as it is.\n"
    )
    assert folder.read().opened.n_trials == 5
    assert folder.read().closed is None  # so that `resume` goes on if this process cannot
    (settings, _, given), _ = resumed[0]
    assert (settings.n_trials, given) == (5, folder)
    assert reopen(folder)[0] == settings
    assert folder.holder() is None


def test_wider_ranges_and_longer_trials_are_in_the_journal_and_in_the_recipe(folder: RunFolder, resumed: list[Any]):
    extend(folder, Wish(trials=1, overrides=[LONGER, WIDER]))
    assert last(folder).max_epochs == 9
    assert last(folder).space == {"model.lr": {"float": [1e-5, 1.0], "log": True}}
    settings, assembly = reopen(folder)
    assert (settings.max_epochs, settings.space["model.lr"]) == (9, Float(1e-5, 1.0, log=True))
    assert assembly.blocks["trainer"]["max_epochs"] == 9
    assert resumed[0][0][1].blocks == assembly.blocks


def test_what_was_extended_is_extended_again(folder: RunFolder):
    extend(folder, Wish(trials=1, overrides=[LONGER]))
    extend(folder, Wish(trials=2, overrides=[WIDER]))
    assert (last(folder).n_trials, last(folder).max_epochs) == (5, 9)


def test_with_time_alone_a_finished_run_gets_as_many_trials_as_there_is_time_for(folder: RunFolder):
    extend(folder, Wish(seconds=3600.0))
    assert (last(folder).n_trials, last(folder).seconds) == (None, 3600.0)
    settings, _ = reopen(folder)
    assert settings.trials() is None
    assert settings.limits.time_budget == pytest.approx(3600.0, abs=60)  # with what was driven before
    again = TuningRun(settings, folder)
    again.replay(folder.journal.read())
    trained(again, 30)
    assert not again.exhausted


@pytest.mark.parametrize("reason", ["interrupted", "failed", "reached"])
def test_a_run_is_extended_after_any_end(folder: RunFolder, reason: str):
    lines = folder.journal.path.read_text().splitlines(keepends=True)
    folder.journal.path.write_text("".join(lines[:-1]))
    RunFolder.open(folder.path).journal.append(Closed(reason=reason))
    extend(RunFolder.open(folder.path), Wish(trials=1))
    assert last(folder).n_trials == 3


def test_a_run_from_python_keeps_its_objects_and_gets_longer(pickled: RunFolder):
    TuneTrainer.extend(
        pickled.path,
        n_trials=2,
        max_epochs=9,
        space={"lr": Float(0.0001, 0.1, log=True), "sizes": Choice([(8, 4), (4,), (2, 2)])},
        listeners=[],
    )
    found = saved(pickled)
    assert found is not None
    assembly, settings = found
    assert (assembly.flags, assembly.loaders) == ({"max_epochs": 9}, {"train_dataloaders": [1]})
    assert (settings.n_trials, settings.max_epochs) == (4, 9)
    assert settings.space["model.sizes"].values() == ((8, 4), (4,), (2, 2))
    assert (last(pickled).n_trials, last(pickled).max_epochs) == (4, 9)
    assert "max_epochs: 9" in pickled.recipe.read_text()


def test_a_run_from_python_is_extended_on_the_command_line_and_keeps_its_tuples(pickled: RunFolder):
    extend(pickled, Wish(trials=1, overrides=[LONGER, "tune.space.model.sizes={choice: [[4], [8, 4], [2]]}"]))
    found = saved(pickled)
    assert found is not None
    assert found[0].flags == {"max_epochs": 9}
    assert found[1].space["model.sizes"].values() == ((4,), (8, 4), [2])


def test_what_was_enough_may_become_more(folder: RunFolder, pickled: RunFolder):
    folder.write_recipe(RECIPE + "  stop_when: {val_loss: 0.5}\n")
    extend(folder, Wish(trials=1, overrides=["tune.stop_when.val_loss=0.25"]))
    assert reopen(folder)[0].limits.stop_when == {"val_loss": 0.25}

    found = saved(pickled)
    assert found is not None
    limited = dataclasses.replace(found[1], limits=Limits(stop_when={"val_loss": 0.5}))
    pickled.write_recipe(script_recipe(found[0], limited))
    save_assembly(pickled, found[0], limited)
    with pytest.raises(UsageError, match=r"tune\.stop_when is \{'val_loss': 0.75\}, but was"):
        TuneTrainer.extend(pickled.path, n_trials=1, stop_when={"val_loss": 0.75}, listeners=[])
    extend(pickled, Wish(trials=1, overrides=["tune.stop_when.val_loss=0.25"]))
    assert reopen(pickled)[0].limits.stop_when == {"val_loss": 0.25}
    TuneTrainer.extend(pickled.path, n_trials=1, stop_when={}, listeners=[])
    assert reopen(pickled)[0].limits.stop_when == {}


# Time.


def with_budget(folder: RunFolder, *, spent: float, budget: str = "2h") -> RunFolder:
    """The run as if it had had a time budget and had been driven for so many seconds."""
    folder.write_recipe(RECIPE + f"  time_budget: {budget}\n")
    events = folder.journal.read()
    folder.journal.path.unlink()
    copy = RunFolder(folder.path)
    began = time.time() - 86400.0
    moved = [dataclasses.replace(event, time=began) for event in events[:-1]]
    copy.journal.append(*moved, Closed(time=began + spent, reason="finished"))
    return copy


def test_what_is_left_of_a_time_budget_stays(folder: RunFolder):
    folder = with_budget(folder, spent=3000.0)
    extend(folder, Wish(trials=1))
    assert last(folder).seconds == pytest.approx(4200.0)
    assert reopen(folder)[0].limits.time_budget == 7200.0


def test_more_time_takes_the_place_of_what_was_left(folder: RunFolder):
    folder = with_budget(folder, spent=3000.0)
    extend(folder, Wish(trials=1, seconds=60.0))
    assert last(folder).seconds == 60.0
    assert time_left(folder.journal.read(), 7200.0) == 60.0
    assert reopen(folder)[0].limits.time_budget == 3060.0


def test_a_run_that_is_out_of_time_needs_more_time(folder: RunFolder, untouched: Any):
    folder = with_budget(folder, spent=7300.0)
    assert untouched(folder)
    with pytest.raises(UsageError, match=r"runs/r-1 is out of time\. Expected how much longer .* like --time 1h"):
        extend(folder, Wish(trials=3))
    assert untouched(folder)
    extend(folder, Wish(trials=3, seconds=60.0))


@pytest.mark.parametrize(("said", "seconds"), [(None, None), ("2h", 7200.0), ("90 s", 90.0), (5, 5.0)])
def test_time_is_said_as_people_say_it(said: Any, seconds: float | None):
    assert seconds_wished(said) == seconds


@pytest.mark.parametrize("said", ["soon", "2", "", 0, -1])
def test_what_is_no_time_is_said(said: Any):
    with pytest.raises(SettingError, match=r"time is .*Expected one like '90 s', '10 min' or '2h'"):
        seconds_wished(said)


# Refusals.


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["model.width=8"], ["model.width is 8, but was missing"]),
        (["trainer.max_epochs=2"], ["trainer.max_epochs is 2, but was 3"]),
        (
            ["tune.objective.metric=train_loss", "tune.searcher=tpe", "tune.space.model.lr.float=[0.01,0.1]"],
            [
                "tune.objective.metric is 'train_loss', but was 'val_loss'",
                "tune.searcher.name is 'tpe', but was 'random'",
                "tune.space.model.lr is {'float': [0.01, 0.1], 'log': True}, "
                "but was {'float': [0.001, 0.1], 'log': True}",
            ],
        ),
    ],
)
def test_what_contradicts_the_run_is_refused_with_every_difference(
    folder: RunFolder, untouched: Any, resumed: list[Any], overrides: list[str], told: list[str]
):
    assert untouched(folder)
    with pytest.raises(UsageError) as caught:
        extend(folder, Wish(trials=1, overrides=[*overrides, LONGER] if len(overrides) > 1 else overrides))
    assert [line for line in told if line not in str(caught.value)] == []
    assert str(caught.value).startswith("runs/r-1 cannot be extended by what is asked for:\n  ")
    assert untouched(folder)
    assert resumed == []
    assert folder.holder() is None


def test_a_recipe_that_was_changed_since_is_refused(folder: RunFolder, untouched: Any):
    folder.write_recipe(RECIPE.replace("searcher: random", "searcher: tpe").replace("[0.001", "[0.01"))
    assert untouched(folder)
    with pytest.raises(UsageError, match=r"(?s)tune.searcher is .*tune.space.model.lr is .*but was"):
        extend(folder, Wish(trials=1))
    assert untouched(folder)


def test_an_override_that_makes_no_sense_is_refused(folder: RunFolder, untouched: Any):
    assert untouched(folder)
    with pytest.raises(RecipeError, match=r"`low <= high` must hold"):
        extend(folder, Wish(overrides=["tune.space.model.lr.float=[1, 0.1]"]))
    assert untouched(folder)


def test_a_run_from_python_refuses_the_same(pickled: RunFolder, untouched: Any):
    assert untouched(pickled)
    space = {"lr": Float(0.01, 0.1, log=True), "hidden": Choice([1, 2])}
    with pytest.raises(UsageError) as caught:
        TuneTrainer.extend(pickled.path, n_trials=1, max_epochs=2, space=space, listeners=[])
    told = str(caught.value)
    assert "trainer.max_epochs is 2, but was 3\n" in told
    assert "tune.space.model.lr is {'float': [0.01, 0.1], 'log': True}, but was" in told
    assert "tune.space.model.hidden is {'choice': [1, 2]}, but was missing\n" in told
    with pytest.raises(UsageError, match=r"tune.searcher.name is 'tpe', but was 'random'"):
        extend(pickled, Wish(overrides=["tune.searcher=tpe"]))
    assert untouched(pickled)


def test_a_run_of_a_recipe_is_extended_on_the_command_line(folder: RunFolder, untouched: Any):
    assert untouched(folder)
    with pytest.raises(UsageError, match=r"came from a recipe. Go on with: lightning-hpo extend runs/r-1"):
        TuneTrainer.extend("runs/r-1", n_trials=1)
    assert untouched(folder)


def test_a_run_that_is_met_or_out_of_time_is_extended_and_not_resumed(pickled: RunFolder):
    lines = pickled.journal.path.read_text().splitlines(keepends=True)
    for reason, fact in {"reached": "has reached what was good enough", "out of time": "is out of time"}.items():
        pickled.journal.path.write_text("".join(lines[:-1]))
        RunFolder(pickled.path).journal.append(Closed(reason=reason))
        with pytest.raises(UsageError, match=rf"runs/p-1 {fact}.* TuneTrainer\.extend\('runs/p-1'"):
            TuneTrainer.resume("runs/p-1")


def test_an_extension_that_leaves_nothing_to_do_is_refused(folder: RunFolder, untouched: Any):
    assert untouched(folder)
    with pytest.raises(
        UsageError, match=r"all of its 2 trials have ended, .* Expected how many more, like --trials 20"
    ):
        extend(folder, Wish(overrides=[LONGER]))
    assert untouched(folder)


def test_a_grid_that_was_run_through_is_extended_by_a_wider_space_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, untouched: Any
):
    monkeypatch.chdir(tmp_path)
    folder = RunFolder.create("runs/g-1")
    grid = "searcher: grid\n  scheduler: none"
    text = RECIPE.replace("searcher: random", grid).replace("  n_trials: 2\n", "")
    folder.write_recipe(text.replace("{float: [0.001, 0.1], log: true}", "{choice: [0.1, 0.2]}"))
    run = TuningRun(reopen(folder)[0], folder)
    run.open()
    trained(run, 2)
    assert run.propose() is None
    run.close()
    assert untouched(folder)
    for wish in (Wish(trials=1), Wish(seconds=60.0)):
        with pytest.raises(UsageError, match=r"the grid has been run through, .* Expected a wider space"):
            extend(folder, wish)
    assert untouched(folder)
    extend(folder, Wish(overrides=["tune.space.model.lr.choice=[0.1, 0.2, 0.3]"]))
    assert last(folder).n_trials is None


def test_a_run_that_is_driven_is_refused_and_says_by_whom(folder: RunFolder, untouched: Any):
    assert untouched(folder)
    with folder.hold(), pytest.raises(RunFolderError, match=r"runs/r-1 is in use by process \d+ on "):
        extend(folder, Wish(trials=1))
    assert untouched(folder)


def test_a_journal_that_would_be_replayed_otherwise_is_refused(folder: RunFolder, untouched: Any):
    # As if an installed version drew something else than the one that the run was made with.
    first, *rest = folder.journal.read()
    assert isinstance(first, Opened)
    changed = [
        dataclasses.replace(event, trial=dataclasses.replace(event.trial, config={"model.lr": 0.012345}))
        if getattr(getattr(event, "trial", None), "id", None) == 1
        else event
        for event in rest
    ]
    folder.journal.path.unlink()
    folder = RunFolder(folder.path)
    folder.journal.append(first, *changed)
    assert untouched(folder)
    with pytest.raises(RunFolderError, match=r"^runs/r-1: replaying the journal, trial 1 would now be"):
        extend(folder, Wish(trials=1))
    assert untouched(folder)


# Faults on the way.


@pytest.mark.parametrize("which", ["folder", "pickled"])
def test_a_journal_that_cannot_be_written_leaves_everything_as_it_was(
    which: str, request: pytest.FixtureRequest, untouched: Any, monkeypatch: pytest.MonkeyPatch
):
    folder: RunFolder = request.getfixturevalue(which)
    assert untouched(folder)

    def refuse(*_: Any) -> None:
        raise RunFolderError("the disk is full")

    monkeypatch.setattr(folder.journal, "append", refuse)
    with pytest.raises(RunFolderError, match=r"the disk is full"):
        extend(folder, Wish(trials=1, overrides=[LONGER]))
    assert untouched(folder)


@pytest.mark.parametrize("which", ["folder", "pickled"])
def test_an_extension_that_a_crash_cut_short_is_mended_by_the_same_wish(
    which: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
):
    folder: RunFolder = request.getfixturevalue(which)
    wish = Wish(trials=1, overrides=[LONGER, WIDER])
    with monkeypatch.context() as patched:  # a machine that dies restores nothing

        def die(*_: Any) -> None:
            raise InternalError("the machine died")

        patched.setattr(folder.journal, "append", die)
        patched.setattr(continuing, "atomic_write", lambda *_: None)
        with pytest.raises(InternalError, match=r"the machine died"):
            extend(folder, wish)
    assert "max_epochs: 9" in folder.recipe.read_text()
    extend(RunFolder.open(folder.path), wish)
    assert (last(folder).n_trials, last(folder).max_epochs) == (3, 9)
    settings, _ = reopen(folder)
    TuningRun(settings, folder).replay(folder.journal.read())
