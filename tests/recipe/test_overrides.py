from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from lightning_hpo.errors import UsageError
from lightning_hpo.recipe.overrides import override, parse_value
from lightning_hpo.recipe.writing import flow
from strategies import plain_values

DATA: dict[str, Any] = {
    "model": {"class_path": "zoo.MLP", "init_args": {"lr": 0.1}},
    "trainer": {"max_epochs": 30},
    "tune": {
        "searcher": "tpe",
        "space": {"model.init_args.lr": {"float": [0.1, 1]}, "model.act": "relu"},
    },
}


def changed(*words: str) -> Any:
    data, _, problems = override(DATA, words)
    assert problems == []
    return data


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("5", 5),
        ("1e-3", 0.001),
        (" true ", True),
        ("off", False),
        ("", None),
        ("null", None),
        ("val_acc", "val_acc"),
        ("a: b", "a: b"),
        ("#fff", "#fff"),
        ("*.png", "*.png"),
        ("[1, two]", [1, "two"]),
        ("{float: [0, 1], log: true}", {"float": [0, 1], "log": True}),
        ("'5'", "5"),
    ],
)
def test_a_value_is_a_word_or_flow_yaml(raw: str, value: object):
    assert parse_value(raw) == value
    assert type(parse_value(raw)) is type(value)


@given(plain_values.filter(lambda value: not isinstance(value, str)))
def test_what_is_written_on_one_line_can_be_given(value: object):
    assert parse_value(flow(value)) == value


@pytest.mark.parametrize("raw", ["[1", "{a: 1", "'a", "[1] 2", "{a: 1, a: 2}", "[!!python/name:os.system x]"])
def test_a_broken_value_is_refused(raw: str):
    with pytest.raises(UsageError):
        parse_value(raw)


def test_a_block_is_addressed_as_the_space_addresses_it():
    assert changed("model.lr=0.5")["model"]["init_args"] == {"lr": 0.5}
    assert changed("model.init_args.lr=0.5")["model"]["init_args"] == {"lr": 0.5}
    assert changed("data.batch_size=8")["data"] == {"batch_size": 8}


def test_everything_else_is_addressed_by_its_keys():
    assert changed("seed_everything=3")["seed_everything"] == 3
    assert changed("tune.n_trials=5")["tune"]["n_trials"] == 5
    assert changed("tune.resources.gpu=0.5")["tune"]["resources"] == {"gpu": 0.5}


def test_a_searcher_named_in_short_takes_settings():
    assert changed("tune.searcher.gamma=0.1")["tune"]["searcher"] == {"name": "tpe", "gamma": 0.1}
    assert changed("tune.searcher.name=random")["tune"]["searcher"] == {"name": "random"}
    assert changed("tune.searcher=random")["tune"]["searcher"] == "random"


def test_a_parameter_is_addressed_by_its_whole_path():
    space = changed("tune.space.model.depth={int: [1, 3]}", "tune.space.model.act=tanh")["tune"]["space"]
    assert space["model.depth"] == {"int": [1, 3]}
    assert space["model.act"] == "tanh"


def test_a_parameter_written_in_the_long_form_is_found_by_the_short_one():
    space = changed("tune.space.model.lr.log=true")["tune"]["space"]
    assert space["model.init_args.lr"] == {"float": [0.1, 1], "log": True}
    assert changed("tune.space.model.lr=3")["tune"]["space"]["model.init_args.lr"] == 3


def test_later_overrides_win_and_the_data_stay_as_they_were():
    assert changed("trainer.max_epochs=1", "trainer.max_epochs=2")["trainer"]["max_epochs"] == 2
    assert DATA["trainer"]["max_epochs"] == 30


def test_the_places_written_are_answered_with_their_words():
    _, sets, _ = override(DATA, ["model.lr=1", "tune.n_trials=5", "tune.n_trials=6"])
    assert sets == {("model", "init_args", "lr"): "model.lr=1", ("tune", "n_trials"): "tune.n_trials=6"}


def test_text_stays_text_where_text_is_wanted():
    data, _, _ = override(DATA, ["tune.name=2024", "tune.n_trials=5"], [("tune", "name")])
    assert data["tune"]["name"] == "2024"
    assert data["tune"]["n_trials"] == 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("trainer.max_epochs", "--set trainer.max_epochs: Expected NAME=VALUE, like tune.n_trials=20."),
        ("=5", "--set =5: Expected NAME=VALUE, like tune.n_trials=20."),
        (
            "model..lr=5",
            "--set model..lr=5: 'model..lr' is no path. Expected something like model.lr or "
            "trainer.callbacks.0.patience.",
        ),
        (
            "trainer.max_epochs.x=5",
            "--set trainer.max_epochs.x=5: trainer.max_epochs.x: trainer.max_epochs is 30, which has nothing inside.",
        ),
        (
            "tune.space.model.act.log=true",
            "--set tune.space.model.act.log=true: model.act.log: model.act is 'relu', which has nothing inside.",
        ),
        (
            "tune.n_trials=[1",
            "--set tune.n_trials=[1: The YAML cannot be parsed: while parsing a flow sequence, expected ',' or ']', "
            "but got '<stream end>'.",
        ),
    ],
)
def test_words_that_cannot_be_followed_are_problems(words: str, message: str):
    data, sets, problems = override(DATA, [words, "tune.n_trials=5"])
    assert [str(problem) for problem in problems] == [message]
    assert data["tune"]["n_trials"] == 5  # the others are still made
    assert list(sets.values()) == ["tune.n_trials=5"]
