"""Does a worker leak when its trials are stopped?

Five hundred trials, one after the other in one worker, nearly all of them stopped at their first rung (see
stopped_trials.yaml). Looked at from outside after every 25 of them: the worker's resident memory, open files, threads
and child processes. They must be level after a warm-up.

    python benchmarks/stopped_trials.py                500 trials, some minutes; keeps results/stopped_trials.json
    python benchmarks/stopped_trials.py --trials 60    a short one
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lightning_hpo.results import RunFolder
from overhead import COMMAND, HERE, commit, keep, machine
from process_tree import ProcessTree

TRIALS = 500
#: Trials between two looks, and until the first one: caches are filled by then.
STEP, WARM_UP = 25, 50


def worker_of(tree: ProcessTree) -> int | None:
    """The process that trains: the one of Ray's workers that holds the most memory."""
    workers = [pid for pid in tree.running("ray::") if b"Agent" not in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return max(workers, key=lambda pid: look_at(pid)["rss_mb"], default=None)


def look_at(pid: int) -> dict[str, Any]:
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    children = subprocess.run(["pgrep", "-c", "-P", str(pid)], capture_output=True, text=True).stdout
    return {
        "rss_mb": round(int(status.get("VmRSS", "0").split()[0]) / 1024, 1),
        "files": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": int(status["Threads"]),
        "children": int(children or 0),
    }


def looks_at(trials: int, folder: Path) -> list[dict[str, Any]]:
    tag = uuid.uuid4().hex
    environment = {**os.environ, "PYTHONPATH": str(HERE), ProcessTree.VARIABLE: tag}
    command = [str(COMMAND), "run", "stopped_trials.yaml", "--run-folder", str(folder / "run")]
    looks: list[dict[str, Any]] = []
    with open(folder / "log", "w+") as log, ProcessTree(tag) as tree:
        process = subprocess.Popen(
            [*command, f"--set=tune.n_trials={trials}"], cwd=HERE, env=environment, stdout=log, stderr=log
        )
        while process.poll() is None:
            time.sleep(0.2)
            journal = folder / "run" / "journal.jsonl"
            ended = journal.read_bytes().count(b'{"kind":"ended"') if journal.exists() else 0
            if ended < (looks[-1]["trials"] + STEP if looks else STEP) or ended == trials:
                continue
            worker = worker_of(tree)
            if worker is not None:
                looks.append({"trials": ended, "pid": worker, **look_at(worker)})
                print("  ".join(f"{name} {value}" for name, value in looks[-1].items()), flush=True)
        if process.returncode != 0:
            log.seek(0)
            sys.exit(f"The run ended with {process.returncode}:\n{log.read()[-3000:]}")
    return looks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--output", type=Path, help="where the numbers go; a full run replaces the kept ones")
    asked = parser.parse_args()
    began, checked_out = datetime.now(timezone.utc), commit()
    with tempfile.TemporaryDirectory(prefix="stopped-") as made:
        looks = looks_at(asked.trials, Path(made))
        counts = {status.value: count for status, count in RunFolder.open(Path(made) / "run").read().counts.items()}
    settled = [look for look in looks if look["trials"] >= min(WARM_UP, asked.trials / 2)]
    first, last = settled[0], settled[-1]
    grown = {name: round(last[name] - first[name], 1) for name in ("rss_mb", "files", "threads", "children")}
    report = {
        "question": "Does a worker leak when its trials are stopped?",
        "date": began.isoformat(timespec="seconds"),
        "commit": checked_out,
        "machine": machine(),
        "trials": counts,
        "workers": len({look["pid"] for look in looks}),
        "grown": {"from_trial": first["trials"], "to_trial": last["trials"], **grown},
        "looks": looks,
    }
    print(json.dumps({name: report[name] for name in ("trials", "workers", "grown")}, indent=2))
    output = asked.output or (HERE / "results" / "stopped_trials.json" if asked.trials >= TRIALS else None)
    if output is not None:
        keep(report, output)


if __name__ == "__main__":
    main()
