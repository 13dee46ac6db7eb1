"""Tiny modules by import path, a channel that records, and one fit in a line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lightning_hpo import Objective
from lightning_hpo.trial import Verdict

sys.path.insert(0, str(Path(__file__).parent))  # `tiny_modules`, which recipes name by import path


@dataclass
class Recorder:
    """A channel that keeps what it hears and answers by step."""

    answers: Mapping[int, Verdict] = field(default_factory=dict)
    stopping: bool = False
    heard: list[tuple[int, dict[str, float]]] = field(default_factory=list)

    def report(self, step: int, metrics: Mapping[str, float]) -> Verdict:
        self.heard.append((step, dict(metrics)))
        return self.answers.get(step, Verdict.CONTINUE)

    @property
    def steps(self) -> list[int]:
        return [step for step, _ in self.heard]

    def values(self, metric: str) -> list[float]:
        return [metrics[metric] for _, metrics in self.heard]


@pytest.fixture
def recorder() -> Callable[..., Recorder]:
    return Recorder


@pytest.fixture
def task(tmp_path: Path) -> Callable[..., Any]:
    """Makes a Task that writes below the test's own folder."""

    def make(config: Mapping[str, Any] | None = None, **settings: Any) -> Any:
        from lightning_hpo.training import Task

        made: dict[str, Any] = {
            "trial": 0,
            "config": dict(config or {}),
            "seed": 1,
            "directory": str(tmp_path / "trial"),
            "objective": Objective(metric="val_loss"),
        }
        return Task(**{**made, **settings})

    return make


@pytest.fixture(autouse=True)
def nothing_left_in_the_working_directory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """Every fit runs in an empty working directory and has to leave it empty."""
    here = tmp_path_factory.mktemp("cwd")
    monkeypatch.chdir(here)
    yield here
    left = sorted(path.name for path in here.iterdir())
    monkeypatch.undo()
    assert left == []
