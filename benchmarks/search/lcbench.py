"""LCBench: recorded trainings of funnel-shaped MLPs on OpenML data sets, through their published surrogate.

The folder holds `model.onnx` and `encoding.json` of YAHPO Gym's `lcbench` (github.com/slds-lmu/yahpo_data, Apache 2.0).
It is data, not ours to ship. Zimmer, Lindauer, Hutter: Auto-PyTorch Tabular, TPAMI 2021; Pfisterer et al.: YAHPO Gym,
AutoML-Conf 2022.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_hpo.space import Float, Int, Space
from lightning_hpo.trial import Config
from search.curves import Task

__all__ = ["DEVELOPMENT", "HELD_OUT", "LCBench"]

#: What the search was developed on.
DEVELOPMENT = ("3945", "126025", "146212", "167152", "167181", "167200", "168331", "168910")

#: Ten of the other 26, the first of them by number: looked at once, when the development was over.
HELD_OUT = ("7593", "34539", "126026", "126029", "167104", "167149", "167161", "167168", "167184", "167185")

_SPACE = Space(
    {
        "batch_size": Int(16, 512, log=True),
        "learning_rate": Float(1e-4, 1e-1, log=True),
        "momentum": Float(0.1, 0.99),
        "weight_decay": Float(1e-5, 1e-1),
        "num_layers": Int(1, 5),
        "max_units": Int(64, 1024, log=True),
        "max_dropout": Float(0.0, 1.0),
    }
)
_TIME, _VAL_ACCURACY = 0, 1


class LCBench(Task):
    """One data set; the value is the validation accuracy in percent.

    Args:
        folder: Where the surrogate lies.
        name: The OpenML task's number.
    """

    max_epochs = 52
    space = _SPACE

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._session = _session(folder)
        self._code = json.loads((folder / "encoding.json").read_text())["OpenML_task_id"][name]

    def measure(
        self, configs: Sequence[Config], first: int, last: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The surrogate's answers, all configs and epochs in one batch."""
        epochs = np.arange(first, last + 1)
        rows = np.array([[config[name] for name in _SPACE] for config in configs], dtype=np.float32)
        numbers = np.hstack(
            [np.tile(epochs, len(configs))[:, None].astype(np.float32), np.repeat(rows, len(epochs), axis=0)]
        )
        codes = np.full((len(numbers), 1), self._code, dtype=np.int32)
        (answers,) = self._session.run(None, {"x_cat": codes, "x_cont": numbers})
        answers = answers.reshape(len(configs), len(epochs), -1).astype(np.float64)
        return answers[:, :, _VAL_ACCURACY], answers[:, :, _TIME]


@cache
def _session(folder: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
