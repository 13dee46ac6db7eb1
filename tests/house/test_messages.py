"""What the errors of the tree have in common: they cross process borders, and their messages are well joined."""

from __future__ import annotations

import ast
import io
import itertools
import pickle
import re
import tokenize
from collections.abc import Iterator

import pytest

from lightning_hpo import errors
from lightning_hpo.errors import HPOError, Problem
from source_tree import PACKAGE, SourceFile, source_files

#: Constructor arguments of the classes that take more than a message.
ARGUMENTS = {
    errors.RecipeError: ("digits.yaml", [Problem(where="tune.eta", fact="tune.eta is 1.", line=3)]),
    errors.RunInterrupted: ("Interrupted. Go on with: lightning-hpo resume runs/1", "runs/1"),
    errors.SettingError: ("eta", "is 1", "Expected eta > 1."),
}


def tree_of(root: type[HPOError]) -> Iterator[type[HPOError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree_of(child)


ERRORS = sorted({error for error in tree_of(HPOError) if error.__module__ == errors.__name__}, key=lambda e: e.__name__)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_survives_pickling(error: type[HPOError]):
    raised = error(*ARGUMENTS.get(error, ("space.lr: low is 3, high is 1.",)))
    copied = pickle.loads(pickle.dumps(raised))
    assert type(copied) is error
    assert str(copied) == str(raised)
    assert vars(copied) == vars(raised)
    assert copied.exit_code == raised.exit_code


def test_every_error_of_the_module_is_tested_and_public():
    classes = {node.name for node in SourceFile(PACKAGE / "errors.py").tree.body if isinstance(node, ast.ClassDef)}
    assert {error.__name__ for error in ERRORS} == classes - {"Problem"}
    assert classes <= set(errors.__all__)


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = set(re.findall(r"\b(\w*(?:Error|Succeeded|Interrupted))\b(?= {2,})", errors.__doc__ or ""))
    assert drawn == {error.__name__ for error in ERRORS}


def test_no_error_of_the_tree_is_defined_elsewhere():
    names = {error.__name__ for error in ERRORS}
    strays = [
        f"{source.place}:{node.lineno} {node.name}"
        for source in source_files()
        if source.module != errors.__name__
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef) and names & {ast.unparse(base).rpartition(".")[2] for base in node.bases}
    ]
    assert strays == []


def test_user_input_is_not_checked_by_assert():
    # `python -O` drops them, and their message names no address, no expectation and no next step.
    found = [
        f"{source.place}:{node.lineno}"
        for source in source_files()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assert)
    ]
    assert found == []


def literals(text: str) -> Iterator[list[tuple[int, str]]]:
    """The runs of string literals that Python joins by itself, each literal with its line."""
    run: list[tuple[int, str]] = []
    lines = text.splitlines(keepends=True)
    opened: list[tuple[int, int]] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        name = tokenize.tok_name[token.type]
        if name == "FSTRING_START":  # from Python 3.12 on an f-string is several tokens
            opened.append(token.start)
        elif name == "FSTRING_END":
            start = opened.pop()
            if not opened:
                run.append((start[0], slice_of(lines, start, token.end)))
        elif opened:
            continue
        elif name == "STRING":
            run.append((token.start[0], token.string))
        elif name not in ("NL", "COMMENT"):
            if len(run) > 1:
                yield run
            run = []


def slice_of(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    part = lines[start[0] - 1 : end[0]]
    part[-1] = part[-1][: end[1]]
    part[0] = part[0][start[1] :]
    return "".join(part)


def body_of(literal: str) -> str:
    """What stands between the quotes, as written."""
    unprefixed = literal.lstrip("rRbBuUfF")
    quotes = unprefixed[:3] if unprefixed[:3] in ('"""', "'''") else unprefixed[:1]
    return unprefixed[len(quotes) : -len(quotes)]


def bad_joints(text: str) -> Iterator[tuple[int, str]]:
    """Where two joined literals run two words together, or have a space on either side of the joint."""
    for run in literals(text):
        for (_, first), (line, second) in itertools.pairwise(run):
            left, right = body_of(first), body_of(second)
            words = re.search(r"[\w.,;:!?)\]}'`]$", left) and re.match(r"[\w({'`]", right)
            if (words and not left.endswith(r"\n")) or (left.endswith(" ") and right.startswith(" ")):
                yield line, f"{left[-20:]}|{right[:20]}"


def test_joined_literals_have_one_space_at_the_joint():
    wrong = [f"{source.place}:{line} {joint}" for source in source_files() for line, joint in bad_joints(source.text)]
    assert wrong == []


def test_the_joints_of_messages_are_found():
    # Messages run over lines all through the package; a reader of tokens that found none would be broken.
    assert sum(len(run) - 1 for source in source_files() for run in literals(source.text)) > 20


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ('x = ("you must"\n     "specify")', 1),
        ('x = ("you must "\n     "specify")', 0),
        ('x = ("you must "\n     " specify")', 1),
        ('x = (f"got {a}"\n     f"{b} instead")', 1),
        ('x = (f"got {a}, "\n     f"{b} instead")', 0),
        (r'x = ("first line\n" "second line")', 0),
        ('x = ["one", "two"]', 0),
        ('x = ("path/" "name")', 0),
    ],
)
def test_a_joint_is_judged_by_what_meets_there(code: str, count: int):
    assert len(list(bad_joints(code))) == count
