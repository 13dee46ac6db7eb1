"""What does a run lose when it is killed, again and again?

The demo recipe runs once to its end. Then it runs again and is killed at random moments: the driver alone, its whole
process group, or Ray's raylet, in turn, each with SIGKILL; and each time `lightning-hpo resume` goes on. At the end
both are compared: no trial may be lost, and what was trained twice is counted.

    python benchmarks/kill_resume.py                      twenty kills of the demo, some minutes
    python benchmarks/kill_resume.py --workers 1          one worker: both runs must then be the same, trial by trial
    python benchmarks/kill_resume.py --kills 3 --trials 8 a short one
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lightning_hpo.results import RunFolder, RunState
from overhead import HERE, commit, keep, machine
from process_tree import ProcessTree

COMMAND = Path(sys.executable).with_name("lightning-hpo")
RECIPE = HERE.parent / "recipes" / "digits-mlp.yaml"
#: Seconds after its start at which a process is killed, at the latest; it takes about half of that to start.
LATEST = 12.0
LIMIT = 900.0
VICTIMS = ("driver", "group", "raylet")


def command_of(folder: Path, asked: argparse.Namespace) -> list[str]:
    """Begins the run, or goes on with it once it has begun."""
    journal = folder / "journal.jsonl"
    if journal.exists() and journal.stat().st_size:
        return [str(COMMAND), "resume", str(folder)]
    if folder.exists():  # killed before the run had begun; there is nothing to go on with
        subprocess.run(["rm", "-rf", str(folder)], check=True)
    settings = {"tune.n_trials": asked.trials, "trainer.max_epochs": asked.epochs, "tune.max_concurrent": asked.workers}
    sets = [f"--set={name}={value}" for name, value in settings.items() if value is not None]
    return [str(COMMAND), "run", str(asked.recipe), "--run-folder", str(folder), *sets]


def life(folder: Path, asked: argparse.Namespace, log: Path, *, seconds: float | None, victim: str) -> tuple[bool, int]:
    """Lets the run live for so long, or to its end; answers whether it ended by itself, and its exit code."""
    tag = uuid.uuid4().hex
    environment = {**os.environ, ProcessTree.VARIABLE: tag}
    with open(log, "a") as output, ProcessTree(tag) as tree:
        process = subprocess.Popen(
            command_of(folder, asked), stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
        try:
            code = process.wait(timeout=seconds or LIMIT)
            ended = True
        except subprocess.TimeoutExpired:
            if seconds is None:
                sys.exit(f"The run hangs:\n{log.read_text()[-3000:]}")
            ended, code = False, 0
            kill(process, victim, tree)
            if victim == "raylet":  # the driver has to notice by itself
                try:
                    code = process.wait(timeout=120)
                except subprocess.TimeoutExpired:
                    sys.exit("The driver did not end although its raylet was killed two minutes ago.")
            process.wait()
    if not tree.wait_until_gone(seconds=60, but="Agent"):  # Ray's agents notice after minutes, and do no harm
        sys.exit(f"Processes of the run are left a minute after the {victim} was killed.")
    return ended, code


def kill(process: subprocess.Popen[bytes], victim: str, tree: ProcessTree) -> None:
    if victim == "driver":
        process.kill()
    elif victim == "group":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        for pid in tree.running("raylet/raylet") or [process.pid]:  # Ray may not have been started yet
            os.kill(pid, signal.SIGKILL)


def facts(folder: Path) -> dict[str, Any]:
    state: RunState = RunFolder.open(folder).read()
    best = state.best
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        "closed": state.closed,
        "trials": len(state.trials),
        "ended": sum(trial.status.ended for trial in state),
        "epochs": state.epochs_spent,
        "epochs_repeated": sum(trial.repeated for trial in state),
        "best": None if best is None else state.objective.value(best.loss),
        "bytes": sum(path.stat().st_size for path in files),
        "checkpoints": len([path for path in files if path.suffix == ".ckpt"]),
    }


def trials_of(folder: Path) -> list[tuple[Any, ...]]:
    """What must be the same in both runs if trials end in the same order."""
    state = RunFolder.open(folder).read()
    return [(t.id, dict(t.trial.config), t.trial.seed, t.status.value, t.step, t.loss) for t in state]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments; each is between 0 and 12 s")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--output", type=Path, help="where the numbers go")
    asked = parser.parse_args()
    draw = random.Random(asked.seed)
    began, checked_out = datetime.now(timezone.utc), commit()
    with tempfile.TemporaryDirectory(prefix="kill-") as made:
        whole, killed, log = Path(made) / "whole", Path(made) / "killed", Path(made) / "log"
        started = time.perf_counter()
        life(whole, asked, log, seconds=None, victim="")
        took = time.perf_counter() - started
        kills: dict[str, int] = dict.fromkeys(VICTIMS, 0)
        ended = False
        while sum(kills.values()) < asked.kills and not ended:
            victim = VICTIMS[sum(kills.values()) % len(VICTIMS)]
            ended, code = life(killed, asked, log, seconds=draw.uniform(0.0, LATEST), victim=victim)
            if ended and code != 0:
                sys.exit(f"The resumed run ended with {code}:\n{log.read_text()[-3000:]}")
            if not ended:
                kills[victim] += 1
                print(f"kill {sum(kills.values())} ({victim})", flush=True)
        if not ended:
            ended, code = life(killed, asked, log, seconds=None, victim="")
            if code != 0:
                sys.exit(f"The resumed run ended with {code}:\n{log.read_text()[-3000:]}")
        report: dict[str, Any] = {
            "question": "What does a run lose when it is killed, again and again?",
            "date": began.isoformat(timespec="seconds"),
            "commit": checked_out,
            "machine": machine(),
            "recipe": asked.recipe.name,
            "workers": asked.workers,
            "kills": kills,
            "whole": {**facts(whole), "wall_s": round(took, 1)},
            "killed": facts(killed),
        }
        report["trials_lost"] = report["whole"]["trials"] - report["killed"]["ended"]
        if asked.workers == 1:
            report["same_trials"] = trials_of(whole) == trials_of(killed)
    print(json.dumps({name: report[name] for name in report if name not in ("machine", "question")}, indent=2))
    output = asked.output or HERE / "results" / f"kill_resume{'_one_worker' if asked.workers == 1 else ''}.json"
    if asked.output or (sum(kills.values()) >= 20 and asked.recipe == RECIPE and asked.trials is None):
        keep(report, output)
    if report["trials_lost"] or not report.get("same_trials", True):
        sys.exit("Something was lost.")


if __name__ == "__main__":
    main()
