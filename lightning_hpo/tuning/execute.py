"""Carries out a study: looks at it, runs its trials, hands back its results. Both doors come through here."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from lightning_hpo.errors import (
    ClusterError,
    HPOError,
    InternalError,
    Problem,
    RecipeError,
    RunFolderError,
    RunInterrupted,
    StorageError,
)
from lightning_hpo.results import Results, RunFolder
from lightning_hpo.training import Assembly
from lightning_hpo.training.imports import uncollected
from lightning_hpo.tuning.examine import Examination, Question
from lightning_hpo.tuning.opening import loader, save_assembly
from lightning_hpo.tuning.ray.runtime import quiet_environment, runtime, workers_for
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
        max_concurrent: How many may run at a time, if anybody said.
        pickled: Whether the assembly must be kept as a pickle, since no recipe can say it.
    """

    question: Question
    settings: Callable[[Examination], RunSettings]
    recipe: Callable[[RunSettings], str]
    complain: Callable[[Sequence[Problem]], RecipeError]
    trials: int | None = None
    max_concurrent: int | None = None
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
        StorageError: If a disk refuses while the run writes.
        NoTrialSucceeded: If no trial has a finite value, or the first trials all fail alike.
        RunInterrupted: After Ctrl-C.
    """
    run: TuningRun | None = None

    def begin(seen: Examination | None) -> TuningRun:
        nonlocal run
        if seen is None:
            raise InternalError("A study began without having been looked at.")
        if seen.problems:
            raise study.complain(seen.problems)
        settings = study.settings(seen).explicit()
        made = TuningRun(settings, folder, listeners)
        folder.write_recipe(study.recipe(settings))
        if study.pickled:
            save_assembly(folder, study.assembly, settings)
        made.open()
        run = made
        return made

    try:
        question = study.question
        with folder.hold(), quiet_environment(), _runtime(address, question, study.trials, study.max_concurrent):
            return _run(question, folder, begin, look=True, trials=study.trials, max_concurrent=study.max_concurrent)
    finally:
        if run is None:
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
    run = TuningRun(settings, folder, listeners)
    question = Question(
        assembly=assembly,
        space=settings.space,
        objective=settings.objective,
        seed=settings.seed,
        resource=settings.resource,
        cpus=settings.cpus,
        gpus=settings.gpus,
    )

    def begin(_: Examination | None) -> TuningRun:
        run.replay(folder.journal.read())
        return run

    with folder.hold():
        state = folder.read()  # says what is wrong with a journal that cannot be resumed
        total = settings.trials()
        left = None if total is None else total - sum(trial.status.ended for trial in state)
        if left == 0:
            begin(None).close()
            return Results(folder, run.state, loader(assembly, folder, settings))
        with quiet_environment(), _runtime(address, question, left, settings.max_concurrent):
            return _run(question, folder, begin, look=False, trials=left, max_concurrent=settings.max_concurrent)


def _runtime(
    address: str | None, question: Question, trials: int | None, max_concurrent: int | None
) -> contextlib.AbstractContextManager[None]:
    """A Ray runtime with workers for as many trials as will run at a time."""
    workers = workers_for(question.cpus, question.gpus, trials=trials, max_concurrent=max_concurrent)
    return runtime(address, workers=workers)


def _run(
    question: Question,
    folder: RunFolder,
    begin: Callable[[Examination | None], TuningRun],
    *,
    look: bool,
    trials: int | None,
    max_concurrent: int | None,
) -> Results:
    with uncollected():
        from lightning_hpo.tuning.ray.engine import run_trials  # Ray Tune: loaded when the runtime is up

    run: TuningRun | None = None

    def noted(seen: Examination | None) -> TuningRun:
        nonlocal run
        run = begin(seen)
        return run

    try:
        run_trials(question, folder.path, noted, look=look, trials=trials, max_concurrent=max_concurrent)
    except KeyboardInterrupt:  # the second one, which does not wait
        if run is None:
            raise
        run.interrupted = True
    except (ClusterError, StorageError, RunFolderError) as error:  # the machine's faults, not the study's
        if run is None:
            raise
        with contextlib.suppress(HPOError):  # a disk that is full, or a journal that is gone, takes no last line either
            run.abandon()
        kind = ClusterError if isinstance(error, ClusterError) else StorageError
        told = f"{error}\nEverything until then is kept. Go on with: lightning-hpo resume {folder}"
        raise kind(told) from error
    if run is None:
        raise RunInterrupted("Interrupted before the first trial; nothing is left behind.", str(folder.path))
    run.close()
    if run.interrupted:
        ended = len([trial for trial in run.state if trial.status.ended])
        raise RunInterrupted(
            f"Interrupted after {ended} of its trials had ended; everything until then is kept in {folder}. "
            f"Go on with: lightning-hpo resume {folder}",
            str(folder.path),
        )
    return Results(folder, run.state, loader(question.assembly, folder, run.settings))
