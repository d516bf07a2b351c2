"""The rows below a header: which are debts, and their cells with merged ones filled down."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .headers import CJK_GAP, THREE_POINT, Header, HeaderColumn, read_word
from .sheets import Codes, Sheet, take, used
from .words import TOTALS

_LONGEST_SKIPPED_TEXT = 300
Mask = NDArray[np.bool_]


@dataclass(slots=True)
class Cells:
    """The cells of a column in the rows that are debts.

    codes : position in `values` and `texts` of each row's cell, -1 where it is blank
    values, texts, dirty : as in Column
    """

    codes: Codes
    values: list[Any]
    texts: list[str]
    dirty: list[bool]

    @property
    def filled(self) -> Mask:
        return self.codes >= 0

    def text(self) -> NDArray[np.object_]:
        """Each row's text, None where the cell is blank."""
        return take(self.texts, self.codes)


@dataclass(slots=True)
class Body:
    """The rows of a sheet that are debts or wait for a person; positions count among these.

    rows : line numbers
    too_many_cells, too_few_cells : lines of a text file that do not fit its header
    beyond : row, column index and text of each cell that stands beyond the header of a text file
    skipped : line, reason, text of each line that is no debt
    """

    sheet: Sheet
    header: Header
    rows: NDArray[np.int64]
    hidden: Mask
    too_many_cells: Mask
    too_few_cells: Mask
    beyond: list[tuple[int, int, str]]
    skipped: list[tuple[int, str, str]]
    _kept: NDArray[np.int64] = field(repr=False)

    def cells(self, column: HeaderColumn | None) -> Cells:
        if column is None or column.index not in self.sheet.columns:
            return Cells(np.full(len(self.rows), -1, dtype=np.int32), [], [], [])
        own = self.sheet.columns[column.index]
        codes = _fill_down(self.sheet, self.header, column, self.sheet.codes(column.index))
        return Cells(codes[self._kept], own.values, own.texts, own.dirty)

    def merged_amounts(self, column: HeaderColumn) -> tuple[NDArray[np.int64], list[str]]:
        """The rows over which an amount of this column is merged, and the amount's text."""
        if column.index not in self.sheet.columns:
            return np.array([], dtype=np.int64), []
        codes, texts = _cells(self.sheet, column.index)
        place = np.full(len(self.sheet.rows), -1, dtype=np.int64)
        place[self._kept] = np.arange(len(self._kept))
        at: list[int] = []
        shown: list[str] = []
        for first, after in _merged_down(self.sheet, self.header, column.index):
            if codes[first] >= 0:
                found = place[first:after]
                found = found[found >= 0]
                at += found.tolist()
                shown += [texts[codes[first]]] * len(found)
        return np.array(at, dtype=np.int64), shown


def _cells(sheet: Sheet, index: int) -> tuple[Codes, list[str]]:
    return sheet.codes(index), sheet.columns[index].texts


def _merged_down(sheet: Sheet, header: Header, index: int) -> list[tuple[int, int]]:
    """First row and row after the last of each merged range over several rows of a column."""
    found = []
    last = 0
    for top, bottom in sheet.merged_down(index):
        if top > last:  # overlapping ranges are no valid file; the first counts
            first, after = np.searchsorted(sheet.rows, [top, bottom + 1])
            if header.first_data <= first < len(sheet.rows) and sheet.rows[first] == top:
                found.append((int(first), int(after)))
            last = bottom
    return found


def _fill_down(sheet: Sheet, header: Header, column: HeaderColumn, codes: Codes) -> Codes:
    if (column.field or "").startswith(THREE_POINT):
        return codes
    for first, after in _merged_down(sheet, header, column.index):
        part = codes[first:after]
        part[part < 0] = codes[first]
    return codes


