"""`validate`, `init` and `schema`."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_hpo.errors import UsageError
from lightning_hpo.training.imports import import_from_here
from lightning_hpo.tuning.plain_lines import counted, shown_config, shown_value

if TYPE_CHECKING:
    from lightning_hpo.space import Space
    from lightning_hpo.tuning.settings import RunSettings

__all__ = ["init_recipe", "print_schema", "validate_recipe"]

#: Grids are counted up to here.
_MANY = 100_000


def validate_recipe(path: Path, overrides: Sequence[str], dry_run: bool) -> None:
    """Says that a recipe works and what it will do, or raises with every problem."""
    from lightning_hpo.tuning.examine import examine
    from lightning_hpo.tuning.recipes import machine_problems, read_recipe, study_of

    import_from_here()
    recipe = read_recipe(path, overrides)
    study = study_of(recipe, dry_run=dry_run)
    lacking = machine_problems(recipe) if dry_run else []
    if lacking:
        raise study.complain(lacking)
    seen = examine(study.question)
    if seen.problems:
        raise study.complain(seen.problems)
    settings = study.settings(seen)
    wanted = f"up to {counted(settings.max_epochs, settings.resource)} each"
    print(f"{path} is valid.")
    print(f"  tunes    {', '.join(_varying(seen.space)) or 'nothing: every trial would be the same'}")
    print(f"  first    {shown_config(seen.defaults) or 'the defaults'}")
    print(f"  runs     {_trials(settings)}, {wanted}: {settings.searcher[0]} + {settings.scheduler[0]}")
    gpus = f" and {counted(settings.gpus, 'GPU')}" if settings.gpus else ""
    print(f"  a trial  has {counted(settings.cpus, 'CPU')}{gpus}")
    if dry_run:
        logged = ", ".join(f"{name} {shown_value(value)}" for name, value in seen.logged.items())
        points = "at two points of the space" if seen.space.names() else "with the defaults"
        print(f"  proved   one batch {points}; logged {logged}")
    sets = "".join(f" --set {shlex.quote(words)}" for words in overrides)
    print(f"\nRun it with: lightning-hpo run {shlex.quote(str(path))}{sets}")


def _varying(space: Space) -> list[str]:
    """The names that can take more than one value; a recipe may hold one that a class declares."""
    varying = [name for _, name, parameter in space.walk() if len(parameter.values() or (1, 2)) > 1]
    return list(dict.fromkeys(varying))


def _trials(settings: RunSettings) -> str:
    trials = settings.trials()
    if trials is not None:
        return counted(trials, "trial")
    points = sum(1 for _ in itertools.islice(settings.space.grid(), _MANY))
    more = "more than " if points == _MANY else ""
    return f"the whole grid ({more}{counted(points, 'point')})"


def init_recipe(model: str, data: str | None, output: Path | None) -> None:
    """Writes a starting recipe."""
    from lightning_hpo.tuning.starting import starting_recipe

    import_from_here()
    text = starting_recipe(model, data)
    if output is None:
        print(text, end="")
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{output} exists and is not replaced. Name a new file with -o.") from None
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}. Name another file with -o.") from error
    print(f"{output} written. Check it with: lightning-hpo validate {shlex.quote(str(output))} --dry-run")


def print_schema() -> None:
    """Prints the JSON schema."""
    from lightning_hpo.tuning.recipes import schema

    print(json.dumps(schema(), indent=2))
