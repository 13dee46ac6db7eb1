"""Carries out a study: looks at it, runs its trials, hands back its results. Both doors come through here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning_hpo.errors import Problem, RecipeError, RunInterrupted
from lightning_hpo.results import Results, RunFolder
from lightning_hpo.training import Assembly
from lightning_hpo.tuning.examine import Examination, Question
from lightning_hpo.tuning.opening import loader, save_assembly
from lightning_hpo.tuning.run import Listener, TuningRun
from lightning_hpo.tuning.settings import RunSettings

__all__ = ["Study", "execute", "new_folder", "resume"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """A study that has been read and not yet looked at.

    Args:
        question: What to look at first.
        settings: Makes the run's settings from what was seen.
        recipe: Makes the text of the resolved recipe from the settings.
        complain: Makes the error for the problems seen.
        trials: How many trials were asked for, if anybody said.
        pickled: Whether the assembly must be kept as a pickle, since no recipe can say it.
    """

    question: Question
    settings: Callable[[Examination], RunSettings]
    recipe: Callable[[RunSettings], str]
    complain: Callable[[Sequence[Problem]], RecipeError]
    trials: int | None = None
    pickled: bool = False

    @property
    def assembly(self) -> Assembly:
        """What builds the study's parts."""
        return self.question.assembly


def execute(
    study: Study, folder: RunFolder, *, listeners: Sequence[Listener] = (), address: str | None = None
) -> Results:
    """Runs a study in a new, empty run folder, as `new_folder` makes it.

    Ray is used if this process is connected to it, else joined at `address`, else started here and stopped again.
    Whatever is wrong with the study is said before the run folder has anything in it, and then none is left behind.

    Raises:
        RecipeError: If the study cannot run as it says.
        ClusterError: If Ray cannot be started.
        NoTrialSucceeded: If no trial has a finite value, or the first trials all fail alike.
        RunInterrupted: After Ctrl-C.
    """
    from lightning_hpo.tuning.ray.engine import examine_remotely
    from lightning_hpo.tuning.ray.runtime import quiet_environment, runtime

    begun = False
    try:
        with quiet_environment(), runtime(address):
            seen = examine_remotely(study.question, study.trials)
            if seen.problems:
                raise study.complain(seen.problems)
            settings = study.settings(seen)
            with folder.hold():
                run = TuningRun(settings, folder, listeners)
                begun = True
                folder.write_recipe(study.recipe(settings))
                if study.pickled:
                    save_assembly(folder, study.assembly, settings)
                run.open()
                return _run(run, study.assembly)
    finally:
        if not begun:
            folder.remove()


def new_folder(path: str | Path | None, name: str) -> RunFolder:
    """A new run folder: at the path if there is one, else the next free `runs/NAME-N`.

    Raises:
        RunFolderError: If the folder exists or cannot be written.
    """
    return RunFolder.create(path) if path is not None else RunFolder.create_next(Path("runs"), name)


def resume(
    settings: RunSettings,
    assembly: Assembly,
    folder: RunFolder,
    *,
    listeners: Sequence[Listener] = (),
    address: str | None = None,
) -> Results:
    """Goes on with a run that ended before it was done: ended trials stay, the others run again.

    Raises:
        RunFolderError: If the journal is damaged, or another process writes it.
    """
    from lightning_hpo.tuning.ray.runtime import quiet_environment, runtime

    with folder.hold(), quiet_environment(), runtime(address):
        folder.read()  # says what is wrong with a journal that cannot be resumed
        run = TuningRun(settings, folder, listeners)
        run.replay(folder.journal.read())
        return _run(run, assembly)


def _run(run: TuningRun, assembly: Assembly) -> Results:
    from lightning_hpo.tuning.ray.engine import run_trials

    with _interrupts_told(run):
        run_trials(run, assembly)
        run.close()
    return Results(run.folder, run.state, loader(assembly, run.folder))


@contextmanager
def _interrupts_told(run: TuningRun) -> Iterator[None]:
    forced: Any = None
    try:
        yield
    except KeyboardInterrupt as error:
        run.interrupted, forced = True, error
    if run.interrupted:
        ended = len([trial for trial in run.state.trials.values() if trial.status.ended])
        raise RunInterrupted(
            f"Interrupted after {ended} ended trials; everything until then is kept in {run.folder}. "
            f"Go on with: lightning-hpo resume {run.folder}",
            str(run.folder.path),
        ) from forced
