"""The dry run: shows that a study tunes what it says, before any time is spent.

It fits one batch at two points of the space, checks that the objective is logged, finite, and that the two fits are not
one and the same; and it builds the parts with each name at two values, and checks that what is built differs.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lightning_hpo.errors import HPOError, Problem, did_you_mean
from lightning_hpo.space import Parameter, Space
from lightning_hpo.training.callbacks import ReportCallback, numbers
from lightning_hpo.training.fingerprint import fingerprint
from lightning_hpo.training.fit import prepare, seed_everything
from lightning_hpo.training.reads import recorded_reads
from lightning_hpo.training.task import Assembly, Parts, Task
from lightning_hpo.trial import Config, Verdict

__all__ = ["Proof", "prove"]

#: Nothing written that a person would find, and as little as can be of what does not bear on the question. What a
#: module may compute its schedule from (max_epochs, the number of batches) stays as the user has it.
_QUIET: Mapping[str, Any] = {
    "min_epochs": None,
    "min_steps": None,
    "limit_val_batches": 1,
    "num_sanity_val_steps": 0,
    "accumulate_grad_batches": 1,
    "log_every_n_steps": 1,
    "logger": False,
    "profiler": None,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
#: Other points to try when one cannot be built: a combination may be illegal without the study being wrong.
_POINTS = 6
#: Points of the space at which a name may show that it makes a difference: some act only beside others.
_PLACES = 4


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


@dataclass(frozen=True, kw_only=True)
class _Fitted:
    """One batch's fit: what it logged, a digest of what it left, the hyperparameters that it read."""

    logged: dict[str, float]
    outcome: str
    read: frozenset[str]


class _OneBatch:
    """The channel that ends a fit after its first batch; Lightning then validates and ends as after any fit."""

    stopping = True

    def report(self, step: int, metrics: Mapping[str, float]) -> Verdict:
        return Verdict.STOP


def prove(assembly: Assembly, space: Space, defaults: Config, task: Task) -> Proof:
    """Carries out the dry run in this process.

    Edges:
        * A drawn point that cannot be built or fitted is replaced by another, a few times.
        * A non-finite objective counts at the defaults only.
        * Names of the Trainer's need not show in one batch: it accepts its own arguments only.

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
    proof.logged = base.logged
    _check_objective(task, proof)
    if not space.names() or proof.problems:
        return proof
    other = _second_point(assembly, space, defaults, task, proof)
    if other is None:
        return proof
    built = _Builds(assembly, task)
    for name in space.names():
        problem = _effect(built, space, defaults, name)
        if problem is None:
            proof.effective.append(name)
        else:
            proof.problems.append(problem)
    if not proof.problems and _alike(base, other, space):
        names = ", ".join(space.names())
        fact = f"Two trials that differ in {names} trained to the same weights and metrics."
        hint = "Check that the module uses these arguments: all trials of this study would be identical."
        proof.problems.append(Problem(where="tune.space", fact=fact, expected="Expected different trials.", hint=hint))
    return proof


def _fit_one_batch(assembly: Assembly, task: Task, proof: Proof, told: str) -> _Fitted | None:
    task = dataclasses.replace(task, flags={**task.flags, **_QUIET})
    try:
        parts = prepare(assembly, task)
        trainer = parts.trainer
        if trainer.check_val_every_n_epoch:
            trainer.check_val_every_n_epoch = 1  # not a flag: where it was None, it must stay None
        for callback in trainer.checkpoint_callbacks:
            if getattr(callback, "dirpath", None):
                os.makedirs(task.directory, exist_ok=True)
                callback.dirpath = tempfile.mkdtemp(prefix="checkpoints-", dir=task.directory)
        trainer.callbacks.append(ReportCallback(_OneBatch()))
        with recorded_reads(parts.model) as read:
            parts.train()
        return _Fitted(logged=numbers(trainer.callback_metrics), outcome=_outcome(parts), read=frozenset(read))
    except Exception as error:  # the user's code may fail in any way
        proof.problems.append(_failure(error, f"One batch with {told} fails", task.config))
        return None


def _failure(error: BaseException, fact: str, config: Config) -> Problem:
    error = _innermost(error)
    if isinstance(error, HPOError):
        return Problem(where="model", fact=f"{fact}: {error}")
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    frames = [f for f in frames if "lightning_hpo/training" not in f.filename.replace("\\", "/")]
    place = f"at {frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    shown = ", ".join(f"{name}={value!r}" for name, value in config.items())
    told = f"{fact}: {type(error).__name__}: {error}"
    return Problem(where="model", fact=told, expected=place, hint=f"Config: {shown}" if shown else "")


def _innermost(error: BaseException) -> BaseException:
    """What the user's code raised; LightningCLI's parser raises its own from it, which says little."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _check_objective(task: Task, proof: Proof) -> None:
    metric = task.objective.metric
    where = "tune.objective.metric"
    if metric not in proof.logged:
        logged = ", ".join(sorted(proof.logged)) or "nothing"
        fact = f"{where} is '{metric}', but one batch of training and validation never logged it."
        hint = did_you_mean(metric, proof.logged)
        proof.problems.append(Problem(where=where, fact=fact, expected=f"Logged: {logged}.", hint=hint))
    elif not np.isfinite(proof.logged[metric]):
        fact = f"{where} '{metric}' is {proof.logged[metric]} after one batch with the defaults."
        hint = "Look for a division by zero or a logarithm of zero, or start from other defaults."
        proof.problems.append(Problem(where=where, fact=fact, expected="Expected a finite number.", hint=hint))


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


