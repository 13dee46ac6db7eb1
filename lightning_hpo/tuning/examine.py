"""Looks at a study before it runs: what its classes say, and the dry run. Called in a worker, or in this process."""

from __future__ import annotations

import contextlib
import io
import tempfile
from dataclasses import dataclass, field
from typing import Any

from lightning_hpo.errors import Problem
from lightning_hpo.objective import Objective
from lightning_hpo.space import Space
from lightning_hpo.training import Assembly, Resource, Task
from lightning_hpo.trial import Config
from lightning_hpo.tuning.settings import plain_defaults

__all__ = ["Examination", "Question", "examine", "warm"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is to be looked at.

    Args:
        assembly: Builds the study's parts.
        space: What the recipe or the caller says may vary, under full names; `@tunable` adds to it.
        objective: The metric that must be logged.
        seed: For the dry run.
        resource: What a step counts.
        cpus: CPUs of one trial.
        gpus: GPUs of one trial.
        dry_run: Whether to fit one batch, too.
    """

    assembly: Assembly
    space: Space
    objective: Objective
    seed: int
    resource: Resource = "epoch"
    cpus: float = 1.0
    gpus: float = 0.0
    dry_run: bool = True


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What was seen.

    Args:
        problems: Why the study cannot run; empty if it can.
        space: The whole space, `@tunable` included.
        defaults: The first trial's config.
        declared: The names of `defaults` that have a default of their own; the others took the middle of their range.
        logged: What one batch logged; empty without a dry run.
    """

    problems: tuple[Problem, ...]
    space: Space
    defaults: Config
    declared: tuple[str, ...] = ()
    logged: dict[str, float] = field(default_factory=dict)


def examine(question: Question) -> Examination:
    """Describes the classes and, if asked for and nothing is wrong so far, carries out the dry run.

    Nothing is written but to a scratch directory; prints and warnings of the user's code are swallowed.
    """
    from lightning_hpo.training.blocks import BlocksAssembly
    from lightning_hpo.training.describe import describe, describe_objects
    from lightning_hpo.training.proof import prove

    assembly: Any = question.assembly
    told = describe if isinstance(assembly, BlocksAssembly) else describe_objects
    from lightning_hpo.training.output import speaking_into

    with speaking_into(io.StringIO()):
        description = told(assembly, question.space)
    defaults = plain_defaults(description.space, description.defaults)
    problems = list(description.problems)
    logged: dict[str, float] = {}
    if question.dry_run and not problems:
        with tempfile.TemporaryDirectory(prefix="lightning-hpo-") as scratch, speaking_into(io.StringIO()):
            task = Task(
                trial=0,
                config=defaults,
                seed=question.seed,
                directory=scratch,
                objective=question.objective,
                resource=question.resource,
                cpus=question.cpus,
                gpus=question.gpus,
            )
            proof = prove(assembly, description.space, defaults, task)
        problems += proof.problems
        logged = proof.logged
    return Examination(
        problems=tuple(problems),
        space=description.space,
        defaults=defaults,
        declared=tuple(name for name in defaults if name in description.defaults),
        logged=logged,
    )


def warm(question: Question) -> None:
    """Imports what a trial will need, in a worker that has nothing else to do yet.

    What goes wrong here goes wrong in the examination, too, and is told there.
    """
    with contextlib.suppress(Exception):
        from lightning_hpo.training.blocks import BlocksAssembly
        from lightning_hpo.training.family import families_loaded

        assembly: Any = question.assembly
        if isinstance(assembly, BlocksAssembly):
            assembly.warm()
        families_loaded()[0].load()
