"""What a run folder gives back: how the run was made, and configs and models of its trials."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import toy_modules
from lightning_hpo.errors import RecipeError, RunFolderError, UsageError
from lightning_hpo.objective import Objective
from lightning_hpo.recipe.reading import parse_yaml
from lightning_hpo.results import Ended, Opened, Reported, RunFolder, Started, Suggested
from lightning_hpo.space import Float, Space
from lightning_hpo.training.objects import ObjectsAssembly
from lightning_hpo.trial import Outcome, Report, Status, Trial
from lightning_hpo.tuning.opening import assembly_of, cli_config, open_run, reopen, save_assembly, saved
from lightning_hpo.tuning.script import script_recipe
from lightning_hpo.tuning.settings import RunSettings

RECIPE = """\
seed_everything: 7
model:
  class_path: toy_modules.Line
  init_args: {width: 4}
trainer:
  max_epochs: 9
tune:
  objective: {metric: val_loss}
  space:
    model.lr: {float: [0.001, 0.1], log: true}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run of one trial that ended after one epoch."""
    monkeypatch.chdir(tmp_path)
    made = RunFolder.create("runs/r-1")
    made.write_recipe(RECIPE)
    made.journal.append(
        Opened(
            objective=Objective(metric="val_loss"),
            space={"model.lr": {"float": [0.001, 0.1], "log": True}},
            n_trials=1,
            max_epochs=9,
            resource="epoch",
            seed=7,
            searcher={"name": "tpe"},
            scheduler={"name": "asha"},
            software={},
        ),
        Suggested(trial=Trial(id=0, config={"model.lr": 0.02}, seed=4321)),
        Started(trial=0, worker=""),
        Reported(report=Report(trial=0, step=1, metrics={"val_loss": 0.25})),
        Ended(outcome=Outcome(trial=0, status=Status.STOPPED, step=1, metrics={"val_loss": 0.25})),
    )
    return made


def settings() -> RunSettings:
    return RunSettings(
        objective=Objective(metric="val_loss"),
        space=Space({"model.lr": Float(0.001, 0.1, log=True)}),
        max_epochs=9,
        seed=7,
        defaults={"model.lr": 0.1},
    )


def test_the_config_of_a_trial_is_the_recipe_with_its_values_and_seed(folder: RunFolder):
    text = cli_config(folder, 0)
    assert text.startswith("# Trial 0 of runs/r-1: val_loss 0.25 after 1 epoch.\n")
    assert parse_yaml(text, "best.yaml").data == {
        "seed_everything": 4321,
        "model": {"class_path": "toy_modules.Line", "init_args": {"width": 4, "lr": 0.02}},
        "trainer": {"max_epochs": 9},
    }


def test_a_run_is_reopened_with_what_its_recipe_says(folder: RunFolder):
    made, assembly = reopen(folder)
    assert (made.seed, made.max_epochs, made.defaults) == (7, 9, {"model.lr": 0.1})
    assert assembly_of(folder)[1] is None
    assert type(assembly) is type(assembly_of(folder)[0])


def test_a_class_that_is_gone_since_is_said(folder: RunFolder):
    folder.write_recipe(RECIPE.replace("toy_modules.Line", "toy_modules.Lines"))
    with pytest.raises(RecipeError, match="toy_modules has no 'Lines'"):
        reopen(folder)


def test_objects_come_back_as_they_were(folder: RunFolder):
    assembly = ObjectsAssembly(toy_modules.Line, flags={"max_epochs": 9})
    save_assembly(folder, assembly, settings())
    found = saved(folder)
    assert found is not None
    assert found[0].flags == {"max_epochs": 9}
    assert found[1] == settings()
    assert reopen(folder)[0] == settings()


def test_objects_that_do_not_pickle_are_said(folder: RunFolder):
    assembly = ObjectsAssembly(toy_modules.Line, flags={"logger": threading.Lock()})
    with pytest.raises(UsageError, match=r"cannot be sent to workers: TypeError: .*open files and locks do not"):
        save_assembly(folder, assembly, settings())
    assert saved(folder) is None


def test_objects_that_cannot_be_read_are_said(folder: RunFolder):
    folder.assembly.write_bytes(b"no pickle")
    with pytest.raises(RunFolderError, match=r"assembly\.pkl cannot be read: .*same code can be imported"):
        saved(folder)


def test_a_python_run_of_classes_has_a_config_too(folder: RunFolder):
    assembly = ObjectsAssembly(toy_modules.Line, flags={"max_epochs": 9})
    folder.write_recipe(script_recipe(assembly, settings()))
    save_assembly(folder, assembly, settings())
    made = parse_yaml(cli_config(folder, 0), "best.yaml").data
    assert made["model"] == {"class_path": "toy_modules.Line", "init_args": {"lr": 0.02}}


def test_a_python_run_of_objects_has_none(folder: RunFolder):
    assembly = ObjectsAssembly(toy_modules.Line, loaders={"train_dataloaders": [1]}, flags={"max_epochs": 9})
    folder.write_recipe(script_recipe(assembly, settings()))
    save_assembly(folder, assembly, settings())
    with pytest.raises(UsageError) as caught:
        cli_config(folder, 0)
    assert str(caught.value).endswith("lightning-hpo best runs/r-1 --module best.ckpt")


def test_the_model_of_the_best_trial_is_loaded_with_its_config(folder: RunFolder):
    module: Any = toy_modules.Line(lr=0.02, width=4)
    trainer = toy_modules.pl.Trainer(
        max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu"
    )
    trainer.fit(module)
    folder.trial(0).create()
    folder.trial(0).checkpoint.parent.mkdir(parents=True, exist_ok=True)
    trainer.save_checkpoint(folder.trial(0).checkpoint)
    loaded = open_run("runs/r-1").best_model()
    inputs = toy_modules.torch.ones(1, 2)
    assert loaded.hparams["width"] == 4
    assert loaded.layer(inputs).item() == module.layer(inputs).item()


def test_a_model_whose_checkpoint_was_let_go_is_said(folder: RunFolder):
    with pytest.raises(RunFolderError, match=r"is not there. Checkpoints are kept for the best trials only"):
        open_run("runs/r-1").best_model()
