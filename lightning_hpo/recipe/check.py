"""From a file, a `--set` and a person's typing to a `Recipe`, or to every problem at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from lightning_hpo.errors import HPOError, Problem, RecipeError, SettingError, SpaceError, did_you_mean
from lightning_hpo.objective import Objective
from lightning_hpo.recipe.algorithms import DEFAULTS, Kind, read_algorithm
from lightning_hpo.recipe.blocks import check_blocks, spelled_out
from lightning_hpo.recipe.document import Algorithm, Recipe, Tune, full_length, length_name
from lightning_hpo.recipe.overrides import override
from lightning_hpo.recipe.places import Places
from lightning_hpo.recipe.reading import Document, KeyPath, dotted, open_yaml
from lightning_hpo.recipe.spaces import SpaceReader
from lightning_hpo.recipe.wording import of_field, show
from lightning_hpo.space import Space

__all__ = ["check_recipe", "load_recipe"]

#: Stands in for what has a problem of its own, so that everything else is still checked.
_SOUND: Mapping[str, Any] = {
    "objective": {"metric": "metric"},
    "space": Space({}),
    **{kind: Algorithm(name=name) for kind, name in DEFAULTS.items()},
}


def load_recipe(
    path: str | Path,
    *,
    searchers: Mapping[str, type],
    schedulers: Mapping[str, type],
    overrides: Sequence[str] = (),
    needs_model: bool = True,
) -> Recipe:
    """Reads and checks a recipe. Nothing of the user's is imported.

    Args:
        path: The file.
        searchers: Names to classes.
        schedulers: Names to classes.
        overrides: What stood behind each `--set`, like `tune.n_trials=5`.
        needs_model: Whether the recipe must say which class is trained.

    Raises:
        RecipeError: With every problem there is.
    """
    document = open_yaml(path)
    return check_recipe(
        document.data,
        document,
        searchers=searchers,
        schedulers=schedulers,
        overrides=overrides,
        needs_model=needs_model,
    )


def check_recipe(
    data: Any,
    document: Document | None = None,
    *,
    searchers: Mapping[str, type],
    schedulers: Mapping[str, type],
    overrides: Sequence[str] = (),
    needs_model: bool = True,
    source: str = "recipe",
) -> Recipe:
    """Checks a recipe that is data already. In `tune.space`, parameters made in Python are fine as well.

    Args:
        data: The complete document; it is copied.
        document: The file it came from, for its lines.
        searchers: Names to classes.
        schedulers: Names to classes.
        overrides: What stood behind each `--set`.
        needs_model: Whether the recipe must say which class is trained.
        source: What to call the recipe if there is no document.

    Raises:
        RecipeError: With every problem there is.
    """
    source = document.source if document else source
    problems = list(document.problems) if document else []
    if not isinstance(data, Mapping):
        fact = f"The recipe is {show(data)}."
        raise RecipeError(source, [*problems, Problem(where="", fact=fact, expected="Expected a mapping.")])
    data, sets, wrong_sets = override(spelled_out(data), overrides, _text_keys())
    data = spelled_out(data)  # an override may name a class in short, too
    problems += wrong_sets
    places = Places(document=document, sets=sets)
    problems += check_blocks(data, places, needs_model)
    config = {key: value for key, value in data.items() if key != "tune"}
    tune = _read_tune(data.get("tune"), config, places, problems, {"searcher": searchers, "scheduler": schedulers})
    if problems or tune is None:
        raise RecipeError(source, problems)
    return Recipe(config=config, tune=tune, source=source, places=places)


def _text_keys() -> list[KeyPath]:
    """The places under `tune` that hold text, whatever a word looks like."""

    def inside(model: type[BaseModel], path: KeyPath) -> list[KeyPath]:
        found: list[KeyPath] = []
        for name, field in model.model_fields.items():
            if field.annotation in (str, str | None):
                found.append((*path, name))
            elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                found += inside(field.annotation, (*path, name))
        return found

    return inside(Tune, ("tune",))


def _read_tune(
    raw: Any,
    config: Mapping[str, Any],
    places: Places,
    problems: list[Problem],
    known: Mapping[Kind, Mapping[str, type]],
) -> Tune | None:
    if not isinstance(raw, Mapping):
        fact = "tune is missing." if raw is None else f"tune is {show(raw)}."
        expected = "Expected a mapping with at least an objective, like {objective: {metric: val_loss, mode: min}}."
        problems.append(places.problem(("tune",), fact, expected))
        return None
    for key in raw:
        if not isinstance(key, str):
            fact = f"tune has the key {show(key)}, which is no text."
            problems.append(places.problem(("tune", key), fact, "Put it in quotes if it is meant as a word."))
    raw = {key: value for key, value in raw.items() if isinstance(key, str)}
    reader = SpaceReader(config, places, problems)
    space = reader.space(raw.get("space"))
    kinds: tuple[Kind, ...] = get_args(Kind)
    algorithms = {kind: read_algorithm(raw.get(kind), kind, known[kind], places, problems) for kind in kinds}
    given = {
        **{key: value for key, value in raw.items() if value is not None or not _has_default(key)},
        "space": space,
        **{kind: algorithms[kind] or _SOUND[kind] for kind in kinds},
    }
    if given.get("initial_points") is not None:
        given["initial_points"] = reader.points(given["initial_points"], space)
    tune = _validate(given, places, problems)
    if tune is not None:
        _try_out(tune, config, algorithms, known, places, problems)
    return tune


def _has_default(key: Any) -> bool:
    """Whether the key may be null, which then means its default."""
    return key in Tune.model_fields and not Tune.model_fields[key].is_required()


def _validate(given: dict[Any, Any], places: Places, problems: list[Problem]) -> Tune | None:
    """The block `tune`; if something is wrong with it, the block without that, or None if it cannot be mended."""
    try:
        return Tune.model_validate(given)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
    problems += [_translated(each["type"], each["loc"], each["input"], places) for each in wrong]
    sound = {key: value for key, value in given.items() if key not in {each["loc"][0] for each in wrong}}
    return Tune.model_validate({"objective": _SOUND["objective"], **sound})


def _translated(kind: str, loc: tuple[int | str, ...], value: Any, places: Places) -> Problem:
    path: KeyPath = ("tune", *loc)
    parent, field = _field_at(loc)
    where = dotted(path)
    if kind in ("extra_forbidden", "invalid_key"):
        known = list(parent.model_fields)
        fact = f"{where} is no key of a recipe. Known in {dotted(path[:-1])}: {', '.join(known)}."
        return places.problem(path, fact, hint=did_you_mean(str(loc[-1]), known))
    if field is None:  # deeper than the models go, such as one item of initial_points
        return places.problem(path, f"{where} is {show(value)}.", "Expected a mapping of paths to values.")
    if kind == "missing":
        what = (field.description or "").rstrip(".")
        expected = f"Expected {of_field(field)}: {what[:1].lower()}{what[1:]}."
        return places.problem(path, f"{where} is missing.", expected)
    options = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    hint = did_you_mean(value, options) if isinstance(value, str) else ""
    expected = f"Expected {of_field(field)}." if value != "" else f"Expected {of_field(field)} that is not empty."
    return places.problem(path, f"{where} is {show(value)}.", expected, hint)


def _field_at(loc: tuple[int | str, ...]) -> tuple[type[BaseModel], FieldInfo | None]:
    """The model that holds the last key of a place, and that key's field, if the models go so deep."""
    model: type[BaseModel] = Tune
    field: FieldInfo | None = None
    for depth, key in enumerate(loc):
        field = model.model_fields.get(str(key))
        if field is None or depth == len(loc) - 1:
            break
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return model, None
        model = field.annotation
    return model, field


