"""The other contestants of `overhead.py`, each as lean as its own documentation allows.

    python benchmarks/contestants.py NAME --trials 64 --seed 7 --results FILE

FILE gets the last validation accuracy of every trial, as a JSON list.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
from pathlib import Path
from typing import Any

SPACE_HIDDEN = [64, 128, 256]
SPACE_LR = (1e-4, 1e-1)
SPACE_DROPOUT = (0.0, 0.5)


def bare(trials: int, seed: int, folder: Path) -> list[float]:
    """The fits alone, half in this process and half in a second one."""
    import numpy as np

    rng = np.random.default_rng(seed)
    low, high = np.log(SPACE_LR)
    configs = [
        {
            "hidden": int(rng.choice(SPACE_HIDDEN)),
            "lr": float(np.exp(rng.uniform(low, high))),
            "dropout": float(rng.uniform(*SPACE_DROPOUT)),
        }
        for _ in range(trials)
    ]
    jobs = list(enumerate(configs))
    return in_two_processes(_fit_all, (jobs[::2],), (jobs[1::2],))


def _fit_all(jobs: list[tuple[int, dict[str, Any]]]) -> list[float]:
    from workload import fit

    one_thread()
    return [fit(config, seed) for seed, config in jobs]


def optuna(trials: int, seed: int, folder: Path) -> list[float]:
    """Two processes that share a study through a journal file, as its documentation advises for one machine."""
    journal = str(folder / "journal.log")
    _study(journal, seed)
    half = trials // 2
    return in_two_processes(_optimize, (journal, seed, trials - half), (journal, seed + 1, half))


def _study(journal: str, seed: int) -> Any:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        study_name="overhead",
        direction="maximize",
        storage=optuna.storages.JournalStorage(JournalFileBackend(journal)),
        sampler=optuna.samplers.RandomSampler(seed=seed),
        load_if_exists=True,
    )


def _optimize(journal: str, seed: int, trials: int) -> list[float]:
    from workload import fit

    one_thread()
    values: list[float] = []

    def objective(trial: Any) -> float:
        config = {
            "hidden": trial.suggest_categorical("hidden", SPACE_HIDDEN),
            "lr": trial.suggest_float("lr", *SPACE_LR, log=True),
            "dropout": trial.suggest_float("dropout", *SPACE_DROPOUT),
        }
        values.append(fit(config, trial.number))
        return values[-1]

    _study(journal, seed).optimize(objective, n_trials=trials)
    return values


def ray_reuse(trials: int, seed: int, folder: Path) -> list[float]:
    """Ray Tune with actor reuse and without checkpoints; a whole fit is one step, which reports once."""
    import ray
    from ray import tune
    from ray.tune.search.basic_variant import BasicVariantGenerator

    class Fit(tune.Trainable):  # type: ignore[misc]
        def setup(self, config: dict[str, Any]) -> None:
            one_thread()

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            return True

        def step(self) -> dict[str, Any]:
            from workload import fit

            return {"val_acc": fit(self.config, seed), "done": True}

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    results = tune.Tuner(
        tune.with_resources(Fit, {"cpu": 1}),
        param_space={
            "hidden": tune.choice(SPACE_HIDDEN),
            "lr": tune.loguniform(*SPACE_LR),
            "dropout": tune.uniform(*SPACE_DROPOUT),
        },
        tune_config=tune.TuneConfig(
            metric="val_acc",
            mode="max",
            num_samples=trials,
            reuse_actors=True,
            search_alg=BasicVariantGenerator(random_state=seed),
        ),
        run_config=tune.RunConfig(
            storage_path=str(folder),
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    ).fit()
    values = [result.metrics["val_acc"] for result in results if result.error is None]
    ray.shutdown()
    return values


def in_two_processes(work: Any, ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> list[float]:
    """Runs `work` on one half here and on the other half in one more process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply_async(work, theirs)
        return [*work(*ours), *there.get()]


def one_thread() -> None:
    """A trial has one CPU."""
    import torch

    torch.set_num_threads(1)


CONTESTANTS = {"ray-reuse": ray_reuse, "optuna": optuna, "bare": bare}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=CONTESTANTS)
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--results", type=Path, required=True)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        values = CONTESTANTS[asked.name](asked.trials, asked.seed, Path(folder))
    asked.results.write_text(json.dumps(values))


if __name__ == "__main__":
    main()
