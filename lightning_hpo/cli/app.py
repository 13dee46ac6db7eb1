"""The commands and their arguments. What they do is imported when one is called, so that `--help` answers at once."""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from lightning_hpo.errors import HPOError, InternalError

__all__ = ["app"]

app = typer.Typer(
    name="lightning-hpo",
    help="Tunes PyTorch Lightning modules on Ray Tune.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

F = TypeVar("F", bound=Callable[..., Any])

_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override any key of the recipe: --set trainer.max_epochs=5."),
]
_Recipe = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe: LightningCLI's config with a block `tune`.")]
_Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, such as runs/digits-mlp-1.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _told(command: F) -> F:
    """Prints an `HPOError` without a traceback, and exits with its code; anything else is a fault of ours."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except HPOError as error:
            print(error, file=sys.stderr)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            print("Interrupted.", file=sys.stderr)
            raise typer.Exit(130) from None
        except BrokenPipeError:  # the reader of a pipe, like `head`, has seen enough
            sys.stderr.close()
            raise typer.Exit(0) from None
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise  # typer's own ways out
        except Exception:
            traceback.print_exc()
            print("\nThis is a fault of lightning-hpo: please report it with this traceback.", file=sys.stderr)
            raise typer.Exit(InternalError.exit_code) from None

    return wrapped  # type: ignore[return-value]


@app.command()
@_told
def run(
    recipe: _Recipe,
    overrides: _Set = None,
    run_folder: Annotated[
        Path | None,
        typer.Option("--run-folder", help="A new folder for the run. Default: the next runs/RECIPE-N."),
    ] = None,
    proof: Annotated[
        bool | None,
        typer.Option("--proof/--no-proof", help="Fit one batch first, to prove that the study tunes what it says."),
    ] = None,
) -> None:
    """Run a recipe: search, prune, and keep the best."""
    from lightning_hpo.cli.running import run_recipe

    run_recipe(recipe, overrides or [], run_folder, proof)


@app.command()
@_told
def resume(folder: _Run) -> None:
    """Go on with a run that was interrupted."""
    from lightning_hpo.cli.running import resume_run

    resume_run(folder)


@app.command()
@_told
def extend(
    folder: _Run,
    trials: Annotated[
        int | None,
        typer.Option("--trials", min=1, metavar="N", help="So many more trials than the run was to have."),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option("--time", metavar="TIME", help="Drive it for so much longer from now on: 90s, 10min, 2h."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Widen a range, --set tune.space.model.lr.float=[1e-5,1], or train longer, --set "
            "trainer.max_epochs=50. Nothing else of the recipe may change, but a tune.stop_when that is harder.",
        ),
    ] = None,
) -> None:
    """Go on with a run beyond its end: more trials, more time, wider ranges, longer trials."""
    from lightning_hpo.cli.running import extend_run

    extend_run(folder, trials, time, overrides or [])


@app.command()
@_told
def validate(
    recipe: _Recipe,
    overrides: _Set = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Also build the model and fit one batch.")] = False,
) -> None:
    """Check a recipe: every problem at once, with line numbers."""
    from lightning_hpo.cli.checking import validate_recipe

    validate_recipe(recipe, overrides or [], dry_run)


@app.command()
@_told
def init(
    model: Annotated[str, typer.Argument(metavar="package.module:Class", help="A LightningModule class.")],
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="package.module:Class", help="A LightningDataModule class."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write to a new file instead of the terminal."),
    ] = None,
) -> None:
    """Write a starting recipe from a class: its arguments, defaults and @tunable space."""
    from lightning_hpo.cli.checking import init_recipe

    init_recipe(model, data, output)


@app.command()
@_told
def schema() -> None:
    """Print the JSON schema of recipes, for editors."""
    from lightning_hpo.cli.checking import print_schema

    print_schema()


@app.command()
@_told
def status(folder: _Run, as_json: _Json = False) -> None:
    """Say where a run stands, while it goes on or after it ended."""
    from lightning_hpo.cli.reading import show_status

    show_status(folder, as_json)


@app.command()
@_told
def best(
    folder: _Run,
    module: Annotated[
        Path | None,
        typer.Option("--module", metavar="OUT.ckpt", help="Write the best trial's checkpoint to a new file."),
    ] = None,
    as_yaml: Annotated[
        bool, typer.Option("--yaml", help="Print a LightningCLI config that trains the best trial again.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Hand out the best trial: its config, its checkpoint, or a LightningCLI config."""
    from lightning_hpo.cli.reading import show_best

    show_best(folder, module, as_yaml, as_json)


@app.command("ls")
@_told
def list_runs(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="The folder that holds run folders.")] = Path("runs"),
    as_json: _Json = False,
) -> None:
    """List runs, the newest first."""
    from lightning_hpo.cli.reading import show_runs

    show_runs(root, as_json)


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(installed("lightning-hpo"))
        raise typer.Exit
