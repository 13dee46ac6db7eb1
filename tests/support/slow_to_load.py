"""Modules of a file whose import takes a worker longer than the tests' `worker_timeout`."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import torch

from faulty_modules import Faulty
from lightning_hpo import Float, tunable

if "default_worker" in sys.argv[0]:  # Ray's worker, not the test's own process
    time.sleep(5)


@tunable(lr=Float(1e-3, 1e-1, log=True))
class KilledThenHangs(Faulty):
    def __init__(self, lr: float = 0.01) -> None:
        super().__init__(lr)

    def happen(self, loss: torch.Tensor) -> torch.Tensor:
        if self.first_time():
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(3600)
        return loss


@tunable(lr=Float(1e-3, 1e-1, log=True))
class HangsWhenStopped(Faulty):
    """The first trial of a run that ends early never lets go of its worker."""

    def __init__(self, lr: float = 0.01) -> None:
        super().__init__(lr)

    def on_train_end(self) -> None:
        mark = Path(self.trainer.default_root_dir).parent / "hangs"
        if self.trainer.current_epoch < self.trainer.max_epochs - 1 and not mark.exists():
            mark.touch()
            time.sleep(3600)
