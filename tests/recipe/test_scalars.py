from __future__ import annotations

import math
import re

import jsonargparse
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lightning_hpo.recipe.scalars import plain_scalar, scalar_value

#: Words in the neighbourhood of numbers, booleans and null.
words = st.from_regex(re.compile(r"[-+]?[0-9_.eExb:]{1,8}|[a-zA-Z~]{1,5}|<<|\.(inf|nan|Inf)"), fullmatch=True)


def by_lightning_cli(word: str) -> object:
    """What LightningCLI's own loader makes of a word in a list."""
    return jsonargparse.get_loader("yaml")(f"- {word}\n")[0]


@given(words)
@example("1e-3")
@example("on")
@example("NO")
@example("1:30")
@example("010")
@example("0x_")
@example("1_000")
@example("2024-01-01")
@example("~")
@example(".5e-3")
@example("-.inf")
def test_a_word_means_what_it_means_to_lightning_cli(word: str):
    try:
        expected = by_lightning_cli(word)
    except ValueError:  # such as 0x_, which looks like a number and is none
        with pytest.raises(ValueError):
            plain_scalar(word)
        return
    except Exception:  # such as `a: b`, which is no word
        return
    if isinstance(expected, (list, dict)):
        return
    value = plain_scalar(word)
    assert type(value) is type(expected)
    assert value == expected or (math.isnan(value) and math.isnan(expected))


def test_one_thousandth_is_a_float_without_a_point():
    assert plain_scalar("1e-3") == 0.001


def test_a_tag_that_the_text_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="neither true nor false"):
        scalar_value("bool", "maybe")
