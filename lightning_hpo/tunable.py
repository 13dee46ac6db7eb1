"""`@tunable`: a class or a factory says what of its own arguments may vary."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from lightning_hpo.errors import SpaceError, did_you_mean
from lightning_hpo.space import Choice, Parameter, Space
from lightning_hpo.space.foreign import is_ray_domain
from lightning_hpo.space.syntax import as_parameter

__all__ = ["Arguments", "arguments_of", "defaults_of", "space_of", "tunable"]

_ATTRIBUTE = "__tunable_space__"

_T = TypeVar("_T", bound=Callable[..., Any])


@overload
def tunable(target: _T, /) -> _T: ...
@overload
def tunable(**parameters: Any) -> Callable[[_T], _T]: ...


def tunable(target: Any = None, /, **parameters: Any) -> Any:
    """Declares which arguments of a LightningModule, a LightningDataModule or a factory may vary, and how.

    `@tunable(lr=Float(1e-4, 1e-1, log=True))` names them; a bare `@tunable` reads them from annotations such as
    `lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-3`. Both can be used together; what the decorator names
    wins. The class itself stays the same class: it pickles, and `load_from_checkpoint` works, as before.

    Edges:
        * A subclass inherits the declaration and may add to it; what its own `__init__` no longer takes falls away.
        * Names in the branches of a `Choice` are arguments of the same `__init__`.
        * An argument without a default is allowed; the middle of its range then stands in for the default.

    Args:
        target: The class or function, when used without arguments.
        **parameters: Argument names to parameters: ours or Ray Tune's; a plain value fixes the argument.

    Raises:
        SpaceError: When the class is made: an argument that it does not take, a default outside its range, a
            range that contradicts itself, or nothing declared at all.
    """
    if target is None:
        return lambda decorated: _declare(decorated, parameters)
    if not callable(target):
        raise SpaceError(f"@tunable goes before a class or a function, but got {target!r}.")
    return _declare(target, parameters)


def _declare(target: Any, parameters: Mapping[str, Any]) -> Any:
    name = getattr(target, "__qualname__", repr(target))
    own: dict[str, Parameter] = {}
    for argument, parameter in {**_annotated(target), **parameters}.items():
        try:
            own[argument] = as_parameter(parameter)
        except SpaceError as error:
            raise SpaceError(f"{name}({argument}): {error}") from error
    inherited = space_of(target)
    if not own and not inherited:
        raise SpaceError(
            f"@tunable found nothing to tune in {name}. Expected @tunable(lr=Float(1e-4, 1e-1, log=True)), "
            "or an annotation like `lr: Annotated[float, Float(1e-4, 1e-1, log=True)]` in its __init__."
        )
    space = inherited.updated(Space(own))
    arguments = arguments_of(target)
    for argument in space.names():
        if not arguments.takes(argument):
            hint = did_you_mean(argument, arguments.names)
            takes = ", ".join(arguments.names) or "nothing"
            raise SpaceError(f"{name} takes no argument '{argument}'; it takes: {takes}. {hint}".rstrip())
    defaults = defaults_of(target)
    for argument, parameter in space.active(space.complete(defaults)):
        if argument in defaults and defaults[argument] is not None and not parameter.contains(defaults[argument]):
            raise SpaceError(
                f"{name}({argument}={defaults[argument]!r}): the default is not a value of {parameter!r}. "
                "Widen the range or change the default: the defaults are the first trial of every run."
            )
    setattr(target, _ATTRIBUTE, space)
    return target


def space_of(target: Any) -> Space:
    """What `@tunable` declared for a class or factory, empty if nothing; names as its own arguments.

    What a subclass's `__init__` no longer takes is left out, in the branches of its choices as well.
    """
    space: Space = getattr(target, _ATTRIBUTE, None) or Space({})
    return _taken(space, arguments_of(target))


def _taken(space: Space, arguments: Arguments) -> Space:
    taken: dict[str, Parameter] = {}
    for name, parameter in space.items():
        if isinstance(parameter, Choice) and parameter.branches:
            parameter = Choice({branch: _taken(inner, arguments) for branch, inner in parameter.branches.items()})
        if arguments.takes(name):
            taken[name] = parameter
    return Space(taken)


def defaults_of(target: Any) -> dict[str, Any]:
    """The default value of every argument that has one, those of base classes behind `**kwargs` included."""
    return {
        name: parameter.default
        for name, parameter in arguments_of(target).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }


class Arguments:
    """What a callable takes by name.

    Args:
        parameters: Names to parameters, those of base classes behind `**kwargs` included.
        open_ended: Whether `**kwargs` remain that lead nowhere we can see.
    """

    def __init__(self, parameters: Mapping[str, inspect.Parameter], open_ended: bool) -> None:
        self.parameters = parameters
        self.open_ended = open_ended

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(self.parameters)

    def takes(self, name: str) -> bool:
        """Whether a keyword of this name can be given."""
        return name in self.parameters or self.open_ended


def arguments_of(target: Any) -> Arguments:
    """The keyword arguments of a class's `__init__` or of a function; `**kwargs` are followed up the base classes.

    Raises:
        SpaceError: If the target has no signature that Python can read.
    """
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    inits = [target]
    if inspect.isclass(target):
        inits = [vars(base)["__init__"] for base in target.__mro__ if "__init__" in vars(base)]
    found: dict[str, inspect.Parameter] = {}
    for init in inits:
        if init is object.__init__:
            return Arguments(found, open_ended=False)
        try:
            parameters = list(inspect.signature(init).parameters.values())
        except (TypeError, ValueError) as error:
            raise SpaceError(f"The arguments of {target!r} cannot be read: {error}.") from error
        for parameter in parameters[1:] if inspect.isclass(target) else parameters:
            if parameter.kind in named:
                found.setdefault(parameter.name, parameter)
        if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
            return Arguments(found, open_ended=False)
    return Arguments(found, open_ended=True)


def _annotated(target: Any) -> dict[str, Any]:
    """The parameters in the `Annotated[...]` of a class's own `__init__`, or of a function."""
    init = vars(target).get("__init__") if inspect.isclass(target) else target
    if init is None or not hasattr(init, "__annotations__"):
        return {}
    try:
        hints = typing.get_type_hints(init, include_extras=True)
    except Exception as error:  # any user-written annotation may fail in any way
        if not any("Annotated" in str(hint) for hint in init.__annotations__.values()):
            return {}
        raise SpaceError(
            f"The annotations of {target.__qualname__} cannot be read: {error}. Use @tunable(name=...)."
        ) from error
    found: dict[str, Any] = {}
    for argument, hint in hints.items():
        if typing.get_origin(hint) is not typing.Annotated:
            continue
        marks = [m for m in hint.__metadata__ if isinstance(m, Parameter) or is_ray_domain(m)]
        if len(marks) > 1:
            fact = f"expected one parameter in Annotated, but got {len(marks)}"
            raise SpaceError(f"{target.__qualname__}({argument}): {fact}.")
        if marks:
            found[argument] = marks[0]
    return found
