"""Laying one space over another: what a recipe says over what `@tunable` declares."""

from __future__ import annotations

from lightning_hpo.space import Choice, Fixed, Float, Int, Space

DECLARED = Space(
    {
        "optimizer": Choice({"sgd": {"momentum": Float(0, 0.99)}, "adamw": {}, "rmsprop": {"momentum": Float(0, 0.5)}}),
        "depth": Int(1, 3),
    }
)


def test_a_name_in_branches_is_replaced_where_it_stands():
    narrowed = DECLARED.updated(Space({"momentum": Float(0.8, 0.9)}))
    held = {"sgd": {"momentum": Float(0.8, 0.9)}, "adamw": {}, "rmsprop": {"momentum": Float(0.8, 0.9)}}
    assert narrowed == Space({"optimizer": Choice(held), "depth": Int(1, 3)})


def test_a_choice_of_branch_names_keeps_what_the_branches_hold():
    narrowed = DECLARED.updated(Space({"optimizer": Choice(["sgd", "adamw"])}))
    assert narrowed["optimizer"] == Choice({"sgd": {"momentum": Float(0, 0.99)}, "adamw": {}})


def test_a_branch_can_be_fixed_together_with_a_name_inside_it():
    fixed = DECLARED.updated(Space({"optimizer": Fixed("sgd"), "momentum": Fixed(0.9)}))
    assert fixed["optimizer"] == Choice({"sgd": {"momentum": Fixed(0.9)}})


def test_values_that_are_no_branch_replace_the_choice():
    assert DECLARED.updated(Space({"optimizer": Choice(["lion"])}))["optimizer"] == Choice(["lion"])


def test_new_names_are_added_at_the_top_and_known_ones_replaced():
    changed = DECLARED.updated(Space({"depth": Fixed(2), "lr": Float(0, 1)}))
    assert dict(changed) == {"optimizer": DECLARED["optimizer"], "depth": Fixed(2), "lr": Float(0, 1)}


def test_a_name_two_branches_deep_is_found():
    deep = Space({"a": Choice({"x": {"b": Choice({"y": {"c": Int(0, 9)}, "z": {}})}})})
    assert deep.updated(Space({"c": Int(3, 4)})) == Space(
        {"a": Choice({"x": {"b": Choice({"y": {"c": Int(3, 4)}, "z": {}})}})}
    )