def _second_point(assembly: Assembly, space: Space, defaults: Config, task: Task, proof: Proof) -> _Fitted | None:
    points = _points(space, defaults)
    failed = Proof()
    for _ in range(_POINTS):
        fitted = _fit_one_batch(assembly, dataclasses.replace(task, config=next(points)), failed, "a drawn config")
        if fitted is not None:
            return fitted
    proof.problems.append(failed.problems[0])
    return None


class _Builds:
    """Digests of what configs build, each built once and let go at once.

    For the model's names the model alone is built, since its data may take long to read.
    """

    def __init__(self, assembly: Assembly, task: Task) -> None:
        self._assembly = assembly
        self._task = dataclasses.replace(task, flags={**task.flags, **_QUIET})
        self._known: dict[str, str] = {}

    def digest(self, config: Config, block: str) -> str:
        """What the config builds, as far as the block can reach."""
        key = fingerprint([dict(config), block == "data"])
        if key not in self._known:
            task = dataclasses.replace(self._task, config=config)
            if block == "data":
                seen: Any = prepare(self._assembly, task).data
            else:
                seed_everything(task.seed)
                model = self._assembly.build_model(config)
                seen = [model, _optimizer(model)]
            self._known[key] = fingerprint(seen)
        return self._known[key]


def _effect(built: _Builds, space: Space, defaults: Config, name: str) -> Problem | None:
    """Whether builds that differ in one name alone differ at all, at the defaults or elsewhere."""
    block = name.partition(".")[0]
    tried: list[Any] = []
    if block == "trainer":
        return None
    for first, second in _pairs(space, defaults, name):
        try:
            if built.digest(first, block) != built.digest(second, block):
                return None
        except Exception:  # an illegal combination is the searcher's risk; that the name is used is shown by it
            return None
        tried += [value for value in (first[name], second[name]) if value not in tried]
    if not tried:
        return None  # fixed, or one value only: nothing to tell apart
    told = f"{', '.join(map(repr, tried[:-1]))} and {tried[-1]!r}"
    fact = f"tune.space.{name}: what was built with {told} is the same; the value reaches nothing."
    hint = "Use the argument in __init__, keep it as an attribute, or call self.save_hyperparameters()."
    return Problem(where=f"tune.space.{name}", fact=fact, expected="", hint=hint)


def _optimizer(model: Any) -> Any:
    """What `configure_optimizers` makes; None where it needs a running fit."""
    try:
        return model.configure_optimizers()
    except Exception:  # it may need trainer.max_epochs or the data, which only a fit has
        return None


def _pairs(space: Space, defaults: Config, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Configs that differ in one name, in a branch where it is active: first at the defaults, then elsewhere."""
    under, parameter = next((under, parameter) for under, found, parameter in space.walk() if found == name)
    points = _points(space, defaults)
    rng = np.random.default_rng(0)
    for place in range(_PLACES):
        first = space.complete({**(next(points) if place else defaults), **dict(under)})
        value = _other(parameter, first[name], rng)
        if value is not _NONE:
            yield first, space.complete({**first, name: value})


def _other(parameter: Parameter, than: Any, rng: np.random.Generator) -> Any:
    return next((value for value in (parameter.sample(rng) for _ in range(50)) if value != than), _NONE)


_NONE = object()


def _outcome(parts: Parts) -> str:
    """Everything that a later epoch could depend on, but for the record of the arguments themselves."""
    trainer = parts.trainer
    seen = {
        "model": parts.model,
        "metrics": numbers(trainer.callback_metrics),
        "optimizers": [optimizer.state_dict() for optimizer in trainer.optimizers],
        "schedulers": [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs],
    }
    return fingerprint(seen, passing_over=frozenset({"_hparams"}))


def _alike(base: _Fitted, other: _Fitted, space: Space) -> bool:
    """Whether all trials would be identical, as far as one batch can tell."""
    names = space.names()
    if any(name.startswith(("trainer.", "data.")) for name in names):
        return False  # one batch need not show a length, a patience, a number of workers
    read = base.read | other.read
    return base.outcome == other.outcome and not any(name.rpartition(".")[2] in read for name in names)
