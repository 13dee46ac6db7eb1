"""Run folders of earlier releases are read and gone on with. None is ever written anew: a release adds its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lightning_hpo import open_run
from lightning_hpo.results import RunFolder
from lightning_hpo.results.events import EVENTS
from lightning_hpo.tuning.opening import reopen
from lightning_hpo.tuning.run import TuningRun

FIXTURES = Path(__file__).parents[1] / "fixtures"
RUNS = sorted(FIXTURES.glob("run-*"))


@pytest.fixture(params=RUNS, ids=lambda path: path.name)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a run; its checkpoints and logs were not kept."""
    return Path(shutil.copytree(request.param, tmp_path / "run"))


def test_there_is_a_run_of_this_release():
    assert "run-0.1.0" in [path.name for path in RUNS]


def test_its_results_are_read(run: Path):
    results = open_run(run)
    assert len(results) == 10
    assert results.state.closed == "finished"
    assert results.best.value == max(trial.value for trial in results)
    for trial in results:
        reports = results.folder.trial(trial.id).curve()
        assert reports[-1].step == trial.step
        assert reports[-1].metrics["val_acc"] == pytest.approx(trial.value)


def test_it_holds_what_happens_to_a_run_that_was_killed_resumed_and_extended(run: Path):
    kinds = {event.kind for event in RunFolder.open(run).journal}
    assert set(EVENTS) - kinds <= {"lost"}


def test_it_is_gone_on_with_from_any_of_its_moments(run: Path):
    folder = RunFolder.open(run)
    settings, _ = reopen(folder)
    lines = folder.journal.path.read_bytes().splitlines(keepends=True)
    whole = open_run(run).state
    extended = next(number for number, line in enumerate(lines) if b'"kind":"extended"' in line)
    for kept in range(extended + 1, len(lines) + 1):
        folder.journal.path.write_bytes(b"".join(lines[:kept]))
        again = TuningRun(settings, folder)
        again.replay(folder.journal.read())
        while (trial := again.propose(idle=True)) is not None:
            assert trial == whole.trials[trial.id].trial  # the generators go on where they were
        assert again.exhausted
