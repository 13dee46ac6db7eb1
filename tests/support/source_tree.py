"""The package's source, read but not imported, for the tests that hold the whole of it to a rule."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "lightning_hpo"


@dataclass(frozen=True)
class SourceFile:
    """One module of the package."""

    path: Path

    @property
    def place(self) -> str:
        """The path for messages."""
        return str(self.path.relative_to(ROOT))

    @property
    def module(self) -> str:
        """The import path: `lightning_hpo.space.syntax`; a package's is that of its `__init__`."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def unit(self) -> str:
        """What the floors speak of: the package or module right under `lightning_hpo`; "" is its `__init__`."""
        return self.module.partition(".")[2].partition(".")[0]

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=self.place)


@dataclass(frozen=True)
class Import:
    """One name imported somewhere in a module: at its top, in a function, under TYPE_CHECKING, or by import_module."""

    source: SourceFile
    line: int
    module: str
    name: str = ""

    @property
    def place(self) -> str:
        return f"{self.source.place}:{self.line}"

    @property
    def top(self) -> str:
        """The distribution's name in code."""
        return self.module.partition(".")[0]


@cache
def source_files() -> tuple[SourceFile, ...]:
    """Every module of the package."""
    return tuple(SourceFile(path) for path in sorted(PACKAGE.rglob("*.py")))


def imports_of(source: SourceFile) -> Iterator[Import]:
    """Every import, however deep it stands; relative ones made absolute."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(source, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                package = source.module.split(".")
                if source.path.name != "__init__.py":
                    package = package[:-1]
                kept = package[: len(package) - node.level + 1]
                module = ".".join([*kept, *([module] if module else [])])
            for alias in node.names:
                yield Import(source, node.lineno, module, alias.name)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__") and node.args:
            target = node.args[0]
            if isinstance(target, ast.Constant) and isinstance(target.value, str):
                yield Import(source, node.lineno, target.value)


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def third_party(source: SourceFile) -> Iterator[Import]:
    """The imports that leave the package and the standard library."""
    return (found for found in imports_of(source) if found.top not in {*sys.stdlib_module_names, "lightning_hpo"})


def top_level_names(tree: ast.Module) -> set[str]:
    """The names that a module defines itself, private and dunder ones included.

    Left out are imports, type variables, and functions that a decorator registers as commands: those are called by
    the command line and imported by nobody.
    """
    found: set[str] = set()
    for node in _unconditional(tree.body):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if not any(isinstance(mark, ast.Call) and _called(mark) == "command" for mark in node.decorator_list):
                found.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.Assign) and not _makes_type_variable(node.value):
            for target in node.targets:
                parts = target.elts if isinstance(target, ast.Tuple) else [target]
                found |= {part.id for part in parts if isinstance(part, ast.Name)}
    return found


def top_level_exports(tree: ast.Module) -> set[str]:
    """The names that a package takes from its own modules, those for type checkers included."""
    return {
        alias.asname or alias.name
        for node in _unconditional(tree.body)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "lightning_hpo"
        for alias in node.names
    }


def _unconditional(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, (ast.If, ast.Try)):
            for inner in (node.body, node.orelse, getattr(node, "finalbody", [])):
                yield from _unconditional(inner)
        else:
            yield node


def _makes_type_variable(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and _called(value) in ("TypeVar", "ParamSpec", "TypeVarTuple")


def declared_names(tree: ast.Module) -> list[str]:
    """What `__all__` lists; nothing if the module has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            value: list[str] = ast.literal_eval(node.value)
            return value
    return []
