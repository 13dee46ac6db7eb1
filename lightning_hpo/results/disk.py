"""How results reach the disk: whole lines, whole files or nothing, and what is said when the disk refuses."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from lightning_hpo.errors import RunFolderError

__all__ = ["append_whole", "atomic_write", "refusals", "shown"]

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


def shown(path: Path) -> str:
    """The path as a person would type it from where they are: relative if it lies below, else as it is."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


@contextlib.contextmanager
def refusals(path: Path, fact: str) -> Iterator[None]:
    """Turns what the system refuses inside into one error with the file, the reason and the next step.

    Args:
        path: What is read or written.
        fact: What failed, as a clause that follows the path: "cannot be written".

    Raises:
        RunFolderError: For any OSError inside.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise RunFolderError(f"{shown(path)} {fact}: {reason}. {_next_step(path, error)}") from error


def _next_step(path: Path, error: OSError) -> str:
    if error.errno in _NO_ROOM:
        return f"Free space on the disk (or raise the quota) that holds {shown(path.parent)}, then try again."
    if error.errno in _NOT_ALLOWED:
        return f"Make {shown(path.parent)} readable and writable for you, or choose another folder."
    if error.errno == errno.ENOENT:
        return "Expected it to be there: look whether it was moved or removed."
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return "A file stands where a folder is expected; choose another folder."
    return "Look at the disk that holds it, then try again."


def append_whole(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Appends the data in one write, or leaves the file as it was; a missing file is made.

    Without `sync` a crash of the process loses nothing, and a loss of power may tear the end.

    Args:
        path: The file.
        data: What it gets at its end.
        sync: Whether to wait until it is on the disk.

    Raises:
        RunFolderError: If the system refuses, as a full disk does.
    """
    with refusals(path, "cannot be written"):
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            size = os.fstat(file).st_size
            try:
                rest = memoryview(data)
                while rest:  # a disk that is nearly full takes a part first and refuses at the next write
                    rest = rest[os.write(file, rest) :]
                if sync:
                    os.fsync(file)
            except OSError:
                # What the first write left is half a line. If it cannot be cut off now, the reader drops it later.
                with contextlib.suppress(OSError):
                    os.ftruncate(file, size)
                raise
        finally:
            os.close(file)


def atomic_write(path: Path | str, content: str | bytes) -> None:
    """Writes a file so that a reader sees the old content or the new one, never a part.

    Edges:
        * If writing fails, the old file is as it was and nothing else is left behind.
        * The folder must exist. Text is written as UTF-8; what that cannot hold (half a surrogate pair) as an escape.

    Raises:
        RunFolderError: If the system refuses, as a full disk does.
    """
    path = Path(path)
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    # Beside the target, since a rename is atomic only within one disk. Opened by hand rather than by `tempfile`,
    # whose files nobody but their owner may read.
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    with refusals(path, "cannot be written"):
        try:
            beside.write_bytes(data)
            os.replace(beside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
