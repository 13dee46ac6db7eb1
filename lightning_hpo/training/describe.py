"""Reads what the classes of a recipe say of themselves: what they take, what they declare tunable, their defaults."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lightning_hpo.errors import HPOError, Problem, UsageError, did_you_mean
from lightning_hpo.recipe import paths
from lightning_hpo.space import Space
from lightning_hpo.training.blocks import BlocksAssembly
from lightning_hpo.training.family import Family, families_loaded, family_of
from lightning_hpo.training.imports import import_object
from lightning_hpo.training.objects import ObjectsAssembly
from lightning_hpo.training.parsing import parse_problems
from lightning_hpo.tunable import arguments_of, defaults_of, space_of

__all__ = ["Description", "describe", "describe_objects"]


@dataclass(frozen=True, kw_only=True)
class Description:
    """What the classes say.

    Args:
        problems: Everything that cannot work; the rest is only whole if there are none.
        space: What is declared by `@tunable` with what the recipe says laid over it, under full names.
        defaults: The value of every name of the space that has one, from the recipe or else from the class.
        family: The Lightning distribution; None if the module's class cannot be had.
    """

    problems: tuple[Problem, ...]
    space: Space
    defaults: Mapping[str, Any]
    family: Family | None


def describe(assembly: BlocksAssembly, space: Space) -> Description:
    """Imports the recipe's classes and holds the recipe against them; builds nothing.

    Args:
        assembly: The recipe's blocks.
        space: What the recipe's own `tune.space` says, under full names.
    """
    problems: list[Problem] = []
    classes: dict[str, Any] = {}
    for block, kind in (("model", "LightningModule"), ("data", "LightningDataModule")):
        found = _class_of(assembly, block, kind, problems)
        if found is not None:
            classes[block] = found
    family = _family(classes, problems)
    declared = Space({})
    for block, target in classes.items():
        declared = declared.updated(paths.addressed(space_of(target), block))
    whole = declared
    try:
        whole = Space({**declared.parameters, **space.parameters})
    except HPOError as error:
        problems.append(Problem(where="tune.space", fact=f"tune.space: {error}"))
    defaults: dict[str, Any] = {}
    if family is not None:
        classes["trainer"] = family.load().Trainer
        for name in dict.fromkeys([*whole.names()]):
            problem, default = _look_up(assembly, classes, name)
            if problem is not None:
                problems.append(problem)
            elif default is not _NONE:
                defaults[name] = default
    if family is not None and not any(problem.where.partition(".")[0] in ("model", "data") for problem in problems):
        drawn = whole.complete(defaults)
        refused = {problem.where.removeprefix("tune.space.") for problem in problems}
        problems += parse_problems(assembly, {name: drawn[name] for name in drawn if name not in refused})
    return Description(problems=tuple(problems), space=whole, defaults=defaults, family=family)


_NONE = object()


def _class_of(assembly: BlocksAssembly, block: str, kind: str, problems: list[Problem]) -> Any:
    fixed = assembly.model_class if block == "model" else assembly.data_class
    body = assembly.blocks.get(block)
    key = f"tune.{block}_class" if fixed else f"{block}.class_path"
    path = fixed or (body.get("class_path") if isinstance(body, Mapping) else body)
    if path is None:
        if block == "model":
            problems.append(
                Problem(
                    where="model",
                    fact="model has no class_path." if body is not None else "There is no model block.",
                    expected="Expected model: {class_path: package.module.ClassName, init_args: {...}},",
                    hint="or tune.model_class for a config saved by a LightningCLI that was made for one class.",
                )
            )
        elif body:
            problems.append(
                Problem(
                    where="data",
                    fact="data has no class_path.",
                    expected="Expected data: {class_path: package.module.ClassName, init_args: {...}}, or tune.data_class.",
                )
            )
        return None
    if not isinstance(path, str):
        problems.append(Problem(where=key, fact=f"{key} is {path!r}.", expected="Expected an import path."))
        return None
    try:
        target = import_object(path)
    except UsageError as error:
        problems.append(Problem(where=key, fact=f"{key}: {error}"))
        return None
    try:
        result = target if inspect.isclass(target) else inspect.signature(target, eval_str=True).return_annotation
        belongs = inspect.isclass(result) and any(base.__name__ == kind for base in inspect.getmro(result))
        if not belongs:
            raise UsageError("")
        family_of(result)
    except (UsageError, NameError, TypeError, ValueError):
        problems.append(
            Problem(where=key, fact=f"{key}: '{path}' is no {kind}.", expected=f"Expected a class derived from {kind}.")
        )
        return None
    return target


def _family(classes: Mapping[str, Any], problems: list[Problem]) -> Family | None:
    families = {}
    for block, target in classes.items():
        result = target if inspect.isclass(target) else inspect.signature(target, eval_str=True).return_annotation
        families[block] = family_of(result)
    if len(set(families.values())) > 1:
        told = " and ".join(f"{block} from {family.root}" for block, family in families.items())
        problems.append(
            Problem(where="data", fact=f"model and data come from two Lightning distributions: {told}.",
                    expected="Expected both to import from the same one.")
        )
    return families.get("model")


def _levels(assembly: BlocksAssembly, classes: Mapping[str, Any], name: str) -> Iterator[tuple[Any, Any, str]]:
    """For each argument on a name's path: (the class that takes it, what the recipe gives that class, the argument)."""
    block, *rest = name.split(".")
    node = assembly.blocks.get(block)
    target = classes.get(block)
    if target is None and isinstance(node, Mapping) and isinstance(node.get("class_path"), str):
        target = import_object(node["class_path"])
    for part in rest:
        given: Any
        if isinstance(node, list):
            node = node[int(part)] if part.isdigit() and int(part) < len(node) else None
            target = import_object(node["class_path"]) if isinstance(node, Mapping) and "class_path" in node else None
            continue
        given = node.get("init_args") or {} if isinstance(node, Mapping) and "class_path" in node else node or {}
        yield target, given, part
        node = given.get(part) if isinstance(given, Mapping) else None
        target = import_object(node["class_path"]) if isinstance(node, Mapping) and "class_path" in node else None


