"""Random search depends on the seed alone."""

from __future__ import annotations

import numpy as np

from lightning_hpo.objective import Objective
from lightning_hpo.searchers import RandomSearcher
from lightning_hpo.space import Choice, Float, Space
from lightning_hpo.trial import Report

SPACE = Space({"lr": Float(1e-4, 1e-1, log=True), "width": Choice([16, 32])})


def random_searcher(seed: int = 0) -> RandomSearcher:
    return RandomSearcher(space=SPACE, objective=Objective(metric="loss"), rng=np.random.default_rng(seed))


def test_suggestions_are_the_samples_of_the_space() -> None:
    rng = np.random.default_rng(0)
    searcher = random_searcher()
    assert [searcher.suggest(trial) for trial in range(5)] == [SPACE.sample(rng) for _ in range(5)]


def test_what_is_learnt_changes_nothing() -> None:
    plain, told = random_searcher(), random_searcher()
    for trial in range(5):
        told.adopt(100 + trial, {"lr": 0.01, "width": 16})
        told.observe(Report(trial=trial, step=1, metrics={"loss": 0.0}))
        assert told.suggest(trial) == plain.suggest(trial)


def test_another_seed_gives_other_suggestions() -> None:
    assert random_searcher(0).suggest(0) != random_searcher(1).suggest(0)
