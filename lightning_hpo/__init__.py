"""The hyperparameter tuner for PyTorch Lightning, on Ray Tune.

Importing this package loads nothing but itself: each public name is fetched from its module when it is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names for editors and type checkers
    from lightning_hpo.errors import (
        ClusterError,
        HPOError,
        InternalError,
        NoTrialSucceeded,
        RecipeError,
        RunFolderError,
        RunInterrupted,
        SettingError,
        SpaceError,
        StorageError,
        UsageError,
    )
    from lightning_hpo.objective import Objective
    from lightning_hpo.results import Results
    from lightning_hpo.schedulers.base import Scheduler
    from lightning_hpo.searchers.base import Searcher
    from lightning_hpo.space import Choice, Fixed, Float, Int, Space
    from lightning_hpo.training import CheckpointCallback, ReportCallback
    from lightning_hpo.trial import Config, Outcome, Report, Status, Trial, Verdict
    from lightning_hpo.tunable import tunable
    from lightning_hpo.tuning import FunctionChannel, TuneTrainer, open_run

    __version__: str

__all__ = [
    "CheckpointCallback",
    "Choice",
    "ClusterError",
    "Config",
    "Fixed",
    "Float",
    "FunctionChannel",
    "HPOError",
    "Int",
    "InternalError",
    "NoTrialSucceeded",
    "Objective",
    "Outcome",
    "RecipeError",
    "Report",
    "ReportCallback",
    "Results",
    "RunFolderError",
    "RunInterrupted",
    "Scheduler",
    "Searcher",
    "SettingError",
    "Space",
    "SpaceError",
    "Status",
    "StorageError",
    "Trial",
    "TuneTrainer",
    "UsageError",
    "Verdict",
    "__version__",
    "open_run",
    "tunable",
]

#: Modules to the public names that are fetched from them.
_EXPORTS = {
    "errors": (
        "ClusterError",
        "HPOError",
        "InternalError",
        "NoTrialSucceeded",
        "RecipeError",
        "RunFolderError",
        "RunInterrupted",
        "SettingError",
        "SpaceError",
        "StorageError",
        "UsageError",
    ),
    "objective": ("Objective",),
    "results": ("Results",),
    "schedulers.base": ("Scheduler",),
    "searchers.base": ("Searcher",),
    "space": ("Choice", "Fixed", "Float", "Int", "Space"),
    "training": ("CheckpointCallback", "ReportCallback"),
    "trial": ("Config", "Outcome", "Report", "Status", "Trial", "Verdict"),
    "tunable": ("tunable",),
    "tuning": ("FunctionChannel", "TuneTrainer", "open_run"),
}
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("lightning-hpo")
    elif name in _MODULE_OF:
        value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps `lightning_hpo.tunable` the decorator.

    The import system sets a submodule as an attribute of its package once it is imported, whoever imports it; the
    submodule `tunable` would then hide the decorator of the same name.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "tunable" and isinstance(value, ModuleType):
            value = value.tunable
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
