from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lightning_hpo.errors import RunFolderError
from lightning_hpo.results.hold import Holder, hold, holder


@pytest.fixture
def lock(here: Path) -> Path:
    (here / "run").mkdir()
    return here / "run" / "driver.lock"


def test_a_second_driver_is_told_who_holds_the_folder(lock: Path) -> None:
    before = time.time()
    with hold(lock):
        found = holder(lock)
        with pytest.raises(RunFolderError) as caught, hold(lock):
            pass
    assert found is not None
    assert (found.pid, found.host) == (os.getpid(), socket.gethostname())
    assert before <= found.since <= time.time()
    assert re.fullmatch(
        rf"run is in use by process {os.getpid()} on {re.escape(socket.gethostname())}, "
        r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\. Wait until it ends, or stop it, then try again\.",
        str(caught.value),
    )


def test_the_hold_ends_with_the_block_however_it_ends(lock: Path) -> None:
    with pytest.raises(KeyError), hold(lock):
        raise KeyError("x")
    assert holder(lock) is None
    with hold(lock):
        assert holder(lock) is not None


def test_nobody_holds_what_was_never_held(lock: Path) -> None:
    assert holder(lock) is None
    assert not lock.exists()


def test_a_driver_that_was_killed_does_not_block_the_next(lock: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom lightning_hpo.results.hold import hold\n"
        "with hold(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(lock)], stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "held\n"
        found = holder(lock)
        with pytest.raises(RunFolderError, match=f"in use by process {driver.pid} on"), hold(lock):
            pass
        driver.kill()
    assert found is not None
    assert found.pid == driver.pid
    assert lock.read_text()  # the dead driver's name is still there, and means nothing
    assert holder(lock) is None
    with hold(lock):
        assert holder(lock) == Holder(pid=os.getpid(), since=holder(lock).since)  # type: ignore[union-attr]


def test_asking_who_holds_does_not_keep_a_driver_out(lock: Path) -> None:
    lock.touch()
    with lock.open() as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        start = time.monotonic()
        with pytest.raises(RunFolderError, match="in use by another process"), hold(lock):
            pass
        assert time.monotonic() - start > 0.1  # it asked for a while, and a reader needs an instant
    with hold(lock):
        assert holder(lock) is not None


def test_a_disk_without_locks_lets_the_driver_in(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: int, kind: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with hold(lock):
        assert lock.read_text()
    assert lock.read_text() == ""


def test_a_lock_below_a_file_cannot_be_held(here: Path) -> None:
    (here / "plain").write_text("")
    with (
        pytest.raises(RunFolderError, match=r"plain/driver\.lock cannot be held: Not a directory"),
        hold(here / "plain" / "driver.lock"),
    ):
        pass
