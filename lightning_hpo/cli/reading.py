"""`status`, `best` and `ls`: read run folders, of a finished run or one still going, without starting Ray."""

from __future__ import annotations

import contextlib
import json
import math
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lightning_hpo.cli.progress import duration
from lightning_hpo.cli.summary import best_lines, print_summary
from lightning_hpo.errors import HPOError, UsageError
from lightning_hpo.results import Results, RunFolder, RunState
from lightning_hpo.trial import Status
from lightning_hpo.tuning.plain_lines import counted, shown_config, shown_value

__all__ = ["extend_with", "show_best", "show_runs", "show_status"]


def show_status(path: Path, as_json: bool) -> None:
    """Counts, cost, best so far, and whether somebody is at it."""
    folder = RunFolder.open(path)
    state = folder.read()
    if as_json:
        _print_json(_facts(folder, state))
        return
    console = Console(highlight=False, soft_wrap=True)
    stands = _stands(folder, state)
    if stands == "finished" and state.best is not None:
        print_summary(Results(folder, state), console)
        return
    holder = folder.holder()
    told = f"running, {holder}" if holder is not None else stands
    console.print(Text(f"{folder.name}: {told}"))
    for label, text in _status_lines(state):
        console.print(Text(f"  {label:<8}{text}"))
    step = _next_step(folder, state, stands)
    if step:
        console.print(Text(f"\n{step}"))


def _status_lines(state: RunState) -> list[tuple[str, str]]:
    counts = ", ".join(f"{count} {status.value}" for status, count in state.counts.items() if count)
    of = f" of {state.opened.n_trials}" if state.opened.n_trials else ""
    lines = [
        ("trials", f"{len(state.trials)}{of}{f': {counts}' if counts else ''}"),
        ("spent", counted(state.epochs_spent, state.opened.resource)),
    ]
    best = state.best_so_far
    if best is not None:
        value = f"{state.objective.metric} {shown_value(state.objective.value(best.loss))} (trial {best.id})"
        lines += [("best", value), ("", shown_config(best.trial.config))]
    return lines


def extend_with(folder: RunFolder, ended: str) -> str:
    """The next step for a run that has done all that it was to do, by how it ended."""
    more = "--time 1h" if ended == "out of time" else "--trials 20"
    return f"Extend it with: lightning-hpo extend {shlex.quote(str(folder))} {more}"


def _next_step(folder: RunFolder, state: RunState, stands: str) -> str:
    if stands in ("interrupted", "stopped"):
        return f"Go on with: lightning-hpo resume {shlex.quote(str(folder))}"
    if stands in ("reached", "out of time"):
        return extend_with(folder, stands)
    failed = [trial for trial in state if trial.status is Status.FAILED]
    if stands == "failed" and failed:
        return f"The first traceback: {folder.trial(failed[0].id).error}"
    return ""


def show_best(path: Path, module: Path | None, as_yaml: bool, as_json: bool) -> None:
    """The best trial, in the form asked for.

    Raises:
        NoTrialSucceeded: If no trial has ended well, and none is at it.
        UsageError: If none has ended well yet; if the checkpoint cannot be written.
    """
    if as_yaml and as_json:
        raise UsageError("best got both --yaml and --json. Expected one of them.")
    folder = RunFolder.open(path)
    state = folder.read()
    if state.best is None and (holder := folder.holder()) is not None:
        raise UsageError(
            f"{folder} is going on ({holder}), and no trial of it has ended well yet. "
            f"See how far it is: lightning-hpo status {shlex.quote(str(folder))}"
        )
    results = Results(folder, state)
    best = results.best
    if module is not None:
        _hand_out(folder, best.id, module)
        print(f"{module}: trial {best.id}, {results.objective.metric} {shown_value(best.value)}", file=sys.stderr)
    if as_yaml:
        from lightning_hpo.tuning.opening import cli_config

        print(cli_config(folder, best.id), end="")
    elif as_json:
        facts = {"trial": best.id, "metric": results.objective.metric, "value": best.value, "config": dict(best.config)}
        _print_json(facts)
    elif module is None:
        for label, text in best_lines(results):
            print(f"{label:<6}{text}")


