"""The joint densities: hyperopt's where theirs are the same, proper ones everywhere, and conditions kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hyperopt import tpe
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_hpo.searchers.joint import JointParzen
from lightning_hpo.space import Choice, Float, Int, Space
from strategies import EDGES, spaces


def joint(space: Space, candidates: int = 24) -> JointParzen:
    return JointParzen(space, candidates=candidates, prior_weight=1.0)


def density(model: JointParzen, places: Any, rows: Any) -> Any:
    rows = np.asarray(rows, dtype=float)
    return np.exp(model._log_density(np.asarray(places, dtype=float), rows, np.ones(len(rows))))


@pytest.mark.parametrize("centre", [0.0, 0.2, 0.5, 1.0])
def test_a_kernel_in_one_dimension_is_hyperopts_truncated_normal(centre: float) -> None:
    column = joint(Space({"x": Float(-2, 5)}))._columns[0][2]
    places = np.linspace(0, 1, 21)
    ours = column.log_kernel(places, np.array([centre]), 0.3)[:, 0]
    one, mu, sigma = np.array([1.0]), np.array([centre]), np.array([0.3])
    assert ours == pytest.approx(tpe.GMM1_lpdf(places, one, mu, sigma, low=0.0, high=1.0))


def test_a_kernel_over_steps_is_hyperopts_quantised_one() -> None:
    column = joint(Space({"x": Int(0, 6)}))._columns[0][2]
    places = np.arange(7.0)
    ours = column.log_kernel(places, np.array([2.0]), 0.2)[:, 0]
    one, mu, sigma = np.array([1.0]), np.array([2.0]), np.array([0.2 * 7])
    theirs = tpe.GMM1_lpdf(places, one, mu, sigma, low=-0.5, high=6.5, q=1.0)
    assert ours == pytest.approx(theirs - np.log(1 / 7))  # ours counts in multiples of the prior


def test_kernels_far_from_the_ends_make_hyperopts_mixture() -> None:
    # 27 trials in one dimension: kernels are 0.6 / 27 wide, and nothing of those in the middle is cut off
    rows = np.linspace(0.4, 0.6, 27)[:, None]
    model = joint(Space({"x": Float(0, 1)}))
    places = np.linspace(0, 1, 11)[:, None]
    kernels = (np.full(27, 1 / 27), rows[:, 0], np.full(27, 0.6 / 27))
    theirs = np.exp(tpe.GMM1_lpdf(places[:, 0], *kernels, low=0.0, high=1.0))
    assert density(model, places, rows) == pytest.approx((27 * theirs + 1) / 28)


def test_the_density_is_one_in_sum_over_a_conditional_space() -> None:
    space = Space({"kind": Choice({"a": {"n": Int(1, 4)}, "b": {}, "c": {"m": Choice([7, 8, 9])}}), "k": Int(0, 2)})
    model = joint(space)
    rng = np.random.default_rng(0)
    rows = np.stack([model.row(space.sample(rng)) for _ in range(9)])
    configs = list(space.grid())
    # under the prior a config has the probability 1/3 (kind) * 1/3 (k) * that of what its branch holds
    prior = [1 / 9 * {"a": 1 / 4, "b": 1.0, "c": 1 / 3}[config["kind"]] for config in configs]
    found = density(model, np.stack([model.row(config) for config in configs]), rows)
    assert float(found @ prior) == pytest.approx(1.0)


def test_the_draws_follow_the_density() -> None:
    space = Space({"kind": Choice(["a", "b", "c"]), "n": Int(0, 3)})
    model = joint(space, candidates=60_000)
    rows = np.array([[0.0, 0.0], [2.0, 3.0], [2.0, 2.0]])
    drawn = model._draw(rows, np.ones(3), np.random.default_rng(0))
    for kind in range(3):
        for n in range(4):
            share = float(np.mean((drawn[:, 0] == kind) & (drawn[:, 1] == n)))
            expected = float(density(model, [[kind, n]], rows)[0]) / 12
            # A normal draw that is rounded has the step's mass, so that the shares agree up to chance: 0.0015 is the
            # standard deviation of a share of 0.15 among 60 000.
            assert share == pytest.approx(expected, abs=0.006)


def test_what_goes_well_together_stays_together() -> None:
    # Good trials lie on the diagonal, bad ones off it. Each parameter alone says nothing.
    model = joint(Space({"x": Float(0, 1), "y": Float(0, 1)}), candidates=64)
    rng = np.random.default_rng(0)
    points = rng.random((200, 2))
    on = np.abs(points[:, 0] - points[:, 1]) < 0.1
    found = [model.propose(points[on][:20], points[~on], rng) for _ in range(50)]
    # a random point is that near the diagonal with probability 0.36
    assert np.mean([abs(config["x"] - config["y"]) < 0.2 for config in found]) > 0.8


@settings(max_examples=80, deadline=None)
@given(space=spaces(), seed=st.integers(0, 999), good=st.integers(0, 4), bad=st.integers(0, 12))
def test_a_proposal_is_contained_in_any_space(space: Space, seed: int, good: int, bad: int) -> None:
    rng = np.random.default_rng(seed)
    model = joint(space, candidates=5)
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
    model = joint(space)
    rows = np.stack([model.row(space.sample(rng)) for _ in range(30)])
    for _ in range(10):
        assert space.contains(model.propose(rows[:3], rows[3:], rng))


def test_an_empty_space_has_one_proposal() -> None:
    assert joint(Space({})).propose(np.empty((3, 0)), np.empty((2, 0)), np.random.default_rng(0)) == {}
