"""One trial: built from a config, trained by Lightning, reporting through a channel."""

from lightning_hpo.training.callbacks import CheckpointCallback, ReportCallback, Resource
from lightning_hpo.training.channel import Channel
from lightning_hpo.training.task import Assembly, Parts, Task

__all__ = ["Assembly", "Channel", "CheckpointCallback", "Parts", "ReportCallback", "Resource", "Task"]
