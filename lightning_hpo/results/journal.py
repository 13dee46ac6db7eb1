"""The journal: what happened in a run, one JSON line an event, only ever appended to."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning_hpo.errors import InternalError, RunFolderError
from lightning_hpo.results.disk import append_whole, refusals, shown
from lightning_hpo.results.event import Event
from lightning_hpo.results.run_events import VERSION, Opened

__all__ = ["Journal"]

#: The last key of each line: the CRC-32 of the line without it. A line that somebody wrote by hand may lack it.
_SUM = "crc"
_SUM_MARK = f',"{_SUM}":'.encode()


class Journal:
    """The file of a run's events. One process appends; any number may read at the same time.

    Events reach the file in whole lines and the disk before `append` returns, so a reader sees an event or does not.
    Only a crash of the machine, or a process killed in the middle of a write on a full disk, leaves half a line, always
    the last one. Each line has a checksum, so that no damage goes unnoticed.

    Edges:
        * A torn last line (no line end, or no JSON) is not an event: reading drops it and says so in `note`, and the
          next `append` cuts it off first. A reader beside a writer may meet one too, and finds it whole the next time.
        * Anything else that is not an event of format 1 is damage, and reading stops there with an error.
        * An empty file is a journal without events.

    Args:
        path: The file; it need not exist before the first `append`.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        #: What the last reading dropped, as a sentence; None if it dropped nothing.
        self.note: str | None = None
        # Whether there are events yet; None until the end of the file was looked at. That is done once: after it, the
        # end of the file is our own doing.
        self._empty: bool | None = None

    def __repr__(self) -> str:
        return f"Journal({str(self.path)!r})"

    def append(self, event: Event, *events: Event) -> None:
        """Writes events down, in one write.

        Raises:
            RunFolderError: If the system refuses, as a full disk does; the file is then as it was.
            InternalError: If the first event of a journal is not `Opened`, if a later one is, or if an event holds
                what JSON cannot.
        """
        every = (event, *events)
        empty = self._cut_torn_end() if self._empty is None else self._empty
        for number, each in enumerate(every):
            if isinstance(each, Opened) != (empty and number == 0):
                raise InternalError(f"{shown(self.path)}: 'opened' must be the first event and no other.")
        data = "".join(map(_line, every)).encode("ascii")
        try:
            append_whole(self.path, data, sync=True)
        except BaseException:
            self._empty = None
            raise
        self._empty = False

    def __iter__(self) -> Iterator[Event]:
        """The events one by one, as far as they were written when the first was asked for.

        Raises:
            RunFolderError: If the file is missing or unreadable, was written in another format, or is damaged.
        """
        self.note = None
        with refusals(self.path, "cannot be read"), open(self.path, "rb", buffering=0) as file:
            # One read of a known length: were it two, a writer could cut off a torn end in between.
            data = file.read(os.fstat(file.fileno()).st_size)
        start, number = 0, 0
        while start < len(data):
            number += 1
            end = data.find(b"\n", start)
            line = data[start:] if end < 0 else data[start:end]
            start = len(data) if end < 0 else end + 1
            event = None if end < 0 else self._event(line, number, last=start == len(data))
            if event is None:
                self.note = (
                    f"The last line of {shown(self.path)} (line {number}) was torn by a crash and is left out: "
                    f"{_excerpt(line)}"
                )
                return
            yield event

    def read(self) -> list[Event]:
        """All events, as iterating gives them."""
        return list(self)

    def opened(self) -> Opened | None:
        """The first event, without reading on; None for a journal without events.

        Raises:
            RunFolderError: As iterating does.
        """
        with refusals(self.path, "cannot be read"), open(self.path, "rb") as file:
            line, more = file.readline(), bool(file.read(1))
        event = self._event(line, 1, last=not more) if line.endswith(b"\n") else None
        return event if isinstance(event, Opened) else None

    def _event(self, line: bytes, number: int, *, last: bool) -> Event | None:
        """The event of a line, or None for a torn one."""
        plain = _plain(line)
        if plain is None:
            if last:
                return None
            raise self._damaged(line, number, "this is no JSON object")
        if plain.pop(_SUM, None) not in (None, _checksum(line.rpartition(_SUM_MARK)[0] + b"}")):
            raise self._damaged(line, number, "its checksum is not that of its content")
        if number == 1:
            self._check_format(plain)
        try:
            event = Event.from_plain(plain)
        except (ValueError, ArithmeticError) as error:
            raise self._damaged(line, number, str(error)) from error
        if isinstance(event, Opened) != (number == 1):
            raise self._damaged(line, number, "'opened' must be the first line and no other")
        return event

    def _check_format(self, plain: dict[str, Any]) -> None:
        version = plain.get("version")
        if plain.get("kind") != "opened" or not isinstance(version, int) or version == VERSION:
            return  # whatever is wrong then is wrong with the line
        age = "a newer" if version > VERSION else "an older"
        step = "Upgrade with: pip install -U lightning-hpo" if version > VERSION else "Read it with the older one."
        raise RunFolderError(
            f"{shown(self.path)} was written by {age} lightning-hpo: format {version}; this one reads {VERSION}. {step}"
        )

    def damage(self, number: int, fact: str) -> RunFolderError:
        """The error to raise for a line, counted from 1, that cannot be what it should be.

        Args:
            number: The line.
            fact: What is wrong with it, as sentences that follow the line's number.
        """
        path = shown(self.path)
        rescue = f", or keep the lines before it: head -n {number - 1} {path} > {path}.sound && mv {path}.sound {path}"
        return RunFolderError(
            f"{path} line {number} {fact} Restore the file from a copy{rescue if number > 1 else '.'}"
        )

    def _damaged(self, line: bytes, number: int, fact: str) -> RunFolderError:
        return self.damage(number, f"is damaged: {fact}. It holds {_excerpt(line)} Expected one event in JSON.")

    def _cut_torn_end(self) -> bool:
        """Leaves the file ending with a whole event, and answers whether it holds none."""
        with refusals(self.path, "cannot be written"):
            if not self.path.exists():
                return True
            with open(self.path, "rb+") as file:
                data = file.read(os.fstat(file.fileno()).st_size)
                end = data.rfind(b"\n") + 1
                if data and end == len(data):
                    start = data.rfind(b"\n", 0, end - 1) + 1
                    end = end if _plain(data[start:end]) is not None else start
                if end < len(data):
                    file.truncate(end)
                return not end


def _line(event: Event) -> str:
    try:
        body = json.dumps(event.to_plain(), separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InternalError(f"The event {event!r} cannot be written down: {error}.") from error
    return f'{body[:-1]},"{_SUM}":{_checksum(body.encode("ascii"))}}}\n'


def _checksum(body: bytes) -> int:
    return zlib.crc32(body)


def _plain(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a line, or None if it is none."""
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None
    return plain if isinstance(plain, dict) else None


def _excerpt(line: bytes) -> str:
    text = line.decode("utf-8", errors="replace")
    return f"{text[:80]!r}{'...' if len(text) > 80 else '.'}"
