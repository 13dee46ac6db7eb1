"""@tunable: what a class declares, inherits and refuses."""

from __future__ import annotations

import functools
import pickle
from typing import Annotated, Any

import pytest

from lightning_hpo.errors import SpaceError
from lightning_hpo.space import Choice, Fixed, Float, Int, Space
from lightning_hpo.tunable import arguments_of, defaults_of, space_of, tunable


@tunable(lr=Float(1e-4, 1e-1, log=True), hidden=Choice([64, 128, 256]))
class Model:
    def __init__(self, lr: float = 1e-3, hidden: int = 128, name: str = "m") -> None:
        self.lr, self.hidden, self.name = lr, hidden, name


@tunable
class Annotations:
    def __init__(self, lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-3, depth: int = 2) -> None:
        self.lr, self.depth = lr, depth


@tunable(width=Int(1, 8))
class Child(Model):
    def __init__(self, width: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width


class Silent(Model):
    """Declares nothing of its own."""


class Narrow(Model):
    """No longer takes `hidden`, nor passes anything on."""

    def __init__(self, lr: float = 1e-3) -> None:
        super().__init__(lr=lr)


@tunable(optimizer=Choice({"sgd": {"momentum": Float(0, 0.99)}, "adam": {}}))
class Branched:
    def __init__(self, optimizer: str = "sgd", momentum: float = 0.9) -> None:
        self.optimizer, self.momentum = optimizer, momentum


class OnlyOptimizer(Branched):
    def __init__(self, optimizer: str = "sgd") -> None:
        super().__init__(optimizer)


@tunable(lr=Float(0, 1))
def factory(encoder: str, lr: float = 0.5) -> tuple[str, float]:
    return encoder, lr


def test_the_decorator_leaves_the_class_itself() -> None:
    assert isinstance(Model, type)
    assert Model.__name__ == "Model"
    assert Model(lr=0.5).lr == 0.5


def test_a_class_says_its_space() -> None:
    assert space_of(Model) == Space({"lr": Float(1e-4, 1e-1, log=True), "hidden": Choice([64, 128, 256])})


def test_annotations_say_the_same_without_arguments() -> None:
    assert space_of(Annotations) == Space({"lr": Float(1e-4, 1e-1, log=True)})


def test_what_the_decorator_names_wins_over_the_annotation() -> None:
    @tunable(lr=Float(0, 1))
    class Both:
        def __init__(self, lr: Annotated[float, Float(5, 6)] = 0.5, n: Annotated[int, Int(1, 3)] = 2) -> None: ...

    assert space_of(Both) == Space({"n": Int(1, 3), "lr": Float(0, 1)})


def test_a_class_and_its_instances_pickle() -> None:
    assert pickle.loads(pickle.dumps(Model)) is Model
    assert pickle.loads(pickle.dumps(Model(lr=0.5))).lr == 0.5


def test_a_subclass_inherits_and_adds_through_kwargs() -> None:
    assert space_of(Child).names() == ("lr", "hidden", "width")
    assert "width" not in space_of(Model)


def test_a_subclass_that_declares_nothing_inherits_all() -> None:
    assert space_of(Silent) == space_of(Model)


def test_what_a_subclass_no_longer_takes_falls_away() -> None:
    assert space_of(Narrow).names() == ("lr",)


def test_what_a_subclass_no_longer_takes_falls_away_in_branches_too() -> None:
    assert space_of(Branched).names() == ("optimizer", "momentum")
    assert space_of(OnlyOptimizer) == Space({"optimizer": Choice({"sgd": {}, "adam": {}})})
    assert space_of(tunable(optimizer=Choice(["adam", "sgd"]))(OnlyOptimizer)).names() == ("optimizer",)


def test_a_factory_is_declared_like_a_class() -> None:
    assert space_of(factory) == Space({"lr": Float(0, 1)})
    assert factory("e") == ("e", 0.5)
    assert pickle.loads(pickle.dumps(factory)) is factory


def test_a_partial_is_a_factory_too() -> None:
    declared = tunable(lr=Float(0, 1))(functools.partial(factory, "e"))
    assert space_of(declared).names() == ("lr",)


def test_a_class_and_parameters_can_be_given_in_one_call() -> None:
    class Plain:
        def __init__(self, lr: float = 0.5) -> None: ...

    assert space_of(tunable(Plain, lr=Float(0, 1))).names() == ("lr",)


def test_a_class_without_a_declaration_has_an_empty_space() -> None:
    class Plain:
        def __init__(self, lr: float = 0.5) -> None: ...

    assert space_of(Plain) == Space({})


def test_a_plain_value_fixes_the_argument() -> None:
    assert space_of(tunable(lr=Float(0, 1), encoder="resnet")(lambda encoder, lr: None))["encoder"] == Fixed("resnet")


def test_defaults_follow_kwargs_up_the_bases() -> None:
    assert defaults_of(Child) == {"width": 4, "lr": 1e-3, "hidden": 128, "name": "m"}
    assert defaults_of(factory) == {"lr": 0.5}


def test_arguments_follow_kwargs_up_to_the_class_that_closes_them() -> None:
    assert arguments_of(Child).names == ("width", "lr", "hidden", "name")
    assert arguments_of(Child).takes("lr")
    assert not arguments_of(Child).takes("lrr")


def test_kwargs_of_a_function_lead_anywhere() -> None:
    def build(lr: float = 0.1, **kwargs: Any) -> None: ...

    assert arguments_of(build).names == ("lr",)
    assert arguments_of(build).takes("whatever")


def test_an_argument_without_a_default_may_be_tuned() -> None:
    @tunable(lr=Float(0, 1))
    class Required:
        def __init__(self, lr: float) -> None: ...

    assert defaults_of(Required) == {}
    assert space_of(Required).complete(defaults_of(Required)) == {"lr": 0.5}


def test_a_default_of_none_is_no_value_and_no_mistake() -> None:
    @tunable(lr=Float(0, 1))
    class Optional:
        def __init__(self, lr: float | None = None) -> None: ...

    assert space_of(Optional).names() == ("lr",)


def _class_with(**parameters: Any) -> Any:
    @tunable(**parameters)
    class Built:
        def __init__(self, lr: float = 1e-3, hidden: int = 128) -> None: ...

    return Built


NAME = "_class_with.<locals>.Built"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hiden": Choice([128])}, f"{NAME} takes no argument 'hiden'; it takes: lr, hidden. Did you mean 'hidden'?"),
        ({"hidden": Choice({"a": {"depth": Int(1, 2)}})},
         f"{NAME} takes no argument 'depth'; it takes: lr, hidden."),
        ({"lr": Float(0.1, 1)}, f"{NAME}(lr=0.001): the default is not a value of "
                                "Float(low=0.1, high=1.0, log=False, step=None). Widen the range or change the "
                                "default: the defaults are the first trial of every run."),
        ({"lr": {"float": [1, 0]}}, f"{NAME}(lr): Float: `low <= high` must hold, but got (low=1, high=0)."),
        ({"hidden": [64, 128]}, f"{NAME}(hidden): [64, 128] could be a choice or one fixed value. Write Choice([...]) "
                                "or Fixed([...]); in a recipe, {choice: [...]} or {fixed: [...]}."),
        ({}, f"@tunable found nothing to tune in {NAME}. Expected @tunable(lr=Float(1e-4, 1e-1, log=True)), "
             "or an annotation like `lr: Annotated[float, Float(1e-4, 1e-1, log=True)]` in its __init__."),
    ],
)  # fmt: skip
def test_a_declaration_that_cannot_be_fails_when_the_class_is_made(parameters: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        _class_with(**parameters)
    assert str(caught.value) == message


def test_the_default_of_an_inactive_branch_is_not_looked_at() -> None:
    @tunable(optimizer=Choice({"adam": {}, "sgd": {"momentum": Float(0.1, 0.99)}}))
    class Built:
        def __init__(self, optimizer: str = "adam", momentum: float = 0.0) -> None: ...

    assert "momentum" in space_of(Built).names()


def test_only_what_can_be_called_is_decorated() -> None:
    with pytest.raises(SpaceError, match=r"goes before a class or a function, but got 5"):
        tunable(5)  # type: ignore[call-overload]


def test_two_parameters_in_one_annotation_are_refused() -> None:
    with pytest.raises(SpaceError, match="expected one parameter in Annotated, but got 2"):

        @tunable
        class Built:
            def __init__(self, lr: Annotated[float, Float(0, 1), Float(1, 2)] = 0.5) -> None: ...


def test_annotations_that_cannot_be_read_do_not_matter_until_they_hold_a_parameter() -> None:
    def plain(lr: Missing = 0.5) -> None: ...  # type: ignore[name-defined]  # noqa: F821
    def marked(lr: Annotated[Missing, Float(0, 1)] = 0.5) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    assert space_of(tunable(lr=Float(0, 1))(plain)).names() == ("lr",)
    with pytest.raises(SpaceError, match=r"cannot be read: .*Missing.* Use @tunable\(name=\.\.\.\)"):
        tunable(marked)


def test_a_target_without_a_signature_is_refused() -> None:
    with pytest.raises(SpaceError, match="cannot be read"):
        arguments_of(min)
