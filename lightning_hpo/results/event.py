"""Something that happened in a run: what all events share."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lightning_hpo.errors import did_you_mean
from lightning_hpo.results.plain import Fields

__all__ = ["Event"]


@dataclass(frozen=True, kw_only=True)
class Event(ABC):
    """Something that happened in a run.

    Args:
        time: When, in unix seconds.
    """

    #: The word for it in the journal.
    kind: ClassVar[str]

    time: float = field(default_factory=time.time)

    def to_plain(self) -> dict[str, Any]:
        """Itself as JSON-ready plain data. A metric that is not finite becomes "NaN", "Infinity" or "-Infinity"."""
        return {"kind": self.kind, "time": self.time, **self._body()}

    @staticmethod
    def from_plain(data: Any) -> Event:
        """The inverse of `to_plain`, for an event of any kind.

        Raises:
            ValueError: If the data are not those of an event: the kind is unknown, or something is missing, is of
                another type, or is too much.
        """
        from lightning_hpo.results.events import EVENTS  # which derive from this

        if not isinstance(data, Mapping):
            raise ValueError(f"an event must be a mapping, but this is {data!r}")
        kind = data.get("kind")
        if not isinstance(kind, str) or kind not in EVENTS:
            hint = did_you_mean(str(kind), EVENTS)
            raise ValueError(f"{kind!r} is no kind of event; known: {', '.join(EVENTS)}. {hint}".rstrip(" ."))
        fields = Fields(data)
        fields.take("kind", str)
        event = EVENTS[kind]._decode(fields, fields.number("time"))
        fields.close()
        return event

    @abstractmethod
    def _body(self) -> dict[str, Any]:
        """What stands beside the kind and the time."""

    @classmethod
    @abstractmethod
    def _decode(cls, fields: Fields, when: float) -> Event:
        """The inverse of `_body`."""
