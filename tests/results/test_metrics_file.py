from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_hpo.errors import RunFolderError
from lightning_hpo.results import MetricsFile


@pytest.fixture
def file(here: Path) -> MetricsFile:
    return MetricsFile(here / "metrics.csv")


def test_the_step_comes_first_and_the_metrics_as_they_came(file: MetricsFile) -> None:
    file.append(1, {"val_acc": 0.5, "loss": 1.25})
    file.append(2, {"loss": 1.0, "val_acc": 0.75})
    assert file.path.read_text() == "step,val_acc,loss\n1,0.5,1.25\n2,0.75,1.0\n"
    assert file.read() == [(1, {"val_acc": 0.5, "loss": 1.25}), (2, {"val_acc": 0.75, "loss": 1.0})]


def test_the_epoch_is_a_column_before_the_metrics(file: MetricsFile) -> None:
    file.append(100, {"loss": 1.0}, epoch=3)
    assert file.path.read_text() == "step,epoch,loss\n100,3,1.0\n"


def test_a_new_metric_adds_a_column_and_earlier_rows_leave_it_empty(file: MetricsFile) -> None:
    file.append(1, {"loss": 1.0})
    file.append(2, {"loss": 0.5, "acc": 0.9})
    file.append(3, {"acc": 0.95})
    assert file.path.read_text() == "step,loss,acc\n1,1.0,\n2,0.5,0.9\n3,,0.95\n"
    assert file.read() == [(1, {"loss": 1.0}), (2, {"loss": 0.5, "acc": 0.9}), (3, {"acc": 0.95})]


def test_values_that_are_not_finite_are_kept(file: MetricsFile) -> None:
    file.append(1, {"a": math.nan, "b": math.inf, "c": -math.inf})
    assert file.path.read_text() == "step,a,b,c\n1,nan,inf,-inf\n"
    ((_, row),) = file.read()
    assert math.isnan(row["a"])
    assert (row["b"], row["c"]) == (math.inf, -math.inf)


def test_an_ordinary_row_is_only_appended(file: MetricsFile) -> None:
    file.append(1, {"loss": 1.0})
    before = file.path.stat().st_ino
    file.append(2, {"loss": 0.5})
    assert file.path.stat().st_ino == before  # a rewritten file would be another one
    file.append(3, {"loss": 0.5, "acc": 1.0})
    assert file.path.stat().st_ino != before
    assert os.listdir(file.path.parent) == ["metrics.csv"]


def test_a_retried_trial_goes_on_from_where_it_reports(file: MetricsFile) -> None:
    for step in (1, 2, 3, 4):
        file.append(step, {"loss": float(step)})
    again = MetricsFile(file.path)
    again.append(3, {"loss": 30.0})
    again.append(4, {"loss": 40.0})
    assert [(step, row["loss"]) for step, row in file.read()] == [(1, 1.0), (2, 2.0), (3, 30.0), (4, 40.0)]


def test_a_trial_that_goes_back_while_it_runs_replaces_what_follows(file: MetricsFile) -> None:
    for step in (1, 2, 3, 2):
        file.append(step, {"loss": float(step)})
    assert [step for step, _ in file.read()] == [1, 2]


def test_a_trial_retried_from_the_start_begins_anew_with_its_columns(file: MetricsFile) -> None:
    file.append(1, {"old": 1.0})
    MetricsFile(file.path).append(1, {"new": 2.0})
    assert file.path.read_text() == "step,new\n1,2.0\n"


def test_a_fresh_file_keeps_nothing(file: MetricsFile) -> None:
    file.append(1, {"loss": 1.0})
    again = MetricsFile(file.path, fresh=True)
    assert file.read() == [(1, {"loss": 1.0})]  # nothing is thrown away before there is something new
    again.append(5, {"loss": 5.0})
    again.append(6, {"acc": 6.0})
    assert file.read() == [(5, {"loss": 5.0}), (6, {"acc": 6.0})]


@pytest.mark.parametrize("torn", ["3,0.2", "3", "\x00\x00"])
def test_a_torn_last_line_is_dropped_by_readers_and_by_the_next_row(file: MetricsFile, torn: str) -> None:
    file.append(1, {"loss": 1.0})
    file.append(2, {"loss": 0.5})
    with file.path.open("a") as raw:
        raw.write(torn)
    assert [step for step, _ in file.read()] == [1, 2]
    MetricsFile(file.path).append(3, {"loss": 0.25})
    assert file.path.read_text() == "step,loss\n1,1.0\n2,0.5\n3,0.25\n"


def test_a_missing_file_has_no_rows(file: MetricsFile) -> None:
    assert file.read() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch,loss\n1,0.5\n", r"line 1 is damaged: the first column must be 'step'"),
        ("step,loss\n1,0.5\n2\n3,0.1\n", r"line 3 is damaged: it has 1 cells, and the header has 2"),
        ("step,loss\n1,high\n", r"line 2 is damaged: could not convert string to float: 'high'"),
        ("step,loss\none,0.5\n", r"line 2 is damaged: invalid literal for int"),
    ],
)
def test_a_damaged_file_is_named_with_the_line(file: MetricsFile, text: str, message: str) -> None:
    file.path.write_text(text)
    with pytest.raises(RunFolderError, match=f"^metrics\\.csv {message}"):
        file.read()
    with pytest.raises(RunFolderError, match="Mend the line or remove it"):
        file.append(9, {"loss": 0.5})
    assert file.path.read_text() == text


# Control characters are left out: a carriage return in a name is not worth Windows line ends in every file.
names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1)
rows_of_metrics = st.lists(st.dictionaries(names, st.floats(), max_size=3), max_size=6)


@given(rows_of_metrics)
@settings(max_examples=60, deadline=None)
def test_any_metrics_of_any_names_come_back(rows: list[dict[str, float]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = MetricsFile(Path(directory, "metrics.csv"))
        for step, row in enumerate(rows, start=1):
            file.append(step, row)
        # As text, since NaN equals nothing; sorted, since columns stand in the order in which they first came.
        found = [(step, repr(sorted(row.items()))) for step, row in file.read()]
    assert found == [(step, repr(sorted(row.items()))) for step, row in enumerate(rows, start=1)]
