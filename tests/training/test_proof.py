from __future__ import annotations

import functools
from collections import Counter
from typing import Any

import pytest
import pytorch_lightning as pl
import tiny_modules as tiny
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn

from lightning_hpo import Choice, Float, Int, Objective, zoo
from lightning_hpo.space import Space
from lightning_hpo.training.blocks import BlocksAssembly
from lightning_hpo.training.describe import describe_objects
from lightning_hpo.training.fit import fit
from lightning_hpo.training.objects import ObjectsAssembly
from lightning_hpo.training.proof import Proof, prove

LR = {"model.lr": Float(1e-3, 1e-1, log=True)}


@pytest.fixture
def proven(task):
    """Proves a study of a module; `defaults` are 0.05 for lr and whatever the caller says for the rest."""

    def carry_out(model: Any, space: dict[str, Any], defaults: dict[str, Any] | None = None, **more: Any) -> Proof:
        flags = more.pop("flags", {})
        study = ObjectsAssembly(model, data=more.pop("data", tiny.Data), flags={"max_epochs": 3, **flags}, **more)
        made = Space(space)
        return prove(study, made, made.complete(defaults or {"model.lr": 0.05}), task())

    return carry_out


def facts(proof: Proof) -> list[str]:
    return [problem.fact for problem in proof.problems]


class Uses(tiny.Lit):
    """Uses its second argument in the way that a subclass says."""

    def __init__(self, lr: float = 0.05, x: float = 0.5) -> None:
        pl.LightningModule.__init__(self)
        self.net = nn.Linear(4, 1)
        self.rate = lr
        self.use(x)

    def use(self, x: float) -> None:
        pass

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.rate)


class ByAttribute(Uses):
    def use(self, x: float) -> None:
        self.x = x


class ByHyperparameter(Uses):
    def use(self, x: float) -> None:
        self.save_hyperparameters({"x": x})


class ByInitialScale(Uses):
    def use(self, x: float) -> None:
        nn.init.normal_(self.net.weight, std=x)


class ByArchitecture(Uses):
    def use(self, x: float) -> None:
        self.net = nn.Linear(4, 1, bias=x > 0.5)


class ByClosure(Uses):
    def use(self, x: float) -> None:
        self.scale = lambda loss: loss * x


class ByFreezing(Uses):
    def use(self, x: float) -> None:
        self.net.bias.requires_grad = x < 0.5


class ByReplacingAMethod(Uses):
    def use(self, x: float) -> None:
        if x > 0.5:
            self.validation_step = lambda *_: self.log("val_loss", 1.0)


@pytest.mark.parametrize(
    "model", [ByAttribute, ByHyperparameter, ByInitialScale, ByArchitecture, ByClosure, ByFreezing, ByReplacingAMethod]
)
def test_a_value_may_reach_a_module_in_many_ways(model: Any, proven):
    proof = proven(model, {**LR, "model.x": Float(0.1, 0.9)}, {"model.lr": 0.05, "model.x": 0.5})
    assert facts(proof) == []
    assert proof.effective == ["model.lr", "model.x"]


def test_a_value_that_reaches_nothing_is_a_problem(proven):
    proof = proven(Uses, {**LR, "model.x": Float(0.1, 0.9)}, {"model.lr": 0.05, "model.x": 0.5})
    assert [problem.where for problem in proof.problems] == ["tune.space.model.x"]
    assert facts(proof)[0].startswith("tune.space.model.x: what was built with 0.5, ")
    assert facts(proof)[0].endswith("is the same; the value reaches nothing.")
    assert proof.effective == ["model.lr"]


def test_a_value_that_kwargs_swallow_is_a_problem(proven):
    proof = proven(Swallows, {**LR, "model.dropuot": Float(0.1, 0.9)})
    assert [problem.where for problem in proof.problems] == ["tune.space.model.dropuot"]


class Swallows(Uses):
    def __init__(self, lr: float = 0.05, **rest: Any) -> None:
        super().__init__(lr)


