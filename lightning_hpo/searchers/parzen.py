"""The Parzen estimators behind TPE: hyperopt's arithmetic on our spaces, and the only module that imports hyperopt.

Hyperopt's `tpe.suggest` builds an expression graph anew and rescans a document for every trial ever made, each time.
Its estimators are plain functions of arrays underneath, so they are called as such: the numbers are the same (a test
compares them), and a suggestion costs what the arrays cost.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt
from hyperopt import tpe
from hyperopt.pyll.stochastic import categorical

from lightning_hpo.space import Choice, Float, Int, Parameter, Space
from lightning_hpo.trial import Config

__all__ = ["Parzen"]

_Floats = npt.NDArray[np.float64]

#: Up to this many values a stepped range is quantised; beyond, it is drawn as if continuous and then rounded.
_QUANTISED = 10_000


class Parzen:
    """Proposes a config by the ratio of two densities: that of the good trials and that of the bad ones.

    Every parameter has estimators of its own, fed by the trials in which it was active; parents are drawn before the
    branches they open. Of `candidates` draws from the good trials' estimator, the one with the highest ratio is taken.

    Edges:
        * Without good trials the draws come from the prior, and the ratio keeps away from the bad ones.
        * Stepped ranges stay on their steps, logarithmic ones are modelled in the logarithm, and the options of a
          choice are told apart by their places, whatever their values are.
        * What has one value only (fixed, one option, low == high) is not modelled.

    Args:
        space: What may vary.
        candidates: Draws for each parameter.
        prior_weight: What the prior counts for, in trials.

    Source: Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011, as in hyperopt/tpe.py.
    """

    def __init__(self, space: Space, *, candidates: int, prior_weight: float) -> None:
        self._candidates = candidates
        self._prior_weight = prior_weight
        self._columns = [(under, name, _column(parameter)) for under, name, parameter in space.walk()]

    @property
    def width(self) -> int:
        """How many positions a row has: one for each parameter of each branch."""
        return len(self._columns)

    def row(self, config: Config) -> _Floats:
        """Where a config of the space lies, `[width]`; NaN where a parameter is not active."""
        row = np.full(self.width, np.nan)
        for place, (under, name, column) in enumerate(self._columns):
            if all(config.get(choice) == branch for choice, branch in under):
                row[place] = column.position(config[name])
        return row

    def propose(self, good: _Floats, bad: _Floats, rng: np.random.Generator) -> dict[str, Any]:
        """A config of the space.

        Args:
            good: Rows of the good trials, `[trials, width]`, in the order of suggestion: older ones count for less.
            bad: Rows of all other trials, likewise.
            rng: The only source of randomness.
        """
        config: dict[str, Any] = {}
        for place, (under, name, column) in enumerate(self._columns):
            if all(config.get(choice) == branch for choice, branch in under):
                below, above = (rows[~np.isnan(rows[:, place]), place] for rows in (good, bad))
                config[name] = column.draw(below, above, rng, self._candidates, self._prior_weight)
        return config


class _Column(ABC):
    """One parameter as hyperopt sees it: a position on a line, or the place of an option."""

    varies = True

    @abstractmethod
    def position(self, value: Any) -> float: ...

    @abstractmethod
    def value(self, position: float) -> Any: ...

    @abstractmethod
    def draw(self, below: _Floats, above: _Floats, rng: np.random.Generator, candidates: int, prior: float) -> Any: ...

    @abstractmethod
    def near(self, centres: _Floats, width: float, rng: np.random.Generator) -> _Floats:
        """A position near each centre, drawn from its kernel; anywhere where the centre is NaN."""

    @abstractmethod
    def log_kernel(self, places: _Floats, centres: _Floats, width: float) -> _Floats:
        """How much likelier a place is under a centre's kernel than under the prior, logarithmic, `[places, centres]`.

        The width is a share of the range.
        """


def _column(parameter: Parameter) -> _Column:
    if isinstance(parameter, Choice) and len(parameter) > 1:
        return _Options(parameter)
    if isinstance(parameter, (Float, Int)) and parameter.low < parameter.high:
        stepped = parameter.values() if parameter.step is not None and not parameter.log else None
        if stepped is not None and len(stepped) == 1:
            return _Constant(parameter)
        if stepped is not None and len(stepped) <= _QUANTISED:
            return _Steps(parameter, len(stepped))
        line = _Line(parameter)
        return line if line.span > 0 else _Constant(parameter)
    return _Constant(parameter)


class _Constant(_Column):
    varies = False

    def __init__(self, parameter: Parameter) -> None:
        self._parameter = parameter

    def position(self, value: Any) -> float:
        return 0.0

    def value(self, position: float) -> Any:
        return self._parameter.middle()

    def draw(self, below: _Floats, above: _Floats, rng: np.random.Generator, candidates: int, prior: float) -> Any:
        return self._parameter.middle()

    def near(self, centres: _Floats, width: float, rng: np.random.Generator) -> _Floats:
        return np.zeros(len(centres))

    def log_kernel(self, places: _Floats, centres: _Floats, width: float) -> _Floats:
        return np.zeros((len(places), len(centres)))


class _Options(_Column):
    """hyperopt's `choice`: counts with pseudocounts, the newest 25 in full and older ones fading."""

    def __init__(self, parameter: Choice) -> None:
        self._parameter = parameter
        self._values = parameter.values()

    def position(self, value: Any) -> float:
        return float(self._parameter.index(value))

    def draw(self, below: _Floats, above: _Floats, rng: np.random.Generator, candidates: int, prior: float) -> Any:
        good, bad = self._probabilities(below, prior), self._probabilities(above, prior)
        places = categorical(good, rng=rng, size=(candidates,))
        ratio = tpe.categorical_lpdf(places, good) - tpe.categorical_lpdf(places, bad)
        return self.value(places[np.argmax(ratio)])

    def value(self, position: float) -> Any:
        return self._parameter.decode(self._parameter.encode(self._values[int(position)]))

    def near(self, centres: _Floats, width: float, rng: np.random.Generator) -> _Floats:
        anywhere = rng.integers(len(self._values), size=len(centres)).astype(float)
        leaves = (rng.random(len(centres)) < width) | np.isnan(centres)
        return np.where(leaves, anywhere, centres)

    def log_kernel(self, places: _Floats, centres: _Floats, width: float) -> _Floats:
        count = len(self._values)
        # with probability `width` the option is drawn anew, the centre's own among the others
        same = places[:, None] == centres
        ratio: _Floats = np.log(np.where(same, (1 - width) * count + width, width))
        return ratio

    def _probabilities(self, places: _Floats, prior: float) -> _Floats:
        count = len(self._values)
        weights = tpe.linear_forgetting_weights(len(places), LF=tpe.DEFAULT_LF)
        counts = np.bincount(places.astype(int), weights, count)
        probabilities: _Floats = tpe.tpe_cat_pseudocounts(counts, prior, np.full(count, 1 / count), (1,))
        return probabilities


