from __future__ import annotations

import pytest
import tiny_modules as tiny

from lightning_hpo.errors import RunFolderError
from lightning_hpo.training.fit import fit
from lightning_hpo.training.loading import load_model
from lightning_hpo.training.objects import ObjectsAssembly
from lightning_hpo.training.resuming import load_checkpoint


def test_a_module_of_a_factory_that_saves_nothing_comes_back_trained(task, recorder, tmp_path):
    def make(lr: float = 0.1) -> tiny.Lit:
        module = tiny.Injected()
        module.scale = lr
        return module

    study = ObjectsAssembly(make, data=tiny.Data, flags={"max_epochs": 1})
    path = tmp_path / "trained.ckpt"
    trained = fit(study, task({"model.lr": 0.3}), recorder(), path).model
    again = load_model(study, {"model.lr": 0.3}, path)
    assert again is not trained
    assert not again.training
    assert again.scale == 0.3
    assert again(tiny.rows().tensors[0]).equal(trained.eval()(tiny.rows().tensors[0]))


class Tag:
    """An object that no plain data can hold."""


class Tagged(tiny.Lit):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["tag"] = Tag()


def test_plain_data_load_without_running_code_and_objects_load_as_well(task, recorder, tmp_path):
    for model, safe in ((tiny.Lit, True), (Tagged, False)):
        study = ObjectsAssembly(model, data=tiny.Data, flags={"max_epochs": 1})
        path = tmp_path / f"{model.__name__}.ckpt"
        fit(study, task(), recorder(), path)
        assert load_checkpoint(path)[1] is safe
        load_model(study, {}, path)


def test_a_damaged_checkpoint_is_no_model(tmp_path):
    path = tmp_path / "damaged.ckpt"
    path.write_bytes(b"PK and nothing more")
    with pytest.raises(RunFolderError, match=r"damaged\.ckpt is damaged: BadZipFile: .* Train its config again"):
        load_model(ObjectsAssembly(tiny.Lit, data=tiny.Data), {}, path)
