from __future__ import annotations

import copy

import tiny_modules as tiny

from lightning_hpo.training.reads import recorded_reads


def test_names_that_are_looked_up_are_noted_in_every_spelling():
    module = tiny.Lit()
    with recorded_reads(module) as read:
        assert read == set()
        assert module.hparams["lr"] == 0.05
        assert read == {"lr"}
        assert module.hparams.hidden == 3
        assert module.hparams.get("other", 7) == 7
    assert read == {"lr", "hidden", "other"}


def test_what_saves_all_of_them_reads_none():
    module = tiny.Lit()
    with recorded_reads(module) as read:
        assert dict(module.hparams) == {"lr": 0.05, "hidden": 3}  # as a checkpoint keeps them
        copy.deepcopy(module.hparams)
    assert read & {"lr", "hidden"} == set()


def test_afterwards_the_hyperparameters_are_what_they_were_and_what_was_written():
    module = tiny.Lit()
    kind = type(module.hparams)
    with recorded_reads(module):
        module.hparams["lr"] = 0.7
    assert type(module.hparams) is kind
    assert dict(module.hparams) == {"lr": 0.7, "hidden": 3}


def test_a_module_without_hyperparameters_is_left_alone():
    module = tiny.Injected()
    with recorded_reads(module) as read:
        assert "_hparams" not in vars(module)
    assert read == set()