class _Line(_Column):
    """hyperopt's `uniform` or `loguniform`, mapped to 0..1 so that no scale is too small for its tolerances."""

    low, high = 0.0, 1.0

    def __init__(self, parameter: Float | Int) -> None:
        self._parameter = parameter
        low, high = float(parameter.low), float(parameter.high)
        if isinstance(parameter, Int):  # rounding gives the values at the ends as much room as the others
            half = parameter.step / 2
            low, high = max(low - half, low / 2) if parameter.log else low - half, high + half
        self._start = math.log(low) if parameter.log else low
        self.span = (math.log(high) if parameter.log else high) - self._start

    def position(self, value: Any) -> float:
        place = math.log(value) if self._parameter.log else float(value)
        return min(max((place - self._start) / self.span, 0.0), 1.0)

    def value(self, position: float) -> Any:
        place = self._start + position * self.span
        return self._parameter.round(math.exp(place) if self._parameter.log else place)

    def draw(self, below: _Floats, above: _Floats, rng: np.random.Generator, candidates: int, prior: float) -> Any:
        good, bad = self._mixture(below, prior), self._mixture(above, prior)
        places = tpe.GMM1(*good, low=self.low, high=self.high, q=self.quantum, rng=rng, size=(candidates,))
        ratio = self._log_density(places, good) - self._log_density(places, bad)
        return self.value(float(places[np.argmax(ratio)]))

    quantum: float | None = None

    def near(self, centres: _Floats, width: float, rng: np.random.Generator) -> _Floats:
        span = self.high - self.low
        places = rng.uniform(self.low, self.high, len(centres))
        left = np.flatnonzero(~np.isnan(centres))
        while len(left):  # what falls outside is drawn again, as hyperopt does
            places[left] = rng.normal(centres[left], width * span)
            left = left[(places[left] < self.low) | (places[left] > self.high)]
        return places

    def log_kernel(self, places: _Floats, centres: _Floats, width: float) -> _Floats:
        span = self.high - self.low
        sigma = width * span
        inside = tpe.normal_cdf(self.high, centres, sigma) - tpe.normal_cdf(self.low, centres, sigma)
        away = (places[:, None] - centres) / sigma
        density: _Floats = -0.5 * away * away - np.log(inside * (sigma / span * math.sqrt(2 * math.pi)))
        return density

    def _mixture(self, places: _Floats, prior: float) -> tuple[_Floats, _Floats, _Floats]:
        mixture: tuple[_Floats, _Floats, _Floats] = tpe.adaptive_parzen_normal(
            places, prior, (self.low + self.high) / 2, self.high - self.low
        )
        return mixture

    def _log_density(self, places: _Floats, mixture: tuple[_Floats, _Floats, _Floats]) -> _Floats:
        density: _Floats = tpe.GMM1_lpdf(places, *mixture, low=self.low, high=self.high)
        return density


