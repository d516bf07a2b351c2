"""What a file holds before anybody asks what it means: sheets of cells, by column."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debtreg.blank import is_blank

from .words import ERROR_VALUES

Codes = NDArray[np.int32]

# All of the category Cc but tab and line breaks.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class NoValue:
    """A cell that shows something and has no value: an error, or a formula without a result."""

    kind: str  # formula_without_value, error_value
    text: str


@dataclass(slots=True)
class Column:
    """The cells of one column; mostly, equal ones are held once. Made by `column_of`.

    values : the cells: str, float, date, datetime, time, timedelta or NoValue
    texts : the same as text, without control characters
    dirty : whether each had control characters; empty if none had
    chunks : index of the first row, and codes: positions in `values`, -1 blank; gaps are blank
    """

    values: list[Any]
    texts: list[str]
    dirty: list[bool]
    chunks: list[tuple[int, Codes]]

    def head(self, rows: int) -> list[int]:
        """The codes of the first rows."""
        codes = [-1] * rows
        for start, chunk in self.chunks:
            if start < rows:
                part = chunk[: rows - start].tolist()
                codes[start : start + len(part)] = part
        return codes

    def codes(self, rows: int) -> Codes:
        """One code for each row."""
        codes = np.full(rows, -1, dtype=np.int32)
        for start, chunk in self.chunks:
            codes[start : start + len(chunk)] = chunk
        return codes


def column_of(values: list[Any], chunks: Iterable[tuple[int, Sequence[int]]]) -> Column:
    """A column of cells as read: takes control characters out, finds blanks and error texts."""
    texts = [value if type(value) is str else as_text(value) for value in values]
    # One search of everything tells, for nearly all columns, that there is nothing to look for.
    everything = "\n".join(texts)
    dirty: list[bool] = []
    if _CONTROL.search(everything):
        dirty = [bool(_CONTROL.search(text)) for text in texts]
        texts = [_CONTROL.sub("", text) for text in texts]
    if dirty or "#" in everything:
        values = [
            _error_or(text) if type(value) is str else value
            for value, text in zip(values, texts, strict=True)
        ]
    filled = np.array([not is_blank(text) for text in texts], dtype=bool)
    parts = []
    for start, chunk in chunks:
        codes = np.array(chunk, dtype=np.int32)
        codes[~filled[codes]] = -1
        parts.append((start, codes))
    return Column(values, texts, dirty, parts)


def _error_or(text: str) -> str | NoValue:
    """Text files, too, may hold what a spreadsheet showed for a failed formula."""
    if text[:1] == "#" and text.strip().upper() in ERROR_VALUES:
        return NoValue("error_value", text)
    return text


@dataclass(slots=True)
class Sheet:
    """One sheet, or one table of a text file.

    rows : the line number of each row with content, as the file's reader shows it
    count : rows with content in the file; more than in `rows` if over the limit
    hidden_rows : bool by row
    merged : top, left, bottom, right, all counting from 1
    cells_in_row : how many cells each line of a text file has; None for workbooks
    notes : line and text of what stands outside the table
    """

    name: str
    rows: NDArray[np.int64]
    columns: dict[int, Column]
    count: int
    hidden: bool = False
    hidden_rows: NDArray[np.bool_] | None = None
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    cells_in_row: NDArray[np.int64] | None = None
    notes: list[tuple[int, str]] = field(default_factory=list)
    decimal: str = "."
    date1904: bool = False
    _down: dict[int, list[tuple[int, int]]] | None = None

    def codes(self, position: int) -> Codes:
        return self.columns[position].codes(len(self.rows))

    def merged_down(self, position: int) -> list[tuple[int, int]]:
        """Top and bottom of the ranges over several rows whose content stands in this column."""
        if self._down is None:
            self._down = {}
            for top, left, bottom, _ in sorted(self.merged):
                if bottom > top:
                    self._down.setdefault(left - 1, []).append((top, bottom))
        return self._down.get(position, [])


def as_text(value: Any) -> str:
    """A cell as its text: numbers as General shows them, dates as year-month-day."""
    if isinstance(value, str):
        return value
    if isinstance(value, NoValue):
        return value.text
    if isinstance(value, float | int):
        return f"{value:.15g}"
    if isinstance(value, dt.datetime):
        return value.isoformat(" ")
    if isinstance(value, dt.timedelta):
        return f"{value.total_seconds() / 3600:.15g} h"
    return str(value)


def take(values: Iterable[Any], codes: Codes, blank: Any = None) -> NDArray[np.object_]:
    """The value of each code; `blank` for -1, which an array's last element answers to."""
    lookup = np.fromiter((*values, blank), dtype=object)
    return lookup[codes]


def used(codes: Codes, values: int) -> list[int]:
    """Which of so many values some codes name; blanks are none."""
    named = np.zeros(values + 1, dtype=bool)
    named[codes] = True
    return np.flatnonzero(named[:-1]).tolist()
