"""Who finds a better configuration for less?

Our search, random search and the stock tuners (with whatever of Ray, Optuna and Syne Tune is installed) tune the same
tasks under a simulated clock: asynchronous workers, a budget of 30 full trainings, the cost of an epoch either always
the same or as recorded. A task answers how the training of any configuration goes. See search/summary.py for what
regret means here, and search/peers.py for how the others are set up.

    python benchmarks/search_quality.py --lcbench FOLDER                  all of it; takes hours, see --minutes
    python benchmarks/search_quality.py --lcbench FOLDER --minutes 4      goes on for four minutes; call it again
    python benchmarks/search_quality.py --lcbench FOLDER --held-out       the tasks that nothing was developed on
    python benchmarks/search_quality.py --lcbench FOLDER --changes        ours with one setting changed at a time
    python benchmarks/search_quality.py --quick                           invented curves, ten seconds

FOLDER holds the LCBench surrogate: `model.onnx` and `encoding.json` from github.com/slds-lmu/yahpo_data, folder
`lcbench`; it is read with onnxruntime. Runs are kept in a file, a line each, and are not done again.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from overhead import commit, keep, machine
from search.contestants import CHANGES, CONTESTANTS, OURS, PEERS
from search.curves import SYNTHETIC, Reference, Task
from search.lcbench import DEVELOPMENT, HELD_OUT, LCBench
from search.records import GRID, Setting, missing, read_runs, references_of, run_one, write_run
from search.summary import SHARES, Run, Table, best_known, summarize

RESULTS = Path(__file__).resolve().parent / "results"
#: The places of the tables' shares in a run's values.
PLACES = [GRID.index(share) for share in SHARES]


def at_shares(runs: Sequence[Run]) -> list[Run]:
    """The runs with nothing but the values at the tables' shares."""
    return [dataclasses.replace(run, values=tuple(run.values[place] for place in PLACES)) for run in runs]


def tables(counted: Sequence[Run], runs: Sequence[Run], references: Mapping[str, Reference]) -> dict[str, Table]:
    """The tables of those that are counted; the best known values are those of all runs."""
    return summarize(at_shares(counted), references, best=best_known(runs, references))


def shown(found: Mapping[str, Table], title: str) -> str:
    """The tables as text."""
    heads = "".join(f"{f'{share:.0%}':>21}" for share in SHARES)
    lines = [title, f"{'mean rank':<27}{heads}"]
    lines += [_line(name, table.rank, table.rank_interval, 2) for name, table in found.items()]
    lines += [f"{'normalised regret':<27}{heads}"]
    lines += [_line(name, table.regret, table.regret_interval, 3) for name, table in found.items()]
    lines += [f"{'regret, points':<27}{heads}"]
    lines += [f"{name:<27}" + "".join(f"{value:>21.2f}" for value in table.points) for name, table in found.items()]
    return "\n".join(lines)


def _line(name: str, values: Sequence[float], intervals: Sequence[tuple[float, float]], digits: int) -> str:
    cells = [
        f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
        for value, (low, high) in zip(values, intervals, strict=True)
    ]
    return f"{name:<27}" + "".join(f"{cell:>21}" for cell in cells)


def ratio(found: Mapping[str, Table]) -> dict[str, Any]:
    """Our regret at the end beside that of the best other."""
    others = {name: table.regret[-1] for name, table in found.items() if name != OURS}
    if OURS not in found or not others:
        return {}
    best = min(others, key=lambda name: others[name])
    return {"best peer": best, "ratio": round(found[OURS].regret[-1] / others[best], 3)}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--lcbench", type=Path, metavar="FOLDER", help="where the surrogate lies")
    where.add_argument("--quick", action="store_true", help="invented curves, two seeds, random search beside ours")
    parser.add_argument("--held-out", action="store_true", help="ten tasks that nothing was developed on")
    parser.add_argument("--changes", action="store_true", help="ours with one setting changed at a time")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, metavar="NAME", help="fewer contestants")
    parser.add_argument("--workers", nargs="+", type=int, default=[4, 16])
    parser.add_argument("--costs", nargs="+", choices=["epochs", "seconds"], default=["epochs", "seconds"])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long, to be gone on with")
    parser.add_argument("--runs", type=Path, help="where the runs are kept; a folder")
    parser.add_argument("--output", type=Path, help="where the numbers go, as JSON")
    parser.add_argument("--plot", type=Path, help="where the curves of regret go, as PNG; needs matplotlib")
    return parser.parse_args()


def main() -> None:
    asked = parse()
    until = time.monotonic() + 60 * asked.minutes
    tasks: list[Task]
    if asked.quick:
        tasks, names = list(SYNTHETIC), asked.only or [OURS, "random", "random + ASHA"]
        seeds = min(asked.seeds, 2)
        sample = 500
    else:
        chosen = HELD_OUT if asked.held_out else DEVELOPMENT
        tasks, names = (
            [LCBench(asked.lcbench, name) for name in chosen],
            asked.only or [OURS, *(CHANGES if asked.changes else PEERS)],
        )
        seeds, sample = asked.seeds, 10_000
    kept = asked.runs
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
    references = references_of(tasks, kept / "references.json" if kept is not None else None, sample)
    report: dict[str, Any] = {
        "question": "Who finds a better configuration for less?",
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "tasks": [task.name for task in tasks],
        "shares": SHARES,
        "settings": {},
    }
    for setting in [Setting(workers=workers, cost=cost) for cost in asked.costs for workers in asked.workers]:
        file = kept / "runs.jsonl" if kept is not None else None
        runs = read_runs(file, setting) if file is not None else []
        runs = [run for run in runs if run.task in references and run.seed < seeds]
        for name, task, seed in missing(runs, names, tasks, seeds):
            if time.monotonic() > until:
                break
            runs.append(run_one(name, task, seed, setting, references[task.name]))
            if file is not None:
                write_run(file, setting, runs[-1])
        counted = [run for run in runs if run.contestant in names]
        found = tables(counted, runs, references)
        if not found:
            continue
        pairs = len(at_least_all(counted, list(found)))
        title = f"{setting.workers} workers, cost in {setting.cost}, {pairs} (task, seed) pairs"
        print(f"\n{shown(found, title)}\n{ratio(found)}", flush=True)
        report["settings"][title] = {
            "tables": {name: dataclasses.asdict(table) for name, table in found.items()},
            "against the best peer": ratio(found),
        }
        if asked.plot is not None:
            from search.plot import draw

            draw(
                counted,
                best_known(runs, references),
                references,
                title,
                asked.plot.with_stem(f"{asked.plot.stem}-{setting.workers}-{setting.cost}"),
            )
    if asked.output is not None:
        keep(report, asked.output)


def at_least_all(runs: Sequence[Run], names: Sequence[str]) -> set[tuple[str, int]]:
    """The (task, seed) pairs that every contestant has run."""
    by: dict[tuple[str, int], set[str]] = {}
    for run in runs:
        by.setdefault((run.task, run.seed), set()).add(run.contestant)
    return {pair for pair, who in by.items() if who >= set(names)}


if __name__ == "__main__":
    main()
