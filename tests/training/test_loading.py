from __future__ import annotations

import tiny_modules as tiny

from lightning_hpo.training.fit import fit
from lightning_hpo.training.loading import load_model
from lightning_hpo.training.objects import ObjectsAssembly


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
