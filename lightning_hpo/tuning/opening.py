"""Opens run folders: what a run was made of, and its models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning_hpo.errors import RunFolderError, UsageError
from lightning_hpo.recipe import dump_yaml, load_recipe
from lightning_hpo.results import Results, RunFolder, TrialState, atomic_write
from lightning_hpo.schedulers import SCHEDULERS
from lightning_hpo.searchers import SEARCHERS
from lightning_hpo.training import Assembly
from lightning_hpo.training.loading import load_model
from lightning_hpo.tuning.plain_lines import counted, shown_value
from lightning_hpo.tuning.settings import RunSettings

__all__ = ["assembly_of", "cli_config", "loader", "open_run", "reopen", "save_assembly", "saved"]


def open_run(path: str | Path) -> Results:
    """The results of a run folder, of a finished run or one still going; Ray is not started.

    Raises:
        RunFolderError: If there is no run, or its journal is damaged.
    """
    folder = RunFolder.open(path)

    def load(trial: TrialState) -> Any:  # what it needs is loaded when a model is asked for
        assembly, settings = assembly_of(folder)
        return loader(assembly, folder, settings)(trial)

    return Results(folder, folder.read(), load)


def save_assembly(folder: RunFolder, assembly: Assembly, settings: RunSettings) -> None:
    """Keeps what no recipe can say: the objects and functions that a run was made of.

    Raises:
        UsageError: If they do not pickle.
    """
    from lightning_hpo.tuning.ray.pickling import dumps

    atomic_write(folder.assembly, dumps((assembly, settings)))


def saved(folder: RunFolder) -> tuple[Assembly, RunSettings] | None:
    """The pickled objects of a run, if it has any. Unpickling runs code: open only run folders you trust."""
    from lightning_hpo.tuning.ray.pickling import loads

    if not folder.assembly.exists():
        return None
    try:
        assembly, settings = loads(folder.assembly.read_bytes())
    except Exception as error:  # code may have changed or gone since
        raise RunFolderError(
            f"{folder.assembly} cannot be read: {type(error).__name__}: {error}. "
            "It holds the Python objects of the run; open it where the same code can be imported."
        ) from error
    return assembly, settings


def assembly_of(folder: RunFolder) -> tuple[Assembly, RunSettings | None]:
    """What builds the run's models, and the settings of a run that was started from Python."""
    from lightning_hpo.training.blocks import BlocksAssembly

    pickled = saved(folder)
    if pickled is not None:
        return pickled
    recipe = load_recipe(folder.recipe, searchers=SEARCHERS, schedulers=SCHEDULERS)
    assembly = BlocksAssembly(recipe.config, model_class=recipe.tune.model_class, data_class=recipe.tune.data_class)
    return assembly, None


def loader(assembly: Assembly, folder: RunFolder, settings: RunSettings | None) -> Callable[[TrialState], Any]:
    """Loads the trained model of a trial whose checkpoint was kept, as `load_model` does.

    Args:
        assembly: Builds the model.
        folder: Holds the checkpoint.
        settings: Turn the journal's plain configs back into what the model was given; None where they are the same.
    """

    def load(trial: TrialState) -> Any:
        path = folder.trial(trial.id).checkpoint
        if not path.exists():
            raise RunFolderError(
                f"{path} is not there. Checkpoints are kept for the best trials only (tune.keep_best); "
                "for another one, train its config again."
            )
        return load_model(assembly, settings.decode(trial.trial.config) if settings else trial.trial.config, path)

    return load


def reopen(folder: RunFolder) -> tuple[RunSettings, Assembly]:
    """What a run is to go on with.

    Raises:
        RecipeError: If the recipe or the classes it names have changed so that it cannot go on.
    """
    from lightning_hpo.tuning.examine import examine
    from lightning_hpo.tuning.recipes import read_recipe, study_of

    pickled = saved(folder)
    if pickled is not None:
        return pickled[1], pickled[0]
    study = study_of(read_recipe(folder.recipe), dry_run=False)
    seen = examine(study.question)
    if seen.problems:
        raise study.complain(seen.problems)
    return study.settings(seen), study.assembly


def cli_config(folder: RunFolder, trial: int) -> str:
    """A LightningCLI config, as YAML text, that trains one trial again: `python cli.py fit --config best.yaml`.

    Raises:
        UsageError: If the run was started from Python with things that no config can say.
    """
    from lightning_hpo.training.blocks import BlocksAssembly

    recipe = load_recipe(folder.recipe, searchers=SEARCHERS, schedulers=SCHEDULERS)
    state = folder.read().trials[trial]
    if recipe.model_class is None or (folder.assembly.exists() and not _sayable(saved(folder))):
        raise UsageError(
            f"{folder} was started from Python with objects that a LightningCLI config cannot say. "
            f"Take the checkpoint instead: lightning-hpo best {folder} --module best.ckpt"
        )
    blocks = BlocksAssembly(recipe.config).with_config(state.trial.config)
    blocks["seed_everything"] = state.trial.seed
    value = shown_value(recipe.objective.value(state.loss))
    reached = counted(state.step, recipe.tune.resource)
    header = f"Trial {trial} of {folder}: {recipe.objective.metric} {value} after {reached}."
    if recipe.tune.model_class:
        header += f"\nFor a LightningCLI made for {recipe.tune.model_class}."
    return dump_yaml(blocks, header)


def _sayable(pickled: tuple[Assembly, RunSettings] | None) -> bool:
    """Whether `script_recipe` left nothing of the model and the data out."""
    if pickled is None:
        return True
    from lightning_hpo.training.objects import ObjectsAssembly
    from lightning_hpo.tuning.script import left_out

    return isinstance(pickled[0], ObjectsAssembly) and not left_out(pickled[0])
