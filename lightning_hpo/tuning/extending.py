"""What a run may be extended by, as rules over values: more trials, more time, wider ranges, longer trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lightning_hpo.errors import SettingError, UsageError
from lightning_hpo.objective import Objective
from lightning_hpo.recipe import Recipe, paths
from lightning_hpo.results import RunState
from lightning_hpo.results.run_events import Opened
from lightning_hpo.space import Choice, Float, Int, Parameter, Space
from lightning_hpo.space.syntax import render
from lightning_hpo.tuning.deciding import contradictions, settings_at
from lightning_hpo.tuning.settings import RunSettings

__all__ = [
    "Wish",
    "differences",
    "length_differences",
    "narrowed",
    "own_options",
    "recipe_differences",
    "target_differences",
    "trials_after",
]

#: The Trainer's flags that bound a trial.
_LENGTHS = ("max_epochs", "max_steps")
#: What is said in another way than by `--set`.
_SAID_BY = {("tune", "n_trials"): "--trials", ("tune", "time_budget"): "--time"}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a run is to be extended by.

    Args:
        trials: So many more trials than it was to have.
        seconds: How much longer it may be driven, from now on.
        overrides: `--set` arguments.
        space: Names to wider parameters.
        flags: `max_epochs` and `max_steps` of the Trainer.
        stop_when: What is good enough from now on; None for what was.

    Raises:
        UsageError: If nothing is wished for.
        SettingError: If `trials` is no positive whole number.
    """

    trials: int | None = None
    seconds: float | None = None
    overrides: Sequence[str] = ()
    space: Space = field(default_factory=lambda: Space({}))
    flags: Mapping[str, int] = field(default_factory=dict)
    stop_when: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        trials = self.trials
        if trials is not None and (not isinstance(trials, int) or isinstance(trials, bool) or trials < 1):
            raise SettingError("trials", f"is {trials!r}", "Expected how many more, 1 or more.")
        timed = trials is not None or self.seconds is not None
        if not (timed or self.overrides or self.space or self.flags or self.stop_when is not None):
            raise UsageError(
                "Nothing was said to extend the run by. Expected at least one of more trials (--trials 20), more time "
                "(--time 1h), and longer trials or wider ranges (--set trainer.max_epochs=50)."
            )


def trials_after(state: RunState, wish: Wish) -> int | None:
    """How many trials the extended run has, those that there are among them; None for as many as the searcher has.

    Edges:
        * More trials come on top of those that were to be, not of those that there are.
        * A whole grid stays the whole grid. Where time alone was the limit, they come on top of those that there are.
        * With more time alone, a run whose trials have all ended gets as many as that time allows.
    """
    total = state.opened.n_trials
    if wish.trials is not None:
        if total is None:
            return None if state.opened.searcher.get("name") == "grid" else len(state.trials) + wish.trials
        return total + wish.trials
    done = total is not None and len(state.trials) >= total and not state.unfinished
    return None if wish.seconds is not None and done else total


def differences(settings: RunSettings, opened: Opened) -> list[str]:
    """What the settings say otherwise than the journal and that is no widening, each as a line.

    The number of trials is not looked at: it follows from what is wished for.
    """
    then = settings_at(opened, settings)
    lines = [line for line in contradictions(then, opened) if not line.startswith("tune.n_trials ")]
    lines += narrowed(settings.space, then.space)
    if settings.max_epochs < opened.max_epochs:
        lines.append(f"trainer.max_{settings.resource}s is {settings.max_epochs}, but was {opened.max_epochs}")
    return lines


def narrowed(now: Space, then: Space, under: str = "") -> list[str]:
    """Where a space does not hold all that another one does, or holds it otherwise, each as a line.

    A range is wider if it is of the same kind, with the same `log` and `step`, and holds all that it held; a choice
    if it has all its options, and in each branch the same names, each as wide or wider. Anything fixed stays.

    Args:
        now: The space that is asked for.
        then: The space that there was.
        under: The branch that both stand in, to be told.
    """
    lines: list[str] = []
    for name in dict.fromkeys([*then, *now]):
        old, new = then.get(name), now.get(name)
        inner = _branches_of_both(old, new)
        for taken, (was, becomes) in inner.items():
            lines += narrowed(becomes, was, f"{under} (where {name} is '{taken}')")
        if not inner and not (old is not None and new is not None and _holds(new, old)):
            lines.append(f"tune.space.{name}{under} is {_shown(new)}, but was {_shown(old)}")
    return lines