def test_every_value_that_reaches_nothing_is_told_at_once(proven):
    space = {"model.a": Int(1, 5), "model.b": Choice(["x", "y"]), **LR}
    assert [p.where for p in proven(Swallows, space).problems] == ["tune.space.model.a", "tune.space.model.b"]


class OnlyBeside(Uses):
    """Its momentum acts beside sgd only, and the defaults are adam."""

    def __init__(self, lr: float = 0.05, kind: str = "adam", momentum: float = 0.9) -> None:
        super().__init__(lr)
        self.kind = kind
        if kind == "sgd":
            self.momentum = momentum


def test_a_value_that_acts_only_beside_another_is_none(proven):
    space = {"model.kind": Choice(["adam", "sgd"]), "model.momentum": Float(0.0, 0.99)}
    assert facts(proven(OnlyBeside, space, {"model.kind": "adam", "model.momentum": 0.9})) == []


def test_names_in_branches_are_proven_where_they_are_active(proven):
    branches = {"sgd": {"model.momentum": Float(0.0, 0.99)}, "adam": {"model.nothing": Float(0, 1)}}

    class Branched(OnlyBeside):
        def __init__(self, nothing: float = 0.0, **rest: Any) -> None:
            super().__init__(**rest)

    proof = proven(Branched, {"model.kind": Choice(branches)}, {"model.kind": "sgd", "model.momentum": 0.9})
    assert [problem.where for problem in proof.problems] == ["tune.space.model.nothing"]
    assert "model.momentum" in proof.effective


class InOptimizer(Uses):
    """Nothing but its optimiser knows the value."""

    def use(self, x: float) -> None:
        self.configure_optimizers = lambda: torch.optim.SGD(self.parameters(), lr=0.1, momentum=x)


def test_a_value_that_only_the_optimiser_gets_is_seen(proven):
    assert facts(proven(InOptimizer, {"model.x": Float(0.1, 0.9)}, {"model.x": 0.5})) == []


class WarmsUp(tiny.Lit):
    """Reads a number of epochs from its hyperparameters, which one batch cannot show."""

    def __init__(self, warmup: int = 2) -> None:
        super().__init__()
        self.save_hyperparameters()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def on_train_epoch_start(self) -> None:
        if self.current_epoch >= self.hparams.warmup:
            self.net[0].requires_grad_(False)


def test_a_value_that_acts_only_later_is_seen_by_being_read(proven):
    assert facts(proven(WarmsUp, {"model.warmup": Int(2, 9)}, {"model.warmup": 2})) == []


