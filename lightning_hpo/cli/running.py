"""`run` and `resume`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from lightning_hpo.cli.summary import print_summary
from lightning_hpo.results import RunFolder
from lightning_hpo.tuning.run import Listener

__all__ = ["import_from_here", "resume_run", "run_recipe"]


def run_recipe(recipe: Path, overrides: Sequence[str], run_folder: Path | None, proof: bool | None) -> None:
    """Runs a recipe to its end and prints what came of it."""
    from lightning_hpo.tuning.execute import execute, new_folder
    from lightning_hpo.tuning.recipes import read_recipe, study_of

    import_from_here()
    read = read_recipe(recipe, overrides)
    folder = new_folder(run_folder or read.tune.run_folder, read.tune.name or recipe.stem)
    with _told_live(folder.name) as listener:
        results = execute(study_of(read, dry_run=proof), folder, listeners=[listener])
    print_summary(results)


def resume_run(path: Path) -> None:
    """Goes on with an interrupted run and prints what came of it."""
    from lightning_hpo.tuning.execute import resume
    from lightning_hpo.tuning.opening import reopen

    import_from_here()
    folder = RunFolder.open(path)
    settings, assembly = reopen(folder)
    with _told_live(folder.name) as listener:
        results = resume(settings, assembly, folder, listeners=[listener])
    print_summary(results)


def import_from_here() -> None:
    """Recipes name classes that can be imported from where the command is given, as with `python -m`."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)


@contextlib.contextmanager
def _told_live(name: str) -> Iterator[Listener]:
    """A live block on a terminal, and plain lines anywhere else."""
    if sys.stdout.isatty():
        from lightning_hpo.cli.progress import live_block

        with live_block(name) as listener:
            yield listener
    else:
        from lightning_hpo.tuning.plain_lines import plain_lines

        yield plain_lines(sys.stdout)