def _try_out(
    tune: Tune,
    config: Mapping[str, Any],
    algorithms: Mapping[Kind, Algorithm | None],
    known: Mapping[Kind, Mapping[str, type]],
    places: Places,
    problems: list[Problem],
) -> None:
    """Makes the searcher and the scheduler, which know the bounds of their settings, and drops them again."""
    objective = Objective(metric=tune.objective.metric, mode=tune.objective.mode)
    searcher, scheduler = algorithms["searcher"], algorithms["scheduler"]
    length = full_length(config, tune.space, tune.resource)
    if scheduler is not None and length is not None:
        given = {"objective": objective, "max_epochs": length, **scheduler.settings}
        _make("scheduler", known["scheduler"][scheduler.name], given, tune, places, problems)
    if searcher is not None:
        given = {"objective": objective, "space": tune.space, "rng": np.random.default_rng(0), **searcher.settings}
        _make("searcher", known["searcher"][searcher.name], given, tune, places, problems)


def _make(
    kind: Kind, algorithm: type, given: dict[str, Any], tune: Tune, places: Places, problems: list[Problem]
) -> None:
    try:
        algorithm(**given)
    except SettingError as error:
        path: KeyPath = ("tune", kind, error.name) if error.name != "max_epochs" else ("trainer", "max_epochs")
        fact = f"{dotted(path)} {error.fact}."
        if "max_epochs" in given:  # the algorithm does not know where its full length was written
            unit, length = f"{tune.resource}s", given["max_epochs"]
            fact = re.sub(rf"\b{length} epochs\b", f"{length} {unit} ({length_name(tune.resource)})", fact)
        problems.append(places.problem(path, fact, error.expected))
    except SpaceError as error:
        if tune.space:  # an empty one says nothing: what @tunable declares is not known here
            named = [name for name in tune.space if re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", str(error))]
            problems.append(places.problem(("tune", "space", *named[:1]), f"tune.space: {error}"))
    except (HPOError, ValueError) as error:
        problems.append(places.problem(("tune", kind), f"tune.{kind}: {error}"))
