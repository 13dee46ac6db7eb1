from __future__ import annotations

import math
from typing import Any

import pytest

from lightning_hpo import Choice, Float, Objective, Space
from lightning_hpo.training.objects import ObjectsAssembly
from lightning_hpo.tuning.examine import Examination, Question, examine, warm
from tuned_modules import Plain, Rich, Sums


def question(
    model: Any = Plain, space: dict[str, Any] | None = None, metric: str = "val_loss", **flags: Any
) -> Question:
    return Question(
        assembly=ObjectsAssembly(model, data=Sums, flags={"max_epochs": 2, **flags}),
        space=Space({"model.lr": Float(1e-3, 1e-1)} if space is None else space),
        objective=Objective(metric=metric),
        seed=1,
    )


def told(seen: Examination) -> str:
    return "\n".join(map(str, seen.problems))


def test_what_the_class_declares_and_the_caller_adds_is_one_space():
    seen = examine(question(Rich, {"data.batch_size": Choice([8, 16])}))
    assert told(seen) == ""
    assert set(seen.space.names()) == {
        *("model.lr", "model.sizes", "model.optimizer", "model.momentum", "data.batch_size"),
    }
    assert seen.defaults == {
        "model.lr": 0.01,
        "model.sizes": (4,),
        "model.optimizer": "adam",
        "data.batch_size": 16,
    }
    assert set(seen.declared) == set(seen.defaults)
    assert math.isfinite(seen.logged["val_loss"])


def test_a_default_that_no_file_can_hold_is_left_to_the_class():
    class Holds(Plain):
        def __init__(self, lr: float = 0.01, activation: Any = abs) -> None:
            super().__init__(lr)
            self.activation = activation

    seen = examine(question(Holds, {"model.lr": Float(1e-3, 1e-1), "model.activation": Choice(["abs", "round"])}))
    assert told(seen) == ""
    assert seen.defaults == {"model.lr": 0.01}


def test_a_name_without_a_default_begins_in_the_middle_and_is_not_declared():
    class Needs(Plain):
        def __init__(self, lr: float) -> None:
            super().__init__(lr)

    seen = examine(question(Needs, {"model.lr": Float(0.0, 0.5)}))
    assert seen.defaults == {"model.lr": 0.25}
    assert seen.declared == ()


def test_a_metric_that_is_not_logged_is_told_with_those_that_are():
    seen = examine(question(metric="val_los"))
    assert "val_los" in told(seen)
    assert "Did you mean 'val_loss'?" in told(seen)


def test_without_a_dry_run_nothing_is_fitted():
    class Fails(Plain):
        def __init__(self, lr: float = 0.01) -> None:
            raise RuntimeError("built")

    quick = question(Fails)
    seen = examine(Question(**{**vars(quick), "dry_run": False}))
    assert seen.problems == ()
    assert seen.logged == {}
    assert "built" in told(examine(quick))


def test_what_the_users_code_prints_while_it_is_looked_at_is_swallowed(capsys: pytest.CaptureFixture[str]):
    class Talks(Plain):
        def on_fit_start(self) -> None:
            self.trainer.default_root_dir  # noqa: B018 - the scratch folder of the dry run
            print("hello")

    assert told(examine(question(Talks))) == ""
    assert capsys.readouterr().out == ""


def test_warming_up_never_fails_even_when_the_study_would():
    class Broken(ObjectsAssembly):
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("the assembly is broken")

    assembly = Broken.__new__(Broken)
    assert warm(Question(**{**vars(question()), "assembly": assembly})) is None
