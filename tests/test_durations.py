from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_hpo.durations import seconds_of


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90 s", 90),
        ("90s", 90),
        ("10 minutes", 600),
        ("10min", 600),
        ("2h", 7200),
        ("1 h 30 min", 5400),
        ("1h30m", 5400),
        ("1.5 days", 129600),
        ("2 HOURS", 7200),
        (45, 45),
        (0.5, 0.5),
    ],
)
def test_a_time_is_read_as_people_write_it(written, seconds):
    assert seconds_of(written) == seconds


@pytest.mark.parametrize("written", ["", "h", "2 parsecs", "10", "1h soon", "-5 s", None, True, [1], 0, -1, "0 s"])
def test_what_is_no_time_is_refused(written):
    with pytest.raises(ValueError, match=r"is no time\. Expected one"):
        seconds_of(written)


@given(st.integers(1, 10**6), st.sampled_from(["s", "min", "h", "d"]))
def test_a_number_and_its_unit_multiply(number, unit):
    assert seconds_of(f"{number}{unit}") == number * seconds_of(f"1 {unit}")