def read(sheet: Sheet, header: Header) -> Body:
    """Sort the lines below the header into debts and what is none."""
    count = len(sheet.rows)
    own = np.zeros(count, dtype=np.int32)  # cells with content, merged ones in their first row only
    all_cells = np.zeros(count, dtype=np.int32)  # the same, merged ones in each row
    last_index = np.full(count, -1, dtype=np.int64)
    total = np.zeros(count, dtype=bool)
    text_seen = np.zeros(count, dtype=bool)
    below = np.arange(count) >= header.first_data
    for column in header.columns:
        index = column.index
        if index not in sheet.columns:
            continue
        codes, texts = _cells(sheet, index)
        own += codes >= 0
        first_text = ~text_seen & (codes >= 0) & ~_chosen(codes, texts, _is_number, ~text_seen)
        total |= _chosen(codes, texts, _is_total, first_text)
        text_seen |= first_text
        codes = _fill_down(sheet, header, column, codes)
        filled = codes >= 0
        all_cells += filled
        last_index[filled] = index
    beyond = _beyond(sheet, header)
    too_many = np.zeros(count, dtype=bool)
    for row, index, _ in beyond:
        own[row] += 1
        all_cells[row] += 1
        last_index[row] = index
        too_many[row] = True
    title = header.column("title")
    alone = all_cells == 1
    elsewhere = (last_index != (title.index if title else -1)) & ~_ids(sheet, header)
    across = {(top, left - 1) for top, left, _, right in sheet.merged if right > left}
    merged = np.zeros(count, dtype=bool)
    for row in np.flatnonzero(alone & below).tolist() if across else ():
        merged[row] = (int(sheet.rows[row]), int(last_index[row])) in across
    reasons = {
        "total": total,
        "repeated_header": _headers_again(sheet, header) & (own >= min(2, len(header.texts[-1]))),
        "note": alone & (merged | elsewhere),
    }
    kept = below & (own > 0)
    skipped: list[tuple[int, str, str]] = [(line, "note", text) for line, text in sheet.notes]
    for reason, lines in reasons.items():
        chosen = np.flatnonzero(kept & lines)
        kept &= ~lines
        texts = _joined(sheet, chosen)
        skipped += [
            (line, reason, text)
            for line, text in zip(sheet.rows[chosen].tolist(), texts, strict=True)
        ]
    at = np.flatnonzero(kept)
    place = np.full(count, -1, dtype=np.int64)
    place[at] = np.arange(len(at))
    cells_in_row = sheet.cells_in_row
    few = np.zeros(count, dtype=bool)
    if cells_in_row is not None:
        named = max((c.index for c in header.columns if c.header), default=-1) + 1
        few = cells_in_row < min(named, header.width)
    return Body(
        sheet,
        header,
        sheet.rows[at],
        sheet.hidden_rows[at] if sheet.hidden_rows is not None else np.zeros(len(at), dtype=bool),
        too_many[at],
        few[at],
        [(int(place[row]), index, text) for row, index, text in beyond if place[row] >= 0],
        sorted(skipped),
        at,
    )


def _beyond(sheet: Sheet, header: Header) -> list[tuple[int, int, str]]:
    """Cells beyond the header of a text file. They are few, and far from each other."""
    if sheet.cells_in_row is None:
        return []
    found = []
    for index, column in sheet.columns.items():
        if index >= header.width:
            for start, chunk in column.chunks:
                for at in np.flatnonzero(chunk >= 0).tolist():
                    found.append((start + at, index, column.texts[chunk[at]]))
    return [cell for cell in found if cell[0] >= header.first_data]


def _chosen(
    codes: Codes, texts: Sequence[str], is_meant: Callable[[str], bool], among: Mask
) -> Mask:
    """The rows, of some, whose text is meant; each text is looked at once."""
    among = among & (codes >= 0)
    flags = np.zeros(len(texts) + 1, dtype=bool)
    for code in used(codes[among], len(texts)):
        flags[code] = is_meant(texts[code])
    return among & flags[codes]


_ID = re.compile(r"(?=.*\d)[\w.#/-]{1,40}", re.ASCII)


def _ids(sheet: Sheet, header: Header) -> Mask:
    """The rows that have an id, not a remark in its column: a word with a digit."""
    column = header.column("id")
    if column is None or column.index not in sheet.columns:
        return np.zeros(len(sheet.rows), dtype=bool)
    codes, texts = _cells(sheet, column.index)
    return _chosen(codes, texts, lambda text: bool(_ID.fullmatch(text.strip())), codes >= 0)


_NUMBER_TEXT = re.compile(r"[\d\s.,%+-]+")
_PARTS_OF_TOTALS = ("计", "total", "sum", "ｔ", "ｓ")


def _is_number(text: str) -> bool:
    return text[:1] in "0123456789+-.," and bool(_NUMBER_TEXT.fullmatch(text))


def _is_total(text: str) -> bool:
    lower = text.lower()
    if len(text) > 40 or not any(part in lower for part in _PARTS_OF_TOTALS):
        return False  # nearly always, and at once
    return CJK_GAP.sub("", read_word(text).word) in TOTALS


def _headers_again(sheet: Sheet, header: Header) -> Mask:
    """The rows in which each cell says what the header says there."""
    again = np.zeros(len(sheet.rows), dtype=bool)
    title = header.column("title")
    for line in header.texts:
        # The title decides for nearly all rows, so the other columns have little to compare.
        first = title.index if title and title.index in line else min(line)
        same = np.arange(len(sheet.rows)) >= header.first_data
        for index in sorted(sheet.columns, key=lambda index: index != first):
            if not same.any():
                break
            codes, texts = _cells(sheet, index)
            says = partial(_says, line.get(index))
            same &= ((codes < 0) & (index != first)) | _chosen(codes, texts, says, same)
        again |= same
    return again


def _says(word: str | None, text: str) -> bool:
    return text.strip().casefold() == word


def _joined(sheet: Sheet, at: NDArray[np.int64]) -> list[str]:
    """What stands in some rows, for a list that people read."""
    parts: list[list[str]] = [[] for _ in at]
    if len(at):
        for index in sheet.columns:
            codes, texts = _cells(sheet, index)
            for part, code in zip(parts, codes[at], strict=True):
                if code >= 0:
                    part.append(texts[code])
    return [" | ".join(part)[:_LONGEST_SKIPPED_TEXT] for part in parts]
