"""What does the framework cost?

Sixty-four trials of a small MLP (see workload.py), one CPU and one torch thread each, on two CPUs, drawn at random,
nothing stopped early: the same work for everybody, so what differs is the framework. Each contestant is timed as a
whole process, imports, start and end included, in turn, over several rounds. Memory is looked at in a round before
those, since looking slows whoever has many processes; that round also reads everybody's files from disk once.

    lightning-hpo   `lightning-hpo run overhead.yaml`: with its proof before the first trial, its journal, a curve and a
                    checkpoint for each trial
    ray-reuse       plain Ray Tune, a class trainable with actor reuse, one report a trial, no checkpoints
    optuna          two processes, journal storage, no checkpoints
    bare            the fits alone in two processes: no framework at all

    python benchmarks/overhead.py                         all of it, three rounds, some minutes
    python benchmarks/overhead.py --only optuna --rounds 1

Only Linux tells what a tree of processes costs, so CPU seconds and memory are measured there alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from process_tree import ProcessTree

HERE = Path(__file__).resolve().parent
COMMAND = Path(sys.executable).with_name("lightning-hpo")
NAMES = ("lightning-hpo", "ray-reuse", "optuna", "bare")
RIVAL = "optuna"
SEED = 7
TRIALS = 64
ROUNDS = 3
LIMIT = 1200  # seconds for one contestant; it hangs if it takes longer
LIBRARIES = ("lightning-hpo", "torch", "pytorch-lightning", "ray", "optuna", "numpy", "scikit-learn")


def command_of(name: str, trials: int, folder: Path) -> list[str]:
    if name == "lightning-hpo":
        run_folder = ["--run-folder", str(folder / "run")]
        return [str(COMMAND), "run", "overhead.yaml", *run_folder, "--set", f"tune.n_trials={trials}"]
    script = [sys.executable, "contestants.py", name, "--trials", str(trials), "--seed", str(SEED)]
    return [*script, "--results", str(folder / "results.json")]


def accuracies_of(name: str, folder: Path) -> list[float]:
    """The last validation accuracy of every trial that ended well."""
    if name == "lightning-hpo":
        with open(folder / "run" / "results.csv", newline="") as file:
            return [float(row["val_acc"]) for row in csv.DictReader(file) if row["status"] == "completed"]
    values: list[float] = json.loads((folder / "results.json").read_text())
    return values


def measure(name: str, trials: int, *, memory: bool = False) -> dict[str, Any]:
    """One contestant once, as a process of its own: how long it takes, or how much memory."""
    tag = uuid.uuid4().hex
    environment = {**os.environ, "PYTHONPATH": str(HERE), ProcessTree.VARIABLE: tag}
    with tempfile.TemporaryDirectory(prefix="overhead-") as made:
        folder = Path(made)
        with open(folder / "log", "w+") as log:
            began = time.perf_counter()
            process = subprocess.Popen(
                command_of(name, trials, folder), cwd=HERE, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
            with ProcessTree(tag, memory=memory) as tree:
                try:
                    code = process.wait(timeout=LIMIT)
                except subprocess.TimeoutExpired:
                    process.kill()
                    code = process.wait()
                wall = time.perf_counter() - began
            log.seek(0)
            if code != 0:
                sys.exit(f"{name} ended with {code} after {wall:.0f} s:\n{log.read()[-4000:]}")
        accuracies = accuracies_of(name, folder)
    tree.wait_until_gone(seconds=20)
    if len(accuracies) != trials:
        sys.exit(f"{name} was to run {trials} trials, but {len(accuracies)} ended well.")
    cost = {"peak_mb": tree.peak_megabytes} if memory else {"wall_s": round(wall, 2), "cpu_s": tree.cpu_seconds}
    return {
        **cost,
        "trials": len(accuracies),
        "mean_val_acc": round(statistics.mean(accuracies), 4),
    }


def help_seconds(times: int = 7) -> float:
    """How long `lightning-hpo --help` takes, in the median."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run([str(COMMAND), "--help"], stdout=subprocess.DEVNULL, check=True)
        taken.append(time.perf_counter() - began)
    return round(statistics.median(taken), 3)


def check_same_work(rounds: dict[str, list[dict[str, Any]]]) -> None:
    """Random configs of one space end with about the same mean accuracy, whoever draws them."""
    means = {name: statistics.mean(one["mean_val_acc"] for one in measured) for name, measured in rounds.items()}
    if min(means.values()) < 0.6 or max(means.values()) - min(means.values()) > 0.1:
        sys.exit(f"The contestants did not do the same work: mean val_acc {means}.")


def medians_of(rounds: dict[str, list[dict[str, Any]]], peaks: dict[str, Any]) -> dict[str, dict[str, Any]]:
    summary: dict[str, dict[str, Any]] = {}
    for name, measured in rounds.items():
        summary[name] = {
            key: None if measured[0][key] is None else round(statistics.median(one[key] for one in measured), 2)
            for key in ("wall_s", "cpu_s")
        }
        summary[name]["peak_mb"] = peaks[name]
    if RIVAL in summary:
        for one in summary.values():
            one[f"wall_over_{RIVAL}"] = round(one["wall_s"] / summary[RIVAL]["wall_s"], 2)
    return summary


def print_table(summary: dict[str, dict[str, Any]]) -> None:
    columns = list(next(iter(summary.values())))
    print(f"\n{'':<14}" + "".join(f"{column:>18}" for column in columns))
    for name, one in sorted(summary.items(), key=lambda item: item[1]["wall_s"]):
        print(f"{name:<14}" + "".join(f"{'-' if one[column] is None else one[column]:>18}" for column in columns))


def machine() -> dict[str, Any]:
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def commit() -> str:
    """The commit that is checked out, with a mark if files differ from it."""
    git = ["git", "-C", str(HERE)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        state = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    others = [line for line in state.splitlines() if "benchmarks/results/" not in line]
    return head + (" with changes" if others else "")


def keep(report: dict[str, Any], output: Path) -> None:
    """Writes a benchmark's numbers, and says where."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\nNumbers kept in {output}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES), metavar="NAME")
    parser.add_argument("--output", type=Path, help="where the numbers go; a full run replaces results/overhead.json")
    asked = parser.parse_args()
    names: list[str] = asked.only
    full = set(names) == set(NAMES) and asked.trials == TRIALS and asked.rounds >= ROUNDS
    output: Path | None = asked.output or (HERE / "results" / "overhead.json" if full else None)

    started_at, checked_out = datetime.now(timezone.utc), commit()
    peaks = {name: measure(name, asked.trials, memory=True)["peak_mb"] for name in names}
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number in range(asked.rounds):
        shift = number % len(names)  # nobody always runs first
        for name in names[shift:] + names[:shift]:
            measured = measure(name, asked.trials)
            rounds[name].append(measured)
            print(
                f"round {number + 1}  {name:<14}" + "  ".join(f"{key} {value}" for key, value in measured.items()),
                flush=True,
            )
    if asked.trials >= TRIALS:  # the mean of fewer is too noisy to compare
        check_same_work(rounds)
    summary = medians_of(rounds, peaks)
    print_table(summary)
    report: dict[str, Any] = {
        "question": "What does the framework cost?",
        "date": started_at.isoformat(timespec="seconds"),
        "commit": checked_out,
        "machine": machine(),
        "trials": asked.trials,
        "median": summary,
        "rounds": rounds,
    }
    if "lightning-hpo" in names:
        report["help_s"] = help_seconds()
        print(f"\nlightning-hpo --help: {report['help_s']} s")
    if output is not None:
        keep(report, output)


if __name__ == "__main__":
    main()