def _hand_out(folder: RunFolder, trial: int, target: Path) -> None:
    checkpoint = folder.trial(trial).checkpoint
    if not checkpoint.exists():
        raise UsageError(
            f"{folder.trial(trial)} has no checkpoint: it was removed, or never written. "
            f"Train it again from: lightning-hpo best {shlex.quote(str(folder))} --yaml"
        )
    try:
        with target.open("xb") as file, checkpoint.open("rb") as source:
            try:
                shutil.copyfileobj(source, file)
            except BaseException:
                with contextlib.suppress(OSError):
                    target.unlink()  # half a checkpoint is worse than none
                raise
    except FileExistsError:
        raise UsageError(f"{target} exists and is not replaced. Name a new file.") from None
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}. Name another file.") from error


def show_runs(root: Path, as_json: bool) -> None:
    """One line a run; a damaged run is listed with what is wrong."""
    folders = RunFolder.find_all(root)
    if as_json:
        _print_json([_facts_or_damage(folder) for folder in folders])
        return
    if not folders:
        print(f"No runs in {root}. Start one with: lightning-hpo run RECIPE")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("run", "state", "trials", "best", "began"):
        table.add_column(column, no_wrap=column != "state", overflow="fold")
    damaged = []
    for folder in folders:
        try:
            state = folder.read()
        except HPOError as error:
            damaged.append(str(error))
            table.add_row(Text(folder.name), "damaged", "", "", "")
            continue
        best = state.best_so_far
        told = f"{state.objective.metric} {shown_value(state.objective.value(best.loss))}" if best else ""
        ended = len([trial for trial in state if trial.status.ended])
        trials = f"{ended}/{state.opened.n_trials}" if state.opened.n_trials else str(ended)
        ago = f"{duration(max(0.0, time.time() - state.opened.time))} ago"
        table.add_row(Text(folder.name), _stands(folder, state), trials, Text(told), ago)
    console = Console(highlight=False)
    if not console.is_terminal:  # what reads a pipe needs one line a run, however long
        console = Console(highlight=False, width=200)
    console.print(table)
    for told in damaged:
        print(f"\n{told}")


def _stands(folder: RunFolder, state: RunState) -> str:
    """Running, or how it ended: finished, interrupted, reached, out of time, failed; stopped if the driver died."""
    return "running" if folder.holder() is not None else state.closed or "stopped"


def _facts_or_damage(folder: RunFolder) -> dict[str, Any]:
    try:
        return _facts(folder, folder.read())
    except HPOError as error:
        return {"run": str(folder.path), "state": "damaged", "error": str(error)}


def _facts(folder: RunFolder, state: RunState) -> dict[str, Any]:
    best = state.best_so_far
    return {
        "run": str(folder.path),
        "state": _stands(folder, state),
        "metric": state.objective.metric,
        "mode": state.objective.mode,
        "trials": {status.value: count for status, count in state.counts.items() if count},
        "n_trials": state.opened.n_trials,
        "resource": state.opened.resource,
        "spent": state.epochs_spent,
        "full": state.epochs_full,
        "best": None
        if best is None
        else {"trial": best.id, "value": state.objective.value(best.loss), "config": dict(best.trial.config)},
        "gain": state.gain,
    }


def _print_json(value: Any) -> None:
    """JSON as its standard has it: what is not finite becomes null."""

    def plain(item: Any) -> Any:
        if isinstance(item, float) and not math.isfinite(item):
            return None
        if isinstance(item, dict):
            return {key: plain(inner) for key, inner in item.items()}
        return [plain(inner) for inner in item] if isinstance(item, (list, tuple)) else item

    print(json.dumps(plain(value), indent=2, allow_nan=False))