def _branches_of_both(old: Parameter | None, new: Parameter | None) -> dict[str, tuple[Space, Space]]:
    """The branches of two choices side by side; empty if one has none, or the new one has lost some."""
    if not isinstance(old, Choice) or not isinstance(new, Choice) or not set(old.branches) <= set(new.branches):
        return {}
    return {taken: (branch, new.branches[taken]) for taken, branch in old.branches.items()}


def _holds(new: Parameter, old: Parameter) -> bool:
    """Whether each value of the old parameter is one of the new, and drawn in the same way."""
    if isinstance(old, Choice) and isinstance(new, Choice):
        return not old.branches and not new.branches and all(new.contains(option) for option in old.options)
    if isinstance(old, (Float, Int)) and type(new) is type(old):
        kept = (new.log, new.step) == (old.log, old.step) and new.low <= old.low and new.high >= old.high
        return kept and new.contains(old.low)  # with a step, the old values must lie on the new grid
    return new == old


def _shown(parameter: Parameter | None) -> Any:
    return "missing" if parameter is None else render(parameter)


def length_differences(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    """Where the Trainer's flags would make trials shorter than others did, each as a line."""
    return [
        f"trainer.{flag} is {now.get(flag)!r}, but was {then.get(flag)!r}"
        for flag in _LENGTHS
        if now.get(flag) != then.get(flag) and not _length(now.get(flag)) >= _length(then.get(flag))
    ]


def _length(given: Any) -> float:
    """A bound on a trial's length as a number; NaN, which is nothing's equal, if it is none."""
    if given in (None, -1):
        return math.inf
    return given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else math.nan


def recipe_differences(now: Recipe, then: Recipe) -> list[str]:
    """What a recipe says otherwise than another one and that widens nothing, each as a line.

    Besides ranges and lengths, `tune.stop_when` may change: it may be harder to reach, or fall away.
    """
    lines = narrowed(now.space, then.space)
    lines += length_differences(now.config.get("trainer") or {}, then.config.get("trainer") or {})
    new, old = _leaves(now.to_plain()), _leaves(then.to_plain())
    for path in dict.fromkeys([*old, *new]):
        own_rule = path[:2] in (("tune", "space"), ("tune", "stop_when"))
        if own_rule or (path[0] == "trainer" and path[1:] in [(length,) for length in _LENGTHS]):
            continue
        if path not in new or path not in old or not _same(new[path], old[path]):
            said = f" (say it with {_SAID_BY[path]})" if path in _SAID_BY else ""
            is_now, was = (_told(leaves, path) for leaves in (new, old))
            lines.append(f"{paths.canonical('.'.join(path))} is {is_now}, but was {was}{said}")
    return lines + target_differences(now.tune.stop_when, then.tune.stop_when, then.objective)


def _leaves(data: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """All that is no mapping in nested mappings, and the empty ones, by their keys."""
    if not isinstance(data, Mapping) or not data:
        return {path: data}
    found: dict[tuple[str, ...], Any] = {}
    for key, value in data.items():
        found |= _leaves(value, (*path, str(key)))
    return found


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _told(leaves: Mapping[tuple[str, ...], Any], path: tuple[str, ...]) -> str:
    return repr(leaves[path]) if path in leaves else "missing"


def target_differences(now: Mapping[str, float], then: Mapping[str, float], objective: Objective) -> list[str]:
    """Where what is good enough now was not so then, as a line; without a value nothing ever is."""
    if now == then or not now:
        return []
    held = set(now) == set(then) == {objective.metric} and objective.loss(now) <= objective.loss(then)
    return [] if held else [f"tune.stop_when is {dict(now)}, but was {dict(then)}"]


def own_options(new: Parameter, old: Parameter | None) -> Parameter:
    """The parameter as it was read from text, with the old one's own options where they are the same ones.

    A recipe has lists where Python has tuples, and a module may need the tuple that it was given so far.
    """
    if not isinstance(new, Choice) or not isinstance(old, Choice):
        return new
    if new.branches:
        return Choice(
            {
                taken: {
                    name: own_options(inner, old.branches.get(taken, Space({})).get(name))
                    for name, inner in held.items()
                }
                for taken, held in new.branches.items()
            }
        )
    return Choice([old.decode(option) if old.contains(option) else option for option in new.options])
