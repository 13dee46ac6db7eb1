"""`status`, `best` and `ls`: read run folders, of a finished run or one still going, without starting Ray."""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lightning_hpo.cli.progress import duration
from lightning_hpo.cli.summary import print_summary, summary_lines
from lightning_hpo.errors import HPOError, UsageError
from lightning_hpo.results import Results, RunFolder, RunState
from lightning_hpo.tuning.plain_lines import shown_config, shown_value

__all__ = ["show_best", "show_runs", "show_status"]


def show_status(path: Path, as_json: bool) -> None:
    """Counts, cost, best so far, and whether somebody is at it."""
    folder = RunFolder.open(path)
    state = folder.read()
    if as_json:
        _print_json(_facts(folder, state))
        return
    console = Console(highlight=False, soft_wrap=True)
    stands = _stands(folder, state)
    if state.best is not None and state.closed == "finished":
        print_summary(Results(folder, state), console)
        return
    console.print(f"{folder.name}: {stands}")
    counts = ", ".join(f"{count} {status.value}" for status, count in state.counts.items() if count)
    total = state.opened.n_trials
    console.print(f"  trials   {len(state.trials)}{f' of {total}' if total else ''}: {counts or 'none yet'}")
    console.print(f"  spent    {state.epochs_spent} {state.opened.resource}s")
    best = state.best_so_far
    if best is not None:
        value = shown_value(state.objective.value(best.loss))
        console.print(f"  best     {state.objective.metric} {value} (trial {best.id}) {shown_config(best.trial.config)}")
    if stands.startswith(("interrupted", "stopped")):
        console.print(f"\nGo on with: lightning-hpo resume {folder}")


def show_best(path: Path, module: Path | None, as_yaml: bool, as_json: bool) -> None:
    """The best trial, in the form asked for."""
    folder = RunFolder.open(path)
    results = Results(folder, folder.read())
    best = results.best
    if module is not None:
        _hand_out(folder.trial(best.id).checkpoint, module)
        print(f"{module}: trial {best.id}, {results.objective.metric} {shown_value(best.value)}", file=sys.stderr)
    if as_yaml:
        from lightning_hpo.tuning.opening import cli_config

        print(cli_config(folder, best.id), end="")
    elif as_json:
        facts = {"trial": best.id, "metric": results.objective.metric, "value": best.value, "config": dict(best.config)}
        _print_json(facts)
    elif module is None:
        for label, text in summary_lines(results)[: 2 + len(best.config)]:
            print(f"{label:<8}{text}")


def _hand_out(checkpoint: Path, target: Path) -> None:
    if not checkpoint.exists():
        raise UsageError(f"{checkpoint} is not there yet or was removed. Wait until the run has ended, or train again.")
    if target.exists():
        raise UsageError(f"{target} exists. Name a new file.")
    try:
        shutil.copyfile(checkpoint, target)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}.") from error


def show_runs(root: Path, as_json: bool) -> None:
    """One line a run; a damaged run is listed with what is wrong."""
    folders = RunFolder.find_all(root)
    if as_json:
        _print_json([_facts_or_damage(folder) for folder in folders])
        return
    if not folders:
        print(f"No runs in {root}. Start one: lightning-hpo run RECIPE")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("run", "state", "trials", "best", "began"):
        table.add_column(column, overflow="fold")
    for folder in folders:
        try:
            state = folder.read()
        except HPOError as error:
            table.add_row(folder.name, f"damaged: {error}", "", "", "")
            continue
        best = state.best_so_far
        told = f"{state.objective.metric} {shown_value(state.objective.value(best.loss))}" if best else ""
        ago = f"{duration(max(0.0, time.time() - state.opened.time))} ago"
        table.add_row(folder.name, _stands(folder, state).partition(",")[0], str(len(state.trials)), told, ago)
    Console(highlight=False).print(table)


def _stands(folder: RunFolder, state: RunState) -> str:
    holder = folder.holder()
    if holder is not None:
        return f"running, {holder}"
    return state.closed or "stopped, no process is at it"


def _facts_or_damage(folder: RunFolder) -> dict[str, Any]:
    try:
        return _facts(folder, folder.read())
    except HPOError as error:
        return {"run": str(folder.path), "state": "damaged", "error": str(error)}


def _facts(folder: RunFolder, state: RunState) -> dict[str, Any]:
    best = state.best_so_far
    return {
        "run": str(folder.path),
        "state": _stands(folder, state).partition(",")[0],
        "metric": state.objective.metric,
        "mode": state.objective.mode,
        "trials": {status.value: count for status, count in state.counts.items() if count},
        "n_trials": state.opened.n_trials,
        "epochs_spent": state.epochs_spent,
        "epochs_full": state.epochs_full,
        "best": None
        if best is None
        else {"trial": best.id, "value": state.objective.value(best.loss), "config": dict(best.trial.config)},
        "gain": state.gain,
    }


def _print_json(value: Any) -> None:
    def plain(item: Any) -> Any:
        if isinstance(item, float) and not math.isfinite(item):
            return None
        if isinstance(item, dict):
            return {key: plain(inner) for key, inner in item.items()}
        return [plain(inner) for inner in item] if isinstance(item, (list, tuple)) else item

    print(json.dumps(plain(value), indent=2))
