from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_hpo.errors import UsageError
from lightning_hpo.recipe import paths
from lightning_hpo.space import Choice, Float, Int, Space

CONFIG: dict[str, Any] = {
    "model": {
        "class_path": "zoo.MLP",
        "init_args": {
            "lr": 0.1,
            "encoder": {"class_path": "zoo.Encoder", "init_args": {"width": 8}},
            "heads": {"left": {"width": 2}},
        },
    },
    "data": {"batch_size": 32},
    "trainer": {
        "max_epochs": 3,
        "logger": None,
        "callbacks": [{"class_path": "EarlyStopping", "init_args": {"patience": 3}}, {"class_path": "Timer"}],
        "plugins": [],
    },
}


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("model.lr", ("model", "init_args", "lr")),
        ("model.init_args.lr", ("model", "init_args", "lr")),
        ("model.new", ("model", "init_args", "new")),
        ("model.class_path", ("model", "class_path")),
        ("model.init_args", ("model", "init_args")),
        ("model.dict_kwargs.x", ("model", "dict_kwargs", "x")),
        ("model.encoder.width", ("model", "init_args", "encoder", "init_args", "width")),
        ("model.heads.left.width", ("model", "init_args", "heads", "left", "width")),
        ("data.batch_size", ("data", "batch_size")),
        ("trainer.gradient_clip_val", ("trainer", "gradient_clip_val")),
        ("trainer.callbacks.0.patience", ("trainer", "callbacks", 0, "init_args", "patience")),
        ("trainer.callbacks.1.duration", ("trainer", "callbacks", 1, "init_args", "duration")),
        ("trainer.callbacks.1", ("trainer", "callbacks", 1)),
        ("trainer.logger.save_dir", ("trainer", "logger", "save_dir")),
        ("optimizer.weight_decay", ("optimizer", "weight_decay")),
        ("optimizer", ("optimizer",)),
    ],
)
def test_a_path_sees_through_a_named_class(name: str, place: tuple[str | int, ...]):
    assert paths.resolve(CONFIG, name) == place


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "'' is no path. Expected something like model.lr or trainer.callbacks.0.patience."),
        ("model..lr", "'model..lr' is no path. Expected something like model.lr or trainer.callbacks.0.patience."),
        (
            "modle.lr",
            "modle.lr: a path begins with model, data, trainer, optimizer or lr_scheduler, but this one with 'modle'. "
            "Did you mean 'model'?",
        ),
        (
            "tune.n_trials",
            "tune.n_trials: a path begins with model, data, trainer, optimizer or lr_scheduler, but this one with "
            "'tune'.",
        ),
        ("data.batch_size.x", "data.batch_size.x: data.batch_size is 32, which has nothing inside."),
        (
            "model.class_path.x",
            "model.class_path.x: model.class_path is 'zoo.MLP', which has nothing inside. "
            "Write {class_path: zoo.MLP, init_args: {}} if it is a class.",
        ),
        (
            "trainer.callbacks.2.patience",
            "trainer.callbacks.2.patience: trainer.callbacks is a list of 2 items, so it has no '2'. "
            "Expected a place from 0 to 1.",
        ),
        (
            "trainer.callbacks.patience",
            "trainer.callbacks.patience: trainer.callbacks is a list of 2 items, so it has no 'patience'. "
            "Expected a place from 0 to 1.",
        ),
        (
            "trainer.plugins.0",
            "trainer.plugins.0: trainer.plugins is a list of 0 items, so it has no '0'. Add the item to the list "
            "first.",
        ),
        (
            "trainer.logger.0.name",
            "trainer.logger.0.name: trainer.logger is not set, so it has no item 0. Write the list first.",
        ),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ends(name: str, message: str):
    with pytest.raises(UsageError) as caught:
        paths.resolve(CONFIG, name)
    assert str(caught.value) == message


def test_get_answers_the_default_for_what_is_not_set():
    assert paths.get(CONFIG, "model.encoder.width") == 8
    assert paths.get(CONFIG, "model.depth", 5) == 5
    assert paths.get(CONFIG, "trainer.logger", "none") is None
    assert paths.get(CONFIG, "optimizer.lr", 7) == 7
    assert paths.get(CONFIG, "trainer.callbacks.1.duration", "x") == "x"


