"""Builds trials from Python objects: a class or factory, data in any form that `Trainer.fit` takes, Trainer flags."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from lightning_hpo.errors import UsageError
from lightning_hpo.training.family import family_of, is_a
from lightning_hpo.training.flags import checkpointing, trainer_flags
from lightning_hpo.training.task import Assembly, Parts, Task
from lightning_hpo.trial import Config

__all__ = ["ObjectsAssembly"]


class ObjectsAssembly(Assembly):
    """Builds from what `TuneTrainer.tune` was given.

    Args:
        model: A LightningModule class, or a function that returns a module; its arguments are what `model.*` sets.
        data: A LightningDataModule class or a function that returns one (called anew for each trial with what `data.*`
            sets), an instance (used as it is; what `data.*` sets becomes an attribute of the trial's own shallow
            copy), or None.
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
        kept = checkpointing(flags.get("enable_checkpointing"), flags.get("callbacks"), family)
        flags = {**trainer_flags(flags, task), "enable_checkpointing": kept}
        data = self._build_data(_block("data", task.config))
        module = data.get("datamodule")
        if module is not None and not family.owns(module):
            raise UsageError(
                f"{_name(type(model))} derives from {family.root}, but {_name(type(module))} does not. "
                "Expected the module and its data module to import from the same Lightning distribution."
            )
        return Parts(
            family=family, model=model, trainer=family.load().Trainer(**flags), data=data, ckpt_path=self.ckpt_path
        )

    def build_model(self, config: Config) -> Any:
        """Calls the class or factory with the config's `model.*`.

        Raises:
            UsageError: If a factory returns something that is no LightningModule.
        """
        model = self.model(**_block("model", config))
        if not is_a(model, "LightningModule"):
            raise UsageError(f"{_name(self.model)} returned {type(model).__qualname__}; expected a LightningModule.")
        return model

    def _build_data(self, values: Mapping[str, Any]) -> dict[str, Any]:
        if self.data is None:
            return dict(self.loaders)
        if inspect.isclass(self.data) or not is_a(self.data, "LightningDataModule"):
            return {"datamodule": self.data(**values)}
        if not values:
            return {"datamodule": self.data}
        own = copy.copy(self.data)
        for name, value in values.items():
            _set(own, name, value)
        return {"datamodule": own}


def _set(module: Any, name: str, value: Any) -> None:
    """Sets what a data module keeps under a name: the attribute, the saved hyperparameter, or both."""
    saved = name in (getattr(module, "hparams", None) or {})
    if not saved and not hasattr(module, name):
        raise UsageError(
            f"data.{name}: this {_name(type(module))} has no attribute '{name}'. "
            "Pass the class instead of an instance, or keep the argument as an attribute."
        )
    if saved:
        module._hparams = copy.copy(module.hparams)  # the original's are another trial's
        module._hparams[name] = value
    described = inspect.getattr_static(type(module), name, None)
    computed = isinstance(described, property) and described.fset is None
    if computed and not saved:
        raise UsageError(
            f"data.{name}: '{name}' of {_name(type(module))} is computed. Pass the class, not an instance."
        )
    if hasattr(module, name) and not computed:
        setattr(module, name, value)


def _block(block: str, config: Config) -> dict[str, Any]:
    prefix = block + "."
    return {name[len(prefix) :]: value for name, value in config.items() if name.startswith(prefix)}


def _name(target: object) -> str:
    return getattr(target, "__qualname__", None) or type(target).__qualname__
