from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field

from lightning_hpo.errors import Problem, SettingError, SpaceError
from lightning_hpo.recipe.algorithms import DEFAULTS, read_algorithm, settings_of
from lightning_hpo.recipe.places import Places
from lightning_hpo.schedulers import SCHEDULERS
from lightning_hpo.searchers import SEARCHERS
from lightning_hpo.searchers.base import Searcher


class Base(Searcher):
    """The base.

    Args:
        depth: How deep it looks,
            in levels.
        law: Which law: one of two.
    """

    name: ClassVar[str] = "base"

    def __init__(self, *, depth: Annotated[int, Field(ge=1)] = 3, law: Literal["flat", "steep"] = "flat", **rest: Any):
        super().__init__(**rest)
        if depth > 9:
            raise SettingError("depth", f"is {depth}", "Expected depth <= 9.")
        if self.space and len(self.space) > 2:
            raise SpaceError("Too much varies.")

    def suggest(self, trial: int) -> dict[str, Any]:
        return {}


class Derived(Base):
    """One that adds to the base's settings.

    Args:
        widths: Where it looks.
        strange: Anything.
    """

    def __init__(self, *, widths: Sequence[int] = (), strange: "NoSuchType" = None, **rest: Any):  # type: ignore  # noqa: F821, UP037, PGH003
        super().__init__(**rest)


class Needy(Base):
    """One that needs a setting."""

    def __init__(self, *, key: str, ratio: float = 0.5, **rest: Any):
        super().__init__(**rest)


KNOWN: dict[str, type] = {"tpe": Base, "derived": Derived, "needy": Needy}


def read(raw: Any) -> tuple[Any, list[str]]:
    problems: list[Problem] = []
    algorithm = read_algorithm(raw, "searcher", KNOWN, Places(), problems)
    return algorithm and algorithm.to_plain(), [str(problem) for problem in problems]


def test_the_settings_are_those_of_the_signature_without_the_run_s_own():
    assert list(settings_of(Base, "searcher")) == ["depth", "law"]
    assert list(settings_of(Derived, "searcher")) == ["widths", "strange", "depth", "law"]
    assert list(settings_of(SCHEDULERS["asha"], "scheduler")) == ["grace_period", "eta"]
    assert settings_of(SCHEDULERS["none"], "scheduler") == {}


def test_a_setting_is_described_by_the_docstring():
    settings = settings_of(Derived, "searcher")
    assert settings["depth"].description == "How deep it looks, in levels."
    assert settings["law"].description == "Which law: one of two."
    assert settings["widths"].description == "Where it looks."


def test_the_defaults_are_registered():
    assert DEFAULTS["searcher"] in SEARCHERS
    assert DEFAULTS["scheduler"] in SCHEDULERS


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        (None, {"name": "tpe"}),
        ("derived", {"name": "derived"}),
        ({}, {"name": "tpe"}),
        ({"depth": 4}, {"name": "tpe", "depth": 4}),
        ({"name": "derived", "widths": [1, 2], "law": "steep"}, {"name": "derived", "widths": [1, 2], "law": "steep"}),
        ({"name": "needy", "key": "k", "ratio": 1}, {"name": "needy", "key": "k", "ratio": 1}),
        ({"name": "derived", "strange": [object]}, {"name": "derived", "strange": [object]}),
    ],
)
def test_an_algorithm_is_a_name_or_a_name_with_settings(raw: Any, plain: dict[str, Any]):
    assert read(raw) == (plain, [])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("derivd", "tune.searcher is 'derivd'. Known searchers: derived, needy, tpe. Did you mean 'derived'?"),
        ({"name": 3}, "tune.searcher.name is 3. Known searchers: derived, needy, tpe."),
        (
            ["tpe"],
            "tune.searcher is ['tpe']. Expected a name, or a mapping with a name and settings, like {name: tpe}.",
        ),
        (
            {"name": "derived", "dept": 3},
            "tune.searcher.dept is no setting of 'derived'. Its settings: widths, strange, depth, law. "
            "Did you mean 'depth'?",
        ),
        ({"rng": 3}, "tune.searcher.rng is no setting of 'tpe'. Its settings: depth, law."),
        ({"depth": 0}, "tune.searcher.depth is 0. Expected a whole number of at least 1."),
        ({"depth": 2.0}, "tune.searcher.depth is 2.0. Expected a whole number of at least 1."),
        ({"depth": True}, "tune.searcher.depth is true. Expected a whole number of at least 1."),
        ({"law": "step"}, "tune.searcher.law is 'step'. Expected 'flat' or 'steep'. Did you mean 'steep'?"),
        (
            {"name": "derived", "widths": ["a"]},
            "tune.searcher.widths is ['a']. Expected a list, each item a whole number.",
        ),
        ({"name": "needy"}, "tune.searcher.key is missing, and 'needy' needs it. Expected text."),
    ],
)
def test_a_complaint_about_an_algorithm(raw: Any, expected: str):
    assert read(raw)[1] == [expected]


def test_a_searcher_without_settings_says_so():
    problems: list[Problem] = []
    read_algorithm({"name": "random", "n": 3}, "searcher", SEARCHERS, Places(), problems)
    assert [str(problem) for problem in problems] == [
        "tune.searcher.n is no setting of 'random'. It takes no settings."
    ]


BLOCKS = "model: {class_path: a.B}\ntune:\n  objective: {metric: m}\n"


def test_a_bound_that_only_the_algorithm_knows_has_the_line_of_its_setting(complaints: Any):
    text = BLOCKS + "  searcher:\n    depth: 10\n"
    assert complaints(text, searchers=KNOWN) == ["5: tune.searcher.depth is 10. Expected depth <= 9."]


def test_a_space_that_the_searcher_cannot_use_has_the_line_of_the_space(complaints: Any):
    text = BLOCKS + "  space: {model.a: 1, model.b: 1, model.c: 1}\n"
    assert complaints(text, searchers=KNOWN) == ["4: tune.space: Too much varies."]
