"""One trial as the training process is told of it, and the objects it is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lightning_hpo.objective import Objective
from lightning_hpo.training.callbacks import Resource
from lightning_hpo.training.family import Family
from lightning_hpo.trial import Config

__all__ = ["Assembly", "Parts", "Task"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a worker needs to train one trial.

    Args:
        trial: The trial's id.
        config: Full names (`model.lr`) to values.
        seed: For `seed_everything`.
        directory: Where the trial writes; Lightning's `default_root_dir`.
        objective: The metric that must be logged.
        resource: What a step counts.
        cpus: Torch uses so many threads (at least one).
        gpus: More than 0 trains on one GPU, which may be shared; 0 trains on the CPU.
        flags: Trainer flags that win over the user's; the dry run cuts a fit down to one batch with them.
    """

    trial: int
    config: Config
    seed: int
    directory: str
    objective: Objective
    resource: Resource = "epoch"
    cpus: float = 1.0
    gpus: float = 0.0
    flags: Mapping[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class Parts:
    """What `Trainer.fit` needs, built for one trial.

    Args:
        family: The Lightning distribution that all parts belong to.
        model: The LightningModule.
        trainer: Built with the user's flags; our callbacks are not in it yet.
        data: The keyword arguments of `fit` that say where the data come from.
        ckpt_path: The checkpoint that every trial starts from; None for a fresh start.
        weights_only: How `ckpt_path` is loaded; None leaves it to Lightning.
    """

    family: Family
    model: Any
    trainer: Any
    data: dict[str, Any]
    ckpt_path: str | None = None
    weights_only: bool | None = None

    def train(self) -> None:
        """Calls `Trainer.fit`.

        Raises:
            Exception: Whatever the user's code raises.
        """
        # Lightning has no `weights_only` before 2.6, so it is passed only where somebody asks for it.
        loading = {} if self.weights_only is None else {"weights_only": self.weights_only}
        self.trainer.fit(self.model, **self.data, ckpt_path=self.ckpt_path, **loading)


class Assembly(ABC):
    """Builds a trial's parts from a config. Pickles, since workers build."""

    def warm(self) -> None:
        """Imports what a build needs, so that the trial's seed meets the same process in the first trial as later."""

    @abstractmethod
    def build(self, task: Task) -> Parts:
        """The model, its data and its Trainer. The caller has seeded the process."""

    @abstractmethod
    def build_model(self, config: Config) -> Any:
        """The untrained model alone."""
