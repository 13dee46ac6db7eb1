"""A starting recipe for `lightning-hpo init`, from what a class says of itself."""

from __future__ import annotations

import inspect
import re
from typing import Any

from lightning_hpo.errors import UsageError
from lightning_hpo.objective import Mode
from lightning_hpo.recipe import paths, template
from lightning_hpo.training.family import family_of
from lightning_hpo.training.imports import import_object
from lightning_hpo.tunable import arguments_of, defaults_of, space_of

__all__ = ["guessed_objective", "starting_recipe"]

#: What a module calls to log, with a plain name; names made by code cannot be read.
_LOGGED = re.compile(r"self\.log\(\s*f?[\"']([\w/\-.]+)[\"']")
_LOGGED_MANY = re.compile(r"[\"']((?:val|valid|validation|test|train)[_/][\w/\-.]+)[\"']\s*:")
_SMALLER_IS_BETTER = ("loss", "err", "mse", "mae", "rmse", "nll", "perplexity", "ppl", "wer", "cer", "fid")


def starting_recipe(model_path: str, data_path: str | None) -> str:
    """The text of a recipe that tunes what `@tunable` declares.

    Raises:
        UsageError: If a path does not import, or names no LightningModule or LightningDataModule.
    """
    model = _class(model_path, "LightningModule")
    data = _class(data_path, "LightningDataModule") if data_path else None
    space = paths.addressed(space_of(model), "model")
    if data is not None:
        space = space.updated(paths.addressed(space_of(data), "data"))
    metric, mode = guessed_objective(model)
    return template(
        _dotted(model_path),
        defaults_of(model),
        _required(model),
        space,
        _dotted(data_path) if data_path else None,
        defaults_of(data) if data is not None else {},
        _required(data) if data is not None else [],
        metric,
        mode,
    )


def guessed_objective(model: Any) -> tuple[str, Mode]:
    """A metric that the source of a module logs, validation before anything else, and which way is better.

    A name that holds "loss" or another word for an error is minimised. Where nothing can be read, `val_loss`.
    """
    names: list[str] = []
    for base in inspect.getmro(model):
        if base is object or base.__module__.partition(".")[0] in ("lightning", "pytorch_lightning"):
            break
        try:
            source = inspect.getsource(base)
        except (OSError, TypeError):  # defined in a terminal or a notebook
            continue
        names += [*_LOGGED.findall(source), *_LOGGED_MANY.findall(source)]
    validated = [name for name in names if name.startswith("val")]
    scores = [name for name in validated if "acc" in name or "f1" in name or "auc" in name]
    metric = next(iter([*scores, *validated, *names]), "val_loss")
    return metric, "min" if any(word in metric for word in _SMALLER_IS_BETTER) else "max"


def _class(path: str, kind: str) -> Any:
    target = import_object(path)
    if not inspect.isclass(target) or not any(base.__name__ == kind for base in inspect.getmro(target)):
        raise UsageError(f"'{path}' is no {kind}. Expected a class derived from {kind}.")
    family_of(target)
    return target


def _dotted(path: str) -> str:
    return path.replace(":", ".")


def _required(target: Any) -> list[str]:
    parameters = arguments_of(target).parameters.values()
    return [parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty]
