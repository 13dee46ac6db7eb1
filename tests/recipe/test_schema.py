from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml

from lightning_hpo.recipe.schema import json_schema
from lightning_hpo.schedulers import SCHEDULERS
from lightning_hpo.searchers import SEARCHERS

SCHEMA = json_schema(SEARCHERS, SCHEDULERS)
CHECK = jsonschema.Draft202012Validator(SCHEMA)

MODEL = "model: {class_path: a.B}\n"
TUNE = MODEL + "tune:\n  objective: {metric: m}\n  "


def is_valid(text: str) -> bool:
    return not list(CHECK.iter_errors(yaml.safe_load(text)))


#: Recipes that the reader takes, and the schema must too.
GOOD = [
    MODEL + "tune: {objective: {metric: m, mode: max}}",
    "model: a.B\ntune: {objective: {metric: m}}",
    "model: {lr: 1}\noptimizer: null\ntune: {objective: {metric: m}, model_class: a.B}",
    "seed_everything: true\nckpt_path: null\nweights_only: true\ntrainer: {max_epochs: 3}\n" + TUNE + "proof: false",
    TUNE + "searcher: random",
    TUNE + "searcher: {name: tpe, gamma: 1}",
    TUNE + "searcher: {gamma: 0.5}",
    TUNE + "scheduler: {name: asha, grace_period: 1, eta: 3}",
    TUNE + "scheduler: {name: none}",
    TUNE + "space: {model.lr: {float: [1.0e-4, 1], log: true}, model.n: {int: [1, 9], step: 2}, data.x: 3}",
    TUNE + "space: {model.lr: {float: [0, 1], grid: 5}, optimizer: {choice: [{class_path: a.B}, null]}}",
    TUNE + "space: {model.opt: {choice: {sgd: {model.m: {choice: {a: {model.b: {int: [1, 2]}}}}}, adam: {}}}}",
    TUNE + "space: {model.opt: {choice: {a: }}, model.s: {fixed: [1, 2]}, trainer.callbacks: null}",
    TUNE + "n_trials: null\n  initial_points: [{model: {lr: 1}}, {}]\n  resources: {cpu: 2, gpu: 0.25}",
]

#: Recipes that the reader refuses, and the schema must mark.
BAD = [
    MODEL,
    MODEL + "tune: {}",
    MODEL + "tune: {objective: {mode: min}}",
    MODEL + "tune: {objective: {metric: m, mode: up}}",
    "modle: {}\n" + TUNE + "proof: true",
    "model: {class_path: a.B, lr: 3}\ntune: {objective: {metric: m}}",
    "seed_everything: -1\n" + TUNE + "proof: true",
    TUNE + "n_trials: 0",
    TUNE + "n_trials: many",
    TUNE + "n_trails: 3",
    TUNE + "searcher: tpp",
    TUNE + "searcher: {name: tpp}",
    TUNE + "searcher: {name: random, gamma: 1}",
    TUNE + "searcher: {name: tpe, gamma: much}",
    TUNE + "scheduler: {name: asha, grace_perod: 1}",
    TUNE + "space: {modle.lr: 3}",
    TUNE + "space: {model..lr: 3}",
    TUNE + "space: {model.lr: [1, 2]}",
    TUNE + "space: {model.lr: {float: [1]}}",
    TUNE + "space: {model.lr: {float: [1, 2, 3]}}",
    TUNE + "space: {model.lr: {int: [1.5, 2]}}",
    TUNE + "space: {model.lr: {flot: [1, 2]}}",
    TUNE + "space: {model.lr: {float: [1, 2], lgo: true}}",
    TUNE + "space: {model.lr: {choice: []}}",
    TUNE + "space: {model.opt: {choice: {sgd: {model.m: {choice: {a: {model.b: {int: 3}}}}}}}}",
    TUNE + "resources: {cpu: 0}",
    TUNE + "resources: {gpus: 1}",
    TUNE + "initial_points: {model.lr: 1}",
]


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", GOOD)
def test_a_good_recipe_is_good_for_the_schema_and_for_the_reader(text: str, load: Any):
    assert is_valid(text)
    load(text)


@pytest.mark.parametrize("text", BAD)
def test_a_bad_recipe_is_marked_by_the_schema_and_refused_by_the_reader(text: str, complaints: Any):
    assert not is_valid(text)
    assert complaints(text)


@pytest.mark.parametrize("kind", ["searcher", "scheduler"])
def test_every_algorithm_is_offered_with_its_words_and_defaults(kind: str):
    known = {"searcher": SEARCHERS, "scheduler": SCHEDULERS}[kind]
    names, *algorithms = SCHEMA["$defs"][kind]["oneOf"]
    assert names["enum"] == sorted(known)
    assert [algorithm["properties"]["name"]["const"] for algorithm in algorithms] == sorted(known)
    assert all(algorithm["description"] for algorithm in algorithms)


def test_a_setting_has_its_type_default_and_description():
    asha = next(a for a in SCHEMA["$defs"]["scheduler"]["oneOf"] if a.get("properties", {}).get("eta"))
    assert asha["properties"]["eta"] == {
        "type": "number",
        "default": 3,
        "description": "How sharply each rung cuts, and how far apart the rungs are; 3 keeps about a third.",
    }
