"""What `import lightning_hpo` offers, and what it leaves alone."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib.metadata import version

import pytest

import lightning_hpo
from source_tree import PACKAGE, SourceFile

#: What takes long to import, or changes the process when it is.
HEAVY = ["torch", "ray", "pydantic", "pytorch_lightning", "lightning", "hyperopt", "numpy", "sklearn", "jsonargparse"]


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", lightning_hpo.__all__)
def test_every_public_name_can_be_had(name: str):
    assert getattr(lightning_hpo, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'lightning_hpo' has no attribute 'Tuner'"):
        lightning_hpo.Tuner  # noqa: B018  the access is what is tested


def test_dir_shows_the_public_names():
    assert set(lightning_hpo.__all__) <= set(dir(lightning_hpo))


def test_the_version_is_the_installed_ones():
    assert lightning_hpo.__version__ == version("lightning-hpo")


def test_type_checkers_see_the_names_that_are_fetched():
    tree = SourceFile(PACKAGE / "__init__.py").tree
    guard = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    seen = {
        (node.module, alias.name) for node in guard.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert seen == {(f"lightning_hpo.{module}", name) for name, module in lightning_hpo._MODULE_OF.items()}
    assert {name for _, name in seen} == set(lightning_hpo.__all__) - {"__version__"}


@pytest.mark.parametrize(
    "code",
    [
        "import lightning_hpo.tunable; from lightning_hpo import tunable",
        "from lightning_hpo import tunable; import lightning_hpo.tunable",
        "from lightning_hpo.tunable import space_of; from lightning_hpo import tunable",
        "import lightning_hpo, lightning_hpo.training; tunable = lightning_hpo.tunable",
    ],
)
def test_tunable_is_the_decorator_whichever_import_came_first(code: str):
    # The submodule of the same name would hide it, as the import system sets submodules on their package.
    code += "; import lightning_hpo; print(callable(tunable), lightning_hpo.tunable is tunable, tunable.__module__)"
    assert run_python(code).split() == ["True", "True", "lightning_hpo.tunable"]


def test_importing_the_package_loads_nothing_heavy_and_changes_nothing():
    code = f"""
import json, logging, os, random, signal, sys, threading, warnings

def state():
    return {{
        "environment": dict(os.environ),
        "filters": repr(warnings.filters),
        "handlers": repr(logging.root.handlers) + str(logging.root.level),
        "path": list(sys.path),
        "hooks": [repr(sys.excepthook), repr(sys.displayhook), repr(sys.meta_path)],
        "signals": [repr(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)],
        "threads": [t.name for t in threading.enumerate()],
        "random": repr(random.getstate()),
    }}

before = state()
import lightning_hpo
after = state()
heavy = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps({{"changed": [key for key in before if before[key] != after[key]], "heavy": heavy}}))
"""
    assert json.loads(run_python(code)) == {"changed": [], "heavy": []}


def test_the_help_of_the_command_line_loads_nothing_heavy():
    code = f"""
import sys
sys.argv = ["lightning-hpo", "--help"]
from lightning_hpo.cli import main
try:
    main()
except SystemExit as end:
    print("EXIT", end.code)
print("HEAVY", [name for name in {HEAVY!r} if name in sys.modules])
"""
    lines = run_python(code).splitlines()
    assert lines[-2:] in (["EXIT 0", "HEAVY []"], ["EXIT None", "HEAVY []"])
    assert "validate" in "".join(lines[:-2])
