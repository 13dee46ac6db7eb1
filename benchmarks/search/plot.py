"""Draws mean normalised regret over the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from search.curves import Reference
from search.records import GRID
from search.summary import Run, summarize

__all__ = ["draw"]


def draw(
    runs: Sequence[Run], best: Mapping[str, float], references: Mapping[str, Reference], title: str, file: Path
) -> None:
    """One line for each contestant, with its 95 % interval; needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    for name, table in summarize(runs, references, resamples=200, best=best).items():
        shares = 100 * np.array(GRID)
        low, high = np.array(table.regret_interval).T
        (line,) = axes.plot(shares, table.regret, label=name, linewidth=3 if name == "lightning-hpo" else 1.5)
        axes.fill_between(shares, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set(title=title, xlabel="% of the budget", ylabel="mean normalised regret", yscale="log", xlim=(2, 100))
    axes.legend(frameon=False)
    figure.savefig(file, dpi=120)
    pyplot.close(figure)
