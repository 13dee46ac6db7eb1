from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest
import tiny_modules as tiny
import torch
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.loggers import CSVLogger

from lightning_hpo.errors import UsageError
from lightning_hpo.training.imports import find_class, import_object, uncollected


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a module into a folder that can be imported from, and forgets it afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize("path", ["tiny_modules.Lit", "tiny_modules:Lit"])
def test_a_class_is_imported_by_either_spelling(path: str):
    assert import_object(path) is tiny.Lit


def test_a_class_within_a_class_is_found(package):
    package("outer_one", "class Outer:\n    class Inner:\n        pass\n")
    assert import_object("outer_one.Outer.Inner").__qualname__ == "Outer.Inner"


def test_the_current_directory_can_be_imported_from(nothing_left_in_the_working_directory):
    source = Path("lit_of_here.py")
    source.write_text("class Lit: pass\n")
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        assert import_object("lit_of_here.Lit").__name__ == "Lit"
    finally:
        sys.dont_write_bytecode = before
        source.unlink()
        del sys.modules["lit_of_here"]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("Lit", "'Lit' is no import path. Expected something like package.module.ClassName."),
        ("", "'' is no import path"),
        (
            "nowhere.at.all.Lit",
            "'nowhere.at.all.Lit' cannot be imported: ModuleNotFoundError: No module named 'nowhere'.",
        ),
        (
            "tiny_modules.Litt",
            "'tiny_modules.Litt' cannot be imported: tiny_modules has no 'Litt'. Did you mean 'Lit'?",
        ),
        ("torch.optim.Adm", "torch.optim has no 'Adm'. Did you mean 'Adam'?"),
        ("tiny_modules.Lit.Deep", "'tiny_modules.Lit.Deep' cannot be imported: Lit has no 'Deep'"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ends(path: str, told: str):
    with pytest.raises(UsageError) as error:
        import_object(path)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import not_there_at_all\n", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("def (:\n", "SyntaxError: invalid syntax"),
        ("from tiny_modules import Nothing\n", "ImportError: cannot import name 'Nothing' from 'tiny_modules'"),
    ],
)
def test_a_module_that_fails_while_it_is_imported_says_why(text: str, told: str, package):
    package("failing_one", text)
    with pytest.raises(UsageError, match=r"'failing_one\.Lit' cannot be imported: ") as error:
        import_object("failing_one.Lit")
    assert told in str(error.value)


def test_a_short_name_is_the_class_that_lightning_cli_takes():
    assert find_class("SGD") is torch.optim.SGD
    assert find_class("EarlyStopping") is EarlyStopping
    assert find_class("CSVLogger") is CSVLogger
    assert find_class("StepLR") is torch.optim.lr_scheduler.StepLR
    assert find_class("Swallowing") is tiny.Swallowing


def test_a_short_name_of_nobody_or_of_two_is_none():
    first = type("TwiceNamed", (torch.nn.Module,), {})
    second = type("TwiceNamed", (torch.nn.Module,), {})
    assert find_class("TwiceNamed") is None
    assert find_class("NeverHeardOf") is None
    del first, second


def test_garbage_is_not_collected_while_something_big_is_imported():
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
