from __future__ import annotations

import functools
import subprocess
import sys

import lightning.pytorch as lp
import pytest
import pytorch_lightning as pl
import tiny_modules as tiny

from lightning_hpo.errors import UsageError
from lightning_hpo.training.family import Family, families_loaded, family_of, is_a, made_by
from lightning_hpo.training.fit import fit
from lightning_hpo.training.objects import ObjectsAssembly

PL, LP = Family("pytorch_lightning"), Family("lightning.pytorch")


class Mixin:
    """Comes first among the bases and belongs to nobody."""


class Between(Mixin, tiny.Lit2):
    """Two classes away from Lightning."""


@pytest.mark.parametrize(
    ("target", "family"),
    [
        (pl.LightningModule, PL),
        (lp.LightningModule, LP),
        (tiny.Lit, PL),
        (tiny.Lit2, LP),
        (Between, LP),
        (tiny.Data2, LP),
        (tiny.Lit(), PL),
        (Between(), LP),
        (pl.Callback, PL),
    ],
)
def test_the_ancestry_decides(target: object, family: Family):
    assert family_of(target) == family


def test_the_nearest_ancestor_decides_where_both_are_there():
    class Both(tiny.Lit2, pl.callbacks.Callback):
        pass

    assert family_of(Both) == LP
    assert PL.owns(Both)
    assert LP.owns(Both)


def test_what_is_of_neither_is_an_error_that_names_it():
    with pytest.raises(
        UsageError, match=r"^NoModule derives neither from pytorch_lightning nor from lightning\.pytorch"
    ):
        family_of(tiny.NoModule)
    with pytest.raises(UsageError, match=r"^NoModule derives"):
        family_of(tiny.NoModule())


@pytest.mark.parametrize(
    ("target", "kind", "expected"),
    [
        (tiny.Lit, "LightningModule", True),
        (tiny.Lit2(), "LightningModule", True),
        (tiny.Data, "LightningModule", False),
        (tiny.Data2(), "LightningDataModule", True),
        (tiny.NoModule, "LightningModule", False),
    ],
)
def test_a_kind_is_told_by_name_and_distribution(target: object, kind: str, expected: bool):
    assert is_a(target, kind) is expected


def test_a_class_of_the_users_that_is_called_like_lightnings_is_not_taken_for_it():
    assert not is_a(type("LightningModule", (), {}), "LightningModule")


def test_a_function_makes_what_it_is_annotated_with():
    assert made_by(tiny.make_lit) is tiny.Lit  # the annotation is a string there
    assert made_by(tiny.Lit2) is tiny.Lit2
    assert made_by(functools.partial(tiny.make_lit, lr=0.1)) is tiny.Lit


def test_a_function_that_does_not_say_what_it_makes_is_told_how_to():
    with pytest.raises(UsageError, match=r"^make_unannotated does not say what it returns\. Annotate it: def make_un"):
        made_by(tiny.make_unannotated)


def test_a_function_with_an_annotation_that_cannot_be_read_is_an_error():
    def make() -> Nowhere:  # noqa: F821
        pass

    with pytest.raises(UsageError, match="annotations cannot be read: name 'Nowhere' is not defined"):
        made_by(make)


def test_both_are_loaded_here():
    assert families_loaded() == (PL, LP)


@pytest.mark.parametrize(("model", "data", "family"), [(tiny.Lit, tiny.Data, PL), (tiny.Lit2, tiny.Data2, LP)])
def test_either_distribution_trains_with_both_in_the_process(model, data, family, task, recorder, tmp_path):
    channel = recorder()
    path = tmp_path / "trained.ckpt"
    parts = fit(ObjectsAssembly(model, data=data, flags={"max_epochs": 2}), task(), channel, path)
    assert parts.family == family
    assert isinstance(parts.trainer, family.load().Trainer)
    assert channel.steps == [1, 2]
    again = model.load_from_checkpoint(path)
    assert again.net[0].weight.equal(parts.model.net[0].weight)


@pytest.mark.parametrize("root", ["pytorch_lightning", "lightning.pytorch"])
def test_either_distribution_trains_alone_and_the_other_is_never_imported(root: str, tmp_path):
    other = {"pytorch_lightning": "lightning.pytorch", "lightning.pytorch": "pytorch_lightning"}[root]
    code = f"""
import sys, types
sys.modules["{other}"] = None  # as if it were not installed
import {root} as L, torch
from lightning_hpo import Objective
from lightning_hpo.trial import Verdict
from lightning_hpo.training import Task
from lightning_hpo.training.blocks import BlocksAssembly
from lightning_hpo.training.fit import fit
from lightning_hpo.training.objects import ObjectsAssembly
from {root}.demos.boring_classes import BoringModel

class Lit(BoringModel):
    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.step(batch))

class Channel:
    stopping = False
    def report(self, step, metrics):
        print("REPORT", step, sorted(metrics))
        return Verdict.CONTINUE

task = Task(trial=0, config={{}}, seed=1, directory=r"{tmp_path}", objective=Objective(metric="val_loss"))
flags = {{"max_epochs": 1, "limit_train_batches": 1, "limit_val_batches": 1}}
fit(ObjectsAssembly(Lit, flags=flags), task, Channel(), None)
fit(BlocksAssembly({{"model": {{"class_path": "__main__.Lit"}}, "trainer": flags}}), task, Channel(), None)
assert "{other}" not in [name for name, module in sys.modules.items() if module is not None]
"""

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("REPORT 1 ['val_loss']") == 2
