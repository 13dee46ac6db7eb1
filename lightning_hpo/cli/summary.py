"""What is said at the end of a run."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from lightning_hpo.cli.progress import duration
from lightning_hpo.results import Results
from lightning_hpo.trial import Status
from lightning_hpo.tuning.plain_lines import shown_value

__all__ = ["print_summary", "summary_lines"]


def summary_lines(results: Results) -> list[tuple[str, str]]:
    """Labels and what they label; a continued line has an empty label."""
    state = results.state
    objective = results.objective
    best = results.best
    baseline = results.baseline
    lines = [("best", f"{objective.metric} {shown_value(best.value)} (trial {best.id}, {best.step} {_unit(results, best.step)})")]
    width = max((len(name) for name in best.config), default=0)
    lines += [("", f"{name:<{width}}  {shown_value(value)}") for name, value in best.config.items()]
    lines.append(("gain", _gain(results, best, baseline)))
    full = results.epochs_full
    share = f"; {full} for {len(results)} full trainings ({100 * results.epochs_spent / full:.0f} %)" if full else ""
    lines.append(("spent", f"{results.epochs_spent} {_unit(results, results.epochs_spent)}{share}"))
    ended = [f"{count} {status.value}" for status, count in state.counts.items() if count]
    lines.append(("trials", f"{len(results)}: {', '.join(ended)}"))
    return lines


def _gain(results: Results, best: Any, baseline: Any) -> str:
    if baseline is None or not baseline.status.usable:
        return f"unknown: the module's own defaults {baseline.status.value if baseline else 'were not tried'}"
    if best.id == baseline.id:
        return "none: the module's own defaults were not beaten"
    metric = results.objective.metric
    gain = results.gain or 0.0
    way = "higher" if results.objective.mode == "max" else "lower"
    told = f"{shown_value(abs(gain))} {way} than the module's own defaults ({metric} {shown_value(baseline.value)}, trial 0)"
    return told


def _unit(results: Results, count: int) -> str:
    unit = results.state.opened.resource
    return unit if count == 1 else f"{unit}s"


def print_summary(results: Results, console: Console | None = None) -> None:
    """Prints the best trial, the gain, the cost, the folder, and what to do next."""
    console = console or Console(highlight=False, soft_wrap=True)
    state = results.state
    began = state.opened.time
    last = max((trial.ended or began for trial in state), default=began)
    console.print(Text(f"{results.folder.name}: {_ended(results)} trials in {duration(last - began)}", style="bold"))
    console.print()
    for label, text in [*summary_lines(results), ("folder", str(results.folder))]:
        console.print(Text(f"  {label:<8}", style="green" if label else "") + Text(text))
    console.print()
    console.print("Next: " + f"lightning-hpo best {results.folder} --module best.ckpt   # the trained module")
    console.print("      " + f"lightning-hpo best {results.folder} --yaml               # a LightningCLI config of it")
    failed = [trial for trial in results.trials if trial.status is Status.FAILED]
    if failed:
        log = results.folder.trial(failed[0].id).error
        console.print(f"\n{len(failed)} failed; the first one's traceback: {log}")


def _ended(results: Results) -> int:
    return len([trial for trial in results.trials if trial.status.ended])
