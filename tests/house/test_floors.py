"""A module imports from its own package and from lower floors, and third parties stay behind their borders."""

from __future__ import annotations

import ast
from collections import Counter

import lightning_hpo
from source_tree import PACKAGE, Import, SourceFile, imports_of, source_files, third_party

#: The floor of everything that stands right under the package.
FLOORS = {
    "errors": 0,
    "objective": 0,
    "trial": 0,
    "durations": 0,
    "space": 1,
    "tunable": 1,
    "searchers": 2,
    "schedulers": 2,
    "recipe": 2,
    "training": 3,
    "results": 3,
    "tuning": 4,
    "cluster": 5,
    "reports": 5,
    "cli": 6,
}

#: Sideways imports that are meant: both of a pair stand on one floor, and the arrow never points back.
SIDEWAYS = {("objective", "errors"), ("tunable", "space")}

#: Aside from the floors: example models that recipes name by import path. Nothing imports them.
ASIDE = {"zoo": 1}

#: Who may import what from outside, by the longest prefix of the module's path that is listed. An import for type
#: checkers only counts as well: a signature that names a library's type ties its callers to the library. numpy reaches
#: up to the run, since `Space.sample` and the searchers take its Generator.
BORDERS = {
    "": set(),
    "space": {"numpy"},
    "tunable": {"numpy"},
    "searchers": {"numpy", "hyperopt"},
    "schedulers": {"numpy"},
    "recipe": {"numpy", "pydantic", "ruamel"},
    "training": {"numpy", "torch", "pytorch_lightning", "lightning", "jsonargparse"},
    "results": set(),
    "tuning": {"numpy"},
    "tuning.ray": {"numpy", "ray"},
    "cluster": {"ray"},
    "cli": {"typer", "rich"},
    "zoo": {"torch", "torchvision", "torchmetrics", "pytorch_lightning", "lightning", "sklearn", "numpy"},
}

#: Libraries that one single file may import, wherever their border allows it.
ONE_FILE = ("hyperopt",)


def reached_unit(found: Import) -> str:
    """The unit an import inside the package reaches; a public name of `lightning_hpo` counts as its own module's."""
    if found.module != "lightning_hpo":
        return found.module.split(".")[1]
    return lightning_hpo._MODULE_OF.get(found.name, found.name).partition(".")[0]


def allowed(unit: str, reached: str) -> bool:
    if unit == reached or (unit, reached) in SIDEWAYS:
        return True
    if unit in ASIDE:
        return FLOORS.get(reached, 99) <= ASIDE[unit]
    return reached in FLOORS and FLOORS[reached] < FLOORS[unit]


def border_of(source: SourceFile) -> set[str]:
    parts = source.module.split(".")[1:]
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in BORDERS:
            return BORDERS[".".join(parts[:length])]
    return BORDERS[""]


def test_every_module_stands_on_a_floor():
    units = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or any(path.rglob("*.py"))} - {"__init__"}
    assert units <= {*FLOORS, *ASIDE}
    assert {source.unit for source in source_files()} - {""} == units


def test_imports_go_down_never_up_or_sideways():
    inner = [found for source in source_files() for found in imports_of(source) if found.top == "lightning_hpo"]
    wrong = [
        f"{found.place} ({found.source.unit}) imports {found.module} {found.name}".rstrip()
        for found in inner
        if found.source.unit and not allowed(found.source.unit, reached_unit(found))
    ]
    assert wrong == []
    # Nearly every file needs something of ours, so a walk that found fewer imports than files has missed most of them.
    assert len(inner) > len(source_files())


def test_third_parties_stay_behind_their_borders():
    wrong = [
        f"{found.place} imports {found.module}"
        for source in source_files()
        for found in third_party(source)
        if found.top not in border_of(source)
    ]
    assert wrong == []


def test_a_library_of_one_file_is_imported_by_one_file():
    importers = Counter(
        (found.top, found.source.place)
        for source in source_files()
        for found in third_party(source)
        if found.top in ONE_FILE
    )
    for library in ONE_FILE:
        assert len([place for top, place in importers if top == library]) <= 1, importers


def test_the_walk_sees_imports_in_functions_for_type_checkers_and_by_name():
    code = (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n"
        "    import torch\n"
        "def load():\n"
        "    from ray import tune\n"
        "    import_module('pydantic.fields')\n"
    )
    source = SourceFile(PACKAGE / "space" / "invented.py")
    vars(source)["tree"] = ast.parse(code)  # read instead of the file, which is not there
    assert [found.top for found in third_party(source)] == ["torch", "ray", "pydantic"]
