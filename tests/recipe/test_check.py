"""Whole recipes: what a good one becomes, and every complaint about a bad one, as a person reads it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lightning_hpo.errors import RecipeError
from lightning_hpo.recipe import check_recipe
from lightning_hpo.schedulers import SCHEDULERS
from lightning_hpo.searchers import SEARCHERS
from lightning_hpo.space import Choice, Float, Space

GOOD = """
seed_everything: 7
model:   {class_path: zoo.MLP, init_args: {hidden: 128}}
data:    {class_path: zoo.Digits}
trainer: {max_epochs: 30}
tune:
  objective: {metric: val_acc, mode: max}
  space:
    model.lr: {float: [1.0e-4, 1.0e-1], log: true}
  searcher:  {name: tpe}
  scheduler: {name: asha, grace_period: 1, eta: 3}
  n_trials: 64
"""

#: Everything wrong at once; the numbers on the left are not in the file.
BAD = """\
seed_everything: -3
model:
  class_path: zoo.MLP
  init_args: {hidden: 128}
  lr: 0.1
trainr: {max_epochs: 3}
trainer:
  max_epochs: 30
  max_epochs: 40
data: {batch_size: 3}
optimizer: [SGD]
tune:
  objective: {metrc: val_acc, mode: maxi}
  space:
    model.lr: {float: [1.0e-1, 1.0e-4], log: true}
    modle.hidden: {int: [1, 3]}
    model.opt:
      choice:
        sgd: {model.momentum: {float: [0]}}
        adam:
  searcher: {name: tpp}
  scheduler: {name: asha, grace_period: 40, eta: "3", grace_perod: 1}
  n_trials: many
  resources: {cpu: 0, gpus: 1}
  resource: epochs
  initial_points:
    - {modle: {lr: 3}}
  keep_bst: 3
  max_concurrent: 1.5
  proof: "yes"
  name: 12
