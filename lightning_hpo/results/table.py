"""All trials of a run as one table: for `results.csv`, for pandas, for a notebook."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from lightning_hpo.results.state import RunState

__all__ = ["as_csv", "rows"]

_FIXED = ("trial", "status", "origin", "step", "seconds")


def rows(state: RunState) -> list[dict[str, Any]]:
    """One row a trial, in the order of suggestion, all with the same keys; None where a trial has no value.

    The keys are trial, status, origin, step, the objective's metric, the other metrics, the names of the configs, and
    seconds; metrics and names in the order in which they first came.

    Edges:
        * A metric named like one of the fixed columns stands under `metric.` and its name, and a name of the configs
          that is already taken under `config.` and its name.
    """
    metric = state.objective.metric
    metrics = dict.fromkeys([metric, *(name for trial in state for name in trial.metrics)])
    names = dict.fromkeys(name for trial in state for name in trial.trial.config)
    metric_keys = {name: f"metric.{name}" if name in _FIXED else name for name in metrics}
    taken = {*_FIXED, *metric_keys.values()}
    config_keys = {name: f"config.{name}" if name in taken else name for name in names}
    return [
        {
            "trial": trial.id,
            "status": trial.status.value,
            "origin": trial.trial.origin.value,
            "step": trial.step,
            **{key: trial.metrics.get(name) for name, key in metric_keys.items()},
            **{key: trial.trial.config.get(name) for name, key in config_keys.items()},
            "seconds": trial.seconds if trial.status.ended else None,
        }
        for trial in state
    ]


def as_csv(state: RunState) -> str:
    """The same as CSV text: an empty cell for None, JSON for lists and mappings; only the header without trials."""
    table = rows(state)
    header = list(table[0]) if table else ["trial", "status", "origin", "step", state.objective.metric, "seconds"]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row.values()] for row in table)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, (list, dict, bool)):
        return json.dumps(value)
    return value
