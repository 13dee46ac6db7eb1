"""The dry run: shows that a study tunes what it says, before any time is spent.

It builds the parts at two points of the space, checks that each name makes a difference to what is built, fits one
batch at both, and checks that the objective is logged, finite, and that the two fits are not one and the same.
"""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lightning_hpo.errors import HPOError, Problem, UsageError, did_you_mean
from lightning_hpo.space import Space
from lightning_hpo.training.callbacks import numbers
from lightning_hpo.training.fingerprint import fingerprint
from lightning_hpo.training.fit import prepare
from lightning_hpo.training.task import Assembly, Parts, Task
from lightning_hpo.trial import Config

__all__ = ["Proof", "prove"]

#: One batch of training and of validation, and nothing written that a person would find.
_ONE_BATCH: Mapping[str, Any] = {
    "max_epochs": 1,
    "max_steps": -1,
    "min_epochs": None,
    "min_steps": None,
    "limit_train_batches": 1,
    "limit_val_batches": 1,
    "val_check_interval": 1.0,
    "check_val_every_n_epoch": 1,
    "num_sanity_val_steps": 0,
    "accumulate_grad_batches": 1,
    "log_every_n_steps": 1,
    "overfit_batches": 0.0,
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
#: Second points to try when one cannot be built: a combination may be illegal without the study being wrong.
_TRIES = 3


@dataclass(kw_only=True)
class Proof:
    """What the dry run found.

    Args:
        problems: Why the study cannot run as it says; empty if it can.
        logged: The metrics that one batch at the defaults logged.
        effective: The names that were seen to make a difference.
    """

    problems: list[Problem] = field(default_factory=list)
    logged: dict[str, float] = field(default_factory=dict)
    effective: list[str] = field(default_factory=list)


def prove(assembly: Assembly, space: Space, defaults: Config, task: Task) -> Proof:
    """Carries out the dry run in this process.

    Args:
        assembly: Builds the parts.
        space: Full names to parameters.
        defaults: The first trial's config.
        task: A trial to take the objective, seed, resources and a scratch directory from; its config is not used.
    """
    proof = Proof()
    base = _fit_one_batch(assembly, dataclasses.replace(task, config=defaults), proof, "the defaults")
    if base is None:
        return proof
    proof.logged = numbers(base.trainer.callback_metrics)
    _check_objective(task, proof)
    if not space.names() or proof.problems:
        return proof
    other = _second_point(assembly, space, defaults, task, proof)
    if other is None:
        return proof
    for name in space.names():
        problem = _effect(assembly, space, defaults, name, task)
        if problem is None:
            proof.effective.append(name)
        else:
            proof.problems.append(problem)
    if not proof.problems and _outcome(base) == _outcome(other):
        names = ", ".join(space.names())
        fact = f"Two trials that differ in {names} trained to the same weights and metrics."
        hint = "Check that the module uses these arguments: all trials of this study would be identical."
        proof.problems.append(Problem(where="tune.space", fact=fact, expected="Expected different trials.", hint=hint))
    return proof


def _fit_one_batch(assembly: Assembly, task: Task, proof: Proof, told: str) -> Parts | None:
    task = dataclasses.replace(task, flags={**task.flags, **_ONE_BATCH})
    try:
        parts = prepare(assembly, task)
        parts.trainer.fit(parts.model, **parts.data, ckpt_path=parts.ckpt_path)
    except Exception as error:  # the user's code may fail in any way
        proof.problems.append(_failure(error, f"One batch with {told} fails", task.config))
        return None
    return parts


def _failure(error: Exception, fact: str, config: Config) -> Problem:
    if isinstance(error, HPOError):
        return Problem(where="model", fact=f"{fact}: {error}")
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    frames = [f for f in frames if "lightning_hpo/training" not in f.filename.replace("\\", "/")]
    place = f"at {frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    shown = ", ".join(f"{name}={value!r}" for name, value in config.items())
    return Problem(where="model", fact=f"{fact}: {type(error).__name__}: {error}", expected=place, hint=f"Config: {shown}")


def _check_objective(task: Task, proof: Proof) -> None:
    metric = task.objective.metric
    if metric not in proof.logged:
        logged = ", ".join(sorted(proof.logged)) or "nothing"
        fact = f"tune.objective.metric is '{metric}', but one batch of training and validation never logged it."
        hint = did_you_mean(metric, proof.logged)
        proof.problems.append(Problem(where="tune.objective.metric", fact=fact, expected=f"Logged: {logged}.", hint=hint))
    elif not np.isfinite(proof.logged[metric]):
        fact = f"tune.objective.metric '{metric}' is {proof.logged[metric]} after one batch with the defaults."
        proof.problems.append(
            Problem(where="tune.objective.metric", fact=fact, expected="Expected a finite number.",
                    hint="Look for a division by zero or a logarithm of zero, or start from other defaults.")
        )


def _points(space: Space, defaults: Config) -> Iterator[dict[str, Any]]:
    """Configs that differ from the defaults in every name, as far as each name has another value."""
    rng = np.random.default_rng(0)
    while True:
        drawn = space.sample(rng)
        for _ in range(20):
            same = [name for name in drawn if name in defaults and drawn[name] == defaults[name]]
            if not same:
                break
            again = space.sample(rng)
            drawn = space.complete({**drawn, **{name: again[name] for name in same if name in again}})
        yield drawn


def _second_point(assembly: Assembly, space: Space, defaults: Config, task: Task, proof: Proof) -> Parts | None:
    points = _points(space, defaults)
    failed = Proof()
    for _ in range(_TRIES):
        parts = _fit_one_batch(assembly, dataclasses.replace(task, config=next(points)), failed, "a drawn config")
        if parts is not None:
            return parts
    proof.problems.append(failed.problems[0])
    return None


def _effect(assembly: Assembly, space: Space, defaults: Config, name: str, task: Task) -> Problem | None:
    """Whether two builds that differ in one name alone differ at all."""
    pair = _pair(space, defaults, name)
    if pair is None:
        return None  # fixed, or one value only: nothing to tell apart
    built = []
    for config in pair:
        try:
            parts = prepare(assembly, dataclasses.replace(task, config=config, flags={**task.flags, **_ONE_BATCH}))
        except Exception:  # an illegal combination is the searcher's risk; that the name is used is shown by it
            return None
        if name.startswith("trainer."):
            return None  # the Trainer accepts its own arguments only
        built.append(fingerprint({"model": parts.model, "data": parts.data, "optimizer": _optimizer(parts)}))
    if built[0] != built[1]:
        return None
    told = " and ".join(repr(config[name]) for config in pair)
    fact = f"tune.space.{name}: what was built with {told} is the same; the value reaches nothing."
    hint = "Use the argument in __init__, keep it as an attribute, or call self.save_hyperparameters()."
    return Problem(where=f"tune.space.{name}", fact=fact, expected="", hint=hint)


def _optimizer(parts: Parts) -> Any:
    """What `configure_optimizers` makes, as plain data; None where it needs a running fit."""
    try:
        made = parts.model.configure_optimizers()
    except Exception:  # it may need trainer.max_epochs or the data, which only a fit has
        return None
    found = made if isinstance(made, (list, tuple)) else [made]
    return [getattr(item, "defaults", item) for item in found]


def _pair(space: Space, defaults: Config, name: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Two configs that differ in one name, in the branch where it is active."""
    under, parameter = next((under, parameter) for under, found, parameter in space.walk() if found == name)
    first = space.complete({**defaults, **dict(under)})
    rng = np.random.default_rng(0)
    for value in (parameter.sample(rng) for _ in range(50)):
        if value != first[name]:
            return first, space.complete({**defaults, **first, name: value})
    return None


def _outcome(parts: Parts) -> str:
    """Everything that a later epoch could depend on, but for the record of the arguments themselves."""
    trainer = parts.trainer
    seen = {
        "model": parts.model,
        "metrics": numbers(trainer.callback_metrics),
        "optimizers": [optimizer.state_dict() for optimizer in trainer.optimizers],
        "schedulers": [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs],
        "data": parts.data,
        "callbacks": trainer.callbacks,
    }
    return fingerprint(seen, passing_over=frozenset({"_hparams"}))