class _Steps(_Line):
    """hyperopt's `quniform` over the number of the step, with half a step of room at both ends."""

    quantum = 1.0

    def __init__(self, parameter: Float | Int, count: int) -> None:
        self._parameter = parameter
        self._start = float(parameter.low)
        self._step = float(parameter.step or 1.0)
        self.low, self.high = -0.5, count - 0.5

    def position(self, value: Any) -> float:
        return float(round((float(value) - self._start) / self._step))

    def value(self, position: float) -> Any:
        return self._parameter.round(self._start + position * self._step)

    def near(self, centres: _Floats, width: float, rng: np.random.Generator) -> _Floats:
        # half a step of room at both ends, which a draw on the very border must not leave
        return np.clip(np.rint(super().near(centres, width, rng)), self.low + 0.5, self.high - 0.5)

    def log_kernel(self, places: _Floats, centres: _Floats, width: float) -> _Floats:
        span = self.high - self.low
        sigma = width * span
        inside = tpe.normal_cdf(self.high, centres, sigma) - tpe.normal_cdf(self.low, centres, sigma)
        upper, lower = (places + 0.5)[:, None], (places - 0.5)[:, None]
        mass = tpe.normal_cdf(upper, centres, sigma) - tpe.normal_cdf(lower, centres, sigma)
        ratio: _Floats = np.log(np.maximum(mass / inside * span, 1e-300))
        return ratio

    def _log_density(self, places: _Floats, mixture: tuple[_Floats, _Floats, _Floats]) -> _Floats:
        # hyperopt's GMM1_lpdf loops over the trials in Python when there is a q; the same sum in one step:
        weights, mus, sigmas = mixture
        upper = np.minimum(places + 0.5, self.high)[:, None]
        lower = np.maximum(places - 0.5, self.low)[:, None]
        inside = tpe.normal_cdf(self.high, mus, sigmas) - tpe.normal_cdf(self.low, mus, sigmas)
        mass = (tpe.normal_cdf(upper, mus, sigmas) - tpe.normal_cdf(lower, mus, sigmas)) @ weights
        density: _Floats = np.log(mass) - np.log(inside @ weights)
        return density
