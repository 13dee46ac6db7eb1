from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_hpo.errors import RecipeError
from lightning_hpo.recipe.reading import Document, open_yaml, parse_yaml, read_yaml
from lightning_hpo.recipe.writing import dump_yaml
from strategies import plain_values

TEXT = """\
# pytorch_lightning==2.6.6
model:
  class_path: a.B
  init_args:

    lr: 1e-3
trainer: {max_epochs: 3,
  callbacks: [one,
              two]}
"""


def refusal(text: str) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_yaml(text, "r.yaml")
    (problem,) = caught.value.problems
    return f"{problem.line or '-'}: {problem}"


def test_data_are_plain():
    data = parse_yaml(TEXT, "r.yaml").data
    assert data == {
        "model": {"class_path": "a.B", "init_args": {"lr": 0.001}},
        "trainer": {"max_epochs": 3, "callbacks": ["one", "two"]},
    }
    assert {type(data), type(data["trainer"]["callbacks"]), type(data["model"]["class_path"])} == {dict, list, str}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("model",), 2),
        (("model", "init_args", "lr"), 6),
        (("trainer", "max_epochs"), 7),
        (("trainer", "callbacks", 1), 9),
        (("model", "init_args", "missing", "deeper"), 4),  # the nearest ancestor
        (("missing",), None),
        ((), None),
    ],
)
def test_a_line_is_that_of_the_key_or_its_nearest_ancestor(path: tuple[str | int, ...], line: int | None):
    assert parse_yaml(TEXT, "r.yaml").line(path) == line


@given(st.lists(st.tuples(st.text("abc", min_size=1, max_size=4), plain_values, st.integers(0, 2)), max_size=6))
def test_every_top_level_key_knows_its_line(entries: list[tuple[str, object, int]]):
    text, expected = "start: 0\n", {"start": 1}
    for key, value, blank in entries:
        if key in expected:
            continue
        text += "\n# a comment\n" * blank
        expected[key] = text.count("\n") + 1
        text += dump_yaml({key: value})
    document = parse_yaml(text, "r.yaml")
    assert {key: document.line((key,)) for key in expected} == expected


def test_a_key_twice_is_a_problem_and_the_first_one_counts():
    document = parse_yaml("a: 1\nb:\n  c: 1\n  c: 2\n", "r.yaml")
    assert [(p.line, str(p)) for p in document.problems] == [
        (4, "b.c is there twice, first on line 3. Keep one of them.")
    ]
    assert document.data == {"a": 1, "b": {"c": 1}}


def test_no_tag_makes_an_object():
    document = parse_yaml("a: 1\nb: !!python/object/apply:os.system [ls]\nc: !!int '3'\n", "r.yaml")
    assert [(p.line, str(p)) for p in document.problems] == [
        (
            2,
            "b has the tag !!python/object/apply:os.system. Expected plain YAML: nothing is made from tags here.",
        )
    ]
    assert document.data["c"] == 3


def test_a_tag_that_its_value_does_not_fit_is_a_problem():
    document = parse_yaml("a: !!int many\n", "r.yaml")
    assert [str(p) for p in document.problems] == ["a is 'many', which its tag !!int does not allow."]


def test_aliases_become_separate_values_with_the_lines_of_their_anchor():
    document = parse_yaml("a: &x {lr: 1}\nb: *x\n", "r.yaml")
    document.data["a"]["lr"] = 2
    assert document.data["b"] == {"lr": 1}
    assert document.line(("b", "lr")) == 1


def test_merged_keys_give_way_to_the_mappings_own():
    document = parse_yaml("a: &x {p: 1, q: 1}\nb:\n  q: 2\n  <<: *x\n", "r.yaml")
    assert document.data["b"] == {"p": 1, "q": 2}
    assert (document.line(("b", "p")), document.line(("b", "q"))) == (1, 3)
    assert document.problems == ()


def test_the_first_of_several_merged_mappings_wins():
    text = "a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc:\n  <<: [*x, *y]\n"
    assert parse_yaml(text, "r.yaml").data["c"] == {"p": 1, "q": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c", "1: The YAML cannot be parsed: mapping values are not allowed here."),
        (
            "a:\n\tb: 1",
            "2: The YAML cannot be parsed: while scanning for the next token, found character '\\t' that cannot start "
            "any token. Indent with spaces: YAML allows no tabs there.",
        ),
        ("a: *nobody", "1: The YAML cannot be parsed: found undefined alias 'nobody'."),
        ("a: &x [*x]", "-: The YAML unfolds without end: an alias (*name) stands inside what it names."),
        ("a: " + "[" * 600, "-: The YAML is nested too deeply."),
        ("", "-: The file is empty. Expected a mapping with model, trainer and tune."),
        ("# only a comment\n", "-: The file is empty. Expected a mapping with model, trainer and tune."),
        ("- a\n", "1: The file holds a list. Expected a mapping with model, trainer and tune."),
        ("word\n", "1: The file holds one value. Expected a mapping with model, trainer and tune."),
        (
            "a: 1\n---\nb: 2\n",
            "2: The YAML cannot be parsed: expected a single document in the stream, but found another document. "
            "A recipe is one document: remove the line with '---' between the parts.",
        ),
        (
            "a: 1\nb: \x07\n",
            "2: The YAML cannot be parsed: unacceptable character #x0007: special characters are not allowed.",
        ),
    ],
)
def test_what_cannot_be_parsed_is_told_with_its_line(text: str, message: str):
    assert refusal(text) == message


def test_many_nested_aliases_do_not_fill_the_memory():
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]  # 10**9 values, unfolded
    assert "unfolds without end" in refusal("\n".join(levels))


def test_a_missing_file_offers_the_nearest_one(in_tmp: Path):
    Path("digits.yaml").touch()
    with pytest.raises(RecipeError, match=r"There is no file 'digts\.yaml'\.\n  Did you mean 'digits\.yaml'\?"):
        read_yaml("digts.yaml")


def test_a_missing_file_with_none_near_lists_the_folder(in_tmp: Path):
    Path("digits.yaml").touch()
    with pytest.raises(RecipeError, match=r"In '\.': digits\.yaml\."):
        read_yaml("xyz.yml")


def test_a_missing_folder_is_named(in_tmp: Path):
    with pytest.raises(RecipeError, match="There is no folder 'recipes' either"):
        read_yaml(Path("recipes/a.yaml"))


def test_a_folder_is_no_recipe(in_tmp: Path):
    Path("recipes").mkdir()
    Path("recipes/a.yaml").touch()
    with pytest.raises(RecipeError, match=r"'recipes' is a folder\.\n  Expected a YAML file\.\n  In it: a\.yaml\."):
        read_yaml("recipes")


def test_a_file_that_is_no_utf8_is_told_with_the_line(in_tmp: Path):
    Path("r.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(RecipeError, match=r"line 2  The file is not UTF-8 text\."):
        read_yaml("r.yaml")


def test_a_byte_order_mark_is_no_part_of_the_first_key(in_tmp: Path):
    Path("r.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml("r.yaml").data == {"a": 1}


def test_read_yaml_raises_what_open_yaml_leaves_to_its_caller(in_tmp: Path):
    Path("r.yaml").write_text("a: 1\na: 2\n")
    assert isinstance(open_yaml("r.yaml"), Document)
    with pytest.raises(RecipeError, match="a is there twice"):
        read_yaml("r.yaml")
