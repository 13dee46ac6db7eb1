"""What holds for every source file: its length, its name, its `__all__`, its docstrings."""

from __future__ import annotations

import ast

import pytest

from source_tree import PACKAGE, SourceFile, declared_names, source_files, top_level_exports, top_level_names

#: Lines; a longer file holds more than one idea.
LONGEST = 300

#: Names that say nothing about what is inside.
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "tools", "stuff"}

SOURCES = pytest.mark.parametrize("source", source_files(), ids=lambda source: source.module)


def is_public(name: str) -> bool:
    return not name.startswith("_")


def test_every_file_of_the_package_is_walked():
    assert len(source_files()) == sum(1 for _ in PACKAGE.glob("**/*.py"))
    assert len(source_files()) > 20


def test_every_folder_with_modules_is_a_package():
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


@SOURCES
def test_a_file_holds_one_idea(source: SourceFile):
    lines = source.text.count("\n")
    assert lines <= LONGEST


@SOURCES
def test_a_module_is_named_after_what_it_holds(source: SourceFile):
    words = {word for part in source.module.split(".") for word in part.split("_")}
    assert words & EMPTY_NAMES == set()


@SOURCES
def test_all_lists_exactly_the_public_names(source: SourceFile):
    public = {name for name in top_level_names(source.tree) if is_public(name)}
    if source.path.name == "__init__.py":  # a package also offers what it takes from its modules
        public |= top_level_exports(source.tree)
    declared = declared_names(source.tree)
    assert sorted(name for name in declared if is_public(name)) == sorted(public)


@SOURCES
def test_public_things_are_documented(source: SourceFile):
    bare = [] if ast.get_docstring(source.tree) else ["the module"]
    bare += undocumented(source.tree, "")
    assert bare == []


def undocumented(node: ast.AST, prefix: str) -> list[str]:
    found = []
    for inner in ast.iter_child_nodes(node):
        if not isinstance(inner, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) or not is_public(inner.name):
            continue
        # Overloads show the types of the one that follows, and an override documented above need not repeat it.
        marks = {ast.unparse(mark).rpartition(".")[2] for mark in inner.decorator_list}
        if not ast.get_docstring(inner) and not marks & {"overload", "override"}:
            found.append(prefix + inner.name)
        if isinstance(inner, ast.ClassDef):
            found += undocumented(inner, f"{prefix}{inner.name}.")
    return found


def test_the_documentation_check_sees_bare_names():
    tree = ast.parse("class Searcher:\n    'Proposes.'\n    def end(self): ...\n    def _own(self): ...\n")
    assert undocumented(tree, "") == ["Searcher.end"]
