from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import tiny_modules as tiny
import torch

from lightning_hpo.training.fit import fit
from lightning_hpo.training.objects import ObjectsAssembly
from lightning_hpo.training.task import Parts


class Lit(tiny.Lit):
    """Adam, with or without a schedule that halves the rate each epoch."""

    def __init__(self, lr: float = 0.1, decay: float = 0.0, halved: bool = False) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.seen: list[float] = []

    def configure_optimizers(self) -> Any:
        adam = torch.optim.Adam(self.parameters(), lr=self.hparams["lr"], weight_decay=self.hparams["decay"])
        if not self.hparams["halved"]:
            return adam
        return [adam], [torch.optim.lr_scheduler.StepLR(adam, 1, 0.5)]

    def on_train_epoch_start(self) -> None:
        self.seen.append(self.trainer.optimizers[0].param_groups[0]["lr"])


def trained(task: Any, recorder: Any, path: Path | None, epochs: int, start: Path | None, **config: Any) -> Parts:
    study = ObjectsAssembly(Lit, data=tiny.Data, flags={"max_epochs": epochs}, ckpt_path=start and str(start))
    return fit(study, task({f"model.{name}": value for name, value in config.items()}), recorder(), path)


@pytest.fixture
def start(task: Any, recorder: Any, tmp_path: Path) -> Path:
    """A checkpoint after two epochs at a rate of 0.1, halved after each."""
    path = tmp_path / "start.ckpt"
    trained(task, recorder, path, 2, None, lr=0.1, halved=True)
    return path


def test_the_config_wins_over_the_checkpoint_and_the_schedule_goes_on(task: Any, recorder: Any, start: Path) -> None:
    parts = trained(task, recorder, None, 4, start, lr=0.8, decay=0.25, halved=True)
    assert parts.model.seen == pytest.approx([0.2, 0.1])  # 0.8, halved twice, and once more
    group = parts.trainer.optimizers[0].param_groups[0]
    assert group["weight_decay"] == 0.25
    assert all(int(state["step"]) > 8 for state in parts.trainer.optimizers[0].state.values())  # moments are inherited


def test_without_a_schedule_the_rate_is_the_configs(task: Any, recorder: Any, tmp_path: Path) -> None:
    path = tmp_path / "plain.ckpt"
    trained(task, recorder, path, 1, None, lr=0.1)
    assert trained(task, recorder, None, 3, path, lr=0.5).model.seen == [0.5, 0.5]


def test_lightning_by_itself_would_train_with_the_checkpoints(start: Path) -> None:
    """Tells when `InheritCallback` can go."""
    model = Lit(lr=0.8, halved=True)
    flags = {"max_epochs": 4, "logger": False, "enable_checkpointing": False, "accelerator": "cpu"}
    pl.Trainer(**flags, enable_progress_bar=False).fit(model, datamodule=tiny.Data(), ckpt_path=str(start))
    assert model.seen == pytest.approx([0.025, 0.0125])
