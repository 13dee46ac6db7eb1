from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_score, recall_score
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from lightning_hpo.errors import SettingError, UsageError
from lightning_hpo.space import Choice, Float
from lightning_hpo.tunable import space_of
from lightning_hpo.zoo import Classifier, IrisDataModule, MLPClassifier

TrainerOf = Callable[..., Any]


def iris(**changed: Any) -> MLPClassifier:
    return MLPClassifier(**{"in_features": 4, "num_classes": 3, "hidden": 8, **changed})


def fitted(trainer_of: TrainerOf, model: pl.LightningModule, **flags: Any) -> Any:
    trainer = trainer_of(**{"max_epochs": 2, **flags})
    trainer.fit(model, datamodule=IrisDataModule())
    return trainer


def test_training_validation_and_testing_log_five_numbers_each(trainer_of: TrainerOf) -> None:
    model = iris()
    trainer = fitted(trainer_of, model)
    names = ("loss", "acc", "precision", "recall", "f1")
    assert set(trainer.callback_metrics) == {f"{phase}_{name}" for phase in ("train", "val") for name in names}
    trainer.test(model, datamodule=IrisDataModule(test_fraction=0.2), verbose=False)
    assert set(trainer.callback_metrics) == {f"test_{name}" for name in names}


def test_validation_metrics_are_those_of_scikit_learn_on_the_same_predictions(trainer_of: TrainerOf) -> None:
    pl.seed_everything(3, verbose=False)
    model, data = iris(lr=0.02), IrisDataModule(batch_size=7)  # 45 = 6 * 7 + 3: a smaller last batch
    trainer = trainer_of(max_epochs=3)
    trainer.fit(model, datamodule=data)
    inputs, labels = (torch.cat(parts) for parts in zip(*data.val_dataloader()))
    with torch.no_grad():
        logits = model.eval()(inputs)
    predicted = logits.argmax(1)
    expected = {
        "val_loss": log_loss(labels, logits.double().softmax(1).numpy()),
        "val_acc": accuracy_score(labels, predicted),
        "val_precision": precision_score(labels, predicted, average="macro"),
        "val_recall": recall_score(labels, predicted, average="macro"),
        "val_f1": f1_score(labels, predicted, average="macro"),
    }
    found = {name: float(trainer.callback_metrics[name]) for name in expected}
    assert found == pytest.approx(expected, abs=1e-5)
    assert 0.5 < found["val_acc"] < 1  # neither chance nor perfect, or little would have been compared


def test_training_metrics_are_those_of_the_epochs_own_steps(trainer_of: TrainerOf) -> None:
    class Watched(MLPClassifier):
        """Keeps what each step saw."""

        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
            outputs = super().training_step(batch, batch_idx)
            self.seen.append((outputs["logits"].detach(), batch[1]))
            return outputs

    model = Watched(in_features=4, num_classes=3, hidden=8, dropout=0.3, l1=1e-3)
    model.seen = []
    trainer = fitted(trainer_of, model, max_epochs=1)
    logits, labels = (torch.cat(parts) for parts in zip(*model.seen))
    assert len(labels) == 105
    expected = float(functional.cross_entropy(logits, labels))  # without the L1 penalty
    assert float(trainer.callback_metrics["train_loss"]) == pytest.approx(expected, abs=1e-5)
    accuracy = float((logits.argmax(1) == labels).double().mean())
    assert float(trainer.callback_metrics["train_acc"]) == pytest.approx(accuracy, abs=1e-6)


def test_every_epoch_counts_anew_and_the_sanity_check_does_not_count(trainer_of: TrainerOf) -> None:
    class Counting(pl.Callback):
        def __init__(self) -> None:
            self.counts: list[int] = []

        def on_validation_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
            self.counts.append(int(module.val_scores.confusion.sum()))

    counting = Counting()
    fitted(trainer_of, iris(), callbacks=[counting], num_sanity_val_steps=1)
    # 45 examples by 16, after 16 of the sanity check; callbacks hear of a batch before the module counts it
    assert counting.counts == [0, *[0, 16, 32] * 2]


