"""Example models and data modules that the recipes name; each loads torch and Lightning when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names for editors and type checkers
    from lightning_hpo.zoo.cifar10 import CIFAR10DataModule
    from lightning_hpo.zoo.classifier import Classifier
    from lightning_hpo.zoo.conv import ConvClassifier
    from lightning_hpo.zoo.digits import DigitsDataModule
    from lightning_hpo.zoo.iris import IrisDataModule
    from lightning_hpo.zoo.mlp import MLPClassifier
    from lightning_hpo.zoo.mnist import MNISTDataModule
    from lightning_hpo.zoo.resnet import ResNetClassifier
    from lightning_hpo.zoo.tensors import TensorDataModule

__all__ = [
    "CIFAR10DataModule",
    "Classifier",
    "ConvClassifier",
    "DigitsDataModule",
    "IrisDataModule",
    "MLPClassifier",
    "MNISTDataModule",
    "ResNetClassifier",
    "TensorDataModule",
]

#: Public names to the modules that they are fetched from.
_MODULE_OF = {
    "CIFAR10DataModule": "cifar10",
    "Classifier": "classifier",
    "ConvClassifier": "conv",
    "DigitsDataModule": "digits",
    "IrisDataModule": "iris",
    "MLPClassifier": "mlp",
    "MNISTDataModule": "mnist",
    "ResNetClassifier": "resnet",
    "TensorDataModule": "tensors",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