"""

COMPLAINTS = [
    "1: seed_everything is -3. Expected a whole number from 0 to 4294967295, true or false.",
    "5: model.lr stands beside class_path. There, known are class_path, init_args, dict_kwargs. "
    "If it is an argument of the class, move it under model.init_args.",
    "6: trainr is no block of a recipe. Known: seed_everything, model, data, trainer, optimizer, lr_scheduler, "
    "ckpt_path, weights_only, tune. Did you mean 'trainer'?",
    "9: trainer.max_epochs is there twice, first on line 8. Keep one of them.",
    "10: data has no class_path. Expected data.class_path, or tune.data_class if data holds the arguments of one "
    "fixed class.",
    "11: optimizer is ['SGD']. Expected a mapping, like {class_path: package.module.Class, init_args: {}}.",
    "13: tune.objective.metric is missing. Expected text: the name under which the module logs the metric, like "
    "val_acc.",
    "13: tune.objective.mode is 'maxi'. Expected 'min' or 'max'. Did you mean 'max'?",
    "13: tune.objective.metrc is no key of a recipe. Known in tune.objective: metric, mode. Did you mean 'metric'?",
    "15: tune.space.model.lr: Float: `low <= high` must hold, but got (low=0.1, high=0.0001, log=True).",
    "16: tune.space: modle.hidden: a path begins with model, data, trainer, optimizer or lr_scheduler, but this one "
    "with 'modle'. Did you mean 'model'?",
    "19: tune.space.model.opt.choice.sgd.model.momentum: 'float' must be [low, high], but got [0].",
    "21: tune.searcher.name is 'tpp'. Known searchers: grid, random, tpe. Did you mean 'tpe'?",
    "22: tune.scheduler.eta is '3'. Expected a number.",
    "22: tune.scheduler.grace_perod is no setting of 'asha'. Its settings: grace_period, eta. "
    "Did you mean 'grace_period'?",
    "22: tune.scheduler.grace_period is 40, but trials run 30 epochs (trainer.max_epochs). "
    "Expected 1 <= grace_period <= 30.",
    "23: tune.n_trials is 'many'. Expected a whole number of at least 1.",
    "24: tune.resources.cpu is 0. Expected a number above 0.",
    "24: tune.resources.gpus is no key of a recipe. Known in tune.resources: cpu, gpu. Did you mean 'gpu'?",
    "25: tune.resource is 'epochs'. Expected 'epoch' or 'step'. Did you mean 'epoch'?",
    "27: tune.initial_points.0: modle.lr: a path begins with model, data, trainer, optimizer or lr_scheduler, but "
    "this one with 'modle'. Did you mean 'model'?",
    "28: tune.keep_bst is no key of a recipe. Known in tune: objective, space, searcher, scheduler, n_trials, "
    "resources, resource, max_concurrent, initial_points, keep_best, max_failures, "
    "time_budget, stop_when, trial_timeout, worker_timeout, retries, on_oom, checkpoint, proof, model_class, "
    "data_class, name, run_folder. Did you mean 'keep_best'?",
    "29: tune.max_concurrent is 1.5. Expected a whole number of at least 1.",
    "30: tune.proof is 'yes'. Expected true or false.",
    "31: tune.name is 12. Expected text.",
]


def test_a_good_recipe_becomes_a_value(load: Any):
    recipe = load(GOOD)
    assert recipe.seed == 7
    assert recipe.config["model"] == {"class_path": "zoo.MLP", "init_args": {"hidden": 128}}
    assert "tune" not in recipe.config
    assert recipe.space == Space({"model.lr": Float(1e-4, 0.1, log=True)})
    assert (recipe.objective.metric, recipe.objective.mode) == ("val_acc", "max")
    assert recipe.tune.searcher.to_plain() == {"name": "tpe"}
    assert recipe.tune.scheduler.settings == {"grace_period": 1, "eta": 3}
    assert (recipe.tune.n_trials, recipe.full_length, recipe.source) == (64, 30, "r.yaml")


def test_what_is_left_out_has_its_default(load: Any):
    recipe = load("model: {class_path: a.B}\ntune: {objective: {metric: val_loss}}")
    tune = recipe.tune
    assert (recipe.objective.mode, recipe.space, recipe.seed) == ("min", Space({}), None)
    assert (tune.searcher.name, tune.scheduler.name, tune.n_trials) == ("tpe", "asha", None)
    assert (tune.resources.cpu, tune.resources.gpu, tune.resource) == (1, 0, "epoch")
    assert (tune.keep_best, tune.max_failures, tune.proof, tune.initial_points) == (3, 3, True, ())


def test_null_is_the_same_as_left_out(load: Any):
    tune = "objective: {metric: m}, n_trials: null, searcher: null, space: null, resources: null, keep_best: null"
    recipe = load(f"model: {{class_path: a.B}}\ntune: {{{tune}, initial_points: null}}")
    assert recipe == load("model: {class_path: a.B}\ntune: {objective: {metric: m}}")


def test_every_problem_comes_at_once_with_its_line(complaints: Any):
    assert complaints(BAD) == COMPLAINTS


def test_messages_are_spaced_as_sentences_are(complaints: Any):
    for message in complaints(BAD):
        assert "  " not in message
        assert not re.search(r"[a-z][.?!][A-Z]", re.sub(r"'[^']*'|{.*}", "", message)), message
        assert message.endswith((".", "?")), message


def test_the_error_is_laid_out_for_reading(load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("r.yaml").touch()  # what is checked again must be there
    with pytest.raises(RecipeError) as caught:
        load(GOOD.replace("grace_period: 1", "grace_period: 40").replace("name: tpe", "name: tpp"))
    # Line 1 is "seed_everything", so the searcher is on line 8 and the scheduler on line 9.
    assert str(caught.value) == (
        "r.yaml has 2 problems:\n"
        "\n"
        "  line 9   tune.searcher.name is 'tpp'. Known searchers: grid, random, tpe.\n"
        "           Did you mean 'tpe'?\n"
        "  line 10  tune.scheduler.grace_period is 40, but trials run 30 epochs (trainer.max_epochs).\n"
        "           Expected 1 <= grace_period <= 30.\n"
        "\n"
        "Check again with: lightning-hpo validate r.yaml"
    )


MODEL = "model: {class_path: a.B}\n"
TUNE = "tune: {objective: {metric: m}}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            MODEL,
            "-: tune is missing. Expected a mapping with at least an objective, like {objective: {metric: val_loss, "
            "mode: min}}.",
        ),
        (
            MODEL + "tune: val_acc\n",
            "2: tune is 'val_acc'. Expected a mapping with at least an objective, like {objective: {metric: val_loss, "
            "mode: min}}.",
        ),
        (
            MODEL + "tune: {}\n",
            "2: tune.objective is missing. Expected a mapping with metric and mode: the metric that is optimised, and "
            "which way is better.",
        ),
        (
            MODEL + "tune: {objective: val_acc}\n",
            "2: tune.objective is 'val_acc'. Expected a mapping with metric and mode.",
        ),
        (
            MODEL + "tune: {objective: {metric: ''}}\n",
            "2: tune.objective.metric is ''. Expected text that is not empty.",
        ),
        (
            MODEL + "tune: {objective: {metric: m}, initial_points: {model.lr: 1}}\n",
            "2: tune.initial_points is {'model.lr': 1}. Expected a list, each item a mapping.",
        ),
        (
            MODEL + "tune:\n  objective: {metric: m}\n  initial_points: [3]\n",
            "4: tune.initial_points.0 is 3. Expected a mapping of paths to values.",
        ),
        (
            MODEL + "tune: {objective: {metric: m}, on: 3}\n",
            "2: tune has the key true, which is no text. Put it in quotes if it is meant as a word.",
        ),
        (
            MODEL + "tune: {objective: {metric: m}, resources: {gpu: .nan}}\n",
            "2: tune.resources.gpu is .nan. Expected a number of at least 0.",
        ),
        (
            MODEL + "tune:\n  objective: {metric: m}\n  space: {model.lr: {float: [0, 1]}}\n  searcher: grid\n",
            "4: tune.space: A grid needs points, but model.lr is continuous or too long to run through. Give each a "
            "step, a choice, or a number of points: `grid: 5` in a recipe, `.grid(5)` in Python.",
        ),
    ],
)
def test_a_complaint_about_tune(complaints: Any, text: str, expected: str):
    assert complaints(text) == [expected]


def test_a_problem_that_came_from_an_override_says_so(complaints: Any):
    words = ("tune.n_trials=many", "foo=1", "tune.sercher.name=x", "tune.scheduler.grace_period=40", "model")
    assert sorted(complaints(GOOD, *words)) == [
        "-: --set model: Expected NAME=VALUE, like tune.n_trials=20.",
        "-: foo is no block of a recipe. Known: seed_everything, model, data, trainer, optimizer, lr_scheduler, "
        "ckpt_path, weights_only, tune. (From --set foo=1)",
        "-: tune.n_trials is 'many'. (From --set tune.n_trials=many) Expected a whole number of at least 1.",
        "-: tune.scheduler.grace_period is 40, but trials run 30 epochs (trainer.max_epochs). "
        "(From --set tune.scheduler.grace_period=40) Expected 1 <= grace_period <= 30.",
        "-: tune.sercher is no key of a recipe. Known in tune: objective, space, searcher, scheduler, n_trials, "
        "resources, resource, max_concurrent, initial_points, keep_best, max_failures, "
        "time_budget, stop_when, trial_timeout, worker_timeout, retries, on_oom, checkpoint, proof, model_class, "
        "data_class, name, run_folder. (From --set tune.sercher.name=x) Did you mean 'searcher'?",
    ]


def test_overrides_are_part_of_the_recipe(load: Any):
    recipe = load(GOOD, "trainer.max_epochs=5", "model.hidden=64", "tune.searcher=random", "tune.name=2024")
    assert recipe.full_length == 5
    assert recipe.config["model"]["init_args"] == {"hidden": 64}
    assert (recipe.tune.searcher.name, recipe.tune.name) == ("random", "2024")


def test_an_override_mends_what_the_file_gets_wrong(load: Any):
    assert load(GOOD.replace("n_trials: 64", "n_trials: many"), "tune.n_trials=3").tune.n_trials == 3


def test_the_length_in_steps_bounds_the_scheduler_where_steps_are_counted(complaints: Any):
    words = ("tune.resource=step", "trainer.max_steps=10", "tune.scheduler.grace_period=11")
    assert complaints(GOOD, *words) == [
        "-: tune.scheduler.grace_period is 11, but trials run 10 steps (trainer.max_steps). "
        "(From --set tune.scheduler.grace_period=11) Expected 1 <= grace_period <= 10."
    ]


def test_without_a_known_length_the_scheduler_s_bounds_wait(load: Any):
    assert load(GOOD.replace("max_epochs: 30", "fast_dev_run: true"), "tune.scheduler.grace_period=99")


def test_a_grid_over_what_only_the_class_declares_waits(load: Any):
    assert load(MODEL + "tune: {objective: {metric: m}, searcher: grid}").tune.searcher.name == "grid"


def test_data_made_in_python_are_checked_too():
    data = {
        "trainer": {"max_epochs": 3},
        "tune": {
            "objective": {"metric": "m"},
            "space": {"model.init_args.lr": Float(0, 1), "model.o": Choice({"a": {"model.b": Float(0, 1)}, "c": {}})},
        },
    }
    recipe = check_recipe(data, searchers=SEARCHERS, schedulers=SCHEDULERS, needs_model=False)
    assert recipe.space == Space({"model.lr": Float(0, 1), "model.o": Choice({"a": {"model.b": Float(0, 1)}, "c": {}})})
    assert recipe.source == "recipe"


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_data_that_are_no_mapping_are_refused(data: object):
    with pytest.raises(RecipeError, match=r"The recipe is .*\.\n  Expected a mapping\."):
        check_recipe(data, searchers=SEARCHERS, schedulers=SCHEDULERS)


def test_nothing_is_left_behind_by_a_bad_recipe(complaints: Any, in_tmp: Path):
    complaints(BAD)
    assert [path.name for path in in_tmp.iterdir()] == ["r.yaml"]