def test_an_epoch_without_batches_logs_nothing_and_warns_of_nothing() -> None:
    model = iris()
    assert model.on_validation_epoch_end() is None
    assert not model.val_scores.update_called


def test_l1_is_the_sum_of_absolute_weights_without_biases_and_normalisation() -> None:
    model = MLPClassifier(in_features=2, num_classes=2, hidden_sizes=[], l1=0.5, batch_norm=True)
    linear = model.net[-1]
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, -2.0], [0.0, 4.0]]))
        linear.bias.copy_(torch.tensor([100.0, 100.0]))
    assert model.l1_penalty().item() == 7.0  # 1 + 2 + 0 + 4
    # inputs of zero leave equal logits (the bias), so the cross-entropy is ln 2; the penalty adds 0.5 * 7
    outputs = model.training_step((torch.zeros(3, 2), torch.tensor([0, 1, 1])), 0)
    assert outputs["loss"].item() == pytest.approx(0.693147 + 3.5, abs=1e-5)
    assert outputs["cross_entropy"].item() == pytest.approx(0.693147, abs=1e-5)
    outputs = model.validation_step((torch.zeros(3, 2), torch.tensor([0, 1, 1])), 0)
    assert outputs["cross_entropy"].item() == pytest.approx(0.693147, abs=1e-5)


def test_l1_pulls_weights_to_zero(trainer_of: TrainerOf) -> None:
    sums = []
    for l1 in (0.0, 0.1):
        pl.seed_everything(1, verbose=False)
        model = iris(l1=l1, lr=0.01)
        fitted(trainer_of, model, max_epochs=4)
        sums.append(model.l1_penalty().item())
    assert sums[1] < 0.5 * sums[0]


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW), ("rmsprop", torch.optim.RMSprop)]
)
def test_the_optimizer_asked_for_trains(trainer_of: TrainerOf, name: Any, kind: type) -> None:
    model = iris(optimizer=name, lr=0.05, momentum=0.3, weight_decay=1e-3)
    (optimizer,) = fitted(trainer_of, model, max_epochs=1).optimizers
    assert type(optimizer) is kind
    assert optimizer.defaults["lr"] == 0.05
    assert optimizer.param_groups[0]["weight_decay"] == 1e-3
    assert optimizer.defaults.get("momentum", 0) == (0.3 if name == "sgd" else 0)


def rates_of(trainer_of: TrainerOf, schedule: Any, epochs: int, **changed: Any) -> list[float]:
    class Rates(pl.Callback):
        def __init__(self) -> None:
            self.seen: list[float] = []

        def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
            self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])

    rates = Rates()
    fitted(trainer_of, iris(lr_schedule=schedule, **changed), max_epochs=epochs, callbacks=[rates])
    return rates.seen


def test_schedules_step_once_an_epoch_and_know_how_many_there_are(trainer_of: TrainerOf) -> None:
    assert rates_of(trainer_of, "constant", 4) == pytest.approx([1e-3] * 4)
    assert rates_of(trainer_of, "step", 4) == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5])  # after 2 and after 3
    assert rates_of(trainer_of, "exponential", 2) == pytest.approx([1e-3, 1e-4])  # a hundredth after 2
    assert rates_of(trainer_of, "cosine", 2) == pytest.approx([1e-3, 5e-4])  # half way down


def test_adaptive_follows_the_training_loss(trainer_of: TrainerOf) -> None:
    pl.seed_everything(1, verbose=False)
    # At a rate of 1e-6 an epoch lowers the loss by far less than 1e-4, so the first epoch is the best there is: the
    # second and third fail to improve on it, and a fifth of the rate is used from the fourth on; the fourth and fifth
    # fail again, so the sixth has 1/25.
    found = rates_of(trainer_of, "adaptive", 6, lr=1e-6, optimizer="sgd", momentum=0.0)
    assert found == pytest.approx([1e-6, 1e-6, 1e-6, 2e-7, 2e-7, 4e-8], rel=1e-6, abs=0)


