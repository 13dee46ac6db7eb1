from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, StochasticWeightAveraging
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, Dataset, TensorDataset

from lightning_hpo.errors import UsageError
from lightning_hpo.training import writing
from lightning_hpo.training.fit import fit
from lightning_hpo.training.objects import ObjectsAssembly
from lightning_hpo.training.resuming import Every, newest_sound
from lightning_hpo.training.writing import CheckpointWriter
from lightning_hpo.trial import Verdict

EPOCHS = 6


class Noisy(Dataset[Any]):
    """Draws from Python's, NumPy's and torch's generators for each item, as augmentations do."""

    def __len__(self) -> int:
        return 22

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        noise = torch.rand(4) + random.random() + np.random.rand()
        return torch.full((4,), index / 22) + 0.1 * noise, torch.tensor([index / 11 - 1])


class Lit(pl.LightningModule):
    """Dropout, batch normalisation, a training metric, and whichever optimizer and schedule a test asks for."""

    def __init__(self, kind: str = "plain", workers: int = 0) -> None:
        super().__init__()
        self.kind, self.workers = kind, workers
        self.net = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1)
        )

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        loss = torch.nn.functional.mse_loss(self.net(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, index: int) -> None:
        self.log("val_loss", torch.nn.functional.mse_loss(self.net(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        sgd = torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9, nesterov=True)
        if self.kind == "step":
            return [sgd], [lr_scheduler.StepLR(sgd, 2, 0.5)]
        if self.kind == "one-cycle":
            cycle = lr_scheduler.OneCycleLR(sgd, 0.02, total_steps=EPOCHS * 6)
            return [sgd], [{"scheduler": cycle, "interval": "step"}]
        if self.kind == "cosine":
            adam = torch.optim.AdamW(self.parameters(), lr=0.05, amsgrad=True)
            return [adam], [lr_scheduler.CosineAnnealingLR(adam, EPOCHS)]
        if self.kind == "plateau":
            plateau = lr_scheduler.ReduceLROnPlateau(sgd, patience=0, factor=0.3)
            # Epochs before the first validation have nothing to go by, and are no error here.
            return {"optimizer": sgd, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss", "strict": False}}
        return torch.optim.RMSprop(self.parameters(), lr=0.01, momentum=0.5)

    def train_dataloader(self) -> DataLoader[Any]:
        own = torch.Generator().manual_seed(3) if self.kind == "generator" else None
        return DataLoader(
            Noisy(), batch_size=4, shuffle=True, num_workers=self.workers, generator=own, drop_last=self.kind != "step"
        )

    def val_dataloader(self) -> DataLoader[Any]:
        inputs = torch.linspace(0, 1, 24).reshape(6, 4)
        return DataLoader(TensorDataset(inputs, inputs.sum(1, keepdim=True)), batch_size=3)


class Killed(BaseException):
    """Stands for a process that is gone; nothing in Lightning or in us catches it and goes on."""


class Channel:
    """Keeps what it hears; is killed where it is told to."""

    def __init__(self, die_after: int = 0, stop_at: int = 0) -> None:
        self.heard: list[tuple[int, dict[str, float]]] = []
        self.die_after, self.stop_at = die_after, stop_at
        self.stopping = False

    def report(self, step: int, metrics: Any) -> Verdict:
        self.heard.append((step, dict(metrics)))
        if step == self.die_after:
            raise Killed
        return Verdict.STOP if step == self.stop_at else Verdict.CONTINUE


def trained(task, path: Path, channel: Channel, *, every: Every | None = None, resume: Any = None, **given: Any) -> Any:
    kind, workers = given.pop("kind", "plain"), given.pop("workers", 0)
    study = ObjectsAssembly(Lit, flags={"max_epochs": EPOCHS, **given})
    config = {"model.kind": kind, "model.workers": workers}
    writer = CheckpointWriter(path, background=True)
    return fit(study, task(config), channel, writer, every=every or Every(), resume=resume)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


def compare(task, tmp_path: Path, dies: list[int], **given: Any) -> None:
    """A fit that is killed after each of the epochs ends as one that is not."""
    whole = Channel()
    trained(task, tmp_path / "whole.ckpt", whole, **given)
    path, heard = tmp_path / "killed.ckpt", {}
    for die_after in [*dies, 0]:
        found, notes = newest_sound([path])
        assert notes == ()
        assert (found is None) is (not heard)
        channel = Channel(die_after)
        try:
            trained(task, path, channel, resume=found, **given)
        except Killed:
            assert die_after
        if found is not None:
            assert channel.heard[0][0] == found.step + 1
        heard.update(dict(channel.heard))
    assert all(np.isfinite(value) for _, metrics in whole.heard for value in metrics.values())
    assert list(heard.items()) == whole.heard
    ended, uninterrupted = weights(path), weights(tmp_path / "whole.ckpt")
    assert ended.keys() == uninterrupted.keys()
    for name, value in ended.items():
        assert torch.equal(value, uninterrupted[name]), name


@pytest.mark.parametrize("kind", ["plain", "step", "one-cycle", "cosine", "plateau", "generator"])
def test_a_killed_fit_ends_as_one_that_was_not(kind, task, tmp_path):
    compare(task, tmp_path, [2, 3, 5], kind=kind)


@pytest.mark.parametrize(
    "flags",
    [
        {"accumulate_grad_batches": 2},
        {"gradient_clip_val": 0.1},
        {"limit_train_batches": 2},
        {"num_sanity_val_steps": 0},
        {"reload_dataloaders_every_n_epochs": 1},
        {"precision": "bf16-mixed"},
    ],
    ids=lambda flags: next(iter(flags)),
)
def test_whatever_the_trainer_is_told(flags, task, tmp_path):
    compare(task, tmp_path, [3], kind="step", **flags)


def test_a_big_checkpoint_that_is_written_while_the_fit_goes_on_is_the_same(task, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_BIG", 0)
    compare(task, tmp_path, [2, 4], kind="cosine")


def test_data_loading_workers_draw_what_they_would_have_drawn(task, tmp_path):
    compare(task, tmp_path, [2, 4], workers=2)


def test_lightning_by_itself_draws_something_else_after_a_checkpoint(tmp_path: Path):
    """Tells when `ResumeCallback` need not keep random states any more."""

    class Saves(pl.Callback):
        def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
            if trainer.current_epoch == 3:
                trainer.save_checkpoint(tmp_path / "theirs.ckpt")

    ended = []
    for start in (None, str(tmp_path / "theirs.ckpt")):
        pl.seed_everything(1, workers=True, verbose=False)
        flags = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
        model = Lit()
        callbacks = [] if start else [Saves()]
        pl.Trainer(max_epochs=EPOCHS, enable_model_summary=False, callbacks=callbacks, **flags).fit(
            model, ckpt_path=start
        )
        ended.append(model.state_dict()["net.0.weight"])
    assert not torch.equal(*ended)


def test_early_stopping_keeps_its_patience(task, tmp_path):
    flags = {"max_epochs": 40, "callbacks": [EarlyStopping("val_loss", patience=3, min_delta=0.05)]}
    compare(task, tmp_path, [3], kind="plateau", **flags)


def test_averaged_weights_are_what_is_saved_at_the_end(task, tmp_path):
    path = tmp_path / "end.ckpt"
    parts = trained(task, path, Channel(), callbacks=[StochasticWeightAveraging(0.1, swa_epoch_start=2)])
    for name, value in weights(path).items():
        assert torch.equal(value, parts.model.state_dict()[name])


@pytest.mark.filterwarnings("ignore:ReduceLROnPlateau conditioned")
def test_metrics_of_rarer_validations_are_still_known(task, tmp_path):
    channel, path = Channel(die_after=4), tmp_path / "a.ckpt"
    with pytest.raises(Killed):
        trained(task, path, channel, kind="plateau", check_val_every_n_epoch=2)
    found, _ = newest_sound([path])
    assert found is not None
    after = Channel()
    trained(task, path, after, kind="plateau", check_val_every_n_epoch=2, resume=found)
    whole = Channel()
    trained(task, tmp_path / "b.ckpt", whole, kind="plateau", check_val_every_n_epoch=2)
    assert [step for step, _ in after.heard] == [4, 6]
    assert after.heard == whole.heard[1:]


def test_every_says_how_often_a_checkpoint_is_written(task, tmp_path):
    for epochs, kept in [(1, 4), (2, 4), (3, 3), (5, None), (0, None)]:
        path = tmp_path / f"every-{epochs}.ckpt"
        with pytest.raises(Killed):
            trained(task, path, Channel(die_after=5), every=Every(epochs=epochs))
        found, _ = newest_sound([path])
        assert (found.step if found else None) == kept


def test_minutes_between_checkpoints_are_waited_for(task, tmp_path):
    path = tmp_path / "slow.ckpt"
    with pytest.raises(Killed):
        trained(task, path, Channel(die_after=5), every=Every(seconds=3600))
    assert not path.exists()


def test_nothing_is_written_less_often_than_never():
    with pytest.raises(UsageError, match="Expected 0 or more"):
        Every(epochs=-1)


def test_a_fit_that_ended_by_itself_says_so_and_one_that_was_stopped_does_not(task, tmp_path):
    trained(task, tmp_path / "end.ckpt", Channel())
    trained(task, tmp_path / "stop.ckpt", Channel(stop_at=3))
    end, _ = newest_sound([tmp_path / "end.ckpt"])
    stop, _ = newest_sound([tmp_path / "stop.ckpt"])
    assert (end.step, end.over) == (EPOCHS, True)
    assert (stop.step, stop.over) == (3, False)


def test_a_fit_that_waited_for_a_verdict_goes_on_from_there(task, tmp_path):
    whole, before, after = Channel(), Channel(stop_at=3), Channel()
    trained(task, tmp_path / "whole.ckpt", whole, kind="cosine")
    path = tmp_path / "stop.ckpt"
    trained(task, path, before, kind="cosine")
    found, _ = newest_sound([path])
    trained(task, path, after, kind="cosine", resume=found)
    assert before.heard + after.heard == whole.heard


def test_a_fit_that_is_cut_within_an_epoch_leaves_the_last_whole_one(task, tmp_path):
    channel = Channel()

    class Cuts(pl.Callback):
        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
            channel.stopping = trainer.current_epoch == 3 and index == 1

    path = tmp_path / "cut.ckpt"
    trained(task, path, channel, callbacks=[Cuts()])
    assert [step for step, _ in channel.heard] == [1, 2, 3]
    found, _ = newest_sound([path])
    assert (found.step, found.over) == (3, False)


def damaged(path: Path, place: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 0x10
    path.write_bytes(bytes(data))


def test_a_damaged_checkpoint_is_passed_over_and_named(task, tmp_path):
    newest, before = tmp_path / "last.ckpt", tmp_path / "before.ckpt"
    for path, die_after in ((newest, 4), (before, 3)):
        with pytest.raises(Killed):
            trained(task, path, Channel(die_after=die_after))
    sound = newest.read_bytes()
    state = sound.index(next(iter(weights(newest).values())).numpy().tobytes()[:16])
    for harm in (
        lambda: newest.write_bytes(sound[: len(sound) // 2]),
        lambda: newest.write_bytes(b""),
        lambda: newest.write_bytes(sound[:state] + bytes([sound[state] ^ 1]) + sound[state + 1 :]),
        lambda: newest.write_bytes(b"no checkpoint at all"),
    ):
        harm()
        found, notes = newest_sound([newest, before])
        assert found is not None
        assert (found.path, found.step) == (before, 2)
        assert len(notes) == 1
        assert "last.ckpt is damaged" in notes[0]
    before.unlink()
    assert newest_sound([newest, before])[0] is None
    newest.write_bytes(sound)
    assert newest_sound([newest, before])[0].path == newest
