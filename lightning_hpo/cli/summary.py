"""What is said at the end of a run."""

from __future__ import annotations

import shlex

from rich.console import Console
from rich.text import Text

from lightning_hpo.cli.progress import duration
from lightning_hpo.results import Results, TrialResult, time_driven
from lightning_hpo.trial import Status
from lightning_hpo.tuning.plain_lines import counted, shown_value

__all__ = ["best_lines", "print_summary", "summary_lines"]


def best_lines(results: Results) -> list[tuple[str, str]]:
    """The best trial's value and config: labels and what they label; a continued line has an empty label.

    Raises:
        NoTrialSucceeded: If there is none.
    """
    best = results.best
    value = f"{results.objective.metric} {shown_value(best.value)}"
    lines = [("best", f"{value} (trial {best.id}, {counted(best.step, results.state.opened.resource)})")]
    width = max((len(name) for name in best.config), default=0)
    return lines + [("", f"{name:<{width}}  {shown_value(given)}") for name, given in best.config.items()]


def summary_lines(results: Results) -> list[tuple[str, str]]:
    """The best trial, what was gained over the module's defaults, what it cost, and how the trials ended.

    Raises:
        NoTrialSucceeded: If there is no best trial.
    """
    unit = results.state.opened.resource
    spent, full = results.epochs_spent, results.epochs_full
    cost = counted(spent, unit)
    if spent < full:
        cost += f" of the {full} that {counted(len(results), 'full training')} would cost ({100 * spent / full:.0f} %)"
    ended = [f"{count} {status.value}" for status, count in results.state.counts.items() if count]
    return [
        *best_lines(results),
        ("gain", _gain(results, results.best, results.baseline)),
        ("spent", cost),
        ("trials", f"{len(results)}: {', '.join(ended)}"),
    ]


def _gain(results: Results, best: TrialResult, baseline: TrialResult | None) -> str:
    if baseline is None:
        return "unknown: the module's own defaults were not tried"
    if not baseline.status.usable:
        return f"unknown: the module's own defaults {_fate(baseline)} (trial {baseline.id})"
    if best.id == baseline.id or not results.gain:
        return "none: the module's own defaults were not beaten"
    way = "higher" if results.objective.mode == "max" else "lower"
    held = f"{results.objective.metric} {shown_value(baseline.value)}, trial {baseline.id}"
    if baseline.status is Status.STOPPED:  # the comparison is not on equal terms, and the reader should know
        held += f", stopped after {counted(baseline.step, results.state.opened.resource)}"
    return f"{shown_value(results.gain)} {way} than the module's own defaults ({held})"


def _fate(trial: TrialResult) -> str:
    return trial.status.value if trial.status.ended else "have not ended yet"


def print_summary(results: Results, console: Console | None = None) -> None:
    """Prints the best trial, the gain, the cost, the folder, and what to do next.

    Raises:
        NoTrialSucceeded: If there is no best trial.
    """
    console = console or Console(highlight=False, soft_wrap=True)
    lines = summary_lines(results)
    ended = len([trial for trial in results.trials if trial.status.ended])
    took = duration(time_driven(results.folder.journal))
    console.print(Text(f"{results.folder.name}: {counted(ended, 'trial')} in {took}", style="bold"))
    console.print()
    for label, text in [*lines, ("folder", str(results.folder))]:
        console.print(Text(f"  {label:<8}", style="green" if label else "") + Text(text))
    console.print()
    run = shlex.quote(str(results.folder))
    ways = {
        f"lightning-hpo best {run} --module best.ckpt": "the trained module",
        f"lightning-hpo best {run} --yaml": "a LightningCLI config of it",
    }
    width = max(map(len, ways))
    for lead, (command, what) in zip(("Next: ", "      "), ways.items(), strict=True):
        console.print(Text(f"{lead}{command:<{width}}  # {what}"))
    failed = [trial for trial in results.trials if trial.status is Status.FAILED]
    if failed:
        console.print()
        log = results.folder.trial(failed[0].id).error
        which = "its traceback" if len(failed) == 1 else "the first one's traceback"
        console.print(Text(f"{counted(len(failed), 'trial')} failed; {which}: {log}"))
