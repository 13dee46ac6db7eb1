"""`validate`, `init` and `schema`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from lightning_hpo.cli.running import import_from_here
from lightning_hpo.errors import UsageError
from lightning_hpo.tuning.plain_lines import shown_config, shown_value

__all__ = ["init_recipe", "print_schema", "validate_recipe"]


def validate_recipe(path: Path, overrides: Sequence[str], dry_run: bool) -> None:
    """Says that a recipe works and what it will do, or raises with every problem."""
    from lightning_hpo.tuning.examine import examine
    from lightning_hpo.tuning.recipes import read_recipe, study_of

    import_from_here()
    recipe = read_recipe(path, overrides)
    study = study_of(recipe, dry_run=dry_run)
    seen = examine(study.question)
    if seen.problems:
        raise study.complain(seen.problems)
    settings = study.settings(seen)
    trials = settings.trials()
    print(f"{path} is valid.")
    print(f"  tunes    {', '.join(seen.space.names()) or 'nothing: every trial would be the same'}")
    print(f"  first    {shown_config(seen.defaults)}")
    wanted = f"{trials} trials" if trials is not None else "the whole grid"
    print(f"  runs     {wanted} of up to {settings.max_epochs} {settings.resource}s, {settings.searcher[0]} + "
          f"{settings.scheduler[0]}, {settings.cpus:g} CPUs and {settings.gpus:g} GPUs a trial")  # fmt: skip
    if dry_run:
        logged = ", ".join(f"{name} {shown_value(value)}" for name, value in seen.logged.items())
        print(f"  proved   one batch at two points of the space; logged {logged}")
    print(f"\nRun it with: lightning-hpo run {path}")


def init_recipe(model: str, data: str | None, output: Path | None) -> None:
    """Writes a starting recipe."""
    from lightning_hpo.tuning.starting import starting_recipe

    import_from_here()
    text = starting_recipe(model, data)
    if output is None:
        print(text, end="")
        return
    if output.exists():
        raise UsageError(f"{output} exists. Name a new file with -o.")
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}.") from error
    print(f"{output} written. Check it with: lightning-hpo validate {output} --dry-run")


def print_schema() -> None:
    """Prints the JSON schema."""
    from lightning_hpo.tuning.recipes import schema

    print(json.dumps(schema(), indent=2))
