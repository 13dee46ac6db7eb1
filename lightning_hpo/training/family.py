"""Which of Lightning's two distributions a class belongs to.

`pytorch_lightning` and `lightning.pytorch` are the same code under two names, and a Trainer of one refuses a module of
the other. So everything from Lightning is taken from the family of the user's own module, and neither is imported
before a class says which.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from dataclasses import dataclass
from typing import Any

from lightning_hpo.errors import UsageError

__all__ = ["Family", "families_loaded", "family_of", "is_a", "made_by"]

_ROOTS = ("pytorch_lightning", "lightning.pytorch")


@dataclass(frozen=True)
class Family:
    """One of the two distributions.

    Args:
        root: `pytorch_lightning` or `lightning.pytorch`.
    """

    root: str

    def load(self, submodule: str = "") -> Any:
        """The family's package, or a submodule of it such as "cli"; imported when asked for."""
        return importlib.import_module(f"{self.root}.{submodule}" if submodule else self.root)

    def weights_only(self, asked: bool) -> bool | None:
        """What `Trainer.fit` is to be told; None before 2.6, which knows no such argument."""
        takes = inspect.signature(self.load().Trainer.fit).parameters
        return asked if "weights_only" in takes else None

    def owns(self, target: object) -> bool:
        """Whether a class, or an object's class, derives from something of this family."""
        bases = inspect.getmro(target if inspect.isclass(target) else type(target))
        return any(base.__module__ == self.root or base.__module__.startswith(self.root + ".") for base in bases)


def family_of(target: object) -> Family:
    """The family that a class or an object derives from; the class nearest in its ancestry decides.

    Raises:
        UsageError: If it derives from neither.
    """
    for base in inspect.getmro(target if inspect.isclass(target) else type(target)):
        for root in _ROOTS:
            if base.__module__ == root or base.__module__.startswith(root + "."):
                return Family(root)
    name = getattr(target, "__qualname__", None) or type(target).__qualname__
    raise UsageError(
        f"{name} derives neither from pytorch_lightning nor from lightning.pytorch. "
        "Expected a LightningModule or LightningDataModule."
    )


def is_a(target: object, kind: str) -> bool:
    """Whether an object, or a class's instances, are of a kind such as "LightningModule", in either distribution."""
    bases = inspect.getmro(target if inspect.isclass(target) else type(target))
    return any(base.__name__ == kind and base.__module__.startswith(_ROOTS) for base in bases)


def made_by(target: Any) -> Any:
    """The class whose instances a class or a function makes: itself, or the return annotation.

    Raises:
        UsageError: If a function does not say what it returns; LightningCLI reads it from there, too.
    """
    if inspect.isclass(target):
        return target
    name = getattr(target, "__qualname__", repr(target))
    try:
        found = inspect.signature(target, eval_str=True).return_annotation
    except (NameError, TypeError, ValueError) as error:
        raise UsageError(f"{name}: its annotations cannot be read: {error}.") from error
    if not inspect.isclass(found) or found is inspect.Signature.empty:
        raise UsageError(f"{name} does not say what it returns. Annotate it: def {name}(...) -> YourLightningModule.")
    return found


def families_loaded() -> tuple[Family, ...]:
    """The families that this process has imported; if none yet, the first one installed."""
    loaded = tuple(Family(root) for root in _ROOTS if sys.modules.get(root) is not None)
    if loaded:
        return loaded
    for root in _ROOTS:
        if importlib.util.find_spec(root.partition(".")[0]) is not None:
            return (Family(root),)
    raise UsageError("Neither pytorch_lightning nor lightning is installed. Install one: pip install pytorch-lightning")
