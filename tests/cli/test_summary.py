"""What is said at the end of a run."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from lightning_hpo.cli.summary import best_lines, print_summary, summary_lines
from lightning_hpo.errors import NoTrialSucceeded
from lightning_hpo.results import Closed, Ended, Results, RunFolder, Suggested
from lightning_hpo.trial import Origin, Outcome, Status, Trial

Told = Callable[..., RunFolder]

COMPLETED, STOPPED, FAILED, DIVERGED = Status.COMPLETED, Status.STOPPED, Status.FAILED, Status.DIVERGED


def lines_of(folder: RunFolder) -> dict[str, str]:
    return {label: text for label, text in summary_lines(Results(folder, folder.read())) if label}


def test_the_lines_of_a_run(told: Told):
    folder = told((COMPLETED, 10, 0.5), (STOPPED, 1, 0.9), (COMPLETED, 10, 0.25), (STOPPED, 4, 0.7))
    # Epochs: 10 + 1 + 10 + 4 = 25, of 4 x 10. The gain is 0.5 - 0.25.
    assert summary_lines(Results(folder, folder.read())) == [
        ("best", "val 0.25 (trial 2, 10 epochs)"),
        ("", "model.lr         0.3"),
        ("", "data.batch_size  32"),
        ("gain", "0.25 lower than the module's own defaults (val 0.5, trial 0)"),
        ("spent", "25 epochs of the 40 that 4 full trainings would cost (62 %)"),
        ("trials", "4: 2 completed, 2 stopped"),
    ]


def test_more_is_a_gain_when_the_metric_is_maximised(told: Told):
    lines = lines_of(told((COMPLETED, 10, 0.9667), (COMPLETED, 10, 0.97225), mode="max"))
    assert lines["best"] == "val 0.9722 (trial 1, 10 epochs)"
    assert lines["gain"] == "0.00555 higher than the module's own defaults (val 0.9667, trial 0)"  # 0.97225 - 0.9667


def test_a_gain_over_defaults_that_were_stopped_early_says_so(told: Told):
    lines = lines_of(told((STOPPED, 2, 0.5), (COMPLETED, 10, 0.25)))
    assert lines["gain"] == "0.25 lower than the module's own defaults (val 0.5, trial 0, stopped after 2 epochs)"


def test_defaults_that_are_best_are_no_gain(told: Told):
    lines = lines_of(told((COMPLETED, 10, 0.1), (COMPLETED, 10, 0.1), (COMPLETED, 10, 0.2)))
    assert lines["best"].startswith("val 0.1 (trial 0,")
    assert lines["gain"] == "none: the module's own defaults were not beaten"


@pytest.mark.parametrize(("fate", "words"), [(FAILED, "failed"), (DIVERGED, "diverged")])
def test_without_a_value_of_the_defaults_the_gain_is_unknown(told: Told, fate: Status, words: str):
    step, value = (0, 0.0) if fate is FAILED else (2, float("nan"))
    lines = lines_of(told((fate, step, value), (COMPLETED, 10, 0.2)))
    assert lines["gain"] == f"unknown: the module's own defaults {words} (trial 0)"


def test_defaults_that_are_still_running_are_no_baseline_yet(told: Told):
    lines = lines_of(told((Status.RUNNING, 3, 0.5), (COMPLETED, 10, 0.2)))
    assert lines["gain"] == "unknown: the module's own defaults have not ended yet (trial 0)"


def test_without_a_trial_of_the_defaults_the_gain_is_unknown(told: Told):
    lines = lines_of(told((COMPLETED, 10, 0.2), first=Origin.SEARCHER))
    assert lines["gain"] == "unknown: the module's own defaults were not tried"


def test_one_is_singular_and_steps_are_steps(told: Told):
    lines = lines_of(told((STOPPED, 1, 0.2), resource="step"))
    assert lines["best"] == "val 0.2 (trial 0, 1 step)"
    assert lines["spent"] == "1 step of the 10 that 1 full training would cost (10 %)"


def test_where_nothing_was_saved_nothing_is_said_of_it(told: Told):
    assert lines_of(told((COMPLETED, 10, 0.2), (COMPLETED, 10, 0.3)))["spent"] == "20 epochs"


def test_without_a_usable_trial_there_is_no_best(told: Told):
    folder = told((FAILED, 0, 0.0))
    with pytest.raises(NoTrialSucceeded, match="1 failed"):
        best_lines(Results(folder, folder.read()))


def printed(folder: RunFolder) -> str:
    out = io.StringIO()
    print_summary(Results(folder, folder.read()), Console(file=out, width=60, highlight=False, soft_wrap=True))
    return out.getvalue()


def test_the_summary_ends_with_what_to_do_next(told: Told):
    folder = told((COMPLETED, 10, 0.5), (COMPLETED, 10, 0.25), closed=Closed(time=1066.0, reason="finished"))
    text = printed(folder)
    assert text.startswith("told-1: 2 trials in 1 min 6 s\n\n  best    val 0.25")  # from 1000 to 1066
    assert "\n  folder  runs/told-1\n" in text
    assert text.endswith(
        "Next: lightning-hpo best runs/told-1 --module best.ckpt  # the trained module\n"
        "      lightning-hpo best runs/told-1 --yaml              # a LightningCLI config of it\n"
    )


def test_the_summary_names_the_traceback_of_a_failed_trial(told: Told):
    text = printed(told((COMPLETED, 10, 0.5), (FAILED, 0, 0.0)))
    assert text.endswith("\n1 trial failed; its traceback: " + str(RunFolder("runs/told-1").trial(1).error) + "\n")
    text = printed(told((COMPLETED, 10, 0.5), (FAILED, 0, 0.0), (FAILED, 0, 0.0), name="runs/told-2"))
    assert "\n2 trials failed; the first one's traceback: " in text


def test_brackets_in_a_value_are_no_markup(told: Told):
    folder = told((COMPLETED, 10, 0.5))
    config: dict[str, Any] = {"model.sizes": ["[bold]", "[/red]"]}
    outcome = Outcome(trial=1, status=COMPLETED, step=10, metrics={"val": 0.1})
    folder.journal.append(Suggested(trial=Trial(id=1, config=config, seed=1)), Ended(outcome=outcome))
    assert "model.sizes  ['[bold]', '[/red]']\n" in printed(folder)
