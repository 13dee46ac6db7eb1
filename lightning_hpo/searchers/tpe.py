"""TPE under early stopping: our policy of which trial is better, hyperopt's arithmetic of where to look next."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lightning_hpo.errors import SettingError
from lightning_hpo.objective import Objective
from lightning_hpo.searchers.base import Searcher
from lightning_hpo.space import Space
from lightning_hpo.trial import Config, Outcome, Report, Status

if TYPE_CHECKING:
    from lightning_hpo.searchers.parzen import Parzen

__all__ = ["Record", "TPESearcher", "best_first"]

#: At most this many trials are called good, as in hyperopt and Optuna.
_MOST_GOOD = 25

#: At most this many bad trials are looked at, so that a suggestion costs the same however many there are.
_MOST_BAD = 500


class Record:
    """All that the searcher knows of one trial.

    Args:
        trial: Its id.
        config: Its config, encoded.
    """

    def __init__(self, trial: int, config: Mapping[str, Any]) -> None:
        self.trial = trial
        self.config = dict(config)
        self.losses: dict[int, float] = {}
        self.status = Status.RUNNING

    @property
    def observed(self) -> bool:
        """Whether anything is known that could be called good or bad."""
        return bool(self.losses) or self.status in (Status.FAILED, Status.DIVERGED)

    @property
    def bad(self) -> bool:
        """Whether it failed, diverged, or last reported a non-finite value."""
        if self.status in (Status.FAILED, Status.DIVERGED):
            return True
        return bool(self.losses) and not math.isfinite(self.losses[max(self.losses)])

    @property
    def standing(self) -> tuple[bool, float, float]:
        """What an observed trial is ranked by; the lowest is the best."""
        if self.bad:
            return True, 0.0, 0.0
        last = max(self.losses)
        return False, -math.inf if self.status is Status.COMPLETED else -last, self.losses[last]


def best_first(records: Sequence[Record]) -> list[int]:
    """The places of the observed records, best trial first.

    The rule: a trial that got further is better; of those that got equally far, the one with the lower loss there.
    How far a trial got is the last step that it reported, and "all the way" once it is COMPLETED, so that losses are
    only ever compared at the same step, and a trial that its own early stopping ended is not taken for a loser.

    Edges:
        * FAILED, DIVERGED and non-finite trials are all equally the worst, however far they got.
        * A running trial stands where its latest report puts it; one without a report is left out.
        * Ties keep the order of suggestion.
    """
    return sorted(
        (place for place, record in enumerate(records) if record.observed), key=lambda place: records[place].standing
    )


class TPESearcher(Searcher):
    """Looks where good trials are dense and bad ones are not (Tree-structured Parzen Estimator).

    Until `startup` trials have been observed, configs are random. Then the best `ceil(gamma * n)` of the n observed
    trials (at most 25) are called good and the others bad, in the order of `best_first`, and the estimators of
    `JointParzen`, or of `Parzen` if not `joint`, propose.

    Edges:
        * Failed and diverged trials are observed and bad, never good, even when there is nothing better.
        * Trials that still run count with their latest report. Those without one count as bad for the joint densities,
          which keeps workers apart, but not towards n; hyperopt's own leave them out.
        * Of more than 500 bad trials, 500 are looked at, evenly spread over the ranking.
        * An adopted config outside the space is left aside, and so is what its trial reports.

    Args:
        space: What may vary.
        objective: What is minimised.
        rng: The only source of randomness.
        startup: Observed trials before the first that is not random.
        gamma: The share of trials that are good; smaller is greedier.
        candidates: Draws among which the best is taken.
        prior_weight: What the prior counts for, in trials; larger explores more.
        random_fraction: The share of later trials that are random all the same, against a model that is sure too soon.
        joint: Whether densities are over whole configs; otherwise each parameter has its own, exactly as in hyperopt.

    Raises:
        SettingError: If not `startup >= 0`, `0 < gamma <= 1`, `candidates >= 1`, `prior_weight > 0` or
            `0 <= random_fraction <= 1`, or if `joint` is neither True nor False.

    Source: Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011, with its split at a quantile.
    Hyperopt itself takes `ceil(gamma * sqrt(n))`, one or two good trials for most of a run: next to the prior these say
    so little that the ratio mostly flees from wherever trials are dense, good ones included. How the defaults were
    found stands in docs/search.md.
    """

    name: ClassVar[str] = "tpe"

    def __init__(
        self,
        *,
        space: Space,
        objective: Objective,
        rng: np.random.Generator,
        startup: int = 10,
        gamma: float = 0.1,
        candidates: int = 64,
        prior_weight: float = 1.0,
        random_fraction: float = 0.1,
        joint: bool = True,
    ) -> None:
        super().__init__(space=space, objective=objective, rng=rng)
        _check("startup", startup, _whole(startup) and startup >= 0, "Expected a whole number, 0 or more.")
        _check("gamma", gamma, _real(gamma) and 0 < gamma <= 1, "Expected 0 < gamma <= 1.")
        _check("candidates", candidates, _whole(candidates) and candidates >= 1, "Expected a whole number, 1 or more.")
        _check("prior_weight", prior_weight, _real(prior_weight) and prior_weight > 0, "Expected prior_weight > 0.")
        _check(
            "random_fraction",
            random_fraction,
            _real(random_fraction) and 0 <= random_fraction <= 1,
            "Expected 0 <= random_fraction <= 1.",
        )
        _check("joint", joint, isinstance(joint, bool), "Expected True or False.")
        self.startup = startup
        self.gamma = gamma
        self.candidates = candidates
        self.prior_weight = prior_weight
        self.random_fraction = random_fraction
        self.joint = joint
        self._forget()

    def _forget(self) -> None:
        self._records: list[Record] = []
        self._places: dict[int, int] = {}
        #: (standing, place) of the observed records, ascending: `best_first`, kept up with every report.
        self._ranked: list[tuple[tuple[bool, float, float], int]] = []
        self._standings: dict[int, tuple[bool, float, float]] = {}
        self._model: Parzen | None = None
        self._rows: Any = None

    def suggest(self, trial: int) -> dict[str, Any]:
        """A random config at first and now and then, else where the model points."""
        known = len(self._ranked)
        by_chance = self.rng.random() < self.random_fraction
        config = self.space.sample(self.rng) if known < max(self.startup, 1) or by_chance else self._propose()
        self._remember(Record(trial, self.space.encode(config)))
        return config

    def adopt(self, trial: int, config: Config) -> None:
        """Learns of a config that somebody else proposed, if the space contains it."""
        if self.space.contains(config):
            self._remember(Record(trial, self.space.encode(config)))

    def observe(self, report: Report) -> None:
        """Keeps the loss at the report's step."""
        if report.trial in self._places:
            place = self._places[report.trial]
            self._records[place].losses[report.step] = self.objective.loss(report.metrics)
            self._rank(place)

    def end(self, outcome: Outcome) -> None:
        """Keeps how the trial ended, and its last loss if no report brought it."""
        if outcome.trial not in self._places:
            return
        place = self._places[outcome.trial]
        record = self._records[place]
        record.status = outcome.status
        if outcome.step > 0 and self.objective.metric in outcome.metrics:
            record.losses.setdefault(outcome.step, self.objective.loss(outcome.metrics))
        self._rank(place)

    def _remember(self, record: Record) -> None:
        self._places[record.trial] = len(self._records)
        self._records.append(record)
        self._rank(len(self._records) - 1)

    def _rank(self, place: int) -> None:
        """Puts a record where it belongs now, without sorting the others."""
        before = self._standings.pop(place, None)
        if before is not None:
            del self._ranked[bisect.bisect_left(self._ranked, (before, place))]
        record = self._records[place]
        if record.observed:
            self._standings[place] = record.standing
            bisect.insort(self._ranked, (record.standing, place))

    def _propose(self) -> dict[str, Any]:
        model, rows = self._positions()
        known = len(self._ranked)
        usable = bisect.bisect_left(self._ranked, ((True, 0.0, 0.0), -1))
        count = min(math.ceil(self.gamma * known), _MOST_GOOD, usable)
        good = [place for _, place in self._ranked[:count]]
        spread = np.unique(np.linspace(count, known - 1, min(known - count, _MOST_BAD)).astype(int))
        bad = [self._ranked[position][1] for position in spread]
        if not self.joint:  # hyperopt's estimators let older trials fade, so both go back to the order of suggestion
            return model.propose(rows[sorted(good)], rows[sorted(bad)], self.rng)
        bad += [place for place in range(len(self._records)) if place not in self._standings]
        return model.propose(rows[good], rows[bad], self.rng)

    def _positions(self) -> tuple[Parzen, Any]:
        """The model, and the rows of all records; each is worked out once."""
        if self._model is None:
            # Importing hyperopt takes about two seconds, which nobody should wait for before there is a use for it.
            from lightning_hpo.searchers.joint import JointParzen
            from lightning_hpo.searchers.parzen import Parzen

            make = JointParzen if self.joint else Parzen
            self._model = make(self.space, candidates=self.candidates, prior_weight=self.prior_weight)
            self._rows = np.empty((0, self._model.width))
        new = [self._model.row(record.config) for record in self._records[len(self._rows) :]]
        if new:
            self._rows = np.vstack([self._rows, *new])
        return self._model, self._rows

    def _state(self) -> dict[str, Any]:
        return {
            "trials": [
                {
                    "trial": record.trial,
                    "config": record.config,
                    "losses": [
                        [step, loss if math.isfinite(loss) else None] for step, loss in sorted(record.losses.items())
                    ],
                    "status": record.status.value,
                }
                for record in self._records
            ]
        }

    def _load_state(self, state: Mapping[str, Any]) -> None:
        self._forget()
        for data in state["trials"]:
            record = Record(data["trial"], data["config"])
            record.losses = {step: math.inf if loss is None else loss for step, loss in data["losses"]}
            record.status = Status(data["status"])
            self._remember(record)


def _check(name: str, value: object, holds: bool, expected: str) -> None:
    if not holds:
        raise SettingError(name, f"is {value!r}", expected)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _real(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
