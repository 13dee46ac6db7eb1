from __future__ import annotations

from lightning_hpo.recipe.places import Places
from lightning_hpo.recipe.reading import parse_yaml

DOCUMENT = parse_yaml("tune:\n  n_trials: 3\n  resources:\n    cpu: 1\n", "r.yaml")


def test_a_place_in_the_file_has_its_line():
    assert Places(document=DOCUMENT).problem(("tune", "n_trials"), "It is so.").line == 2


def test_a_recipe_made_in_python_has_no_lines():
    problem = Places().problem(("tune", "n_trials"), "It is so.", "Expected more.", "Try it.")
    assert problem.line is None
    assert (problem.where, str(problem)) == ("tune.n_trials", "It is so. Expected more. Try it.")


def test_a_place_that_an_override_wrote_names_it_instead_of_the_line():
    places = Places(document=DOCUMENT, sets={("tune", "n_trials"): "tune.n_trials=4"})
    problem = places.problem(("tune", "n_trials"), "It is so.")
    assert (problem.line, problem.fact) == (None, "It is so. (From --set tune.n_trials=4)")


def test_what_stands_in_or_exists_only_for_what_an_override_wrote_names_it():
    places = Places(document=DOCUMENT, sets={("tune", "new", "a"): "tune.new.a=4"})
    assert "From --set" in places.problem(("tune", "new", "a", "b"), "It is so.").fact
    assert "From --set" in places.problem(("tune", "new"), "It is so.").fact
    assert "From --set" not in places.problem(("tune",), "It is so.").fact
    assert "From --set" not in places.problem((), "It is so.").fact


def test_a_long_override_is_shortened():
    places = Places(sets={("a",): "a=" + "x" * 100})
    assert places.problem(("a",), "It is so.").fact == "It is so. (From --set a=" + "x" * 58 + "…)"
