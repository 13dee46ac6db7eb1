"""What judges running trials. Pure decisions: no Ray, no torch, no clock, no randomness."""

from collections.abc import Mapping
from types import MappingProxyType

from lightning_hpo.schedulers.asha import ASHAScheduler
from lightning_hpo.schedulers.base import Scheduler
from lightning_hpo.schedulers.none import NoScheduler

__all__ = ["SCHEDULERS", "ASHAScheduler", "NoScheduler", "Scheduler"]

#: What a recipe may write under `tune.scheduler.name`.
SCHEDULERS: Mapping[str, type[Scheduler]] = MappingProxyType(
    {scheduler.name: scheduler for scheduler in (ASHAScheduler, NoScheduler)}
)
