from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lightning_hpo.objective import Objective
from lightning_hpo.results import Ended, Event, Opened, Reported, RunFolder, Started, Suggested
from lightning_hpo.trial import Origin, Outcome, Report, Status, Trial


@pytest.fixture
def opened() -> Opened:
    """A run that maximises acc over ten epochs."""
    return Opened(
        time=1000.0,
        objective=Objective(metric="acc", mode="max"),
        space={"lr": {"float": [0.001, 0.1], "log": True}},
        n_trials=4,
        max_epochs=10,
        resource="epoch",
        seed=7,
        searcher={"name": "tpe"},
        scheduler={"name": "asha", "eta": 3},
        software={"torch": "2.4.0"},
    )


Story = Callable[..., list[Event]]


@pytest.fixture
def story() -> Story:
    """The events of one trial: suggested, started, one report a value from step 1 on, and its end if one is given."""

    def tell(
        trial: int,
        values: list[float] | tuple[float, ...] = (),
        end: Status | None = None,
        *,
        origin: Origin = Origin.SEARCHER,
        error: str = "",
    ) -> list[Event]:
        config = {"lr": 0.01 * (trial + 1)}
        events: list[Event] = [
            Suggested(time=1001.0, trial=Trial(id=trial, config=config, seed=trial + 70, origin=origin)),
            Started(time=1002.0, trial=trial, worker="w0"),
        ]
        for step, value in enumerate(values, start=1):
            events.append(Reported(time=1002.0 + step, report=Report(trial=trial, step=step, metrics={"acc": value})))
        if end is not None:
            metrics = {"acc": values[-1]} if values else {}
            outcome = Outcome(trial=trial, status=end, step=len(values), metrics=metrics, error=error, seconds=1.5)
            events.append(Ended(time=1100.0 + trial, outcome=outcome))
        return events

    return tell


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of the test, so that messages show paths as a person types them."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def folder(here: Path, opened: Opened) -> RunFolder:
    """A run folder whose journal was opened."""
    made = RunFolder.create("runs/mlp-1")
    made.journal.append(opened)
    return made
