"""Studies that several tests look at, each run once: every new Ray worker imports torch anew, which takes seconds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

#: Tunes with what makes a study quick and quiet: `study(Model, max_epochs=3, seed=1, ...)`.
Study = Callable[..., Any]

#: What goes to `tune` itself; everything else goes to the TuneTrainer.
_OF_TUNE = {
    *("train_dataloaders", "val_dataloaders", "datamodule", "space", "initial_points", "seed", "ckpt_path"),
    *("run_folder", "resource", "max_concurrent", "keep_best", "proof", "listeners", "address"),
}


@pytest.fixture(scope="session")
def study(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Study:
    from lightning_hpo import TuneTrainer  # imports Ray, which must not happen before the test run's environment is set

    def run(model: Any, **given: Any) -> Any:
        of_tune = {name: given.pop(name) for name in list(given) if name in _OF_TUNE}
        of_tune.setdefault("run_folder", tmp_path_factory.mktemp("study") / "run")
        of_tune.setdefault("listeners", [])
        trainer = TuneTrainer(**{"monitor": "val_loss", "max_epochs": 3, **given})
        return trainer.tune(model, **{"seed": 1, **of_tune})

    return run


@pytest.fixture(scope="session")
def facts() -> Callable[[Any], list[dict[str, Any]]]:
    """What the workers noted, trial by trial."""

    def read(results: Any) -> list[dict[str, Any]]:
        return [json.loads((Path(trial.path) / "facts.json").read_text()) for trial in results]

    return read
