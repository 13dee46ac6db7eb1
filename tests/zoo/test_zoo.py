"""The package as a whole: its exports, and that LightningCLI can build all of it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.cli import LightningCLI

from lightning_hpo import zoo
from lightning_hpo.tunable import arguments_of, defaults_of, space_of

# Lightning 2.6 calls what jsonargparse 4.53 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

MODELS = ["ConvClassifier", "MLPClassifier", "ResNetClassifier"]
DATA = ["CIFAR10DataModule", "DigitsDataModule", "IrisDataModule", "MNISTDataModule"]


def test_everything_exported_is_there_and_everything_else_is_not() -> None:
    assert sorted(zoo.__all__) == sorted([*MODELS, *DATA, "Classifier", "TensorDataModule"])
    for name in zoo.__all__:
        assert getattr(zoo, name).__name__ == name
    assert set(zoo.__all__) <= set(dir(zoo))
    with pytest.raises(AttributeError, match="has no attribute 'MLP'"):
        zoo.MLP  # noqa: B018


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, lightning_hpo.zoo; "
        "print([m for m in ('torch', 'torchvision', 'sklearn', 'pytorch_lightning') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [*MODELS, *DATA])
def test_each_is_a_lightning_class_that_declares_what_may_vary_and_has_a_default_for_all(name: str) -> None:
    target = getattr(zoo, name)
    assert issubclass(target, pl.LightningModule if name in MODELS else pl.LightningDataModule)
    space = space_of(target)
    assert len(space) >= 1
    assert space.contains(space.complete(defaults_of(target)))
    assert not arguments_of(target).open_ended  # a misspelt argument is noticed
    assert set(arguments_of(target).names) == set(defaults_of(target))
    assert importlib.import_module(target.__module__).__all__


@pytest.fixture(autouse=True)
def no_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """LightningCLI would read pytest's."""
    monkeypatch.setattr(sys, "argv", ["cli"])


def built(model: dict[str, Any], data: dict[str, Any], folder: Path) -> Any:
    return LightningCLI(
        args={
            "model": model,
            "data": data,
            "trainer": {"accelerator": "cpu", "logger": False, "default_root_dir": str(folder)},
        },
        run=False,
        save_config_callback=None,
        seed_everything_default=1,
    )


@pytest.mark.parametrize("name", MODELS)
def test_lightning_cli_builds_a_model_by_its_short_path(name: str, tmp_path: Path) -> None:
    given = {"lr": 0.02, "optimizer": "sgd", "momentum": 0.25, "lr_schedule": "cosine", "dropout": 0.125}
    model = {"class_path": f"lightning_hpo.zoo.{name}", "init_args": given}
    cli = built(model, {"class_path": "lightning_hpo.zoo.DigitsDataModule"}, tmp_path)
    assert type(cli.model) is getattr(zoo, name)
    assert {key: cli.model.hparams[key] for key in given} == given


@pytest.mark.parametrize("name", DATA)
def test_lightning_cli_builds_a_data_module_by_its_short_path(name: str, tmp_path: Path) -> None:
    data = {"class_path": f"lightning_hpo.zoo.{name}", "init_args": {"batch_size": 12, "split_seed": 3}}
    cli = built({"class_path": "lightning_hpo.zoo.MLPClassifier"}, data, tmp_path)
    assert type(cli.datamodule) is getattr(zoo, name)
    assert (cli.datamodule.batch_size, cli.datamodule.split_seed) == (12, 3)
    assert cli.datamodule.hparams["batch_size"] == 12


def test_lightning_cli_takes_lists_and_whole_numbers_for_floats(tmp_path: Path) -> None:
    given = {"hidden_sizes": [8, 4], "l1": 0, "in_features": 4, "num_classes": 3}
    model = {"class_path": "lightning_hpo.zoo.MLPClassifier", "init_args": given}
    cli = built(model, {"class_path": "lightning_hpo.zoo.IrisDataModule"}, tmp_path)
    assert cli.model.hparams["hidden_sizes"] == [8, 4]
    assert cli.model.hparams["l1"] == 0
