"""No early stopping."""

from __future__ import annotations

import math
from typing import ClassVar

from lightning_hpo.schedulers.base import Scheduler
from lightning_hpo.trial import Report, Verdict

__all__ = ["NoScheduler"]


class NoScheduler(Scheduler):
    """Lets every trial run to its end, except one whose objective is not finite: that is stopped at once."""

    name: ClassVar[str] = "none"

    def judge(self, report: Report) -> Verdict:
        """CONTINUE, or STOP for a non-finite objective."""
        return Verdict.CONTINUE if math.isfinite(self.objective.loss(report.metrics)) else Verdict.STOP
