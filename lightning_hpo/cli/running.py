"""`run`, `resume` and `extend`."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_hpo.errors import RunFolderError, RunInterrupted, UsageError
from lightning_hpo.results import RunFolder
from lightning_hpo.training.imports import import_from_here, uncollected

if TYPE_CHECKING:
    from lightning_hpo.tuning.run import Listener

__all__ = ["extend_run", "resume_run", "run_recipe"]

#: The ends after which nothing is left to go on with, and what is said of the run.
_MET = {"finished": "has finished", "reached": "has reached tune.stop_when", "out of time": "is out of time"}


def run_recipe(recipe: Path, overrides: Sequence[str], run_folder: Path | None, proof: bool | None) -> None:
    """Runs a recipe to its end and prints what came of it.

    Raises:
        RunInterrupted: After Ctrl-C. Before the first trial, nothing is left behind.
    """
    with uncollected():
        from lightning_hpo.cli.summary import print_summary
        from lightning_hpo.tuning.execute import execute, new_folder
        from lightning_hpo.tuning.recipes import read_recipe, study_of

    import_from_here()
    read = read_recipe(recipe, overrides)
    proves = read.tune.proof if proof is None else proof
    folder = new_folder(run_folder or read.tune.run_folder, read.tune.name or recipe.stem)
    doing = "starting Ray" + (", and proving that the study tunes what it says" if proves else "")
    try:
        with _told_live(folder.name, doing) as listener:
            results = execute(study_of(read, dry_run=proof), folder, listeners=[listener])
    except (KeyboardInterrupt, RunInterrupted):
        with contextlib.suppress(RunFolderError):  # which it raises if the folder holds a trial
            folder.remove()
            raise RunInterrupted("Interrupted before the first trial; nothing is left behind.", "") from None
        raise
    print_summary(results)


def resume_run(path: Path) -> None:
    """Goes on with an interrupted run and prints what came of it.

    Raises:
        UsageError: If the run has finished, reached what was good enough, or is out of time.
        RunInterrupted: After Ctrl-C.
    """
    with uncollected():
        from lightning_hpo.cli.summary import print_summary
        from lightning_hpo.tuning.execute import resume
        from lightning_hpo.tuning.opening import reopen

    import_from_here()
    folder = RunFolder.open(path)
    run = shlex.quote(str(folder))
    closed = folder.read().closed  # which also says what is wrong with a journal, before anything heavy
    if closed in _MET:
        from lightning_hpo.cli.reading import extend_with

        raise UsageError(f"{folder} {_MET[closed]}: there is nothing to go on with. {extend_with(folder, closed)}")
    with folder.hold():  # says who drives it already, before anything heavy; it is held again when the run goes on
        pass
    try:
        with _told_live(folder.name, "starting Ray, and taking up the run where it ended") as listener:
            settings, assembly = reopen(folder)
            results = resume(settings, assembly, folder, listeners=[listener])
    except KeyboardInterrupt:
        told = f"Interrupted before the run went on. Go on with: lightning-hpo resume {run}"
        raise RunInterrupted(told, str(folder.path)) from None
    print_summary(results)


def extend_run(path: Path, trials: int | None, time: str | None, overrides: Sequence[str]) -> None:
    """Goes on with a run, ended in any way, beyond what it was to do, and prints what came of it.

    Raises:
        UsageError: If nothing is asked for, or what is asked for contradicts the run; nothing has changed then.
        RunInterrupted: After Ctrl-C.
    """
    folder = RunFolder.open(path)
    folder.read()  # says what is wrong with a journal, before anything heavy
    with uncollected():
        from lightning_hpo.cli.summary import print_summary
        from lightning_hpo.tuning.continuing import extend, seconds_wished
        from lightning_hpo.tuning.extending import Wish

    import_from_here()
    wish = Wish(trials=trials, seconds=seconds_wished(time), overrides=overrides)
    try:
        with _told_live(folder.name, "looking at what there is, and starting Ray") as listener:
            results = extend(folder, wish, listeners=[listener])
    except KeyboardInterrupt:
        told = (
            f"Interrupted before the run went on. See where it stands: lightning-hpo status {shlex.quote(str(folder))}"
        )
        raise RunInterrupted(told, str(folder.path)) from None
    print_summary(results)


@contextlib.contextmanager
def _told_live(name: str, doing: str) -> Iterator[Listener]:
    """A live block on a terminal, and plain lines anywhere else."""
    if sys.stdout.isatty():
        from lightning_hpo.cli.progress import live_block

        with live_block(name, doing) as listener:
            yield listener
    else:
        from lightning_hpo.tuning.plain_lines import plain_lines

        print(f"{name}: {doing}", flush=True)
        yield plain_lines(sys.stdout)
