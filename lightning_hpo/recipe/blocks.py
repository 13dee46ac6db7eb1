"""The LightningCLI part of a recipe: which blocks there are, and what shape they have.

What stands in them is LightningCLI's to check, where the classes can be imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning_hpo.errors import Problem, did_you_mean
from lightning_hpo.recipe.paths import BLOCKS
from lightning_hpo.recipe.places import Places
from lightning_hpo.recipe.wording import show

__all__ = ["TOP_LEVEL", "check_blocks", "spelled_out"]

#: Every key at the top of a recipe.
TOP_LEVEL = ("seed_everything", *BLOCKS, "ckpt_path", "weights_only", "tune")

_SUBCOMMANDS = ("fit", "validate", "test", "predict")
_IN_A_CLASS = ("class_path", "init_args", "dict_kwargs")
_LARGEST_SEED = 2**32 - 1


def spelled_out(data: Mapping[Any, Any]) -> dict[Any, Any]:
    """The document with every block that only names its class, as LightningCLI allows, written with `class_path`."""
    return {
        key: {"class_path": block} if key in BLOCKS and key != "trainer" and isinstance(block, str) and block else block
        for key, block in data.items()
    }


def check_blocks(data: Mapping[Any, Any], places: Places, needs_model: bool) -> list[Problem]:
    """What is wrong with the keys at the top and the shape of the blocks.

    Args:
        data: The document.
        places: Where values came from.
        needs_model: Whether the recipe must say which class is trained.
    """
    problems = [_unknown(key, places) for key in data if key not in TOP_LEVEL]
    for key in BLOCKS:
        problems += _block(key, data.get(key), places)
    seed = data.get("seed_everything")
    if seed is not None and not isinstance(seed, bool) and not (isinstance(seed, int) and 0 <= seed <= _LARGEST_SEED):
        expected = f"Expected a whole number from 0 to {_LARGEST_SEED}, true or false."
        problems.append(places.problem(("seed_everything",), f"seed_everything is {show(seed)}.", expected))
    if not isinstance(data.get("ckpt_path"), (str, type(None))):
        fact = f"ckpt_path is {show(data['ckpt_path'])}."
        problems.append(places.problem(("ckpt_path",), fact, "Expected the path of a checkpoint, or null."))
    if not isinstance(data.get("weights_only"), (bool, type(None))):
        fact = f"weights_only is {show(data['weights_only'])}."
        problems.append(places.problem(("weights_only",), fact, "Expected true, false or null."))
    tune = data.get("tune")
    if isinstance(tune, Mapping):
        problems += _class_given("model", data, tune, places, needed=needs_model)
        problems += _class_given("data", data, tune, places, needed=bool(data.get("data")))
    return problems


def _unknown(key: Any, places: Places) -> Problem:
    if key in _SUBCOMMANDS:
        return places.problem((key,), f"{key} is no block of a recipe.", f"Move what stands under {key} to the top.")
    hint = did_you_mean(key, TOP_LEVEL) if isinstance(key, str) else ""
    return places.problem((key,), f"{key} is no block of a recipe. Known: {', '.join(TOP_LEVEL)}.", hint=hint)


def _block(key: str, block: Any, places: Places) -> list[Problem]:
    if block is None:
        return []
    if not isinstance(block, Mapping):
        like = "{max_epochs: 30}" if key == "trainer" else "{class_path: package.module.Class, init_args: {}}"
        return [places.problem((key,), f"{key} is {show(block)}.", f"Expected a mapping, like {like}.")]
    if key == "trainer" or "class_path" not in block:
        return []
    problems = []
    if not isinstance(block["class_path"], str) or not block["class_path"]:
        fact = f"{key}.class_path is {show(block['class_path'])}."
        problems.append(
            places.problem((key, "class_path"), fact, "Expected an import path, like package.module.Class.")
        )
    if not isinstance(block.get("init_args"), (Mapping, type(None))):
        fact = f"{key}.init_args is {show(block['init_args'])}."
        problems.append(places.problem((key, "init_args"), fact, "Expected a mapping of arguments to values."))
    for inner in block:
        if inner not in _IN_A_CLASS:
            fact = f"{key}.{inner} stands beside class_path. There, known are {', '.join(_IN_A_CLASS)}."
            near = did_you_mean(str(inner), _IN_A_CLASS)
            hint = near or f"If it is an argument of the class, move it under {key}.init_args."
            problems.append(places.problem((key, inner), fact, hint=hint))
    return problems


def _class_given(
    key: str, data: Mapping[Any, Any], tune: Mapping[Any, Any], places: Places, needed: bool
) -> list[Problem]:
    """Whether the class of a block is named exactly once: in the block, or as `tune.model_class`, `tune.data_class`."""
    block, fixed = data.get(key), f"{key}_class"
    inside = isinstance(block, Mapping) and "class_path" in block
    if inside and tune.get(fixed) is not None:
        fact = f"tune.{fixed} is {show(tune[fixed])}, but {key}.class_path names a class too."
        return [places.problem(("tune", fixed), fact, "Keep one of them.")]
    if inside or tune.get(fixed) is not None or not needed or not isinstance(block, (Mapping, type(None))):
        return []
    fact = f"{key} has no class_path." if block else f"{key} is missing."
    expected = f"Expected {key}.class_path, or tune.{fixed} if {key} holds the arguments of one fixed class."
    return [places.problem((key,), fact, expected)]
