from __future__ import annotations

import functools
import pickle
from typing import Any

import lightning.pytorch as lp
import pytest
import pytorch_lightning as pl
import tiny_modules as tiny
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from lightning_hpo.errors import UsageError
from lightning_hpo.training.fit import fit, prepare
from lightning_hpo.training.objects import ObjectsAssembly


class Keeps(pl.LightningDataModule):
    """Keeps its arguments as hyperparameters, and one of them as a computed attribute."""

    def __init__(self, batch_size: int = 4, shuffle: bool = True) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.shuffle = shuffle

    @property
    def batch_size(self) -> int:
        return self.hparams["batch_size"]

    @property
    def twice(self) -> int:
        return 2 * self.batch_size


@pytest.mark.parametrize(
    "model",
    [tiny.Lit, lambda lr=0.1, hidden=3: tiny.Lit(lr=lr, hidden=hidden), functools.partial(tiny.Lit, lr=0.5)],
)
def test_a_class_a_function_and_a_partial_are_called_with_the_config(model: Any, task):
    parts = prepare(ObjectsAssembly(model), task({"model.lr": 0.02, "model.hidden": 5}))
    assert (parts.model.hparams.lr, parts.model.net[0].out_features) == (0.02, 5)


def test_a_factory_may_close_over_other_objects(task, recorder):
    encoder = tiny.Encoder(width=5)

    def make(lr: float = 0.1) -> pl.LightningModule:
        return tiny.Nested(encoder, lr=lr)

    channel = recorder()
    flags = {"max_epochs": 1}
    with pytest.warns(UserWarning, match="'encoder' is an instance of `nn.Module`"):  # Lightning's, of the module
        parts = fit(ObjectsAssembly(make, data=tiny.Data, flags=flags), task({"model.lr": 0.3}), channel, None)
    assert channel.steps == [1]
    assert parts.model.encoder is encoder


@pytest.mark.parametrize(("model", "trainer"), [(tiny.Lit, pl.Trainer), (tiny.Lit2, lp.Trainer)])
def test_the_trainer_is_of_the_modules_own_distribution(model: Any, trainer: Any, task):
    assert isinstance(prepare(ObjectsAssembly(model), task()).trainer, trainer)


@pytest.mark.parametrize("made", [None, tiny.NoModule(), tiny.Data()])
def test_a_factory_that_returns_no_module_is_told_so(made: Any, task):
    def make() -> Any:
        return made

    told = f"make returned {type(made).__name__}; expected a LightningModule"
    with pytest.raises(UsageError, match=told):
        ObjectsAssembly(make).build_model({})


@pytest.mark.parametrize(("model", "data"), [(tiny.Lit, tiny.Data2), (tiny.Lit2, tiny.Data())])
def test_a_data_module_of_the_other_distribution_is_refused(model: Any, data: Any, task):
    with pytest.raises(UsageError, match=r"Lit.* derives from .*, but Data.* does not\..*same Lightning distribution"):
        prepare(ObjectsAssembly(model, data=data), task())


@pytest.mark.parametrize("data", [tiny.Data, functools.partial(tiny.Data, count=8), lambda **given: tiny.Data(**given)])
def test_data_of_a_class_or_a_function_are_made_anew(data: Any, task):
    study = ObjectsAssembly(tiny.Lit, data=data)
    made = [prepare(study, task({"data.batch_size": size})).data["datamodule"] for size in (2, 8)]
    assert [module.batch_size for module in made] == [2, 8]


def test_an_instance_is_used_as_it_is(task):
    data = tiny.Data()
    assert prepare(ObjectsAssembly(tiny.Lit, data=data), task()).data == {"datamodule": data}


def test_what_is_tuned_of_an_instance_is_set_on_a_copy(task):
    data = tiny.Data(batch_size=4)
    own = prepare(ObjectsAssembly(tiny.Lit, data=data), task({"data.batch_size": 8})).data["datamodule"]
    assert (own.batch_size, data.batch_size) == (8, 4)


def test_saved_hyperparameters_of_an_instance_are_set_on_a_copy(task):
    data = Keeps()
    config = {"data.batch_size": 8, "data.shuffle": False}
    own = prepare(ObjectsAssembly(tiny.Lit, data=data), task(config)).data["datamodule"]
    assert (own.batch_size, own.hparams.batch_size, own.shuffle, own.hparams.shuffle) == (8, 8, False, False)
    assert (data.batch_size, data.hparams.batch_size, data.shuffle, data.hparams.shuffle) == (4, 4, True, True)


@pytest.mark.parametrize(
    ("name", "told"), [("size", "this Keeps has no attribute 'size'"), ("twice", "'twice' of Keeps is computed")]
)
def test_what_cannot_be_set_on_an_instance_is_an_error(name: str, told: str, task):
    with pytest.raises(UsageError, match=rf"data\.{name}: {told}\. Pass the class"):
        prepare(ObjectsAssembly(tiny.Lit, data=Keeps()), task({f"data.{name}": 3}))


def test_loaders_are_handed_to_fit(task, recorder):
    data = tiny.Data()
    loaders = {"train_dataloaders": data.train_dataloader(), "val_dataloaders": data.val_dataloader()}
    channel = recorder()
    fit(ObjectsAssembly(tiny.Lit, loaders=loaders, flags={"max_epochs": 1}), task(), channel, None)
    assert channel.steps == [1]


def test_callbacks_and_loggers_are_copied_for_each_trial(task, tmp_path):
    stopping, logger = EarlyStopping("val_loss", patience=7), CSVLogger(tmp_path)
    study = ObjectsAssembly(tiny.Lit, flags={"callbacks": stopping, "logger": logger})
    parts = [prepare(study, task()) for _ in range(2)]
    own = [each.trainer.early_stopping_callback for each in parts]
    assert [callback.patience for callback in own] == [7, 7]
    assert len({id(stopping), *map(id, own)}) == 3
    assert len({id(logger), *(id(each.trainer.logger) for each in parts)}) == 3


def test_what_is_tuned_of_the_trainer_wins_over_the_flag(task):
    study = ObjectsAssembly(tiny.Lit, flags={"max_epochs": 3, "gradient_clip_val": 1.0})
    made = prepare(study, task({"trainer.gradient_clip_val": 0.25})).trainer
    assert (made.max_epochs, made.gradient_clip_val) == (3, 0.25)


@pytest.mark.parametrize(("callbacks", "count"), [([], 0), ([ModelCheckpoint()], 1), ([tiny.KeepsBest()], 1)])
def test_checkpoints_are_the_users_own(callbacks: list[Any], count: int, task):
    made = prepare(ObjectsAssembly(tiny.Lit, flags={"callbacks": callbacks}), task()).trainer
    assert len(made.checkpoint_callbacks) == count


def test_it_pickles_as_workers_need_it(task):
    study = pickle.loads(pickle.dumps(ObjectsAssembly(tiny.Lit, data=tiny.Data(), flags={"max_epochs": 2})))
    assert prepare(study, task({"data.batch_size": 2})).data["datamodule"].batch_size == 2
