"""Our use of hyperopt's estimators gives hyperopt's own suggestions."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import hyperopt
import numpy as np
import pytest
from hyperopt import hp, tpe
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_hpo.searchers.parzen import Parzen
from lightning_hpo.space import Choice, Float, Int, Space
from strategies import EDGES, spaces


def hyperopts_suggestion(expression: Any, values: list[Any], losses: list[float], seed: int) -> Any:
    """What hyperopt.tpe.suggest proposes for the one parameter "x" after these trials."""
    domain = hyperopt.Domain(lambda config: config, {"x": expression})
    trials = hyperopt.Trials()
    docs = [
        {
            "tid": tid,
            "spec": None,
            "result": {"loss": loss, "status": "ok"},
            "state": hyperopt.JOB_STATE_DONE,
            "misc": {"tid": tid, "cmd": domain.cmd, "workdir": None, "idxs": {"x": [tid]}, "vals": {"x": [value]}},
            "exp_key": None,
            "owner": None,
            "version": 0,
            "book_time": None,
            "refresh_time": None,
        }
        for tid, (value, loss) in enumerate(zip(values, losses, strict=True))
    ]
    trials.insert_trial_docs(docs)
    trials.refresh()
    new = tpe.suggest([len(values)], domain, trials, seed, n_startup_jobs=1, gamma=0.25, verbose=False)
    return new[0]["misc"]["vals"]["x"][0]


def our_suggestion(space: Space, values: list[Any], losses: list[float], seed: int) -> Any:
    model = Parzen(space, candidates=24, prior_weight=1.0)
    rows = np.stack([model.row({"x": value}) for value in values])
    # hyperopt's split: the best ceil(0.25 * sqrt(n)) are good
    count = int(np.ceil(0.25 * np.sqrt(len(values))))
    order = np.argsort(losses)
    good, bad = rows[np.sort(order[:count])], rows[np.sort(order[count:])]
    return model.propose(good, bad, np.random.default_rng(seed))["x"]


@pytest.mark.parametrize("trials", [1, 2, 20, 60])
@pytest.mark.parametrize(
    ("expression", "parameter"),
    [
        (lambda: hp.uniform("x", -2, 5), Float(-2, 5)),
        (lambda: hp.loguniform("x", np.log(1e-4), np.log(1e-1)), Float(1e-4, 1e-1, log=True)),
        (lambda: hp.choice("x", ["a", "b", "c"]), Choice(["a", "b", "c"])),
        (lambda: hp.quniform("x", -0.5, 6.5, 1), Int(0, 6)),
    ],
    ids=["uniform", "loguniform", "choice", "quniform"],
)
def test_suggestions_are_those_of_hyperopt(expression: Any, parameter: Any, trials: int) -> None:
    rng = np.random.default_rng(trials)
    space = Space({"x": parameter})
    values = [space.sample(rng)["x"] for _ in range(trials)]
    losses = [float(loss) for loss in rng.random(trials)]
    theirs_values = [parameter.index(value) for value in values] if isinstance(parameter, Choice) else values
    for seed in range(5):
        theirs = hyperopts_suggestion(expression(), theirs_values, losses, seed)
        if isinstance(parameter, Choice):
            theirs = parameter.options[int(theirs)]
        ours = our_suggestion(space, values, losses, seed)
        assert ours == theirs if isinstance(theirs, str) else ours == pytest.approx(theirs, rel=1e-9)


@settings(max_examples=80, deadline=None)
@given(space=spaces(), seed=st.integers(0, 999), good=st.integers(0, 4), bad=st.integers(0, 12))
def test_a_proposal_is_contained_in_any_space(space: Space, seed: int, good: int, bad: int) -> None:
    rng = np.random.default_rng(seed)
    model = Parzen(space, candidates=5, prior_weight=1.0)
    rows = np.empty((0, model.width))
    for _ in range(good + bad):
        rows = np.vstack([rows, model.row(space.sample(rng))])
    for _ in range(3):
        assert space.contains(model.propose(rows[:good], rows[good:], rng))


@pytest.mark.parametrize(
    "parameter",
    EDGES,
    ids=repr,
)
def test_ranges_at_the_edge_of_arithmetic_are_proposed_from(parameter: Any) -> None:
    space = Space({"x": parameter})
    rng = np.random.default_rng(0)
    model = Parzen(space, candidates=24, prior_weight=1.0)
    rows = np.stack([model.row(space.sample(rng)) for _ in range(30)])
    for _ in range(10):
        assert space.contains(model.propose(rows[:3], rows[3:], rng))


def test_a_branch_learns_only_from_trials_that_took_it() -> None:
    space = Space({"kind": Choice({"a": {"x": Float(0, 1)}, "b": {"x": Float(10, 11)}})})
    model = Parzen(space, candidates=24, prior_weight=1.0)
    assert [bool(known) for known in ~np.isnan(model.row({"kind": "b", "x": 10.5}))] == [True, False, True]


def test_a_stepped_range_is_drawn_on_its_steps_and_reaches_both_ends() -> None:
    space = Space({"x": Int(5, 25, step=10)})
    model = Parzen(space, candidates=1, prior_weight=1.0)
    nothing = np.empty((0, 1))
    drawn = {model.propose(nothing, nothing, np.random.default_rng(seed))["x"] for seed in range(100)}
    assert drawn == {5, 15, 25}


def test_the_mass_of_a_step_is_hyperopts() -> None:
    from lightning_hpo.searchers.parzen import _Steps

    column = _Steps(Int(0, 6), 7)
    rng = np.random.default_rng(0)
    places = np.arange(7.0)
    mixture = column._mixture(rng.integers(0, 7, 40).astype(float), 1.0)
    theirs = tpe.GMM1_lpdf(places, *mixture, low=-0.5, high=6.5, q=1.0)
    assert column._log_density(places, mixture) == pytest.approx(theirs)
    # seven steps are all there is
    assert np.exp(column._log_density(places, mixture)).sum() == pytest.approx(1.0)


def test_hyperopt_is_not_imported_before_the_model_is_needed() -> None:
    script = (
        "import sys, json, lightning_hpo.searchers;"
        "print(json.dumps([m for m in ('hyperopt', 'scipy', 'torch', 'ray') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
