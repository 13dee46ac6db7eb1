"""Builds trials from Python objects: a class or factory, data in any form that `Trainer.fit` takes, Trainer flags."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from lightning_hpo.errors import UsageError
from lightning_hpo.training.family import family_of
from lightning_hpo.training.flags import trainer_flags
from lightning_hpo.training.task import Assembly, Parts, Task
from lightning_hpo.trial import Config

__all__ = ["ObjectsAssembly"]


class ObjectsAssembly(Assembly):
    """Builds from what `TuneTrainer.tune` was given.

    Args:
        model: A LightningModule class, or a function that returns a module; its arguments are what `model.*` sets.
        data: A LightningDataModule class (built anew for each trial with what `data.*` sets), an instance (used as it
            is; what `data.*` sets becomes an attribute of the trial's own shallow copy), or None.
        loaders: `train_dataloaders` and `val_dataloaders`, where there is no data module.
        flags: Trainer flags; callbacks and loggers are copied for each trial, since they keep state.
        ckpt_path: A checkpoint that every trial starts from.
    """

    def __init__(
        self,
        model: Callable[..., Any],
        *,
        data: Any = None,
        loaders: Mapping[str, Any] | None = None,
        flags: Mapping[str, Any] | None = None,
        ckpt_path: str | None = None,
    ) -> None:
        self.model = model
        self.data = data
        self.loaders = dict(loaders or {})
        self.flags = dict(flags or {})
        self.ckpt_path = ckpt_path

    def build(self, task: Task) -> Parts:
        """Calls the class or factory, then the data module, then the Trainer of the module's own family."""
        model = self.build_model(task.config)
        family = family_of(model)
        flags = {**copy.deepcopy(self.flags), **_block("trainer", task.config)}
        callbacks = flags.get("callbacks") or []
        callbacks = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
        checkpoint = family.load("callbacks").Checkpoint
        has_checkpoint = any(isinstance(callback, checkpoint) for callback in callbacks)
        flags = trainer_flags({**flags, "callbacks": callbacks}, task, has_checkpoint=has_checkpoint)
        return Parts(
            family=family,
            model=model,
            trainer=family.load().Trainer(**flags),
            data=self._build_data(_block("data", task.config)),
            ckpt_path=self.ckpt_path,
        )

    def build_model(self, config: Config) -> Any:
        """Calls the class or factory with the config's `model.*`.

        Raises:
            UsageError: If a factory returns something that is no LightningModule.
        """
        model = self.model(**_block("model", config))
        if not isinstance(model, family_of(model).load().LightningModule):
            raise UsageError(f"{_name(self.model)} returned {type(model).__qualname__}; expected a LightningModule.")
        return model

    def target(self, name: str) -> Any:
        """The class, factory, data module or "trainer" behind a full name."""
        block = name.partition(".")[0]
        return {"model": self.model, "data": self.data}.get(block, block)

    def _build_data(self, values: Mapping[str, Any]) -> dict[str, Any]:
        if self.data is None:
            return dict(self.loaders)
        if inspect.isclass(self.data) or inspect.isfunction(self.data):
            return {"datamodule": self.data(**values)}
        if not values:
            return {"datamodule": self.data}
        own = copy.copy(self.data)
        for name, value in values.items():
            hparams = getattr(own, "hparams", None) or {}
            if not hasattr(own, name) and name not in hparams:
                raise UsageError(
                    f"data.{name}: this {type(own).__qualname__} has no attribute '{name}'. "
                    "Pass the class instead of an instance, or keep the argument as an attribute."
                )
            if name in hparams:
                own._hparams = copy.copy(hparams)
                own._hparams[name] = value
            if hasattr(own, name):
                setattr(own, name, value)
        return {"datamodule": own}


def _block(block: str, config: Config) -> dict[str, Any]:
    prefix = block + "."
    return {name[len(prefix) :]: value for name, value in config.items() if name.startswith(prefix)}


def _name(target: object) -> str:
    return getattr(target, "__qualname__", None) or type(target).__qualname__
