"""What is optimised: the only place that knows about direction and about non-finite values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from lightning_hpo.errors import UsageError, did_you_mean

__all__ = ["Mode", "Objective"]

Mode = Literal["min", "max"]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A metric that the module logs, and which way is better.

    Everything else works on `loss`: minimised, never NaN, and `inf` for whatever is not a finite number.

    Args:
        metric: The name under which the module logs it.
        mode: "min" or "max".

    Raises:
        UsageError: If `metric` is empty or `mode` is neither "min" nor "max".
    """

    metric: str
    mode: Mode = "min"

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str) or not self.metric:
            raise UsageError(f"The objective's metric must be the name of a logged metric, but got {self.metric!r}.")
        if self.mode not in get_args(Mode):
            raise UsageError(f"The objective's mode must be 'min' or 'max', but got {self.mode!r}.")

    def loss(self, metrics: Mapping[str, float]) -> float:
        """The value to minimise; `inf` if the metric is NaN or infinite in either direction.

        Raises:
            UsageError: If the metric is not among those reported.
        """
        if self.metric not in metrics:
            reported = ", ".join(sorted(metrics)) or "nothing"
            hint = did_you_mean(self.metric, metrics)
            raise UsageError(f"The objective '{self.metric}' was not logged; logged: {reported}. {hint}".rstrip())
        value = float(metrics[self.metric])
        if not math.isfinite(value):
            return math.inf
        return -value if self.mode == "max" else value

    def value(self, loss: float) -> float:
        """The metric's own value for a loss; NaN for the loss of a non-finite value."""
        if not math.isfinite(loss):
            return math.nan
        return -loss if self.mode == "max" else loss

    def gain(self, loss: float, baseline: float) -> float:
        """By how much the metric is better than the baseline's; positive is better in either mode."""
        return baseline - loss
