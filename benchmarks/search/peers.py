"""The other tuners as contestants, each driven through its own interface, told of every epoch."""

from __future__ import annotations

import logging
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np

from lightning_hpo.space import Float, Int, Parameter
from lightning_hpo.trial import Config
from search.curves import Task

__all__ = ["OptunaTPE", "RayHyperOptASHA", "SyneTuneASHACQR"]


def _range(parameter: Parameter) -> Float | Int:
    if not isinstance(parameter, (Float, Int)) or parameter.step not in (None, 1):
        raise TypeError(f"The benchmark's spaces hold plain ranges, but got {parameter!r}.")
    return parameter


class RayHyperOptASHA:
    """Ray Tune's HyperOptSearch with Ray Tune's ASHA, eta 3.

    Args:
        task: What is tuned.
        seed: Seeds the searcher.
        grace_period: The first rung; from 1 on, as it comes, they are 1, 3, 9 and 27.
    """

    def __init__(self, task: Task, seed: int, *, grace_period: int = 1) -> None:
        from ray import tune
        from ray.tune.schedulers import AsyncHyperBandScheduler
        from ray.tune.search.hyperopt import HyperOptSearch

        def domain(parameter: Float | Int) -> Any:
            if isinstance(parameter, Int):  # the upper bound is left out
                return (tune.lograndint if parameter.log else tune.randint)(parameter.low, parameter.high + 1)
            return (tune.loguniform if parameter.log else tune.uniform)(parameter.low, parameter.high)

        space = {name: domain(_range(parameter)) for name, parameter in task.space.items()}
        self._searcher = HyperOptSearch(space, metric="value", mode="max", random_state_seed=seed)
        self._scheduler = AsyncHyperBandScheduler(
            time_attr="training_iteration",
            metric="value",
            mode="max",
            max_t=task.max_epochs,
            grace_period=grace_period,
            reduction_factor=3,
        )
        self._controller: Any = None  # ASHA does not look at it
        logging.getLogger("hyperopt").setLevel(logging.ERROR)

    def suggest(self, trial: int) -> Config:
        config: Any = self._searcher.suggest(str(trial))
        self._scheduler.on_trial_add(self._controller, _ray_trial(trial))
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in config.items()}

    def report(self, trial: int, epoch: int, value: float) -> bool:
        result = {"training_iteration": epoch, "value": value}
        self._searcher.on_trial_result(str(trial), result)
        return bool(self._scheduler.on_trial_result(self._controller, _ray_trial(trial), result) == "CONTINUE")

    def end(self, trial: int, epoch: int, value: float, *, complete: bool) -> None:
        result = {"training_iteration": epoch, "value": value}
        # A trial that its scheduler stopped is told to it again on completion, as Ray's controller does.
        self._scheduler.on_trial_complete(self._controller, _ray_trial(trial), result)
        self._searcher.on_trial_complete(str(trial), result)


def _ray_trial(trial: int) -> Any:
    return SimpleNamespace(trial_id=str(trial))


class OptunaTPE:
    """Optuna's TPESampler as it comes, with one of its pruners.

    Args:
        task: What is tuned.
        seed: Seeds the sampler.
        pruner: "median", "halving" (rungs 1, 3, 9, 27) or "hyperband" (1 to all epochs, eta 3).
    """

    def __init__(self, task: Task, seed: int, *, pruner: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        pruners: dict[str, Any] = {
            "median": lambda: optuna.pruners.MedianPruner(),
            "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
            "hyperband": lambda: optuna.pruners.HyperbandPruner(
                min_resource=1, max_resource=task.max_epochs, reduction_factor=3
            ),
        }
        sampler = optuna.samplers.TPESampler(seed=seed)
        # Hyperband finds a trial's bracket from its number and the study's name, so the name must not be random.
        self._study = optuna.create_study(
            study_name=f"{task.name}-{seed}", direction="maximize", sampler=sampler, pruner=pruners[pruner]()
        )
        self._space = {name: _range(parameter) for name, parameter in task.space.items()}
        self._pruned = optuna.trial.TrialState.PRUNED
        self._trials: dict[int, Any] = {}

    def suggest(self, trial: int) -> Config:
        asked = self._trials[trial] = self._study.ask()
        return {
            name: asked.suggest_int(name, int(range_.low), int(range_.high), log=range_.log)
            if isinstance(range_, Int)
            else asked.suggest_float(name, range_.low, range_.high, log=range_.log)
            for name, range_ in self._space.items()
        }

    def report(self, trial: int, epoch: int, value: float) -> bool:
        asked = self._trials[trial]
        asked.report(value, epoch)
        return not asked.should_prune()

    def end(self, trial: int, epoch: int, value: float, *, complete: bool) -> None:
        asked = self._trials.pop(trial)
        if complete:
            self._study.tell(asked, value)
        else:
            self._study.tell(asked, state=self._pruned)


class SyneTuneASHACQR:
    """Syne Tune's ASHA (stopping, rungs 1, 3, 9, 27) with its conformal quantile regression."""

    def __init__(self, task: Task, seed: int) -> None:
        from syne_tune import config_space
        from syne_tune.backend.trial_status import Trial
        from syne_tune.optimizer.baselines import ASHACQR

        def domain(parameter: Float | Int) -> Any:
            if isinstance(parameter, Int):
                return (config_space.lograndint if parameter.log else config_space.randint)(
                    parameter.low, parameter.high
                )
            return (config_space.loguniform if parameter.log else config_space.uniform)(parameter.low, parameter.high)

        space = {name: domain(_range(parameter)) for name, parameter in task.space.items()}
        np.random.seed(seed)  # its brackets draw from the global state
        self._scheduler = ASHACQR(
            space,
            metric="value",
            time_attr="epoch",
            max_t=task.max_epochs,
            do_minimize=False,
            random_seed=seed,
            grace_period=1,
            reduction_factor=3,
        )
        self._Trial = Trial
        self._trials: dict[int, Any] = {}

    def suggest(self, trial: int) -> Config:
        import datetime

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            suggestion = self._scheduler.suggest()
        assert suggestion is not None
        made = self._Trial(trial_id=trial, config=suggestion.config, creation_time=datetime.datetime(2000, 1, 1))
        self._trials[trial] = made
        self._scheduler.on_trial_add(made)
        config: Config = suggestion.config
        return config

    def report(self, trial: int, epoch: int, value: float) -> bool:
        result = {"value": value, "epoch": epoch}
        return bool(self._scheduler.on_trial_result(self._trials[trial], result) == "CONTINUE")

    def end(self, trial: int, epoch: int, value: float, *, complete: bool) -> None:
        made = self._trials.pop(trial)
        if complete:
            self._scheduler.on_trial_complete(made, {"value": value, "epoch": epoch})
        else:
            self._scheduler.on_trial_remove(made)
