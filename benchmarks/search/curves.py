"""What the contestants search: tasks that answer how a configuration's training would go, epoch by epoch."""

from __future__ import annotations

import math
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_hpo.space import Float, Int, Space
from lightning_hpo.trial import Config

__all__ = ["SYNTHETIC", "Curve", "Reference", "Synthetic", "Task", "reference"]

_Floats = npt.NDArray[np.float64]

#: A curve is worked out in pieces that end here: most trials never get beyond the first one.
_PIECES = (1, 3, 9, 27)


class Task(ABC):
    """A space, and the recorded (or invented) training of each of its configs. Larger values are better."""

    name: str
    space: Space
    max_epochs: int

    @abstractmethod
    def measure(self, configs: Sequence[Config], first: int, last: int) -> tuple[_Floats, _Floats]:
        """Values and seconds since the start, each `[configs, epochs]`, for the epochs `first` to `last`."""

    def curve(self, config: Config) -> Curve:
        """The training of one config."""
        return Curve(self, config)


class Curve:
    """One config's training, worked out as far as it is asked for. Epochs count from 1."""

    def __init__(self, task: Task, config: Config) -> None:
        self._task = task
        self._config = config
        self._values: list[float] = []
        self._seconds: list[float] = []

    def value(self, epoch: int) -> float:
        """What is measured after an epoch."""
        self._reach(epoch)
        return self._values[epoch - 1]

    def seconds(self, epoch: int) -> float:
        """How long the training took up to the end of an epoch; never less than to the one before."""
        self._reach(epoch)
        return self._seconds[epoch - 1]

    def _reach(self, epoch: int) -> None:
        while len(self._values) < epoch:
            first = len(self._values) + 1
            last = min(piece for piece in (*_PIECES, self._task.max_epochs) if piece >= first)
            values, seconds = self._task.measure([self._config], first, last)
            so_far = self._seconds[-1] if self._seconds else 0.0
            self._values += [float(value) for value in values[0]]
            self._seconds += [float(value) for value in np.maximum.accumulate(np.maximum(seconds[0], so_far + 1e-3))]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a large fixed random sample of a task's configs says of it.

    Args:
        best: The highest value of any of them at any epoch.
        median: The median over configs of a config's highest value.
        worst: The lowest value of any at any epoch.
        seconds: The mean duration of a full training.
    """

    best: float
    median: float
    worst: float
    seconds: float


def reference(task: Task, configs: int, batch: int = 500) -> Reference:
    """Draws the sample; the same one whenever it is asked for."""
    rng = np.random.default_rng(zlib.crc32(task.name.encode()))
    peaks, worst, durations = [], math.inf, []
    for start in range(0, configs, batch):
        drawn = [task.space.sample(rng) for _ in range(min(batch, configs - start))]
        values, seconds = task.measure(drawn, 1, task.max_epochs)
        peaks += list(values.max(axis=1))
        worst = min(worst, float(values.min()))
        durations += list(seconds.max(axis=1))
    return Reference(
        best=float(max(peaks)), median=float(np.median(peaks)), worst=worst, seconds=float(np.mean(durations))
    )


class Synthetic(Task):
    """Invented curves: a rugged bowl in four parameters, where what learns fast at first is not what ends best.

    Args:
        name: Names the task and seeds its optimum.
        deceit: How much a large learning rate flatters the first epochs.
        max_epochs: The length of a full training.
    """

    def __init__(self, name: str, deceit: float, max_epochs: int = 27) -> None:
        self.name = name
        self.max_epochs = max_epochs
        self.space = Space(
            {
                "lr": Float(1e-4, 1e-1, log=True),
                "momentum": Float(0.1, 0.99),
                "units": Int(16, 512, log=True),
                "layers": Int(1, 5),
            }
        )
        self._deceit = deceit
        self._best = np.random.default_rng(zlib.crc32(name.encode())).uniform(0.2, 0.8, 4)

    def measure(self, configs: Sequence[Config], first: int, last: int) -> tuple[_Floats, _Floats]:
        """Values of 0 to 100; an epoch takes the longer the more units there are."""
        places = np.array([self._place(config) for config in configs])
        epochs = np.arange(first, last + 1)
        away = np.sqrt(((places - self._best) ** 2 * (4, 1, 2, 0.5)).sum(axis=1))
        rugged = 0.05 * np.sin(9 * places).sum(axis=1)
        end = 100 / (1 + np.exp(4 * (away + rugged) - 2))
        pace = 0.05 + 0.5 * places[:, 0] * self._deceit + 0.1 * places[:, 1]
        values: _Floats = end[:, None] * (1 - np.exp(-pace[:, None] * epochs))
        seconds: _Floats = (1 + 9 * places[:, 2])[:, None] * epochs.astype(float)
        return values, seconds

    def _place(self, config: Any) -> list[float]:
        """Where in the unit cube a config lies."""
        return [
            math.log(config["lr"] / 1e-4) / math.log(1e3),
            (config["momentum"] - 0.1) / 0.89,
            math.log(config["units"] / 16) / math.log(32),
            (config["layers"] - 1) / 4,
        ]


#: The tasks that need nothing but this file.
SYNTHETIC = tuple(Synthetic(f"bowl-{number}", deceit) for number, deceit in enumerate((0.2, 1.0, 3.0)))
