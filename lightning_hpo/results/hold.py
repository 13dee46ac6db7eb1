"""A hold on a run folder: two processes cannot drive one run."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lightning_hpo.errors import RunFolderError
from lightning_hpo.results.disk import refusals, shown

__all__ = ["Holder", "hold", "holder"]

#: A reader that asks who holds the folder takes the lock for an instant, so a driver asks more than once.
_ATTEMPTS, _PAUSE = 10, 0.02

#: What a file system without locks answers.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who drives a run.

    Args:
        pid: Its process.
        host: The machine it runs on.
        since: When it took hold, in unix seconds.
    """

    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)
    since: float = field(default_factory=time.time)

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} on {self.host}, since {since}"


@contextlib.contextmanager
def hold(path: Path) -> Iterator[None]:
    """Holds a lock file for as long as the block runs; the system lets go of it when the process dies.

    Edges:
        * The file stays, empty; deleting it would let two drivers hold two files of one name.
        * On a file system that has no locks, such as some network mounts, the hold keeps nobody out.

    Raises:
        RunFolderError: If another process, or another hold of this one, has it; says who. If the system refuses.
    """
    with refusals(path, "cannot be held"):
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        for attempt in range(_ATTEMPTS):
            if _locks(file, path, fcntl.LOCK_EX):
                break
            if attempt < _ATTEMPTS - 1:
                time.sleep(_PAUSE)
        else:
            raise RunFolderError(
                f"{shown(path.parent)} is in use by {_read(file) or 'another process'}. "
                "Wait until it ends, or stop it, then try again."
            )
        try:
            with refusals(path, "cannot be written"):
                os.ftruncate(file, 0)
                os.pwrite(file, json.dumps(asdict(Holder())).encode(), 0)
            yield
        finally:
            with contextlib.suppress(OSError):
                os.ftruncate(file, 0)
                # Closing alone would not do: a child that was forked meanwhile shares the lock.
                fcntl.flock(file, fcntl.LOCK_UN)
    finally:
        os.close(file)


def holder(path: Path) -> Holder | None:
    """Who holds the lock file now, or None.

    Raises:
        RunFolderError: If the system refuses.
    """
    with refusals(path, "cannot be read"):
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
    try:
        for _ in range(_ATTEMPTS):
            if _locks(file, path, fcntl.LOCK_SH):
                return None
            if (found := _read(file)) is not None:
                return found
            time.sleep(_PAUSE)  # it has just come and not signed yet, or is about to leave
        return None
    finally:
        os.close(file)


def _locks(file: int, path: Path, kind: int) -> bool:
    """Whether the lock was free, or there are no locks here."""
    with refusals(path, "cannot be held"):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
    return True


def _read(file: int) -> Holder | None:
    try:
        return Holder(**json.loads(os.pread(file, 4096, 0)))
    except (OSError, TypeError, ValueError):
        return None
