from __future__ import annotations

from typing import Any

from lightning_hpo.recipe.template import template
from lightning_hpo.space import Choice, Float, Space

SPACE = Space(
    {
        "model.lr": Float(1e-4, 0.1, log=True),
        "model.opt": Choice({"sgd": {"model.momentum": Float(0, 0.9)}, "adam": {}}),
    }
)


def test_the_text_is_a_recipe_to_read_from_top_to_bottom():
    text = template(
        "pkg.nets.LitMLP",
        {"lr": 1e-3, "hidden": [64, 64], "act": len, "note": "on", "sched": None},
        ["width"],
        SPACE,
        "pkg.data.Digits",
        {},
        ["root"],
        "val_acc",
        "max",
        file="mlp.yaml",
    )
    assert text == (
        """\
# A recipe of lightning-hpo: how LitMLP is trained, what of it may vary, and what is optimised.
# Everything but `tune` is a LightningCLI config.
#
#   lightning-hpo validate mlp.yaml    every problem at once; --dry-run fits one batch
#   lightning-hpo run mlp.yaml         20 trials

seed_everything: 1

model:
  class_path: pkg.nets.LitMLP
  init_args:
    # width: ???  (required)
    lr: 0.001  # float, tuned: the first trial takes this value
    hidden: [64, 64]  # list
    # act: <built-in function len>  (the default; YAML cannot hold it)
    note: 'on'  # str
    sched: null

data:
  class_path: pkg.data.Digits
  init_args: {}
    # root: ???  (required)

trainer:
  max_epochs: 10  # of a full trial

tune:
  objective: {metric: val_acc, mode: max}  # any metric that the module logs
  space:
    model.lr: {float: [0.0001, 0.1], log: true}
    model.opt: {choice: {sgd: {model.momentum: {float: [0.0, 0.9]}}, adam: {}}}
  searcher: {name: tpe}
  scheduler: {name: asha}  # ends poor trials early
  n_trials: 20
  resources: {cpu: 1, gpu: 0}  # of one trial
"""
    )


def test_what_is_written_is_a_recipe_that_loads(load: Any):
    defaults = {"lr": 1e-3, "opt": "sgd", "act": len, "nested": {"a": [{"b": 1}]}, "odd": {1: 2}, "pair": (1, 2)}
    recipe = load(template("pkg.LitMLP", defaults, [], SPACE, "pkg.Digits", {"root": "."}, [], "on", "min"))
    assert recipe.space == SPACE
    assert recipe.config["model"]["init_args"] == {
        "lr": 1e-3,
        "opt": "sgd",
        "nested": {"a": [{"b": 1}]},
        "pair": [1, 2],
    }
    assert recipe.objective.metric == "on"
    assert recipe.data_class == "pkg.Digits"


def test_without_arguments_space_or_data_it_still_loads(load: Any):
    text = template("pkg.LitMLP", {}, [], Space({}), None, {}, [], "val_loss", "min")
    recipe = load(text)
    assert recipe.config["model"] == {"class_path": "pkg.LitMLP"}
    assert (recipe.space, recipe.data_class) == (Space({}), None)
    assert "# model.lr: {float: [1.0e-4, 1.0e-1], log: true}" in text


def test_a_required_argument_waits_as_a_comment(load: Any):
    recipe = load(template("pkg.LitMLP", {}, ["width"], Space({}), None, {}, [], "val_loss", "min"))
    assert recipe.config["model"]["init_args"] == {}
