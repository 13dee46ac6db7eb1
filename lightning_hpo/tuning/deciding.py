"""The searcher and the scheduler of a run, told the same things in the same order, live and in replay."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from lightning_hpo.results.event import Event
from lightning_hpo.results.events import Ended, Reported, Suggested
from lightning_hpo.results.run_events import Extended, Opened
from lightning_hpo.space import Space
from lightning_hpo.space.syntax import parse, render
from lightning_hpo.trial import Config, Origin, Outcome, Report, Trial, Verdict
from lightning_hpo.tuning.settings import RunSettings

__all__ = ["Deciders", "Diverted", "contradictions", "settings_at"]


class Diverted(Exception):
    """A replayed searcher would have suggested something else than the journal says.

    Args:
        trial: The trial.
        config: What it would suggest now; None for nothing.
    """

    def __init__(self, trial: Trial, config: Config | None) -> None:
        super().__init__(trial, config)
        self.trial = trial
        self.config = config


class Deciders:
    """Proposes configs and judges reports for a run.

    Args:
        settings: What the run does.
        generation: How often the run was extended by something that makes deciders anew.
    """

    def __init__(self, settings: RunSettings, generation: int = 0) -> None:
        self.settings = settings
        self._generation = generation
        self.searcher = settings.make_searcher(generation)
        self.scheduler = settings.make_scheduler()
        self._first = deque(settings.first_configs())
        self._baseline: int | None = None

    def propose(self, number: int) -> tuple[Config, Origin] | None:
        """The config of the next trial and who proposed it; None if there are no more."""
        if self._first:
            config = self._first.popleft()
            origin = Origin.INITIAL if number else Origin.DEFAULTS
            if origin is Origin.DEFAULTS:
                self._baseline = number
            self.searcher.adopt(number, config)
            return config, origin
        found = self.searcher.suggest(number)
        return None if found is None else (found, Origin.SEARCHER)

    def replay(self, trial: Trial) -> None:
        """Proposes a trial again.

        Raises:
            Diverted: If it would be another one.
        """
        if trial.origin is not Origin.SEARCHER:
            self._adopt(trial)
            return
        config = self.searcher.suggest(trial.id)
        if config is None or self.settings.encode(config) != dict(trial.config):
            raise Diverted(trial, config)

    def report(self, report: Report) -> Verdict:
        """Both hear of a report; the scheduler answers.

        The defaults train to their end whatever it says, as long as their objective is finite: a gain over defaults
        that were cut short would be claimed too cheaply.
        """
        self.searcher.observe(report)
        verdict = self.scheduler.judge(report)
        spared = report.trial == self._baseline and math.isfinite(self.settings.objective.loss(report.metrics))
        return Verdict.CONTINUE if spared and verdict is Verdict.STOP else verdict

    def end(self, outcome: Outcome) -> None:
        """Both hear how a trial ended."""
        self.searcher.end(outcome)
        self.scheduler.end(outcome)

    def extended(self, settings: RunSettings, events: Iterable[Event]) -> Deciders:
        """The deciders of the extended run, which know all that these know.

        More trials alone change nothing that they depend on. For a wider space or longer trials they are made anew,
        and told what happened so far as if somebody else had proposed it.
        """
        before = self.settings
        self.settings = settings
        if (before.space, before.max_epochs) == (settings.space, settings.max_epochs):
            return self
        made = Deciders(settings, self._generation + 1)
        for event in events:
            if isinstance(event, Suggested):
                made._adopt(event.trial)
            elif isinstance(event, Reported):
                made.report(event.report)
            elif isinstance(event, Ended):
                made.end(event.outcome)
        return made

    def _adopt(self, trial: Trial) -> None:
        if self._first and trial.origin is not Origin.SEARCHER:
            self._first.popleft()
        if trial.origin is Origin.DEFAULTS:
            self._baseline = trial.id
        self.searcher.adopt(trial.id, trial.config)


def settings_at(event: Opened | Extended, settings: RunSettings) -> RunSettings:
    """The settings as they were from an event on: the journal, not the recipe, says what a run was opened with."""
    # Options that no file can tell apart, such as tuples and lists, are those of the settings where they are equal.
    same = {name: each for name, each in settings.space.items() if render(each) == event.space.get(name)}
    space = Space({name: same[name] if name in same else parse(data) for name, data in event.space.items()})
    return dataclasses.replace(settings, space=space, n_trials=event.n_trials, max_epochs=event.max_epochs)


def contradictions(settings: RunSettings, opened: Opened) -> list[str]:
    """What the settings say otherwise than the journal does, each as a line; nothing where they agree."""
    now: dict[str, object] = {name: render(parameter) for name, parameter in settings.space.items()}
    then: dict[str, object] = dict(opened.space)
    lines = [
        f"tune.space.{name} is {now.get(name, 'missing')}, but was {then.get(name, 'missing')}"
        for name in dict.fromkeys([*then, *now])
        if now.get(name) != then.get(name)
    ]
    said = settings.explicit()
    pairs = {
        "tune.objective": (settings.objective, opened.objective),
        "tune.searcher": (_compared(settings.searcher, said.searcher, opened.searcher), dict(opened.searcher)),
        "tune.scheduler": (_compared(settings.scheduler, said.scheduler, opened.scheduler), dict(opened.scheduler)),
        "tune.n_trials": (settings.trials(), opened.n_trials),
        "tune.resource": (settings.resource, opened.resource),
        "seed_everything": (settings.seed, opened.seed),
        f"trainer.max_{settings.resource}s": (settings.max_epochs, opened.max_epochs),
    }
    return lines + [f"{name} is {now}, but was {then}" for name, (now, then) in pairs.items() if now != then]


def _compared(
    asked: tuple[str, Mapping[str, Any]], said: tuple[str, Mapping[str, Any]], opened: Mapping[str, Any]
) -> dict[str, Any]:
    """An algorithm as it is asked for, or with its defaults said where the run was opened with just these."""
    short, whole = ({"name": name, **settings} for name, settings in (asked, said))
    return whole if whole == dict(opened) else short
