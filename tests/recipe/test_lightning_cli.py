"""A config.yaml that a real LightningCLI wrote is a recipe once `tune` is added, and goes back as one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lightning_hpo.recipe import dump_yaml, load_recipe, paths
from lightning_hpo.schedulers import SCHEDULERS
from lightning_hpo.searchers import SEARCHERS

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("written_by_cli.py")

TUNE = """
tune:
  objective: {metric: val_loss}
  space:
    model.lr: {float: [1.0e-4, 1.0e-1], log: true}
    optimizer.weight_decay: {float: [0, 0.1]}
    trainer.callbacks.0.patience: {int: [1, 9]}
    trainer.gradient_clip_val: {choice: [null, 1.0]}
"""


def run(*arguments: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which LightningCLI has fitted twice."""
    folder = tmp_path_factory.mktemp("cli")
    run(folder=folder)
    return folder


def recipe_from(written: Path, name: str, more: str = "") -> Any:
    (config,) = (written / name).rglob("config.yaml")
    text = config.read_text()
    assert text.startswith("# pytorch_lightning==")
    path = written / f"{name}.yaml"
    path.write_text(text + TUNE + more)
    return load_recipe(path, searchers=SEARCHERS, schedulers=SCHEDULERS)


def test_a_config_with_classes_named_by_path_is_a_recipe(written: Path):
    recipe = recipe_from(written, "by_path")
    assert recipe.seed == 7
    assert recipe.model_class == "__main__.Lit"
    assert recipe.full_length == 1
    assert recipe.config["model"]["init_args"] == {"lr": 0.001, "hidden": 8, "sizes": None, "note": "off"}
    assert recipe.config["optimizer"]["init_args"]["lr"] == 1e-5
    assert paths.resolve(recipe.config, "model.lr") == ("model", "init_args", "lr")
    assert paths.resolve(recipe.config, "optimizer.weight_decay") == ("optimizer", "init_args", "weight_decay")
    assert paths.get(recipe.config, "trainer.callbacks.0.patience") == 3


def test_a_config_of_one_fixed_class_is_a_recipe_with_its_class_beside(written: Path):
    recipe = recipe_from(written, "fixed", "  model_class: lit.Lit\n  data_class: lit.BoringDataModule\n")
    assert recipe.config["model"] == {"lr": 0.001, "hidden": 8, "sizes": None, "note": "on"}
    assert (recipe.model_class, recipe.data_class) == ("lit.Lit", "lit.BoringDataModule")
    assert paths.resolve(recipe.config, "model.lr") == ("model", "lr")


def test_lightning_cli_reads_the_config_of_a_drawn_point(written: Path):
    recipe = recipe_from(written, "by_path")
    drawn = paths.apply(recipe.config, {"model.lr": 2e-05, "trainer.callbacks.0.patience": 5})
    for key in ("ckpt_path", "weights_only"):  # arguments of `fit`, not of the parser
        drawn.pop(key)
    (written / "drawn.yaml").write_text(dump_yaml(drawn))
    assert json.loads(run("drawn.yaml", folder=written).splitlines()[-1]) == {"lr": 2e-05, "patience": 5}
