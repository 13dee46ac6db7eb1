"""A recipe that trains in a blink, the command line called in this process or in one of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lightning_hpo.cli.app import app
from lightning_hpo.objective import Objective
from lightning_hpo.results import Ended, Event, Opened, Reported, RunFolder, Started, Suggested
from lightning_hpo.trial import Origin, Outcome, Report, Status, Trial

SUPPORT = Path(__file__).parent.parent / "support"
SCRIPT = Path(sys.executable).with_name("lightning-hpo")

#: Four trials of at most three epochs; the line numbers are part of what tests expect.
RECIPE = """\
seed_everything: 1
model:
  class_path: toy_modules.Line
trainer:
  max_epochs: 3
tune:
  objective: {metric: val_loss}
  space:
    model.lr: {float: [0.001, 0.1], log: true}
    model.width: {choice: [1, 2, 4]}
  n_trials: 4
"""


@dataclass(frozen=True)
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of the test; it holds nothing but a recipe."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_text(RECIPE)
    return tmp_path


@pytest.fixture
def cli(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Calls the command line in this process."""

    def call(*words: str) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            app(list(words))
        said = capsys.readouterr()
        return Answer(int(end.value.code or 0), said.out, said.err)

    return call


Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def spawn() -> Spawn:
    """Starts the installed console script in a process group of its own, as a terminal does."""

    def start(*words: str, cwd: Path, **environment: str) -> subprocess.Popen[str]:
        variables = {**os.environ, "PYTHONPATH": str(SUPPORT), "PYTHONWARNINGS": "default", **environment}
        return subprocess.Popen(
            [str(SCRIPT), *words],
            cwd=cwd,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start


@pytest.fixture(scope="session")
def command(spawn: Spawn) -> Callable[..., Answer]:
    """Calls the installed console script and waits for its end."""

    def call(*words: str, cwd: Path, **environment: str) -> Answer:
        process = spawn(*words, cwd=cwd, **environment)
        try:
            out, err = process.communicate(timeout=240)
        finally:
            process.kill()
        return Answer(process.returncode, out, err)

    return call


@pytest.fixture(scope="session")
def first_run(
    command: Callable[..., Answer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Answer]]:
    """A folder in which the recipe was run once, in a process of its own, and what that printed."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "r.yaml").write_text(RECIPE)
    yield folder, command("run", "r.yaml", cwd=folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def finished(first_run: tuple[Path, Answer], here: Path) -> Path:
    """A copy of the finished run, in the current folder."""
    shutil.copytree(first_run[0] / "runs", here / "runs")
    return Path("runs/r-1")


@pytest.fixture
def told(here: Path) -> Callable[..., RunFolder]:
    """Makes a run folder from a short story: `(status, last step, value)` for each trial, trial 0 the defaults."""

    def make(
        *trials: tuple[Status, int, float],
        name: str = "runs/told-1",
        mode: str = "min",
        resource: str = "epoch",
        n_trials: int | None = 4,
        closed: Event | None = None,
        first: Origin = Origin.DEFAULTS,
    ) -> RunFolder:
        folder = RunFolder.create(name)
        folder.journal.append(
            Opened(
                time=1000.0,
                objective=Objective(metric="val", mode=mode),  # type: ignore[arg-type]
                space={"model.lr": {"float": [0.001, 1.0]}},
                n_trials=n_trials,
                max_epochs=10,
                resource=resource,
                seed=7,
                searcher={"name": "tpe"},
                scheduler={"name": "asha"},
                software={},
            )
        )
        for number, (status, step, value) in enumerate(trials):
            config = {"model.lr": 0.1 * (number + 1), "data.batch_size": 32}
            origin = Origin.SEARCHER if number else first
            folder.journal.append(Suggested(time=1001.0, trial=Trial(id=number, config=config, seed=1, origin=origin)))
            if status is Status.WAITING:
                continue
            folder.journal.append(Started(time=1002.0, trial=number, worker="w0"))
            metrics = {"val": value} if step else {}
            if step:
                folder.journal.append(Reported(time=1003.0, report=Report(trial=number, step=step, metrics=metrics)))
            if status.ended:
                error = "Traceback\nValueError: bad batch\n" if status is Status.FAILED else ""
                outcome = Outcome(trial=number, status=status, step=step, metrics=metrics, error=error, seconds=1.0)
                folder.journal.append(Ended(time=1065.0, outcome=outcome))
        if closed is not None:
            folder.journal.append(closed)
        return folder

    return make
