"""What every searcher keeps to. A new one joins by being registered."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lightning_hpo.searchers
from lightning_hpo.objective import Objective
from lightning_hpo.searchers import SEARCHERS, Searcher
from lightning_hpo.space import Choice, Float, Int, Space
from lightning_hpo.trial import Outcome, Report, Status
from strategies import finite, spaces

OBJECTIVE = Objective(metric="loss")
SPACE = Space(
    {
        "width": Choice([16, 32, 64]),
        "optimizer": Choice({"sgd": {"momentum": Float(0, 0.9, step=0.3)}, "adam": {}}),
        "depth": Int(1, 4),
    }
)
#: (what happens, to which trial, with which loss); whoever cannot be meant is skipped.
CALLS = st.lists(
    st.tuples(
        st.sampled_from(["suggest", "adopt", "foreign", "observe", "end"]),
        st.integers(0, 5),
        st.sampled_from([0.1, 0.5, 0.5, 2.0, -1.0, math.nan, math.inf, -math.inf]),
        st.sampled_from([Status.COMPLETED, Status.STOPPED, Status.DIVERGED, Status.FAILED]),
    ),
    max_size=25,
)


def make(name: str, space: Space = SPACE, seed: int = 0) -> Searcher:
    settings = {"startup": 3} if name == "tpe" else {}
    return SEARCHERS[name](space=space, objective=OBJECTIVE, rng=np.random.default_rng(seed), **settings)


def play(searcher: Searcher, calls: Any, first: int = 0) -> list[Any]:
    """Carries out the calls, in any order that the protocol allows, and returns what was suggested."""
    suggested: list[Any] = []
    steps: dict[int, int] = {}
    trial = first
    for call, which, loss, status in calls:
        running = sorted(steps)
        if call == "suggest":
            suggested.append(searcher.suggest(trial))
            steps[trial] = 0
            trial += 1
        elif call in ("adopt", "foreign"):
            config = searcher.space.complete({}) if call == "adopt" else {"depth": 99, "unheard": object}
            searcher.adopt(trial, config)
            steps[trial] = 0
            trial += 1
        elif running:
            chosen = running[which % len(running)]
            steps[chosen] += 1
            if call == "observe":
                searcher.observe(Report(trial=chosen, step=steps[chosen], metrics={"loss": loss, "other": 1.0}))
            else:
                metrics = {} if status is Status.FAILED else {"loss": loss}
                searcher.end(Outcome(trial=chosen, status=status, step=steps[chosen], metrics=metrics))
                del steps[chosen]
    return suggested


def test_every_file_of_the_package_is_registered_under_its_own_name() -> None:
    package = Path(lightning_hpo.searchers.__file__).parent
    files = {path.stem for path in package.rglob("*.py")} - {"__init__", "base", "joint", "parzen"}
    assert set(SEARCHERS) == files
    assert len(SEARCHERS) == 3
    for name, searcher in SEARCHERS.items():
        assert searcher.name == name
        assert searcher.__module__ == f"lightning_hpo.searchers.{name}"


@pytest.mark.parametrize("name", SEARCHERS)
@settings(max_examples=25, deadline=None)
@given(space=spaces().filter(finite), seed=st.integers(0, 99), calls=CALLS)
def test_a_suggestion_is_contained_whatever_happened_before(name: str, space: Space, seed: int, calls: Any) -> None:
    for config in play(make(name, space, seed), calls):
        assert config is None or space.contains(config)


@pytest.mark.parametrize("name", sorted(set(SEARCHERS) - {"grid"}))
@settings(max_examples=25, deadline=None)
@given(space=spaces(), seed=st.integers(0, 99), calls=CALLS)
def test_a_suggestion_is_contained_in_spaces_without_an_end(name: str, space: Space, seed: int, calls: Any) -> None:
    for config in play(make(name, space, seed), calls):
        assert config is not None
        assert space.contains(config)


@pytest.mark.parametrize("name", SEARCHERS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 99), calls=CALLS)
def test_the_same_calls_give_the_same_suggestions(name: str, seed: int, calls: Any) -> None:
    assert play(make(name, seed=seed), calls) == play(make(name, seed=seed), calls)


@pytest.mark.parametrize("name", SEARCHERS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 99), before=CALLS, after=CALLS)
def test_a_state_that_went_through_json_goes_on_alike(name: str, seed: int, before: Any, after: Any) -> None:
    original, restored = make(name, seed=seed), make(name, seed=seed + 1)
    play(original, before)
    restored.load_state_dict(json.loads(json.dumps(original.state_dict(), allow_nan=False)))
    assert restored.state_dict() == original.state_dict()
    assert play(original, after, first=100) == play(restored, after, first=100)


@pytest.mark.parametrize("name", SEARCHERS)
@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_any_generator_goes_through_json(name: str, bits: Any) -> None:
    def fresh(seed: int) -> Searcher:
        return SEARCHERS[name](space=SPACE, objective=OBJECTIVE, rng=np.random.Generator(bits(seed)))

    original, restored = fresh(0), fresh(1)
    original.suggest(0)
    restored.load_state_dict(json.loads(json.dumps(original.state_dict())))
    assert [original.suggest(trial) for trial in (1, 2, 3)] == [restored.suggest(trial) for trial in (1, 2, 3)]


@pytest.mark.parametrize("name", SEARCHERS)
def test_a_state_of_another_version_is_refused(name: str) -> None:
    searcher = make(name)
    with pytest.raises(ValueError, match=rf"The state of searcher '{name}' has version 2; expected 1\."):
        searcher.load_state_dict({**searcher.state_dict(), "version": 2})


@pytest.mark.parametrize("name", SEARCHERS)
def test_global_random_state_is_neither_read_nor_written(name: str) -> None:
    results = []
    for seed in (1, 2):
        np.random.seed(seed)
        before = np.random.get_state(legacy=False)
        searcher = make(name)
        results.append([])
        for trial in range(12):
            results[-1].append(searcher.suggest(trial))
            searcher.observe(Report(trial=trial, step=1, metrics={"loss": float(trial % 5)}))
        after = np.random.get_state(legacy=False)
        assert str(before) == str(after)
    assert results[0] == results[1]


@pytest.mark.parametrize("name", SEARCHERS)
def test_a_config_that_the_caller_changes_does_not_change_the_searcher(name: str) -> None:
    space = Space({"layers": Choice([[1], [2], [3]]), "n": Int(1, 9)})
    tidy, untidy = make(name, space), make(name, space)
    for trial in range(10):
        kept, changed = tidy.suggest(trial), untidy.suggest(trial)
        assert kept is not None
        assert changed == kept
        changed["layers"].append(7)  # type: ignore[index]
        for searcher in (tidy, untidy):
            searcher.observe(Report(trial=trial, step=1, metrics={"loss": float(kept["n"])}))


@pytest.mark.parametrize("name", SEARCHERS)
def test_reports_of_a_trial_that_the_searcher_does_not_know_are_left_aside(name: str) -> None:
    searcher = make(name)
    before = searcher.state_dict()
    searcher.observe(Report(trial=7, step=1, metrics={"loss": 1.0}))
    searcher.end(Outcome(trial=7, status=Status.COMPLETED, step=1, metrics={"loss": 1.0}))
    assert searcher.state_dict() == before
