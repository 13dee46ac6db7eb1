"""The tree of errors: exit codes, messages, pickling."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from lightning_hpo import errors
from lightning_hpo.errors import (
    ClusterError,
    HPOError,
    InternalError,
    NoTrialSucceeded,
    Problem,
    RecipeError,
    RunFolderError,
    RunInterrupted,
    SettingError,
    SpaceError,
    StorageError,
    UsageError,
    did_you_mean,
)

ONE_OF_EACH: list[HPOError] = [
    HPOError("a"),
    UsageError("b"),
    RecipeError("r.yaml", [Problem(where="tune.n_trials", fact="tune.n_trials is 0.", line=3)]),
    SpaceError("c"),
    SettingError("eta", "is 1", "Expected a number greater than 1."),
    RunFolderError("d"),
    NoTrialSucceeded("e"),
    ClusterError("f"),
    StorageError("h"),
    RunInterrupted("Go on with: lightning-hpo resume runs/x", "runs/x"),
    InternalError("g."),
]


def test_one_of_each_is_all_of_them() -> None:
    public = {getattr(errors, name) for name in errors.__all__}
    classes = {one for one in public if isinstance(one, type) and issubclass(one, HPOError)}
    assert {type(error) for error in ONE_OF_EACH} == classes


def test_the_tree_in_the_docstring_names_every_error() -> None:
    for error in ONE_OF_EACH:
        assert type(error).__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("error", ONE_OF_EACH, ids=lambda error: type(error).__name__)
def test_an_error_pickles_with_its_message_and_attributes(error: HPOError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (HPOError, 1),
        (UsageError, 2),
        (RecipeError, 2),
        (SpaceError, 2),
        (SettingError, 2),
        (RunFolderError, 2),
        (NoTrialSucceeded, 3),
        (ClusterError, 4),
        (InternalError, 70),
        (RunInterrupted, 130),
    ],
)
def test_an_error_knows_its_exit_code(kind: type[HPOError], code: int) -> None:
    assert kind.exit_code == code


@pytest.mark.parametrize("kind", [SpaceError, SettingError])
def test_errors_of_plain_arguments_are_value_errors_too(kind: type[HPOError]) -> None:
    assert issubclass(kind, ValueError)


def test_a_setting_error_says_name_fact_and_expectation() -> None:
    error = SettingError("grace_period", "is 40, but trials run 30 epochs", "Expected 1 <= grace_period <= 30.")
    assert str(error) == "grace_period is 40, but trials run 30 epochs. Expected 1 <= grace_period <= 30."
    assert str(SettingError("eta", "is 1")) == "eta is 1."


def test_a_recipe_error_lists_its_problems_by_line_and_ends_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipes").mkdir()
    Path("recipes/a.yaml").touch()
    error = RecipeError(
        "recipes/a.yaml",
        [
            Problem(
                where="tune.searcher.name",
                fact="tune.searcher.name is 'tpp'.",
                hint="Did you mean 'tpe'?",
                line=31,
            ),
            Problem(where="tune.scheduler.eta", fact="tune.scheduler.eta is 1.", expected="Expected more.", line=4),
        ],
    )
    assert str(error) == (
        "recipes/a.yaml has 2 problems:\n"
        "\n"
        "  line 4   tune.scheduler.eta is 1.\n"
        "           Expected more.\n"
        "  line 31  tune.searcher.name is 'tpp'.\n"
        "           Did you mean 'tpe'?\n"
        "\n"
        "Check again with: lightning-hpo validate recipes/a.yaml"
    )


def test_nobody_is_told_to_check_a_file_again_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    error = RecipeError("my recipe.yaml", [Problem(where="", fact="There is no file 'my recipe.yaml'.")])
    assert str(error) == "my recipe.yaml has 1 problem:\n\n  There is no file 'my recipe.yaml'."
    Path("my recipe.yaml").touch()
    assert str(error).endswith("\n\nCheck again with: lightning-hpo validate 'my recipe.yaml'")


def test_a_recipe_error_without_lines_or_file_is_short() -> None:
    error = RecipeError("the recipe", [Problem(where="model", fact="model is missing.")])
    assert str(error) == "the recipe has 1 problem:\n\n  model is missing."


def test_a_problem_reads_as_fact_expectation_hint() -> None:
    problem = Problem(where="a", fact="a is 1.", expected="Expected 2.", hint="Did you mean b?")
    assert str(problem) == "a is 1. Expected 2. Did you mean b?"


def test_an_interruption_knows_its_run_folder() -> None:
    error = RunInterrupted("Stopped.", "runs/x")
    assert (str(error), error.path) == ("Stopped.", "runs/x")


def test_an_internal_error_asks_to_be_reported() -> None:
    assert str(InternalError("Broken.")).startswith("Broken. This is a fault of lightning-hpo: please report it")


@pytest.mark.parametrize(
    ("word", "expected"),
    [("tpp", "Did you mean 'tpe'?"), ("TPE", ""), ("zzz", ""), ("randon", "Did you mean 'random'?")],
)
def test_did_you_mean_offers_only_what_is_near(word: str, expected: str) -> None:
    assert did_you_mean(word, ["grid", "random", "tpe"]) == expected
