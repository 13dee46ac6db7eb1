"""The JSON schema of a recipe, for editors: it completes keys and marks mistakes while a person types.

It says what can be said without importing a class; `load_recipe` says the rest.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticUserError

from lightning_hpo.recipe.algorithms import DEFAULTS, Kind, Setting, settings_of
from lightning_hpo.recipe.document import Algorithm, ObjectiveBlock, Resources, Tune
from lightning_hpo.recipe.paths import BLOCKS
from lightning_hpo.space.syntax import KINDS

__all__ = ["json_schema"]

_NULL: dict[str, Any] = {"type": "null"}
_PATH = rf"^({'|'.join(BLOCKS)})(\.[^.\s]+)*$"

_BLOCK_WORDS = {
    "model": "The LightningModule: class_path and init_args, or the arguments of one fixed class.",
    "data": "The LightningDataModule: class_path and init_args, or the arguments of one fixed class.",
    "trainer": "The arguments of the Trainer, as LightningCLI takes them.",
    "optimizer": "The optimizer, as LightningCLI takes it.",
    "lr_scheduler": "The learning-rate schedule, as LightningCLI takes it.",
}


def json_schema(searchers: Mapping[str, type], schedulers: Mapping[str, type]) -> dict[str, Any]:
    """The schema of a recipe, draft 2020-12.

    Args:
        searchers: Names to classes; their settings are read from their signatures and docstrings.
        schedulers: Names to classes.
    """
    known: Mapping[Kind, Mapping[str, type]] = {"searcher": searchers, "scheduler": schedulers}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A recipe of lightning-hpo",
        "description": "A LightningCLI config, with a block `tune` that says what may vary and what is optimised.",
        "type": "object",
        "properties": {
            "seed_everything": {
                "description": "The seed of the run; true or null leaves it to chance.",
                "anyOf": [{"type": "integer", "minimum": 0}, {"type": "boolean"}, _NULL],
            },
            **{name: _block(name) for name in BLOCKS},
            "ckpt_path": {"type": ["string", "null"], "description": "The checkpoint that every trial starts from."},
            "weights_only": {"type": ["boolean", "null"], "description": "How a checkpoint is loaded."},
            "tune": {"$ref": "#/$defs/tune"},
        },
        "required": ["tune"],
        "additionalProperties": False,
        "$defs": {
            "tune": _tune(),
            "objective": _plain_model(ObjectiveBlock),
            "resources": _plain_model(Resources),
            **{kind: _algorithms(kind, known[kind]) for kind in get_args(Kind)},
            **_space(),
        },
    }


def _block(name: str) -> dict[str, Any]:
    if name == "trainer":
        return {"description": _BLOCK_WORDS[name], "type": ["object", "null"]}
    schema: dict[str, Any] = {"description": _BLOCK_WORDS[name], "type": ["object", "string", "null"]}
    named = {
        "properties": {
            "class_path": {"type": "string", "minLength": 1, "description": "The import path of the class."},
            "init_args": {"type": ["object", "null"], "description": "The arguments of the class."},
            "dict_kwargs": {"type": ["object", "null"], "description": "Arguments that its signature does not show."},
        },
        "additionalProperties": False,
    }
    return {**schema, "if": {"type": "object", "required": ["class_path"]}, "then": named}


def _plain_model(model: type[BaseModel]) -> dict[str, Any]:
    return _untitled(model.model_json_schema())


def _tune() -> dict[str, Any]:
    # What the models cannot say about these three is said below; they keep their descriptions.
    custom = {"objective", "space", "searcher", "scheduler", "resources"}
    fields = {name: field for name, field in Tune.model_fields.items() if name not in custom}
    properties: dict[str, Any] = {}
    for name, field in Tune.model_fields.items():
        properties[name] = {"description": field.description}
        if name in custom:
            reference = {"$ref": f"#/$defs/{name}"}
            properties[name] |= reference if field.is_required() else {"anyOf": [reference, _NULL]}
            default = field.get_default(call_default_factory=False)
            if isinstance(default, Algorithm):
                properties[name]["default"] = default.name
        if name in fields:
            adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
            described = _untitled(adapter.json_schema())
            default = field.get_default(call_default_factory=True)
            default = list(default) if isinstance(default, tuple) else default
            default = default.model_dump() if isinstance(default, BaseModel) else default
            nullable = described if "anyOf" in described else {"anyOf": [described, _NULL]}
            properties[name] |= {**nullable, "default": default}
    required = [name for name, field in Tune.model_fields.items() if field.is_required()]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _algorithms(kind: Kind, known: Mapping[str, type]) -> dict[str, Any]:
    names = {"enum": sorted(known), "description": f"The name of the {kind}."}
    return {"oneOf": [names, *(_algorithm(kind, name, known[name]) for name in sorted(known))]}


def _algorithm(kind: Kind, name: str, algorithm: type) -> dict[str, Any]:
    settings = settings_of(algorithm, kind)
    required = [key for key, setting in settings.items() if setting.default is inspect.Parameter.empty]
    if name != DEFAULTS[kind]:
        required.insert(0, "name")
    summary = inspect.cleandoc(algorithm.__doc__ or "").split("\n\n")[0]
    properties = {"name": {"const": name}, **{key: _setting(setting) for key, setting in settings.items()}}
    return {
        "type": "object",
        "description": " ".join(summary.split()),
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _setting(setting: Setting) -> dict[str, Any]:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(setting.annotation)
        schema = _untitled(adapter.json_schema())
    except PydanticUserError:  # a type without a JSON form; anything may be written
        schema = {}
    if "$defs" in schema:  # its references would point into the wrong document
        schema = {}
    if isinstance(setting.default, (bool, int, float, str, list, dict, type(None))):
        schema["default"] = setting.default
    if setting.description:
        schema["description"] = setting.description
    return schema


def _space() -> dict[str, Any]:
    number, switch = {"type": "number"}, {"type": "boolean", "description": "Draw the logarithm uniformly."}
    grid = {"type": "integer", "minimum": 1, "description": "A choice of so many evenly spaced values instead."}

    def ranged(kind: str, bound: dict[str, Any], words: str) -> dict[str, Any]:
        step = {"anyOf": [{**bound, "exclusiveMinimum": 0}, _NULL], "description": "Only low + k * step are values."}
        limits = {"type": "array", "prefixItems": [bound, bound], "minItems": 2, "maxItems": 2, "description": words}
        beside = {"log": switch, "step": step, "grid": {"anyOf": [grid, _NULL]}}
        return _keyed(kind, {kind: limits, **{key: beside[key] for key in KINDS[kind]}})

    options = {
        "description": "One of several values, or one of several named branches with parameters of their own.",
        "oneOf": [
            {"type": "array", "minItems": 1},
            {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"anyOf": [{"$ref": "#/$defs/space"}, _NULL]},
            },
        ],
    }
    return {
        "space": {
            "type": "object",
            "propertyNames": {"pattern": _PATH},
            "additionalProperties": {"$ref": "#/$defs/parameter"},
        },
        "parameter": {
            "oneOf": [
                ranged("float", number, "A float from low to high, both included: [low, high]."),
                ranged("int", {"type": "integer"}, "A whole number from low to high, both included: [low, high]."),
                _keyed("choice", {"choice": options}),
                _keyed("fixed", {"fixed": {"description": "A value that does not vary."}}),
                {"type": ["string", "number", "boolean", "null"], "description": "A value that does not vary."},
            ]
        },
    }


def _keyed(key: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [key], "additionalProperties": False}


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without the titles that pydantic makes up from names."""

    def cleaned(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: cleaned(inner) for key, inner in part.items() if key != "title" or not isinstance(inner, str)}
        return [cleaned(inner) for inner in part] if isinstance(part, list) else part

    return {key: cleaned(part) for key, part in schema.items() if key != "title"}