def test_put_makes_the_mappings_on_the_way():
    config = copy.deepcopy(CONFIG)
    paths.put(config, "trainer.callbacks.1.duration", "1h")
    paths.put(config, "optimizer.weight_decay", 0.5)
    paths.put(config, "trainer.logger.save_dir", "x")
    assert config["trainer"]["callbacks"][1] == {"class_path": "Timer", "init_args": {"duration": "1h"}}
    assert config["optimizer"] == {"weight_decay": 0.5}
    assert config["trainer"]["logger"] == {"save_dir": "x"}


def test_apply_leaves_the_config_as_it_was():
    before = copy.deepcopy(CONFIG)
    assert paths.apply(CONFIG, {"model.lr": 0.5})["model"]["init_args"]["lr"] == 0.5
    assert before == CONFIG


def test_apply_sets_parents_before_children_whatever_their_order():
    values = {
        "model.encoder.width": 4,
        "optimizer.lr": 0.1,
        "model.encoder": {"class_path": "zoo.Other", "init_args": {}},
        "optimizer.class_path": "SGD",
    }
    config = paths.apply(CONFIG, values)
    assert config["model"]["init_args"]["encoder"] == {"class_path": "zoo.Other", "init_args": {"width": 4}}
    assert config["optimizer"] == {"class_path": "SGD", "init_args": {"lr": 0.1}}


def test_apply_does_not_share_a_value_between_configs():
    value = {"class_path": "zoo.Other"}
    paths.apply(CONFIG, {"model.encoder": value, "model.encoder.width": 4})
    assert value == {"class_path": "zoo.Other"}


words = st.text("abc", min_size=1, max_size=2)
arguments = st.recursive(
    st.integers(),
    lambda inner: (
        st.dictionaries(words, inner, max_size=3)
        | st.fixed_dictionaries({"class_path": st.just("a.B"), "init_args": st.dictionaries(words, inner, max_size=3)})
        | st.lists(inner, max_size=2)
    ),
    max_leaves=8,
)
configs = st.dictionaries(st.sampled_from(paths.BLOCKS), st.dictionaries(words, arguments, max_size=3), max_size=3)


@st.composite
def addressed(draw: st.DrawFn) -> tuple[dict[str, Any], str, str]:
    """A config, and the long and short path of something in it."""
    config = draw(configs.filter(bool))
    node, long, short = config, [], []
    while isinstance(node, (dict, list)) and node and (not long or draw(st.integers(0, 4))):
        key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        long.append(str(key))
        if key != "init_args":
            short.append(str(key))
        node = node[key]
    if long[-1] == "init_args":
        short.append("init_args")
    return config, ".".join(long), ".".join(short)


@given(addressed())
def test_the_long_and_the_short_form_of_a_path_are_the_same(drawn: tuple[dict[str, Any], str, str]):
    config, long, short = drawn
    assert paths.canonical(long) == short
    assert paths.canonical(short) == short
    assert paths.resolve(config, long) == paths.resolve(config, short)


@given(addressed())
def test_what_is_put_is_what_is_got_and_nothing_else_changes(drawn: tuple[dict[str, Any], str, str]):
    config, long, short = drawn
    old = paths.get(config, short)
    changed = paths.apply(config, {long: "new"})
    assert paths.get(changed, short) == "new"
    assert paths.apply(changed, {short: old}) == config


@given(configs, st.lists(words, min_size=1, max_size=3))
def test_a_path_that_resolves_can_be_put(config: dict[str, Any], rest: list[str]):
    name = ".".join(["model", *rest])
    try:
        place = paths.resolve(config, name)
    except UsageError:
        return  # it runs through a number or leaves a list
    changed = paths.apply(config, {name: "new"})
    assert paths.get(changed, name) == "new"
    assert paths.resolve(changed, name) == place


def test_a_class_s_own_space_gets_the_addresses_of_its_block():
    space = Space({"opt": Choice({"sgd": {"momentum": Float(0, 1)}, "adam": {}}), "depth": Int(1, 3)})
    assert paths.addressed(space, "model") == Space(
        {"model.opt": Choice({"sgd": {"model.momentum": Float(0, 1)}, "adam": {}}), "model.depth": Int(1, 3)}
    )
