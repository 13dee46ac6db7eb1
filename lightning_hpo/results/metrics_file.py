"""A trial's whole learning curve, as a CSV file that a person or pandas can read at any moment."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from lightning_hpo.errors import RunFolderError
from lightning_hpo.results.disk import append_whole, atomic_write, refusals, shown

__all__ = ["MetricsFile"]


class MetricsFile:
    """Rows of metrics by step: the first column is `step`, the others are the metrics in the order they first came.

    The ordinary row is one short write at the end. The file is rewritten (as a whole, never half) only when a metric
    comes that had no column, or when a trial goes back.

    Edges:
        * A row whose step is not beyond the last one's replaces everything from its step on: a trial that was retried
          from epoch 5 goes on there, one that was retried from the start begins anew.
        * NaN and the infinities are kept, as `nan`, `inf` and `-inf`. A metric missing in a row is an empty cell.
        * A last line torn by a crash is dropped, by readers and by the next row.

    Args:
        path: The file; its folder must exist when the first row is written.
        fresh: Whether what the file holds is thrown away when the first row is written.
    """

    def __init__(self, path: Path | str, *, fresh: bool = False) -> None:
        self.path = Path(path)
        self._fresh = fresh
        self._columns: list[str] | None = None  # None until the first row looked at the file
        self._last = -math.inf

    def __repr__(self) -> str:
        return f"MetricsFile({str(self.path)!r})"

    def append(self, step: int, metrics: Mapping[str, float], *, epoch: int | None = None) -> None:
        """Writes one row. All that is known at a step goes in one call.

        Args:
            step: How far the trial has trained, as in a `Report`.
            metrics: Whatever was logged.
            epoch: Lightning's epoch, if it is not the step; it becomes a column before the metrics.

        Raises:
            RunFolderError: If the system refuses, or if an existing file is damaged; the file is then as it was.
        """
        row = dict(metrics) if epoch is None else {"epoch": epoch, **metrics}
        if self._columns is None or step <= self._last or not self._columns_hold(row):
            self._rewrite(step, row)
        else:
            append_whole(self.path, _csv([_cells(step, row, self._columns)]))
        self._last = step

    def read(self) -> list[tuple[int, dict[str, float]]]:
        """The steps with their metrics, ascending; nothing if the file is missing.

        Raises:
            RunFolderError: If the file is unreadable or damaged.
        """
        return self._load()[1]

    def _columns_hold(self, row: Mapping[str, float]) -> bool:
        return self._columns is not None and row.keys() <= set(self._columns)

    def _rewrite(self, step: int, row: Mapping[str, float]) -> None:
        columns, rows = ([], []) if self._fresh and self._columns is None else self._load()
        kept = [(before, old) for before, old in rows if before < step]
        if not kept:
            columns = []  # nothing has a value in them any more
        columns = list(dict.fromkeys([*columns, *row]))
        table = [["step", *columns], *(_cells(before, old, columns) for before, old in [*kept, (step, row)])]
        atomic_write(self.path, _csv(table))
        self._columns = columns

    def _load(self) -> tuple[list[str], list[tuple[int, dict[str, float]]]]:
        with refusals(self.path, "cannot be read"):
            try:
                data = self.path.read_bytes()
            except FileNotFoundError:
                return [], []
        text = data[: data.rfind(b"\n") + 1].decode("utf-8", errors="replace")  # what follows the last line end is torn
        lines = csv.reader(io.StringIO(text, newline=""))
        rows: list[tuple[int, dict[str, float]]] = []
        try:
            header = next(lines, ["step"])
            if header[:1] != ["step"]:
                raise ValueError(f"the first column must be 'step', but the columns are {header}")
            for cells in lines:
                if len(cells) != len(header):
                    raise ValueError(f"it has {len(cells)} cells, and the header has {len(header)}")
                values = zip(header[1:], cells[1:], strict=True)
                rows.append((int(cells[0]), {name: float(cell) for name, cell in values if cell}))
        except (ValueError, csv.Error) as error:
            raise RunFolderError(
                f"{shown(self.path)} line {lines.line_num} is damaged: {error}. "
                "Expected a step and one number a column. Mend the line or remove it."
            ) from error
        return header[1:], rows


def _cells(step: int, row: Mapping[str, float], columns: Iterable[str]) -> list[str]:
    return [str(step), *(_cell(row[name]) if name in row else "" for name in columns)]


def _cell(value: float) -> str:
    return str(value) if type(value) is int else repr(float(value))


def _csv(rows: Iterable[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
