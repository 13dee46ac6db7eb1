"""Goes on with a run beyond what it was opened for: checks what is asked, records it, and resumes."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lightning_hpo.durations import seconds_of
from lightning_hpo.errors import RunFolderError, SettingError, UsageError
from lightning_hpo.recipe import Recipe, load_recipe
from lightning_hpo.recipe.document import full_length
from lightning_hpo.results import Event, Extended, Results, RunFolder, atomic_write, time_driven, time_left
from lightning_hpo.schedulers import SCHEDULERS
from lightning_hpo.searchers import SEARCHERS
from lightning_hpo.space import Space
from lightning_hpo.space.syntax import render
from lightning_hpo.training import Assembly
from lightning_hpo.tuning.examine import examine
from lightning_hpo.tuning.execute import resume
from lightning_hpo.tuning.extending import (
    Wish,
    differences,
    length_differences,
    narrowed,
    own_options,
    recipe_differences,
    target_differences,
    trials_after,
)
from lightning_hpo.tuning.opening import save_assembly, saved
from lightning_hpo.tuning.recipes import read_recipe, study_of
from lightning_hpo.tuning.run import Listener, TuningRun
from lightning_hpo.tuning.script import script_recipe
from lightning_hpo.tuning.settings import RunSettings

__all__ = ["extend", "seconds_wished"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Asked:
    """What a run is to be from now on, but for the number of its trials and the time.

    Args:
        settings: What it does.
        assembly: What builds its trials.
        text: Makes the text of its recipe from the settings with the number of trials and the time.
        pickled: Whether the assembly is kept as a pickle.
    """

    settings: RunSettings
    assembly: Assembly
    text: Callable[[RunSettings], str]
    pickled: bool


def extend(folder: RunFolder, wish: Wish, *, listeners: Sequence[Listener] = (), address: str | None = None) -> Results:
    """Goes on with a run, finished or not, by what is wished for. Everything is checked before anything is written.

    The journal gets an `Extended` event, and the recipe (and the pickle of a run from Python) what is new; what fails
    on the way leaves all of them as they were. From then on it is a run that `resume` goes on with.

    Raises:
        UsageError: If what is asked for contradicts the journal, with every difference; if there would be nothing to
            do; if the recipe cannot be read so.
        RunFolderError: If another process drives the run, or its journal is damaged or cannot be replayed.
        NoTrialSucceeded: As `resume` does, and so for everything else.
    """
    with folder.hold():
        extension, asked = _prepared(folder, wish)
        text = asked.text(asked.settings)
        with _restored_on_failure(folder):
            # The journal last: if the machine dies on the way, the journal is as it was, and the same wish mends it.
            if asked.pickled:
                save_assembly(folder, asked.assembly, asked.settings)
            folder.write_recipe(text)
            folder.journal.append(extension)
        state = folder.read()
    for listener in listeners:
        listener(extension, state)
    return resume(asked.settings, asked.assembly, folder, listeners=listeners, address=address)


def seconds_wished(time: str | float | None) -> float | None:
    """How much longer, as a person says it, in seconds.

    Raises:
        SettingError: If it is no time.
    """
    try:
        return None if time is None else seconds_of(time)
    except ValueError as error:
        raise SettingError("time", f"is {time!r}", "Expected one like '90 s', '10 min' or '2h'.") from error


def _prepared(folder: RunFolder, wish: Wish) -> tuple[Extended, _Asked]:
    events = folder.journal.read()
    state = folder.read()
    pickled = saved(folder)
    asked = _asked_of_recipe(folder, wish) if pickled is None else _asked_of_objects(folder, wish, *pickled)
    if lines := differences(asked.settings, state.opened):
        raise _refusal(folder, lines)
    limits = asked.settings.limits
    seconds = time_left(events, limits.time_budget) if wish.seconds is None else wish.seconds
    if seconds is not None and seconds <= 0:
        raise UsageError(f"{folder} is out of time. Expected how much longer it may be driven, too, like --time 1h.")
    budget = None if seconds is None else round(time_driven(events) + seconds, 1)
    settings = dataclasses.replace(
        asked.settings,
        n_trials=trials_after(state, wish),
        limits=dataclasses.replace(limits, time_budget=budget),
    )
    extension = Extended(
        n_trials=settings.n_trials,
        max_epochs=settings.max_epochs,
        space={name: render(parameter) for name, parameter in settings.space.items()},
        seconds=seconds,
    )
    if not _rehearsed(folder, settings, [*events, extension]):
        grid = settings.searcher[0] == "grid" and settings.n_trials is None
        fact = "the grid has been run through" if grid else f"all of its {len(state.trials)} trials have ended"
        step = "a wider space, like --set tune.space.NAME.choice=[...]" if grid else "how many more, like --trials 20"
        raise UsageError(f"{folder}: {fact}, so there would be nothing to do. Expected {step}.")
    return extension, dataclasses.replace(asked, settings=settings)


def _rehearsed(folder: RunFolder, settings: RunSettings, events: Sequence[Event]) -> bool:
    """Replays the extended run on a copy of its journal; whether there is a trial to run."""
    with tempfile.TemporaryDirectory(prefix="lightning-hpo-") as scratch:
        there = RunFolder(scratch)
        there.journal.append(*events)
        run = TuningRun(settings, there)
        try:
            run.replay(events)
        except RunFolderError as error:
            raise RunFolderError(str(error).replace(str(there), str(folder))) from error
        return run.propose(idle=True) is not None


def _asked_of_recipe(folder: RunFolder, wish: Wish) -> _Asked:
    """For a run of a recipe: its own recipe with the overrides made."""
    then = read_recipe(folder.recipe)
    now = read_recipe(folder.recipe, wish.overrides) if wish.overrides else then
    if lines := recipe_differences(now, then):
        raise _refusal(folder, lines)
    study = study_of(now, dry_run=False)
    seen = examine(study.question)
    if seen.problems:
        raise study.complain(seen.problems)
    header = _header(folder.recipe.read_text(encoding="utf-8"))

    def text(settings: RunSettings) -> str:
        changed = {
            "space": settings.space,
            "n_trials": settings.n_trials,
            "time_budget": settings.limits.time_budget,
        }
        return dataclasses.replace(now, tune=now.tune.model_copy(update=changed)).dump(header)

    return _Asked(settings=study.settings(seen), assembly=study.assembly, text=text, pickled=False)


def _asked_of_objects(folder: RunFolder, wish: Wish, assembly: Any, settings: RunSettings) -> _Asked:
    """For a run from Python: its own objects, with wider settings and longer flags."""
    if wish.overrides:
        wish = _translated(folder, wish, settings)
    flags = {**assembly.flags, **wish.flags}
    stop_when = settings.limits.stop_when if wish.stop_when is None else wish.stop_when
    lines = length_differences(flags, assembly.flags)
    lines += target_differences(stop_when, settings.limits.stop_when, settings.objective)
    space = settings.space.updated(wish.space)
    if lines := lines + narrowed(space, settings.space):
        raise _refusal(folder, lines)
    length = full_length({"trainer": flags}, space, settings.resource)
    changed = dataclasses.replace(
        settings,
        space=space,
        max_epochs=settings.max_epochs if length is None else length,
        limits=dataclasses.replace(settings.limits, stop_when=stop_when),
    )
    longer = copy.copy(assembly)
    longer.flags = flags
    return _Asked(settings=changed, assembly=longer, text=lambda final: script_recipe(longer, final), pickled=True)


def _translated(folder: RunFolder, wish: Wish, settings: RunSettings) -> Wish:
    """The wish with its `--set` arguments as values: the recipe of a run from Python says what can be said of it."""

    def read(overrides: Sequence[str]) -> Recipe:
        known = {"searchers": SEARCHERS, "schedulers": SCHEDULERS}
        return load_recipe(folder.recipe, **known, overrides=overrides, needs_model=False)

    then, now = read(()), read(wish.overrides)
    if lines := recipe_differences(now, then):
        raise _refusal(folder, lines)
    wider = {name: each for name, each in now.space.items() if each != then.space.get(name)}
    lengths = now.config.get("trainer") or {}
    return dataclasses.replace(
        wish,
        space=Space({name: own_options(each, settings.space.get(name)) for name, each in wider.items()}),
        flags={flag: lengths[flag] for flag in ("max_epochs", "max_steps") if flag in lengths},
        stop_when=now.tune.stop_when if now.tune.stop_when != then.tune.stop_when else None,
    )


def _refusal(folder: RunFolder, lines: Sequence[str]) -> UsageError:
    told = "\n  ".join(lines)
    return UsageError(
        f"{folder} cannot be extended by what is asked for:\n  {told}\nExpected only wider ranges, more options of a "
        "choice, longer trials, or a tune.stop_when that is harder to reach: the trials that there are would not "
        "belong to anything else. For that start a new run: lightning-hpo run RECIPE"
    )


def _header(text: str) -> str:
    """The comment that a recipe begins with."""
    lines: list[str] = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line[1:].strip())
    return "\n".join(lines)


@contextlib.contextmanager
def _restored_on_failure(folder: RunFolder) -> Iterator[None]:
    before = {path: path.read_bytes() for path in (folder.recipe, folder.assembly) if path.exists()}
    try:
        yield
    except BaseException:
        for path, content in before.items():
            with contextlib.suppress(RunFolderError):
                atomic_write(path, content)
        raise
