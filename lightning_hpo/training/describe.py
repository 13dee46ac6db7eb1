"""Reads what the classes of a recipe say of themselves: what they take, what they declare tunable, their defaults."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lightning_hpo.errors import HPOError, Problem, UsageError, did_you_mean
from lightning_hpo.recipe import paths
from lightning_hpo.space import Space
from lightning_hpo.training.blocks import BlocksAssembly
from lightning_hpo.training.family import Family, families_loaded, family_of, is_a, made_by
from lightning_hpo.training.imports import find_class, import_object
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
        whole = declared.updated(space)
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
_DATA = "LightningDataModule"


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
                    expected="Expected data: {class_path: package.module.ClassName, init_args: {...}},",
                    hint="or tune.data_class.",
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
        if not is_a(made_by(target), kind):
            raise UsageError(f"'{path}' is no {kind}.")
    except UsageError as error:
        expected = f"Expected a class derived from {kind}, or a function that returns one."
        problems.append(Problem(where=key, fact=f"{key}: {error}", expected=expected))
        return None
    return target


def _family(classes: Mapping[str, Any], problems: list[Problem]) -> Family | None:
    families = {}
    for block, target in classes.items():
        families[block] = family_of(made_by(target))
    problems += _mixed(families)
    return families.get("model")


def _mixed(families: Mapping[str, Family]) -> list[Problem]:
    if len(set(families.values())) < 2:
        return []
    told = " and ".join(f"{block} from {family.root}" for block, family in families.items())
    fact = f"model and data come from two Lightning distributions: {told}."
    return [Problem(where="data", fact=fact, expected="Expected both to import from the same one.")]


def _levels(assembly: BlocksAssembly, classes: Mapping[str, Any], name: str) -> Iterator[tuple[Any, Any, str]]:
    """For each argument on a name's path: (the class that takes it, what the recipe gives that class, the argument)."""
    block, *rest = name.split(".")
    node = assembly.blocks.get(block)
    target = classes.get(block) or _named(node)
    for part in rest:
        given: Any
        if isinstance(node, list):
            node = node[int(part)] if part.isdigit() and int(part) < len(node) else None
            target = _named(node)
            continue
        given = node.get("init_args") or {} if isinstance(node, Mapping) and "class_path" in node else node or {}
        yield target, node if part == "class_path" else given, part
        node = given.get(part) if isinstance(given, Mapping) else None
        target = _named(node)


def _named(node: Any) -> Any:
    """The class that a part of a recipe names; None if it names none, or by a short name that LightningCLI resolves."""
    path = node.get("class_path") if isinstance(node, Mapping) else None
    if not isinstance(path, str):
        return None
    return import_object(path) if "." in path or ":" in path else find_class(path)


def _look_up(assembly: BlocksAssembly, classes: Mapping[str, Any], name: str) -> tuple[Problem | None, Any]:
    """Whether somebody takes a name, and its default (`_NONE` if it has none)."""
    block = name.partition(".")[0]
    where = f"tune.space.{name}"
    if block in ("data", "optimizer", "lr_scheduler") and not assembly.blocks.get(block) and block not in classes:
        return Problem(where=where, fact=f"tune.space.{name}: the recipe has no {block} block."), _NONE
    if block in ("model", "data") and block not in classes:
        return None, _NONE  # its class is a problem of its own
    try:
        paths.resolve(assembly.blocks, name)
    except UsageError as error:
        return Problem(where=where, fact=f"tune.space.{error}"), _NONE
    target: Any = None
    given: Any = {}
    argument = ""
    try:
        for level in _levels(assembly, classes, name):
            target, given, argument = level
            if argument != "class_path" and target is not None:
                problem = _refusal(where, argument, target, classes)
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
    family = _family_said(assembly, problems)
    targets["trainer"] = (family or families_loaded()[0]).load().Trainer
    declared = Space({})
    for block in ("model", "data"):
        target = targets.get(block)
        if target is not None and not _is_instance(target):
            declared = declared.updated(paths.addressed(_declared(target), block))
    whole = declared.updated(space)
    given = {f"trainer.{flag}": value for flag, value in assembly.flags.items()}
    defaults: dict[str, Any] = {}
    for name in whole.names():
        block, _, argument = name.partition(".")
        target = targets.get(block)
        if target is None:
            fact = f"{name}: there is no {block}." if block == "data" else f"{name} addresses nothing."
            hint = "Expected a name of the model's, data.NAME or trainer.NAME."
            problems.append(Problem(where=name, fact=fact, expected=hint))
        elif block == "data" and _is_instance(target):
            kept = {**vars(target), **(getattr(target, "hparams", None) or {})}
            if argument in kept or hasattr(target, argument):
                defaults[name] = kept[argument] if argument in kept else getattr(target, argument)
            else:
                fact = f"{name}: this {type(target).__qualname__} has no attribute '{argument}'."
                hint = did_you_mean(argument, [known for known in kept if not known.startswith("_")])
                hint = hint or "Pass the class instead of an instance, or keep the argument as an attribute."
                problems.append(Problem(where=name, fact=fact, hint=hint))
        else:
            problem = _refusal(name, argument, target, targets)
            if problem is not None:
                problems.append(problem)
            elif argument in (known := defaults_of(target)):
                defaults[name] = known[argument]
    defaults.update({name: value for name, value in given.items() if name in defaults})
    return Description(problems=tuple(problems), space=whole, defaults=defaults, family=family)


def _family_said(assembly: ObjectsAssembly, problems: list[Problem]) -> Family | None:
    """The family of the model, as far as a class or an annotation says it; notes what is no module at all."""
    found: dict[str, Family] = {}
    for block, target, kind in (("model", assembly.model, "LightningModule"), ("data", assembly.data, _DATA)):
        made = target if inspect.isclass(target) or (block == "data" and _is_instance(target)) else None
        if made is None and target is not None:
            with contextlib.suppress(UsageError):
                made = made_by(target)
        if made is None:
            continue
        if is_a(made, kind):
            found[block] = family_of(made)
        elif inspect.isclass(target):
            fact = f"{target.__qualname__} is no {kind}."
            problems.append(Problem(where=block, fact=fact, expected=f"Expected a class derived from {kind}."))
    problems += _mixed(found)
    return found.get("model")


def _is_instance(target: Any) -> bool:
    return not inspect.isclass(target) and is_a(target, _DATA)


def _declared(target: Any) -> Space:
    """What `@tunable` says of a class or a function, also behind `functools.partial`, without what that has bound."""
    if not isinstance(target, functools.partial):
        return space_of(target)
    inner = _declared(target.func)
    return Space({name: parameter for name, parameter in inner.items() if name not in target.keywords})


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
