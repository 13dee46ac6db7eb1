"""TPE's two densities over whole configs: kernels around trials, so that what goes well together stays together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_hpo.searchers.parzen import Parzen
from lightning_hpo.space import Space

__all__ = ["JointParzen"]

_Floats = npt.NDArray[np.float64]

#: The width of the kernels, in units of the spacing that the trials would have if they filled the space evenly.
_WIDTH = 0.6
#: No kernel is narrower than this share of a range.
_NARROWEST = 0.01
#: How much less the worst good trial counts than the best, as the exponent of e.
_FADING = 2.0


class JointParzen(Parzen):
    """Proposes a config by the ratio of two joint densities: that of the good trials and that of the bad ones.

    Each density is a mixture: one kernel over all parameters for each trial of the group, and the prior. A kernel is
    the product of truncated normals, with hyperopt's masses, in the coordinates of `Parzen`, and of "stay or draw anew"
    for options. Of `candidates` draws from the good trials' density, the one with the highest ratio is taken.

    All kernels of a group of n trials are `0.6 * n ** (-1 / d)` of a range wide, where d counts the parameters that
    vary. That is the distance at which n trials would stand if they filled the space: in few dimensions kernels soon
    get narrow, and in many, where a handful of trials proves little, they stay wide.

    Edges:
        * The best good trial counts `e ** 2` times as much as the worst.
        * A parameter that is not active in a trial has the prior in that trial's kernel.
        * Without good trials the draws come from the prior, and the ratio keeps away from the bad ones.
        * What has one value only is not modelled.

    Args:
        space: What may vary.
        candidates: Draws among which the best is taken.
        prior_weight: What the prior counts for, in trials.

    Source: Falkner et al., "BOHB", ICML 2018, for joint kernels; the rule for their width is ours (docs/search.md).
    """

    def __init__(self, space: Space, *, candidates: int, prior_weight: float) -> None:
        super().__init__(space, candidates=candidates, prior_weight=prior_weight)
        places = {(under, name): place for place, (under, name, _) in enumerate(self._columns)}
        #: For each column the place and the position of the choice that opens it; None at the top.
        self._opened: list[tuple[int, float] | None] = []
        for under, _, _ in self._columns:
            if under:
                place = places[under[:-1], under[-1][0]]
                self._opened.append((place, self._columns[place][2].position(under[-1][1])))
            else:
                self._opened.append(None)
        self._varying = max(sum(column.varies for _, _, column in self._columns), 1)

    def propose(self, good: _Floats, bad: _Floats, rng: np.random.Generator) -> dict[str, Any]:
        """A config of the space.

        Args:
            good: Rows of the good trials, `[trials, width]`, best first.
            bad: Rows of all other trials, in any order.
            rng: The only source of randomness.
        """
        weights = np.exp(-_FADING * np.arange(len(good)) / max(len(good), 1))
        weights *= len(good) / max(weights.sum(), 1.0)
        drawn = self._draw(good, weights, rng)
        ratio = self._log_density(drawn, good, weights) - self._log_density(drawn, bad, np.ones(len(bad)))
        best = drawn[np.argmax(ratio)]
        return {
            name: column.value(float(position))
            for (_, name, column), position in zip(self._columns, best)
            if not np.isnan(position)
        }

    def _draw(self, good: _Floats, weights: _Floats, rng: np.random.Generator) -> _Floats:
        """Draws from the good trials' density, `[candidates, width]`; NaN where a parameter is not active."""
        shares = np.append(weights, self._prior_weight)
        kernels = rng.choice(len(shares), size=self._candidates, p=shares / shares.sum())
        centres = np.vstack([good, np.full((1, self.width), np.nan)])[kernels]
        width = self._width(len(good))
        drawn = np.empty_like(centres)
        for place, (_, _, column) in enumerate(self._columns):
            positions = column.near(centres[:, place], width, rng)
            opened = self._opened[place]
            drawn[:, place] = (
                positions if opened is None else np.where(drawn[:, opened[0]] == opened[1], positions, np.nan)
            )
        return drawn

    def _log_density(self, drawn: _Floats, rows: _Floats, weights: _Floats) -> _Floats:
        """The logarithm of a group's density at each draw, as a multiple of the prior's."""
        kernels = np.tile(np.log(weights), (len(drawn), 1))
        width = self._width(len(rows))
        for place, (_, _, column) in enumerate(self._columns):
            centres = rows[:, place]
            known, active = ~np.isnan(centres), ~np.isnan(drawn[:, place])
            if not column.varies or not len(rows):
                continue
            if known.all() and active.all():
                kernels += column.log_kernel(drawn[:, place], centres, width)
            else:
                kernels[np.ix_(active, known)] += column.log_kernel(drawn[active, place], centres[known], width)
        kernels = np.hstack([kernels, np.full((len(drawn), 1), np.log(self._prior_weight))])
        highest = kernels.max(axis=1)
        density: _Floats = highest + np.log(np.exp(kernels - highest[:, None]).sum(axis=1))
        density -= np.log(weights.sum() + self._prior_weight)
        return density

    def _width(self, trials: int) -> float:
        return float(max(_WIDTH * max(trials, 1) ** (-1 / self._varying), _NARROWEST))
