"""The folder of one run: what is in it, how it is made, found and held."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from lightning_hpo.errors import InternalError, RunFolderError, did_you_mean
from lightning_hpo.results.disk import atomic_write, refusals, shown
from lightning_hpo.results.events import Suggested
from lightning_hpo.results.hold import Holder, hold, holder
from lightning_hpo.results.journal import Journal
from lightning_hpo.results.state import RunState
from lightning_hpo.results.table import as_csv
from lightning_hpo.results.trial_folder import TrialFolder

__all__ = ["RunFolder"]


class RunFolder:
    """Alone knows the paths inside a run's folder. `create` makes one, `open` takes one that is there.

        runs/digits-mlp-1/
        ├── recipe.yaml       the recipe, resolved
        ├── journal.jsonl     what happened: the truth, from which everything else can be told
        ├── results.csv       one row a trial
        ├── assembly.pkl      what the workers build trials from
        ├── driver.lock       who drives the run now
        └── trials/0007/      one folder a trial

    Args:
        path: The folder. Nothing is read or made; use `create` or `open`.
    """

    def __init__(self, path: Path | str) -> None:
        #: Absolute, since workers run elsewhere; `str(folder)` is the path to show to a person.
        self.path = Path(path).absolute()
        #: What happened.
        self.journal = Journal(self.path / "journal.jsonl")
        # The folders that `create` made, the outermost first: `remove` takes away no other.
        self._made: tuple[Path, ...] = ()

    def __repr__(self) -> str:
        return f"RunFolder({str(self)!r})"

    def __str__(self) -> str:
        return shown(self.path)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.yaml"

    @property
    def results_csv(self) -> Path:
        """One row a trial."""
        return self.path / "results.csv"

    @property
    def assembly(self) -> Path:
        """What the workers build trials from."""
        return self.path / "assembly.pkl"

    @property
    def trials(self) -> Path:
        """Where the trials' folders are."""
        return self.path / "trials"

    def trial(self, id: int) -> TrialFolder:
        """The folder of a trial, made or not."""
        return TrialFolder(self.trials / TrialFolder.name(id))

    @classmethod
    def create(cls, path: Path | str) -> RunFolder:
        """Makes a folder for a new run, its parents too. An empty folder that is there is taken.

        Of two processes that create the same folder, one succeeds.

        Raises:
            RunFolderError: If it exists and is not empty, if it is a file, or if the system refuses; nothing is left
                behind then.
        """
        folder = cls(path)
        folder._check_free()
        try:
            with refusals(folder.path, "cannot be made"):
                missing = [each for each in (folder.path, *folder.path.parents) if not each.exists()]
                for each in reversed(missing):
                    with contextlib.suppress(FileExistsError):  # somebody was faster; the journal decides
                        each.mkdir()
                        folder._made += (each,)
                folder.journal.path.touch(exist_ok=False)
        except RunFolderError:
            folder._remove_made()
            folder._check_free()
            raise
        return folder

    def _check_free(self) -> None:
        with refusals(self.path, "cannot be made"):
            try:
                found = sorted(os.listdir(self.path))
            except FileNotFoundError:
                return
            except NotADirectoryError:
                if not self.path.is_file():
                    raise
                raise RunFolderError(
                    f"{self} is a file. Expected a new or an empty folder; choose another one."
                ) from None
        if self.journal.path.name in found:
            raise RunFolderError(
                f"{self} already holds a run. Go on with it: lightning-hpo resume {self}\nOr choose another folder."
            )
        if found:
            holds = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
            raise RunFolderError(
                f"{self} is not empty: it holds {holds}. Expected a new or an empty folder; choose another one."
            )

    @classmethod
    def next_name(cls, root: Path | str, stem: str) -> Path:
        """The first of `stem-1`, `stem-2`, ... that is free under the root.

        Characters that a file name or a shell could stumble over become `-`. Another process may take the name before
        it is used; `create_next` goes on to the one after.
        """
        clean = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip(".-")[:60] or "run"
        names = (Path(root) / f"{clean}-{number}" for number in itertools.count(1))
        return next(path for path in names if not os.path.lexists(path))

    @classmethod
    def create_next(cls, root: Path | str, stem: str) -> RunFolder:
        """Creates the folder that `next_name` names, or the one after it if another process is faster.

        Raises:
            RunFolderError: If the system refuses.
        """
        while True:
            path = cls.next_name(root, stem)
            try:
                return cls.create(path)
            except RunFolderError:
                if not os.path.lexists(path):
                    raise

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """The folder of a run that is there, going on or ended.

        Raises:
            RunFolderError: If there is no journal; names the nearest run beside it, or the runs inside it.
        """
        folder = cls(path)
        with refusals(folder.path, "cannot be read"):
            if folder.journal.path.is_file():
                return folder
            what = "holds no run (it has no journal.jsonl)" if folder.path.exists() else "does not exist"
        inside, beside = cls._names(folder.path), cls._names(folder.path.parent)
        parent = shown(folder.path.parent)
        if inside:
            step = f"It holds the folders of runs: {_few(inside)}. Name one of them, like {folder}/{inside[0]}"
        elif beside:
            hint = did_you_mean(folder.name, beside)
            step = f"{hint or f'Runs in {parent}: {_few(beside)}.'} List them with: lightning-hpo ls {parent}"
        else:
            step = f"No runs were found in {parent} either. Start one with: lightning-hpo run RECIPE"
        raise RunFolderError(f"{folder} {what}. Expected the folder of a run. {step}")

    @classmethod
    def _names(cls, root: Path) -> list[str]:
        try:
            return [folder.name for folder in cls.find_all(root)]
        except RunFolderError:
            return []

    @classmethod
    def find_all(cls, root: Path | str) -> list[RunFolder]:
        """The runs directly under the root, or the root itself if it is one; the newest first.

        Edges:
            * Nothing if the root is missing. A run is listed from its first event on.
            * A damaged run is listed, with the time of its last change; reading it raises.

        Raises:
            RunFolderError: If the root cannot be read.
        """
        root = Path(root)
        with refusals(root, "cannot be read"):
            children = sorted(root.iterdir()) if root.exists() else []
        found = [(began, folder) for folder in map(cls, [root, *children]) if (began := folder._began()) is not None]
        return [folder for _, folder in sorted(found, key=lambda each: each[0], reverse=True)]

    def _began(self) -> float | None:
        """When the run was opened; None if there is none."""
        try:
            changed = self.journal.path.stat()
        except OSError:
            return None
        try:
            opened = self.journal.opened()
        except RunFolderError:
            return changed.st_mtime
        return opened.time if opened else None

    def read(self) -> RunState:
        """What the journal adds up to, as far as it was written.

        Raises:
            RunFolderError: If the journal is missing, unreadable, damaged or empty, or contradicts itself.
        """
        state = RunState()
        line = 0
        for line, event in enumerate(self.journal, start=1):
            try:
                state.apply(event)
            except InternalError as error:
                raise self.journal.damage(line, f"contradicts the lines before it: {error.args[0]}") from error
        if not line:
            raise RunFolderError(
                f"{self} holds no run: its journal has no event. The run ended before it began, or has just been "
                f"started. If no process drives it, delete the folder: rm -r {self}"
            )
        return state

    def write_recipe(self, text: str) -> None:
        """Writes the resolved recipe.

        Raises:
            RunFolderError: If the system refuses.
        """
        atomic_write(self.recipe, text)

    def write_results(self, state: RunState) -> None:
        """Writes `results.csv` anew: trial, status, origin, step, the metrics, the config, seconds.

        Raises:
            RunFolderError: If the system refuses.
        """
        atomic_write(self.results_csv, as_csv(state))

    def hold(self) -> AbstractContextManager[None]:
        """Keeps other drivers out for as long as the `with` block runs; a process that dies lets go.

        Raises:
            RunFolderError: On entering, if another driver holds the folder: who, where, since when.
        """
        return hold(self.path / "driver.lock")

    def holder(self) -> Holder | None:
        """The process that drives the run now, or None."""
        return holder(self.path / "driver.lock")

    def remove(self) -> None:
        """Deletes a folder that was created and never used, and the parents that `create` made if they are empty.

        Raises:
            RunFolderError: If a trial was suggested: then the folder holds somebody's work. If the system refuses.
        """
        if self.journal.path.exists() and any(isinstance(event, Suggested) for event in self.journal):
            raise RunFolderError(f"{self} holds trials, so it is kept. If nobody needs them: rm -r {self}")
        with refusals(self.path, "cannot be deleted"):
            if self.path.exists():
                shutil.rmtree(self.path)
        self._remove_made()

    def _remove_made(self) -> None:
        for each in reversed(self._made):
            with contextlib.suppress(OSError):  # somebody else put something into it
                each.rmdir()
        self._made = ()


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
