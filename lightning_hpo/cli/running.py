"""`run` and `resume`."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_hpo.errors import RunFolderError, RunInterrupted, UsageError
from lightning_hpo.results import RunFolder

if TYPE_CHECKING:
    from lightning_hpo.tuning.run import Listener

__all__ = ["import_from_here", "resume_run", "run_recipe"]


def run_recipe(recipe: Path, overrides: Sequence[str], run_folder: Path | None, proof: bool | None) -> None:
    """Runs a recipe to its end and prints what came of it.

    Raises:
        RunInterrupted: After Ctrl-C. Before the first trial, nothing is left behind.
    """
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
        UsageError: If the run has finished.
        RunInterrupted: After Ctrl-C.
    """
    from lightning_hpo.cli.summary import print_summary
    from lightning_hpo.tuning.execute import resume
    from lightning_hpo.tuning.opening import reopen

    import_from_here()
    folder = RunFolder.open(path)
    run = shlex.quote(str(folder))
    if folder.read().closed == "finished":  # which also says what is wrong with a journal, before anything heavy
        raise UsageError(
            f"{folder} has finished: there is nothing to go on with. See it with: lightning-hpo status {run}"
        )
    try:
        with _told_live(folder.name, "starting Ray, and taking up the run where it ended") as listener:
            settings, assembly = reopen(folder)
            results = resume(settings, assembly, folder, listeners=[listener])
    except KeyboardInterrupt:
        told = f"Interrupted before the run went on. Go on with: lightning-hpo resume {run}"
        raise RunInterrupted(told, str(folder.path)) from None
    print_summary(results)


def import_from_here() -> None:
    """Recipes name classes that can be imported from where the command is given, as with `python -m`."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)


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