class KeepsOnly(tiny.Lit):
    """Saves an argument and never looks at it."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.save_hyperparameters()


def test_trials_that_are_all_identical_are_a_problem(proven):
    proof = proven(KeepsOnly, {"model.width": Int(2, 9)}, {"model.width": 3})
    assert [problem.where for problem in proof.problems] == ["tune.space"]
    assert facts(proof) == ["Two trials that differ in model.width trained to the same weights and metrics."]


@pytest.mark.parametrize(
    "space",
    [
        {"trainer.max_epochs": Int(1, 9)},
        {"trainer.gradient_clip_val": Choice([1e6, 2e6])},
        {"trainer.accumulate_grad_batches": Int(1, 4)},
    ],
)
def test_what_is_tuned_of_the_trainer_alone_need_not_show_in_one_batch(space: dict[str, Any], proven):
    assert facts(proven(tiny.Lit, space, {next(iter(space)): 1})) == []


def test_a_study_of_the_data_alone_is_none_of_identical_trials(proven):
    assert facts(proven(tiny.Lit, {"data.batch_size": Choice([2, 4])}, {"data.batch_size": 4})) == []


def test_an_argument_of_the_data_that_reaches_nothing_is_a_problem(proven):
    class Ignores(tiny.Data):
        def __init__(self, size: int = 4) -> None:
            super().__init__()

    proof = proven(tiny.Lit, {"data.size": Int(1, 9)}, {"data.size": 4}, data=Ignores)
    assert [problem.where for problem in proof.problems] == ["tune.space.data.size"]


def test_a_metric_that_is_not_logged_is_a_problem_with_the_nearest(task):
    study = ObjectsAssembly(tiny.Lit, data=tiny.Data, flags={"max_epochs": 1})
    proof = prove(study, Space(LR), {"model.lr": 0.1}, task(objective=Objective(metric="val_los")))
    (problem,) = proof.problems
    assert problem.where == "tune.objective.metric"
    assert problem.expected == "Logged: train_loss, val_loss."
    assert problem.hint == "Did you mean 'val_loss'?"


def test_validation_that_the_user_switched_off_stays_off(proven):
    (problem,) = proven(tiny.Lit, LR, flags={"limit_val_batches": 0}).problems
    assert problem.expected == "Logged: train_loss."


class Diverges(tiny.Lit):
    """Has no finite loss beyond a learning rate."""

    limit = 0.0

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", float("nan") if self.hparams["lr"] > self.limit else 1.0)


def test_a_metric_that_is_not_finite_at_the_defaults_is_a_problem(proven):
    (problem,) = proven(Diverges, LR).problems
    assert problem.fact == "tune.objective.metric 'val_loss' is nan after one batch with the defaults."


def test_a_metric_that_is_not_finite_elsewhere_is_the_searchers_business(proven):
    class Elsewhere(Diverges):
        limit = 0.05

    assert facts(proven(Elsewhere, {"model.lr": Choice([0.05, 0.9])})) == []


def test_a_point_that_cannot_be_built_is_replaced_by_another(proven):
    class Picky(tiny.Failing):
        pass

    assert facts(proven(Picky, {"model.width": Int(2, 5)}, {"model.width": 2})) == []


def test_points_none_of_which_can_be_built_are_a_problem(proven):
    space = {"model.width": Choice([2, 3, 5])}
    (problem,) = proven(tiny.Failing, space, {"model.width": 2}).problems
    assert problem.fact == "One batch with a drawn config fails: ValueError: width must be even"
    assert problem.hint in ("Config: model.width=3", "Config: model.width=5")
    assert "tiny_modules.py" in problem.expected


def test_defaults_that_fail_are_told_with_the_place(proven):
    (problem,) = proven(tiny.Failing, {"model.width": Int(2, 5)}, {"model.width": 3}).problems
    assert problem.fact == "One batch with the defaults fails: ValueError: width must be even"
    assert problem.expected.startswith("at ")
    assert problem.expected.endswith("in __init__")


def test_a_large_model_is_built_no_more_often_than_needed(proven):
    built: Counter[str] = Counter()
    read: Counter[str] = Counter()

    class Counted(tiny.Lit):
        def __init__(self, lr: float = 0.05, hidden: int = 3) -> None:
            built["model"] += 1
            super().__init__(lr, hidden)

    class Slow(tiny.Data):
        def __init__(self) -> None:
            read["data"] += 1
            super().__init__()

    space = {**LR, "model.hidden": Int(1, 9), "trainer.max_epochs": Int(1, 3)}
    defaults = {"model.lr": 0.05, "model.hidden": 3, "trainer.max_epochs": 3}
    assert facts(proven(Counted, space, defaults, data=Slow)) == []
    assert built["model"] == 2 + 1 + 2  # two fits, once at the defaults, once for each name of its own
    assert read["data"] == 2  # the two fits


class Schedules(tiny.Lit):
    """Computes its schedule from the Trainer, as many modules do."""

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=self.hparams["lr"])
        assert self.trainer.max_epochs == 8
        assert self.trainer.estimated_stepping_batches == 32
        steps = 1 / (self.trainer.max_epochs - 1)
        return [optimizer], [torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1 * steps, total_steps=32)]


def test_a_schedule_sees_the_full_length(proven):
    assert facts(proven(Schedules, LR, flags={"max_epochs": 8})) == []


@pytest.mark.parametrize(
    "flags",
    [
        {"limit_train_batches": 2, "limit_val_batches": 0.5},
        {"val_check_interval": 6, "check_val_every_n_epoch": None},
        {"check_val_every_n_epoch": 3},
        {"reload_dataloaders_every_n_epochs": 1},
        {"min_epochs": 2, "min_steps": 9},
        {"accumulate_grad_batches": 4},
        {"max_steps": 5},
        {"overfit_batches": 1},
        {"profiler": "simple"},
        {"logger": True},
        {"callbacks": [ModelCheckpoint("checkpoints", monitor="val_loss")]},
    ],
)
@pytest.mark.filterwarnings("ignore:.*overfit:UserWarning", "ignore:You requested to overfit:UserWarning")
def test_flags_of_the_users_make_no_false_alarm_and_leave_nothing_behind(flags: dict[str, Any], proven):
    assert facts(proven(tiny.Lit, LR, flags=flags)) == []


def test_one_batch_is_all_that_is_trained(proven):
    steps: list[int] = []

    class Counted(tiny.Lit):
        def on_train_end(self) -> None:
            steps.append(self.global_step)

    assert facts(proven(Counted, LR)) == []
    assert steps == [1, 1]


def test_a_starting_checkpoint_is_started_from(task, recorder, tmp_path, proven):
    path = tmp_path / "first.ckpt"
    fit(ObjectsAssembly(tiny.Lit, data=tiny.Data, flags={"max_epochs": 2}), task(), recorder(), path)
    assert facts(proven(tiny.Lit, LR, ckpt_path=str(path))) == []


def test_without_names_to_tune_only_the_defaults_are_tried(proven):
    proof = proven(tiny.Lit, {}, {})
    assert facts(proof) == []
    assert sorted(proof.logged) == ["train_loss", "val_loss"]


def test_a_recipe_is_proven_through_its_blocks(task):
    blocks = {
        "model": {
            "class_path": "tiny_modules.Injected",
            "init_args": {"optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}},
        },
        "data": {"class_path": "tiny_modules.Data"},
        "trainer": {
            "max_epochs": 2,
            "callbacks": [{"class_path": "EarlyStopping", "init_args": {"monitor": "val_loss"}}],
        },
    }
    space = Space(
        {
            "model.optimizer.lr": Float(0.01, 0.2),
            "model.scheduler.factor": Float(0.1, 1.0),
            "trainer.callbacks.0.patience": Int(1, 5),
        }
    )
    defaults = {"model.optimizer.lr": 0.1, "model.scheduler.factor": 0.5, "trainer.callbacks.0.patience": 3}
    blocks["model"]["init_args"]["scheduler"] = {"class_path": "torch.optim.lr_scheduler.ConstantLR", "init_args": {}}
    proof = prove(BlocksAssembly(blocks), space, defaults, task())
    assert facts(proof) == []
    assert proof.effective == list(space.names())


@pytest.mark.parametrize("block", ["optimizer", "lr_scheduler"])
def test_optimizer_blocks_are_proven(block: str, task):
    blocks = {
        "model": {"class_path": "tiny_modules.Scheduled"},
        "data": {"class_path": "tiny_modules.Data"},
        "trainer": {"max_epochs": 2},
        "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}},
        "lr_scheduler": {"class_path": "torch.optim.lr_scheduler.ExponentialLR", "init_args": {"gamma": 0.5}},
    }
    name = {"optimizer": "optimizer.weight_decay", "lr_scheduler": "lr_scheduler.gamma"}[block]
    proof = prove(BlocksAssembly(blocks), Space({name: Float(0.1, 0.9)}), {name: 0.5}, task())
    assert facts(proof) == []
    assert proof.effective == [name]


@pytest.mark.parametrize(("model", "flatten"), [("MLPClassifier", True), ("ConvClassifier", False)])
def test_the_zoo_raises_no_false_alarm(model: str, flatten: bool, task):
    data = functools.partial(zoo.DigitsDataModule, flatten=flatten)
    study = ObjectsAssembly(getattr(zoo, model), data=data, flags={"max_epochs": 3})
    found = describe_objects(study, Space({}))
    assert found.problems == ()
    proof = prove(study, found.space, found.space.complete(found.defaults), task())
    assert facts(proof) == []
    assert set(proof.effective) == set(found.space.names())
