"""Where a value of a recipe came from, so that a problem can say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lightning_hpo.errors import Problem
from lightning_hpo.recipe.reading import Document, KeyPath, dotted

__all__ = ["Places"]

_LONGEST = 60


@dataclass(frozen=True, kw_only=True)
class Places:
    """The file that a recipe was read from, if any, and what `--set` changed in it.

    Args:
        document: The file; None for a recipe made in Python.
        sets: What `--set` wrote, from the place in the document to the words on the command line.
    """

    document: Document | None = None
    sets: Mapping[KeyPath, str] = field(default_factory=dict)

    def problem(self, path: KeyPath, fact: str, expected: str = "", hint: str = "") -> Problem:
        """A problem at a place: with its line, or with the `--set` that wrote it.

        Args:
            path: The place.
            fact: What is the case, as a sentence that names the key.
            expected: What should be the case, as a sentence.
            hint: A next step, as a sentence.
        """
        origin = self._origin(path)
        if origin is None:
            line = self.document.line(path) if self.document else None
            return Problem(where=dotted(path), fact=fact, expected=expected, hint=hint, line=line)
        words = origin if len(origin) <= _LONGEST else origin[:_LONGEST] + "…"
        return Problem(where=dotted(path), fact=f"{fact} (From --set {words})", expected=expected, hint=hint)

    def _origin(self, path: KeyPath) -> str | None:
        """The `--set` that wrote the place itself, something it stands in, or the only thing in it."""
        in_file = self.document is not None and path in self.document.lines
        for place in reversed(list(self.sets)):
            if path[: len(place)] == place or (not in_file and path and place[: len(path)] == path):
                return self.sets[place]
        return None
