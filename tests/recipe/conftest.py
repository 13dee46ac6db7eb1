from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from lightning_hpo.errors import RecipeError
from lightning_hpo.recipe import Recipe, load_recipe
from lightning_hpo.schedulers import SCHEDULERS
from lightning_hpo.searchers import SEARCHERS

Load = Callable[..., Recipe]
Complaints = Callable[..., list[str]]


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Works inside the test's own folder, so that messages name short paths."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def load(in_tmp: Path) -> Load:
    """Writes the text to r.yaml and loads it with the registered algorithms."""

    def loaded(text: str, *overrides: str, **options: object) -> Recipe:
        Path("r.yaml").write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        given = {"searchers": SEARCHERS, "schedulers": SCHEDULERS, **options}
        return load_recipe("r.yaml", overrides=overrides, **given)

    return loaded


@pytest.fixture
def complaints(load: Load) -> Complaints:
    """What is wrong with a recipe, one "line: message" each, in order."""

    def found(text: str, *overrides: str, **options: object) -> list[str]:
        with pytest.raises(RecipeError) as caught:
            load(text, *overrides, **options)
        return [f"{problem.line or '-'}: {problem}" for problem in caught.value.problems]

    return found
