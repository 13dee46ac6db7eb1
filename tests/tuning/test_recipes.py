"""From a recipe to a study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lightning_hpo.errors import Problem, RecipeError
from lightning_hpo.tuning.examine import Examination
from lightning_hpo.tuning.recipes import machine_problems, read_recipe, schema, study_of

RECIPE = """\
seed_everything: 7
model:
  class_path: toy_modules.Line
  init_args: {width: 4}
trainer:
  max_epochs: 9
tune:
  objective: {metric: val_loss}
  space:
    model.lr: {float: [0.001, 0.1], log: true}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE)
    return path


def messages(path: Path, *sets: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        read_recipe(path, sets)
    return [str(problem) for problem in caught.value.problems]


def seen(study: Any, **changes: Any) -> Examination:
    given: dict[str, Any] = {"problems": (), "space": study.question.space, "defaults": {"model.lr": 0.05}}
    return Examination(**{**given, **changes})


def test_a_study_asks_and_runs_what_the_recipe_says(recipe: Path):
    sets = [
        "tune.n_trials=5",
        "tune.resources={cpu: 2, gpu: 0.5}",
        "tune.searcher={name: tpe, gamma: 0.2}",
        "tune.scheduler={name: asha, eta: 4}",
        "tune.initial_points=[{model: {lr: 0.01}}]",
        "tune.max_concurrent=1",
        "tune.keep_best=2",
    ]
    study = study_of(read_recipe(recipe, sets))
    question = study.question
    assert (question.objective.metric, question.objective.mode, question.seed) == ("val_loss", "min", 7)
    assert (question.cpus, question.gpus, question.dry_run, study.trials) == (2, 0.5, True, 5)
    settings = study.settings(seen(study))
    assert (settings.max_epochs, settings.seed, settings.n_trials, settings.keep_best) == (9, 7, 5, 2)
    assert (settings.searcher, settings.scheduler) == (("tpe", {"gamma": 0.2}), ("asha", {"eta": 4}))
    assert (settings.cpus, settings.gpus, settings.max_concurrent) == (2, 0.5, 1)
    assert settings.first_configs() == [{"model.lr": 0.05}, {"model.lr": 0.01}]


@pytest.mark.parametrize(
    ("asked", "kept", "proves"), [(None, "true", True), (None, "false", False), (True, "false", True)]
)
def test_who_asks_for_a_proof_outranks_the_recipe(recipe: Path, asked: bool | None, kept: str, proves: bool):
    assert study_of(read_recipe(recipe, [f"tune.proof={kept}"]), dry_run=asked).question.dry_run is proves


def test_a_seed_that_is_not_given_is_drawn_and_kept(recipe: Path):
    read = read_recipe(recipe, ["seed_everything=true"])
    first, second = study_of(read), study_of(read)
    assert first.question.seed != second.question.seed
    settings = first.settings(seen(first))
    assert settings.seed == first.question.seed
    assert f"seed_everything: {settings.seed}\n" in first.recipe(settings)


def test_the_resolved_recipe_runs_again_as_it_is(recipe: Path, tmp_path: Path):
    study = study_of(read_recipe(recipe, ["tune.n_trials=5"]))
    settings = study.settings(seen(study))
    again = tmp_path / "again.yaml"
    again.write_text(study.recipe(settings))
    second = study_of(read_recipe(again))
    assert second.settings(seen(second)) == settings
    assert again.read_text().startswith(f"# The resolved recipe of a run of {recipe}; it can be run again as it is.\n")


def test_a_length_that_nobody_gave_is_asked_for(recipe: Path):
    assert messages(recipe, "trainer.max_epochs=null")[0].startswith("trainer.max_epochs is not set")
    assert "Expected trainer: {max_steps: N} with N of at least 1." in messages(recipe, "tune.resource=step")[0]
    read = read_recipe(recipe, ["tune.resource=step", "trainer.max_steps=50"])
    assert study_of(read).settings(seen(study_of(read))).max_epochs == 50


@pytest.mark.parametrize("devices", ["2", "[0, 1]", "-1"])
def test_a_trial_has_one_device(recipe: Path, devices: str):
    (message,) = messages(recipe, f"trainer.devices={devices}")
    assert f"trainer.devices is {json.loads(devices)!r}, but a trial trains on one device." in message


@pytest.mark.parametrize(("accelerator", "gpu"), [("gpu", 0), ("cpu", 1), ("tpu", 0)])
def test_accelerator_and_resources_say_the_same(recipe: Path, accelerator: str, gpu: int):
    (message,) = messages(recipe, f"trainer.accelerator={accelerator}", f"tune.resources.gpu={gpu}")
    assert message.startswith(f"trainer.accelerator is '{accelerator}', but tune.resources asks for")


@pytest.mark.parametrize(("accelerator", "gpu"), [("cpu", 0), ("auto", 0), ("auto", 1), ("gpu", 1), ("cuda", 0.5)])
def test_an_accelerator_that_fits_is_left_alone(recipe: Path, accelerator: str, gpu: float):
    assert read_recipe(recipe, [f"trainer.accelerator={accelerator}", f"tune.resources.gpu={gpu}"])


def test_a_machine_lacks_what_it_does_not_have(recipe: Path):
    assert machine_problems(read_recipe(recipe)) == []
    (problem,) = machine_problems(read_recipe(recipe, ["tune.resources.gpu=64"]))
    assert str(problem).startswith("tune.resources.gpu is 64, but this machine has ")
    assert "Ask for less: --set tune.resources.gpu=" in str(problem)


def test_problems_of_the_classes_get_the_lines_of_the_recipe(recipe: Path):
    study = study_of(read_recipe(recipe))
    found = [
        Problem(where="tune.space.model.lr", fact="a"),
        Problem(where="model.width", fact="b"),
        Problem(where="model.depth", fact="c"),  # not written: the nearest thing above it
        Problem(where="tune.objective.metric", fact="d"),
        Problem(where="optimizer", fact="e"),  # nothing of it is in the file
    ]
    lines = {problem.fact: problem.line for problem in study.complain(found).problems}
    assert lines == {"a": 10, "b": 4, "c": 4, "d": 8, "e": None}


def test_the_schema_is_plain_data_with_every_algorithm():
    text = json.dumps(schema())
    assert [
        name for name in ("tpe", "random", "grid", "asha", "none", "grace_period", "gamma") if name not in text
    ] == []
