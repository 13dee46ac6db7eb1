"""What widens a run and what contradicts it, as rules over values."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import strategies
from lightning_hpo import Choice, Fixed, Float, Int, Objective, Space, Trial
from lightning_hpo.errors import SettingError, UsageError
from lightning_hpo.recipe import check_recipe
from lightning_hpo.results import Opened, RunState, Suggested
from lightning_hpo.schedulers import SCHEDULERS
from lightning_hpo.searchers import SEARCHERS
from lightning_hpo.space import Parameter
from lightning_hpo.space.syntax import render
from lightning_hpo.tuning.extending import (
    Wish,
    differences,
    length_differences,
    narrowed,
    own_options,
    recipe_differences,
    target_differences,
    trials_after,
)
from lightning_hpo.tuning.settings import RunSettings

LR = Float(0.001, 0.1, log=True)


def opened(**changes: Any) -> Opened:
    given: dict[str, Any] = {
        "objective": Objective(metric="val_loss"),
        "space": {"model.lr": render(LR)},
        "n_trials": 4,
        "max_epochs": 9,
        "resource": "epoch",
        "seed": 7,
        "searcher": {"name": "tpe"},
        "scheduler": {"name": "asha"},
        "software": {},
    }
    return Opened(**{**given, **changes})


def settings(**changes: Any) -> RunSettings:
    given: dict[str, Any] = {
        "objective": Objective(metric="val_loss"),
        "space": Space({"model.lr": LR}),
        "max_epochs": 9,
        "seed": 7,
        "n_trials": 4,
    }
    return RunSettings(**{**given, **changes})


# Spaces, drawn: any space, one that holds it, one that does not.


@st.composite
def wider(draw: st.DrawFn, space: Space) -> Space:
    """A space that holds all that this one does, with the same names."""
    return Space({name: draw(wider_parameter(name, parameter)) for name, parameter in space.items()})


@st.composite
def wider_parameter(draw: st.DrawFn, name: str, old: Parameter) -> Parameter:
    if isinstance(old, Float):
        more = draw(st.just(0.0) | st.floats(0.0, 1e6))
        if old.log:
            low = old.low if old.step else old.low * draw(st.floats(0.01, 1.0))
        else:
            low = old.low - draw(st.integers(0, 50)) * (old.step or 0.37)
        return Float(low, old.high + more, log=old.log, step=old.step)
    if isinstance(old, Int):
        low = old.low if old.log else old.low - draw(st.integers(0, 50)) * old.step
        return Int(low, old.high + draw(st.integers(0, 1000)), log=old.log, step=old.step)
    if isinstance(old, Choice) and old.branches:
        branches = {taken: draw(wider(branch)) for taken, branch in old.branches.items()}
        if draw(st.booleans()):
            branches["a new one"] = Space({f"{name}.new": Float(0, 1)})
        return Choice(dict(draw(st.permutations(list(branches.items())))))
    if isinstance(old, Choice):
        new = draw(st.lists(st.text(min_size=6, max_size=9), max_size=2, unique=True))
        return Choice(draw(st.permutations([*old.options, *new])))
    return old


@st.composite
def narrower(draw: st.DrawFn, old: Parameter) -> Parameter:
    """A parameter that lacks a value that this one has."""
    if isinstance(old, (Float, Int)):
        assume(old.low < old.high)
        bound = draw(st.sampled_from([old.low, old.high]))
        return dataclasses.replace(old, low=bound, high=bound)
    assume(isinstance(old, Choice) and len(old.options) > 1)
    assert isinstance(old, Choice)
    gone = draw(st.sampled_from(range(len(old.options))))
    if old.branches:
        return Choice({taken: each for place, (taken, each) in enumerate(old.branches.items()) if place != gone})
    return Choice([option for place, option in enumerate(old.options) if place != gone])


@given(data=st.data(), space=strategies.spaces(), seed=st.integers(0, 2**32 - 1))
def test_a_wider_space_holds_every_config_of_the_old_one_and_is_no_difference(data: Any, space: Space, seed: int):
    new = data.draw(wider(space))
    assert narrowed(new, space) == []
    rng = np.random.default_rng(seed)
    assert all(new.contains(space.sample(rng)) for _ in range(5))


@given(data=st.data(), space=strategies.spaces())
def test_a_space_that_lacks_a_value_is_a_difference_that_names_it(data: Any, space: Space):
    assume(space)
    name = data.draw(st.sampled_from(sorted(space)))
    new = Space({**space, name: data.draw(narrower(space[name]))})
    lines = narrowed(new, space)
    assert len(lines) == 1
    assert lines[0].startswith(f"tune.space.{name} is ")


@given(space=strategies.spaces())
def test_a_space_is_no_difference_from_itself(space: Space):
    assert narrowed(space, space) == []


@pytest.mark.parametrize(
    ("new", "old"),
    [
        pytest.param(Float(0.0001, 1.0), LR, id="log dropped"),
        pytest.param(Float(0, 2, step=0.25), Float(0, 1, step=0.5), id="another step"),
        pytest.param(Float(0, 2), Float(0, 1, step=0.5), id="step dropped"),
        pytest.param(Float(-0.2, 1.3, step=0.5), Float(0, 1, step=0.5), id="grid of floats moved"),
        pytest.param(Int(0, 9, step=2), Int(1, 9, step=2), id="grid of integers moved"),
        pytest.param(Int(0, 2), Float(0, 1), id="float became int"),
        pytest.param(Choice([1, 2, 3]), Fixed(1), id="fixed became a choice"),
        pytest.param(Fixed(2), Fixed(1), id="fixed changed"),
        pytest.param(Choice([1.0, 2]), Choice([1, 2]), id="1 became 1.0"),
        pytest.param(Choice({"a": {}, "b": {}}), Choice(["a", "b"]), id="options became branches"),
        pytest.param(Choice({"a": {}, "b": {}}), Choice({"a": {"x": 1}, "b": {}}), id="a name left its branch"),
        pytest.param(Choice({"a": {"x": 1}}), Choice({"a": {}}), id="a name joined a branch"),
    ],
)
def test_what_changes_what_is_drawn_is_a_difference(new: Parameter, old: Parameter):
    assert len(narrowed(Space({"model.x": new}), Space({"model.x": old}))) == 1


def test_a_difference_in_a_branch_says_which():
    old = Space({"model.opt": Choice({"sgd": {"model.momentum": Float(0.0, 0.9)}, "adam": {}})})
    new = Space({"model.opt": Choice({"sgd": {"model.momentum": Float(0.0, 0.5)}, "adam": {}, "lion": {}})})
    assert narrowed(new, old) == [
        "tune.space.model.momentum (where model.opt is 'sgd') is {'float': [0.0, 0.5]}, but was {'float': [0.0, 0.9]}"
    ]


def test_names_that_join_and_leave_are_differences():
    assert narrowed(Space({"model.a": Fixed(1)}), Space({"model.b": Fixed(2)})) == [
        "tune.space.model.b is missing, but was {'fixed': 2}",
        "tune.space.model.a is {'fixed': 1}, but was missing",
    ]


# Settings against the journal.


def test_a_wider_range_and_longer_trials_are_no_differences():
    wide = settings(space=Space({"model.lr": Float(1e-5, 1.0, log=True)}), max_epochs=30, n_trials=None)
    assert differences(wide, opened()) == []


def test_every_difference_from_the_journal_is_told():
    other = settings(
        objective=Objective(metric="val_acc", mode="max"),
        space=Space({"model.lr": Float(0.01, 0.1, log=True)}),
        max_epochs=3,
        seed=8,
        searcher=("random", {}),
        scheduler=("asha", {"eta": 2}),
    )
    assert differences(other, opened()) == [
        "tune.objective is Objective(metric='val_acc', mode='max'), but was Objective(metric='val_loss', mode='min')",
        "tune.searcher is {'name': 'random'}, but was {'name': 'tpe'}",
        "tune.scheduler is {'name': 'asha', 'eta': 2}, but was {'name': 'asha'}",
        "seed_everything is 8, but was 7",
        "tune.space.model.lr is {'float': [0.01, 0.1], 'log': True}, but was {'float': [0.001, 0.1], 'log': True}",
        "trainer.max_epochs is 3, but was 9",
    ]


# Recipes.

RECIPE: dict[str, Any] = {
    "seed_everything": 1,
    "model": {"class_path": "toy_modules.Line", "init_args": {"width": 4}},
    "trainer": {"max_epochs": 3, "callbacks": [{"class_path": "a.B", "init_args": {"c": 1}}]},
    "tune": {
        "objective": {"metric": "val_loss"},
        "space": {"model.lr": {"float": [0.001, 0.1], "log": True}},
        "n_trials": 4,
        "stop_when": {"val_loss": 0.5},
    },
}


def changed(*overrides: str) -> list[str]:
    def read(words: tuple[str, ...]) -> Any:
        return check_recipe(RECIPE, searchers=SEARCHERS, schedulers=SCHEDULERS, overrides=words)

    return recipe_differences(read(overrides), read(()))


@pytest.mark.parametrize(
    "override",
    [
        "trainer.max_epochs=50",
        "trainer.max_epochs=3",
        "tune.space.model.lr.float=[1e-5,1.0]",
        "tune.space.model.lr={float: [0.0001, 0.1], log: true}",
        "tune.stop_when.val_loss=0.25",
        "tune.stop_when={}",
        "tune.n_trials=4",
    ],
)
def test_what_widens_a_recipe_is_no_difference(override: str):
    assert changed(override) == []


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("trainer.max_epochs=2", "trainer.max_epochs is 2, but was 3"),
        ("trainer.max_steps=9", "trainer.max_steps is 9, but was None"),
        ("trainer.precision=16", "trainer.precision is 16, but was missing"),
        ("model.width=8", "model.width is 8, but was 4"),
        ("seed_everything=2", "seed_everything is 2, but was 1"),
        ("tune.objective.mode=max", "tune.objective.mode is 'max', but was 'min'"),
        ("tune.searcher=random", "tune.searcher.name is 'random', but was 'tpe'"),
        ("tune.n_trials=9", "tune.n_trials is 9, but was 4 (say it with --trials)"),
        ("tune.time_budget=1h", "tune.time_budget is 3600.0, but was missing (say it with --time)"),
        ("tune.stop_when.val_loss=0.75", "tune.stop_when is {'val_loss': 0.75}, but was {'val_loss': 0.5}"),
        ("tune.keep_best=9", "tune.keep_best is 9, but was 3"),
        (
            "tune.space.model.lr.log=false",
            "tune.space.model.lr is {'float': [0.001, 0.1]}, but was {'float': [0.001, 0.1], 'log': True}",
        ),
    ],
)
def test_what_changes_a_recipe_is_a_difference(override: str, line: str):
    assert changed(override) == [line]


def test_an_item_of_a_list_is_a_difference_of_the_list():
    (line,) = changed("trainer.callbacks.0.c=2")
    assert line.startswith("trainer.callbacks is [")


@pytest.mark.parametrize(("now", "then"), [(None, 5), (-1, 5), (6, 5), (5, 5), (-1, None), (None, None)])
def test_a_length_may_grow_up_to_none(now: int | None, then: int | None):
    assert length_differences({"max_epochs": now}, {"max_epochs": then}) == []


@pytest.mark.parametrize(("now", "then"), [(5, None), (5, -1), (4, 5), ("6", 5), (True, 0), (0, 1)])
def test_a_length_may_not_shrink_or_be_no_number(now: Any, then: int | None):
    assert len(length_differences({"max_steps": now}, {"max_steps": then})) == 1


def test_what_is_good_enough_may_become_harder_to_reach_or_fall_away():
    accuracy = Objective(metric="acc", mode="max")
    assert target_differences({"acc": 0.97}, {"acc": 0.95}, accuracy) == []
    assert target_differences({}, {"acc": 0.95}, accuracy) == []
    assert len(target_differences({"acc": 0.93}, {"acc": 0.95}, accuracy)) == 1
    assert len(target_differences({"acc": 0.97}, {}, accuracy)) == 1  # it would end a run that had no end there
    assert len(target_differences({"loss": 0.1}, {"acc": 0.95}, accuracy)) == 1


# How many trials.


def state_of(trials: int, **changes: Any) -> RunState:
    events: list[Any] = [opened(**changes)]
    events += [Suggested(trial=Trial(id=number, config={}, seed=1)) for number in range(trials)]
    return RunState.of(events)


def test_more_trials_come_on_top_of_those_that_were_to_be():
    assert trials_after(state_of(2), Wish(trials=3)) == 7
    assert trials_after(state_of(2), Wish(trials=3, seconds=9.0)) == 7


def test_more_trials_of_a_run_without_a_number_come_on_top_of_those_that_there_are():
    assert trials_after(state_of(2, n_trials=None), Wish(trials=3)) == 5


def test_a_whole_grid_stays_the_whole_grid():
    assert trials_after(state_of(2, n_trials=None, searcher={"name": "grid"}), Wish(trials=3)) is None


def test_with_more_time_alone_a_run_that_is_not_done_keeps_its_number():
    assert trials_after(state_of(4), Wish(seconds=9.0)) == 4  # all were suggested, and none has ended
    assert trials_after(state_of(2), Wish(overrides=["trainer.max_epochs=9"])) == 4


# A wish.


def test_nothing_is_no_wish():
    with pytest.raises(UsageError, match=r"Expected at least one of more trials \(--trials 20\), more time"):
        Wish()
    assert Wish(stop_when={}).stop_when == {}


@pytest.mark.parametrize("trials", [0, -1, True, 1.5, "3"])
def test_a_number_of_trials_is_one_or_more(trials: Any):
    with pytest.raises(SettingError, match=r"trials is .* Expected how many more, 1 or more"):
        Wish(trials=trials)


def test_options_that_text_cannot_say_are_the_old_ones():
    old = Choice({"a": {"x": Choice([(4,), (8, 4)])}})
    new = Choice({"a": {"x": Choice([[4], [8, 4], [2]])}, "b": {"y": Choice([[1]])}})
    found = own_options(new, old)
    assert isinstance(found, Choice)
    inner = found.branches["a"]["x"]
    assert isinstance(inner, Choice)
    assert inner.options == ((4,), (8, 4), [2])
    assert own_options(Float(0, 1), old) == Float(0, 1)