def test_a_schedule_without_an_end_is_refused(trainer_of: TrainerOf) -> None:
    with pytest.raises(UsageError, match=r"lr_schedule 'cosine' .* trainer\.max_epochs is -1"):
        fitted(trainer_of, iris(lr_schedule="cosine"), max_epochs=-1, max_steps=2)


def test_the_same_seed_trains_the_same_weights(trainer_of: TrainerOf) -> None:
    trained = []
    for seed in (5, 5, 6):
        pl.seed_everything(seed, verbose=False)
        model = iris(dropout=0.2)
        fitted(trainer_of, model, max_epochs=1)
        trained.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(trained[0], trained[1])
    assert not torch.equal(trained[0], trained[2])


def test_a_checkpoint_brings_back_the_arguments_and_the_outputs(trainer_of: TrainerOf, tmp_path: Path) -> None:
    model = iris(hidden_sizes=[5, 4], activation="tanh", optimizer="sgd", momentum=0.25)
    trainer = fitted(trainer_of, model, max_epochs=1)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    loaded = MLPClassifier.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    assert dict(loaded.hparams) == dict(model.hparams)
    assert dict(loaded.hparams)["hidden_sizes"] == [5, 4]
    assert dict(loaded.hparams)["momentum"] == 0.25
    inputs = torch.randn(6, 4)
    assert torch.equal(loaded.eval()(inputs), model.eval()(inputs))


def test_a_module_pickles_with_its_weights() -> None:
    model = iris().eval()
    copied = pickle.loads(pickle.dumps(model))
    inputs = torch.randn(3, 4)
    assert torch.equal(copied(inputs), model(inputs))
    assert dict(copied.hparams) == dict(model.hparams)


def test_a_step_is_pure_so_that_it_can_run_under_vmap() -> None:
    models = [iris().train() for _ in range(3)]
    batch = (torch.randn(5, 4), torch.tensor([0, 1, 2, 0, 1]))
    parameters, buffers = torch.func.stack_module_state(models)

    class Step(torch.nn.Module):
        def __init__(self, model: pl.LightningModule) -> None:
            super().__init__()
            self.model = model

        def forward(self, batch: Any) -> Tensor:
            return self.model.training_step(batch, 0)["loss"]

    def loss(parameters: Any, buffers: Any) -> Any:
        named = {f"model.{name}": value for name, value in {**parameters, **buffers}.items()}
        return torch.func.functional_call(Step(models[0]), named, (batch,))

    together = torch.vmap(loss, randomness="different")(parameters, buffers)
    alone = torch.stack([model.training_step(batch, 0)["loss"] for model in models])
    assert torch.allclose(together, alone, atol=1e-6)


def test_any_loader_of_inputs_and_labels_will_do(trainer_of: TrainerOf) -> None:
    loader = DataLoader(TensorDataset(torch.randn(8, 4), torch.arange(8) % 3), batch_size=4)
    trainer = trainer_of(max_epochs=1)
    trainer.fit(iris(), loader, loader)
    assert "val_acc" in trainer.callback_metrics


def test_what_may_vary_is_declared_once_and_inherited() -> None:
    shared = space_of(Classifier)
    assert shared.names() == ("lr", "optimizer", "momentum", "weight_decay", "lr_schedule")
    optimizer = shared["optimizer"]
    assert isinstance(optimizer, Choice)
    assert {name: tuple(branch) for name, branch in optimizer.branches.items()} == {
        "sgd": ("momentum",),
        "adamw": (),
        "rmsprop": (),
    }
    assert shared["lr"] == Float(1e-4, 1e-1, log=True)
    assert set(shared.names()) < set(space_of(MLPClassifier).names())


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("num_classes", 1),
        ("lr", 0.0),
        ("optimizer", "sdg"),
        ("momentum", 1.0),
        ("weight_decay", -1.0),
        ("l1", -0.1),
        ("lr_schedule", "linear"),
    ],
)
def test_an_argument_out_of_bounds_is_named(argument: str, value: Any) -> None:
    with pytest.raises(SettingError, match=rf"^{argument} is {value!r}\. Expected "):
        MLPClassifier(**{argument: value})
