from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from lightning_hpo.recipe.wording import describe, show


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "a whole number"),
        (bool, "true or false"),
        (str, "text"),
        (Annotated[int, Field(ge=1, le=5)], "a whole number of at least 1 and of at most 5"),
        (Annotated[float, Field(gt=0, lt=1)], "a number above 0 and below 1"),
        (float | None, "a number"),
        (int | str, "a whole number or text"),
        (Literal["a"], "'a'"),
        (Literal["a", "b", 3], "'a', 'b' or 3"),
        (list[int], "a list, each item a whole number"),
        (tuple[float, ...], "a list, each item a number"),
        (tuple[int, str], "a list"),
        (Sequence[Any], "a list"),
        (Mapping[str, int], "a mapping"),
        (Any, "any value"),
        (Path, "a value of Path"),
    ],
)
def test_a_type_is_told_as_a_noun(annotation: Any, words: str):
    assert describe(annotation) == words


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        ("a", "'a'"),
        (math.nan, ".nan"),
        (-math.inf, "-.inf"),
        ("x" * 100, "'" + "x" * 69 + "…"),
    ],
)
def test_a_value_is_shown_as_yaml_people_know_it(value: object, shown: str):
    assert show(value) == shown
