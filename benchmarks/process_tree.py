"""What a contestant costs with all its processes, however they were started: told from an environment variable."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from types import TracebackType


class ProcessTree:
    """Watches, while the block runs, every process that carries the variable with this tag.

    A daemon that a framework starts need not be a child of the process that we wait for, so neither `wait4` nor a
    process group would see it; the environment is inherited by all of them. What a process used after the last look
    at it, an `_INTERVAL` at most, is missed.

    Args:
        tag: The variable's value.
        memory: Whether to look at memory, too. To add up a process's mappings holds it up for milliseconds, so whoever
            measures time does not.
    """

    VARIABLE = "OVERHEAD_TAG"
    _INTERVAL = 0.25
    #: Looks after which a process has become its own program.
    _YOUNG = 8

    def __init__(self, tag: str, *, memory: bool = True) -> None:
        self._memory = memory
        self._mark = f"{self.VARIABLE}={tag}".encode()
        self._ours: dict[int, bool] = {}
        self._looks: dict[int, int] = {}
        self._cpu: dict[int, float] = {}
        self._peak = 0.0
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._possible = sys.platform == "linux"

    def __enter__(self) -> ProcessTree:
        if self._possible:
            self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._possible:
            self._watcher.join()

    @property
    def cpu_seconds(self) -> float | None:
        """User and system time of all processes."""
        return round(sum(self._cpu.values()), 1) if self._possible else None

    @property
    def peak_megabytes(self) -> float | None:
        """The largest sum of proportional set sizes: memory that processes share counts once."""
        return round(self._peak) if self._possible and self._memory else None

    def wait_until_gone(self, seconds: float, *, but: str = "") -> bool:
        """Lets daemons end, so that they do not disturb the next contestant; answers whether they did.

        Args:
            seconds: How long to wait.
            but: Processes with this word in their command may stay.
        """
        until = time.monotonic() + seconds
        while self._possible and set(self._living()) - set(self.running(but) if but else []):
            if time.monotonic() > until:
                return False
            time.sleep(self._INTERVAL)
        return True

    def running(self, program: str) -> list[int]:
        """The processes in whose command a word occurs."""
        return [pid for pid in self._living() if program.encode() in _read(pid, "cmdline")]

    def _watch(self) -> None:
        ticks = os.sysconf("SC_CLK_TCK")
        looks = 0
        while not self._done.wait(self._INTERVAL):
            living = self._living()
            for pid in living:
                stat = _read(pid, "stat")
                if stat:
                    fields = stat.rpartition(b")")[2].split()  # the name before may hold spaces
                    self._cpu[pid] = (int(fields[11]) + int(fields[12])) / ticks
            if self._memory and looks % 2 == 0:
                self._peak = max(self._peak, sum(_proportional_kilobytes(pid) for pid in living) / 1024)
            looks += 1

    def _living(self) -> list[int]:
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        for pid in pids:
            # A process shows its parent's environment until it has become its own program, so a no is asked again.
            looks = self._looks[pid] = self._looks.get(pid, 0) + 1
            if not self._ours.get(pid) and looks <= self._YOUNG:
                self._ours[pid] = self._mark in _read(pid, "environ").split(b"\0")
        return [pid for pid in pids if self._ours[pid]]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it has ended, or is not ours to look at
        return b""


def _proportional_kilobytes(pid: int) -> int:
    lines = _read(pid, "smaps_rollup").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(b"Pss:")), 0)
