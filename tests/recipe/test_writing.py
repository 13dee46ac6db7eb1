from __future__ import annotations

import jsonargparse
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lightning_hpo.errors import UsageError
from lightning_hpo.recipe.reading import parse_yaml
from lightning_hpo.recipe.writing import dump_yaml, flow
from strategies import plain_values


@given(plain_values | st.text() | st.floats(allow_nan=False))
@example("on")
@example("1e-3")
@example("1:30")
@example("null")
@example("<<")
@example("=")
@example("- a")
@example("a: b")
@example("a #b")
@example("...")
@example("---")
@example("two\nlines ")
@example("\U0001f600 \x85 \u2028 \x07 \ufeff")
@example(1e-05)
@example(1e22)
@example(float("inf"))
@example({"on": {"": [[], {}]}})
def test_what_is_written_is_read_back(value: object):
    assert parse_yaml(dump_yaml({"a": value}), "r.yaml").data == {"a": value}
    assert parse_yaml(f"a: {flow(value)}\n", "r.yaml").data == {"a": value}


@given(plain_values | st.text())
def test_lightning_cli_reads_what_is_written(value: object):
    assert jsonargparse.get_loader("yaml")(dump_yaml({"a": 1, "b": value})) == {"a": 1, "b": value}


def test_the_layout_is_blocks_with_short_lists_and_parameters_on_one_line():
    data = {
        "model": {"init_args": {"hidden": [64, 64], "act": None}},
        "callbacks": [{"class_path": "a.B", "init_args": {}}],
        "space": {"model.lr": {"float": [1e-5, 0.1], "log": True}},
    }
    assert dump_yaml(data, "One.\n\nTwo.") == (
        "# One.\n"
        "#\n"
        "# Two.\n"
        "model:\n"
        "  init_args:\n"
        "    hidden: [64, 64]\n"
        "    act: null\n"
        "callbacks:\n"
        "  - class_path: a.B\n"
        "    init_args: {}\n"
        "space:\n"
        "  model.lr: {float: [1.0e-05, 0.1], log: true}\n"
    )


def test_a_tuple_becomes_a_list():
    assert dump_yaml({"a": (1, (2, 3))}) == "a:\n  - 1\n  - [2, 3]\n"


def test_the_same_list_twice_is_written_twice():
    same = [1, 2]
    assert dump_yaml({"a": same, "b": same}) == "a: [1, 2]\nb: [1, 2]\n"


def test_what_yaml_cannot_hold_is_named():
    with pytest.raises(UsageError, match=r"<object object at .*> cannot be written into a recipe\. Expected text"):
        dump_yaml({"a": [object()]})