def _look_up(assembly: BlocksAssembly, classes: Mapping[str, Any], name: str) -> tuple[Problem | None, Any]:
    """Whether somebody takes a name, and its default (`_NONE` if it has none)."""
    block = name.partition(".")[0]
    where = f"tune.space.{name}"
    if block in ("data", "optimizer", "lr_scheduler") and not assembly.blocks.get(block) and block not in classes:
        return Problem(where=where, fact=f"tune.space.{name}: the recipe has no {block} block."), _NONE
    if block in ("model", "data") and block not in classes:
        return None, _NONE  # its class is a problem of its own
    target: Any = None
    given: Any = {}
    argument = ""
    try:
        for target, given, argument in _levels(assembly, classes, name):
            if argument == "class_path" or target is None:
                continue
            problem = _refusal(f"tune.space.{name}", argument, target, classes)
            if problem is not None:
                return problem, _NONE
    except UsageError as error:
        return Problem(where=where, fact=f"tune.space.{name}: {error}"), _NONE
    if isinstance(given, Mapping) and argument in given:
        return None, given[argument]
    return None, defaults_of(target).get(argument, _NONE) if target is not None else _NONE


def describe_objects(assembly: ObjectsAssembly, space: Space) -> Description:
    """The same for what `TuneTrainer.tune` was given; builds nothing.

    Args:
        assembly: The objects.
        space: What the caller says beyond `@tunable`, under full names.
    """
    problems: list[Problem] = []
    targets: dict[str, Any] = {"model": assembly.model}
    if assembly.data is not None:
        targets["data"] = assembly.data
    family = family_of(assembly.model) if inspect.isclass(assembly.model) else None
    targets["trainer"] = (family or families_loaded()[0]).load().Trainer
    declared = Space({})
    for block in ("model", "data"):
        target = targets.get(block)
        if inspect.isclass(target) or inspect.isfunction(target):
            declared = declared.updated(paths.addressed(space_of(target), block))
    whole = Space({**declared.parameters, **space.parameters})
    given = {f"trainer.{flag}": value for flag, value in assembly.flags.items()}
    defaults: dict[str, Any] = {}
    for name in whole.names():
        block, _, argument = name.partition(".")
        target = targets.get(block)
        if target is None:
            fact = f"{name}: there is no {block}." if block == "data" else f"{name} addresses nothing."
            hint = "Expected a name of the model's, data.NAME or trainer.NAME."
            problems.append(Problem(where=name, fact=fact, expected=hint))
        elif block == "data" and not inspect.isclass(target) and not inspect.isfunction(target):
            if hasattr(target, argument):
                defaults[name] = getattr(target, argument)
        else:
            problem = _refusal(name, argument, target, targets)
            if problem is not None:
                problems.append(problem)
            elif argument in (known := defaults_of(target)):
                defaults[name] = known[argument]
    defaults.update({name: value for name, value in given.items() if name in defaults})
    return Description(problems=tuple(problems), space=whole, defaults=defaults, family=family)


def _refusal(name: str, argument: str, target: Any, targets: Mapping[str, Any]) -> Problem | None:
    arguments = arguments_of(target)
    if arguments.takes(argument):
        return None
    told = getattr(target, "__qualname__", str(target))
    data = targets.get("data")
    elsewhere = inspect.isclass(data) and argument in arguments_of(data).names
    hint = f"Did you mean 'data.{argument}'?" if elsewhere else did_you_mean(argument, arguments.names)
    takes = ", ".join(arguments.names) or "nothing"
    return Problem(
        where=name,
        fact=f"{name}: {told} takes no argument '{argument}'; nothing would be tuned.",
        expected=f"It takes: {takes}." if len(takes) < 400 else "",
        hint=hint,
    )
