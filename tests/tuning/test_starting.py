"""A starting recipe from what a class says of itself; the whole text is tested where `init` is."""

from __future__ import annotations

from typing import Any

import pytest

import toy_modules
from lightning_hpo.errors import UsageError
from lightning_hpo.recipe.reading import parse_yaml
from lightning_hpo.tuning.starting import guessed_objective, starting_recipe
from toy_modules import Line


class LogsByStage(Line):
    """Names made by code cannot be read."""

    def validation_step(self, batch: Any, index: int) -> None:
        for stage in ("val", "test"):
            self.log(f"{stage}_score", 1.0)


class LogsTrainingOnly(toy_modules.pl.LightningModule):
    def training_step(self, batch: Any, index: int) -> None:
        self.log("fit_mse", 1.0)


class LogsAScore(Line):
    def validation_step(self, batch: Any, index: int) -> None:
        self.log(
            "val_loss",
            1.0,
        )
        self.log("val_accuracy", 1.0)


class LogsNothing(toy_modules.pl.LightningModule):
    pass


@pytest.mark.parametrize(
    ("model", "metric", "mode"),
    [
        (Line, "val_loss", "min"),
        (LogsAScore, "val_accuracy", "max"),  # a score before a loss
        (toy_modules.NeedsArguments, "val/auc", "max"),  # names in log_dict
        (LogsByStage, "val_loss", "min"),  # what its base class logs
        (LogsTrainingOnly, "fit_mse", "min"),
        (LogsNothing, "val_loss", "min"),
    ],
)
def test_the_objective_is_guessed_from_what_is_logged(model: type, metric: str, mode: str):
    assert guessed_objective(model) == (metric, mode)


def test_a_class_without_source_gets_the_usual_objective():
    made = type("Made", (toy_modules.pl.LightningModule,), {"__module__": "nowhere"})
    assert guessed_objective(made) == ("val_loss", "min")


def test_what_a_class_declares_is_in_the_recipe():
    recipe = parse_yaml(starting_recipe("toy_modules:Declared", "toy_modules:Numbers"), "new.yaml").data
    assert recipe["model"] == {
        "class_path": "toy_modules.Declared",
        "init_args": {"lr": 0.1, "kind": "plain", "width": 2},
    }
    assert recipe["data"] == {"class_path": "toy_modules.Numbers", "init_args": {"batch_size": 4}}
    assert recipe["tune"]["space"] == {
        "model.lr": {"float": [0.001, 0.1], "log": True},
        "model.kind": {"choice": {"plain": {}, "wide": {"model.width": {"choice": [2, 4]}}}},
    }
    assert recipe["tune"]["objective"] == {"metric": "val_loss", "mode": "min"}


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        ("toy_modules:Numbers", None, "'toy_modules:Numbers' is no LightningModule."),
        ("toy_modules:Line", "toy_modules:Line", "'toy_modules:Line' is no LightningDataModule."),
        ("toy_modules:Linie", None, "Did you mean 'Line'?"),
        ("toy_modules:Any", None, "'toy_modules:Any' is no LightningModule."),
    ],
)
def test_a_wrong_path_is_said(model: str, data: str | None, message: str):
    with pytest.raises(UsageError) as caught:
        starting_recipe(model, data)
    assert message in str(caught.value)
