"""Everything that lightning-hpo raises on purpose.

    HPOError                     anything below: the command line prints it without a traceback
    ├── UsageError               exit 2: what was asked for cannot be done; change the call, the recipe or the class
    │   ├── RecipeError          … all problems of one recipe at once, with their line numbers
    │   ├── SpaceError           … a range, a choice or a space that contradicts itself (also a ValueError)
    │   ├── SettingError         … one argument of a searcher, scheduler or run is out of bounds (also a ValueError)
    │   └── RunFolderError       … a run folder that exists, is missing, cannot be written, or is damaged
    ├── NoTrialSucceeded         exit 3: the run ended and nothing can be handed out
    ├── ClusterError             exit 4: Ray did not start, did not answer, or lacks what a trial needs
    ├── StorageError             exit 5: a disk is full or gone while a run writes; free it, then resume
    ├── RunInterrupted           exit 130: a person stopped the run; the journal is whole
    └── InternalError            exit 70: a promise of ours is broken; please report it

Stopping, pausing and exhaustion are values (`Verdict`, `None`), not exceptions. A message has an address, the fact,
what was expected and the next step, in that order. All of these pickle, since they cross process borders.
"""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = [
    "ClusterError",
    "HPOError",
    "InternalError",
    "NoTrialSucceeded",
    "Problem",
    "RecipeError",
    "RunFolderError",
    "RunInterrupted",
    "SettingError",
    "SpaceError",
    "StorageError",
    "UsageError",
    "did_you_mean",
]


class HPOError(Exception):
    """The root: raised by nobody itself, caught by the command line and by people.

    `exit_code` is what the process exits with when the error ends it.
    """

    exit_code = 1


class UsageError(HPOError):
    """Raised before any training by whoever reads the user's input; ends the command with exit 2."""

    exit_code = 2


class SpaceError(UsageError, ValueError):
    """Raised while a parameter, a space or a `@tunable` class is made; nothing catches it but the recipe reader."""


class SettingError(UsageError, ValueError):
    """Raised by a constructor for one argument; the recipe reader catches it to add the line it came from.

    Args:
        name: The argument, like `grace_period`.
        fact: What it is, as a clause that follows the name: "is 40, but trials run 30 epochs".
        expected: What it should be, as a sentence.
    """

    def __init__(self, name: str, fact: str, expected: str = "") -> None:
        super().__init__(name, fact, expected)
        self.name = name
        self.fact = fact
        self.expected = expected

    def __str__(self) -> str:
        return f"{self.name} {self.fact}. {self.expected}".rstrip()


class RunFolderError(UsageError):
    """Raised by `RunFolder` and `Journal`; nothing has been changed on disk when it is."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong with a recipe.

    Args:
        where: The key's path, like `tune.scheduler.eta`; empty for the document as a whole.
        fact: What is the case, as a sentence that names the key.
        expected: What should be the case, as a sentence; empty if the fact says it.
        hint: A next step, such as "Did you mean 'tpe'?"; empty if there is none.
        line: The line in the file, counted from 1; None when the key did not come from the file.
    """

    where: str
    fact: str
    expected: str = ""
    hint: str = ""
    line: int | None = None

    def __str__(self) -> str:
        return " ".join(part for part in (self.fact, self.expected, self.hint) if part)


class RecipeError(UsageError):
    """Raised by the recipe reader, `validate` and the dry run with every problem found; ends the command with exit 2.

    Args:
        source: The file's name as the user wrote it, or what stands for it.
        problems: At least one.
    """

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        super().__init__(source, tuple(problems))
        self.source = source
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))

    def __str__(self) -> str:
        count = len(self.problems)
        lines = [f"{self.source} has {count} problem{'s' if count > 1 else ''}:", ""]
        tags = [f"line {problem.line}" if problem.line else "" for problem in self.problems]
        width = max(len(tag) for tag in tags)
        indent = " " * (width + 4 if width else 2)
        for tag, problem in zip(tags, self.problems, strict=True):
            parts = [
                line for part in (problem.fact, problem.expected, problem.hint) if part for line in part.split("\n")
            ]
            lines.append(f"  {tag:<{width}}  {parts[0]}" if width else f"  {parts[0]}")
            lines += [indent + part for part in parts[1:]]
        if os.path.isfile(self.source):  # there is something to mend
            lines += ["", f"Check again with: lightning-hpo validate {shlex.quote(self.source)}"]
        return "\n".join(lines)


class NoTrialSucceeded(HPOError):
    """Raised by the run when it ends without one usable trial; the run folder holds every traceback."""

    exit_code = 3


class ClusterError(HPOError):
    """Raised by the Ray adapter when the runtime cannot be started or reached; nothing is left running."""

    exit_code = 4


class StorageError(HPOError):
    """Raised by the run, or by a trial that writes, when a disk refuses; the run stops, and can go on afterwards."""

    exit_code = 5

    @classmethod
    def of(cls, folder: os.PathLike[str], fact: str, error: OSError) -> StorageError:
        """The error for what the system said of a folder.

        Args:
            folder: Where was written.
            fact: What failed, as a clause.
            error: What the system said.
        """
        reason = error.strerror or type(error).__name__
        return cls(f"{os.fspath(folder)}: {fact}: {reason}. Free space on the disk that holds it, or mend the disk.")


class RunInterrupted(HPOError):
    """Raised by the run after Ctrl-C once every trial has stopped and the journal is written.

    Args:
        message: What to tell the person, with the command to go on.
        path: The run folder.
    """

    exit_code = 130

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message, path)
        self.path = path

    def __str__(self) -> str:
        return str(self.args[0])


class InternalError(HPOError):
    """Raised where a promise of lightning-hpo itself is broken; ends the command with exit 70."""

    exit_code = 70

    def __str__(self) -> str:
        return f"{super().__str__()} This is a fault of lightning-hpo: please report it with this message."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence that offers the nearest known word, or an empty string if none is near.

    >>> did_you_mean("tpp", ["tpe", "random"])
    "Did you mean 'tpe'?"
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean '{near[0]}'?" if near else ""
