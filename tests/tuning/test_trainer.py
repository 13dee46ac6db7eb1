from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lightning_hpo import Choice, Fixed, Float, TuneTrainer, UsageError
from tuned_modules import Plain, Rich, Sums, training_loader


def tune(
    model: Any = Plain, *, trainer: dict[str, Any] | None = None, folder: Path = Path("never-made"), **given: Any
) -> Any:
    made = TuneTrainer(**{"max_epochs": 2, "monitor": "val_loss", **(trainer or {})})
    return made.tune(model, run_folder=folder, **{"datamodule": Sums, "space": {"lr": Float(1e-3, 1e-1)}, **given})


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"model": Plain()}, r"got an instance of Plain; pass the class, or a function that builds it"),
    ({"model": "Plain"}, r"needs a LightningModule class or a function that returns a module, but got str"),
    ({"train_dataloaders": training_loader()}, r"got both datamodule and train_dataloaders; expected one of them"),
    (
        {"train_dataloaders": [1], "val_dataloaders": [1]},
        r"got both datamodule and train_dataloaders and val_dataloaders",
    ),
    ({"trainer": {"searcher": "tpp"}}, r"searcher is 'tpp'. Known searchers: .* Did you mean 'tpe'\?"),
    ({"trainer": {"searcher": {"name": "tpe", "gama": 0.2}}}, r"takes no setting 'gama'.* Did you mean 'gamma'\?"),
    (
        {"trainer": {"searcher": {"gamma": 0.2}}},
        r"searcher is \{'gamma': 0.2\}. Expected a name, or a dict with a name",
    ),
    ({"trainer": {"searcher": 3}}, r"searcher is 3. Expected a name, or a dict"),
    ({"trainer": {"scheduler": "asah"}}, r"scheduler is 'asah'.* Did you mean 'asha'\?"),
    ({"trainer": {"scheduler": {"name": "asha", "grace_period": 9}}}, r"grace_period is 9, but trials run 2 epochs"),
    ({"trainer": {"resources": {"gpus": 1}}}, r"resources: unknown gpus. Expected cpu and gpu.* Did you mean 'gpu'\?"),
    ({"trainer": {"resources": {"cpu": "two"}}}, r"resources: cpu is 'two'. Expected a number, 0 or more"),
    ({"trainer": {"resources": {"gpu": -1}}}, r"resources: gpu is -1. Expected a number, 0 or more"),
    ({"trainer": {"max_epochs": None}}, r"max_epochs is None. Expected how long a full trial is: .*max_epochs=N"),
    ({"trainer": {"max_epochs": -1}}, r"max_epochs is -1. Expected how long a full trial is"),
    ({"resource": "step"}, r"max_steps is None. Expected how long a full trial is: TuneTrainer\(max_steps=N"),
    ({"resource": "steps"}, r"resource is 'steps'. Expected 'epoch' or 'step'"),
    ({"trainer": {"monitor": ""}}, r"metric must be the name of a logged metric, but got ''"),
    ({"trainer": {"mode": "up"}}, r"mode must be 'min' or 'max', but got 'up'"),
    ({"trainer": {"n_trials": 0}}, r"n_trials is 0. Expected a whole number, 1 or more"),
    ({"trainer": {"n_trials": "10"}}, r"n_trials is '10'. Expected a whole number"),
    ({"max_concurrent": 0}, r"max_concurrent is 0. Expected a whole number"),
    ({"keep_best": 0}, r"keep_best is 0. Expected a whole number"),
    ({"seed": -3}, r"seed is -3. Expected a whole number from 0 to 4294967295"),
    ({"space": {"lr": [1e-3, 1e-1]}}, r"lr is \[0.001, 0.1\], which does not say how it may vary. Expected Choice\("),
    ({"space": {"lr": (1e-3, 1e-1)}}, r"lr is \(0.001, 0.1\), .* Float\(low, high\) or Int\(low, high\) for a range"),
    ({"space": [Float(0, 1)]}, r"space is \[Float.*\]. Expected a dict of names to parameters"),
    (
        {"space": {"lr": Float(0, 1), "model.lr": Float(0, 1)}},
        r"model.lr and model.lr are the same argument|lr and model.lr are the same argument",
    ),
]


@pytest.mark.parametrize(("given", "told"), WRONG, ids=[told[:40] for _, told in WRONG])
def test_wrong_arguments_are_refused_before_anything_is_made(given: dict[str, Any], told: str):
    with pytest.raises(UsageError, match=told):
        tune(**given)
    assert not Path("never-made").exists()


def test_a_list_that_is_meant_can_be_fixed(monkeypatch: pytest.MonkeyPatch):
    # The next complaint comes after the space was taken.
    with pytest.raises(UsageError, match="seed is -1"):
        tune(space={"lr": Fixed([0.1])}, seed=-1)


def test_bare_names_are_the_models_in_the_branches_of_a_choice_as_well():
    from lightning_hpo.tuning.given import full_names

    found = full_names(
        {
            "data.batch_size": Choice([8, 16]),
            "trainer.gradient_clip_val": Float(0, 1),
            "optimizer": Choice({"sgd": {"momentum": Float(0, 1)}, "adam": {}}),
        }
    )
    assert list(found) == ["data.batch_size", "trainer.gradient_clip_val", "model.optimizer"]
    assert list(found["model.optimizer"].branches["sgd"]) == ["model.momentum"]


def test_a_run_folder_that_holds_something_is_refused_and_left_as_it_was(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"is not empty: it holds notes.txt"):
        tune(Rich, space=None, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_resuming_what_is_no_run_says_so(tmp_path: Path):
    with pytest.raises(UsageError, match=r"holds no run \(it has no journal.jsonl\)"):
        TuneTrainer.resume(tmp_path)
