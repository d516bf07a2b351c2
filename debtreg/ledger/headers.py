"""Which row is the header, and which field each column holds: a guess that a person may correct."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from . import words
from .cells import COLUMN_LIMIT
from .sheets import Sheet
from .words import plain

SEARCHED_ROWS = 20
_LONGEST_HEADER = 120  # characters; longer text is prose

_FIELD_OF = words.meanings(words.HEADERS)
_POINT_OF = words.meanings(words.POINTS)
_BRACKETS = re.compile(r"[(\[{【〔「]([^()\[\]{}【】〔〕「」]*)[)\]}】〕」]")
CJK_GAP = re.compile(r"(?<=[\u2e80-\u9fff])\s+(?=[\u2e80-\u9fff])")

# Fields given as three columns: effort_low stands beside effort.
THREE_POINT = ("effort", "annual_cost")
FIELDS = (*words.HEADERS, *(f"{name}_{point}" for name in THREE_POINT for point in words.POINTS))


@dataclass(frozen=True, slots=True)
class Word:
    """A header cell: the word that is compared, and what its brackets say (`units`)."""

    text: str
    word: str
    units: tuple[str, ...] = ()

    @property
    def field(self) -> str | None:
        return _FIELD_OF.get(self.word)

    @property
    def point(self) -> str | None:
        return _POINT_OF.get(self.word)

    @property
    def is_known(self) -> bool:
        return self.word in _FIELD_OF or self.word in words.AMBIGUOUS_HEADERS


@dataclass(slots=True)
class HeaderColumn:
    """A column as its header reads. `units` are the texts that give bare numbers their unit."""

    index: int
    header: str
    field: str | None
    units: tuple[str, ...] = ()
    warnings: list[str] = dataclasses.field(default_factory=list)
    may_be: tuple[str, ...] = ()


@dataclass(slots=True)
class Header:
    """The header of a sheet.

    row : the line with the most known words
    first_data : index into the sheet's rows of the first one below the header
    texts : the cells of each header line in lower case by column, to know the header when it comes
        again
    width : how many cells the header line has
    """

    row: int
    first_data: int
    columns: list[HeaderColumn]
    texts: list[dict[int, str]]
    width: int

    def column(self, name: str) -> HeaderColumn | None:
        return next((column for column in self.columns if column.field == name), None)


def read_word(text: str) -> Word:
    """A header cell as it is compared: NFKC, lower case, no outer punctuation, no brackets."""
    if len(text) > _LONGEST_HEADER:
        return Word(text, "")
    whole = plain("".join(c for c in text if unicodedata.category(c) != "Cc" or c.isspace()))
    units = tuple(found.strip() for found in _BRACKETS.findall(whole))
    bare = _trim(" ".join(_BRACKETS.sub(" ", whole).split())) or next(filter(None, units), "")
    for candidate in (whole, bare):
        for word in (candidate, CJK_GAP.sub("", candidate), re.sub(r"[_-]+", " ", candidate)):
            if word in _FIELD_OF or word in words.AMBIGUOUS_HEADERS or word in _POINT_OF:
                gives = words.HEADER_UNITS.get(word)
                return Word(text, word, (*units, gives) if gives else units)
    return Word(text, bare or whole, units)


def _trim(text: str) -> str:
    """Without outer punctuation and signs."""
    start, end = 0, len(text)
    while start < end and unicodedata.category(text[start])[0] in "PSZ":
        start += 1
    while end > start and unicodedata.category(text[end - 1])[0] in "PSZ":
        end -= 1
    return text[start:end]


def known_words(row: Iterable[str]) -> int:
    """How many cells of a row are header words; 0 if none of them is a title."""
    found = [read_word(cell) for cell in row if cell and not cell.isspace()]
    has_title = any(word.field == "title" for word in found)
    return sum(word.is_known for word in found) if has_title else 0


def find(
    sheet: Sheet, mapping: Mapping[int, str | None] | None = None, *, untitled: bool = False
) -> Header | None:
    """The header of a sheet, or None if no row has a title column.

    A `mapping` of column index -> field overrules the guess; with a title in it, or if `untitled`,
    any row may be the header: the one with the most known words, else the first that is at least
    half as wide as the widest.
    """
    if sheet.cells_in_row is None:
        searched = int(np.searchsorted(sheet.rows, SEARCHED_ROWS, side="right"))
    else:
        searched = min(SEARCHED_ROWS, len(sheet.rows))
    rows: list[dict[int, Word]] = [{} for _ in range(searched)]
    for index, column in sheet.columns.items():
        for at, code in enumerate(column.head(searched)):
            if code >= 0:
                rows[at][index] = read_word(column.texts[code])
    across = _merged_across(sheet)

    candidates: list[tuple[int, int, int | None, dict[int, HeaderColumn]]] = []
    for at, row in enumerate(rows):
        if not row:
            continue
        candidates.append((_known(row), at, None, _columns({}, row, {}, set())))
        if at and sheet.rows[at] == sheet.rows[at - 1] + 1 and _may_be_lower(rows[at - 1], row):
            upper = rows[at - 1]
            columns = _columns(upper, row, *across.get(int(sheet.rows[at - 1]), ({}, set())))
            score = sum(c.field is not None or bool(c.may_be) for c in columns.values())
            candidates.append((score, at, at - 1, columns))
    if untitled or (mapping and "title" in mapping.values()):
        if not any(score for score, *_ in candidates):
            widest = max((len(c[3]) for c in candidates), default=0)
            candidates = [c for c in candidates if 2 * len(c[3]) >= widest]
        usable = candidates
    else:
        usable = [c for c in candidates if any(col.field == "title" for col in c[3].values())]
    if not usable:
        return None
    # The most known words; of equals the one with three-point columns (only two rows give them),
    # then one row rather than two, the upper rather than the lower.
    _, at, above, columns = max(usable, key=lambda c: (c[0], _splits(c[3]), c[2] is None, -c[1]))
    lines = [at] if above is None else [above, at]
    main = max(lines, key=lambda line: _known(rows[line]))
    in_row = sheet.cells_in_row
    width = (
        int(in_row[at]) if in_row is not None else max([*sheet.columns, *columns], default=0) + 1
    )
    return Header(
        row=int(sheet.rows[main]),
        first_data=at + 1,
        columns=_settle(sheet, columns, width, mapping or {}),
        texts=[
            {i: word.text.strip().casefold() for i, word in rows[line].items()} for line in lines
        ],
        width=width,
    )


def _splits(columns: Mapping[int, HeaderColumn]) -> bool:
    """Whether one field is given as low, likely and high."""
    return any(column.field not in (None, *words.HEADERS) for column in columns.values())


def _known(row: Mapping[int, Word]) -> int:
    return sum(word.is_known for word in row.values())


def _may_be_lower(upper: Mapping[int, Word], lower: Mapping[int, Word]) -> bool:
    """Whether a row may be the second line of a header: known words, and not the first again."""
    known = sum(word.is_known or word.point is not None for word in lower.values())
    repeats = all(i in upper and upper[i].word == word.word for i, word in lower.items())
    return (
        bool(upper)
        and not repeats
        and (known == len(lower) or (known >= 2 and 2 * known > len(lower)))
    )


def _merged_across(sheet: Sheet) -> dict[int, tuple[dict[int, int], set[int]]]:
    """Header line -> the cell merged over each column, and the columns merged down from it."""
    merged: dict[int, tuple[dict[int, int], set[int]]] = {}
    for top, left, bottom, right in sheet.merged:
        if top <= SEARCHED_ROWS:
            over, down = merged.setdefault(top, ({}, set()))
            if right > left and left - 1 not in over:  # overlapping ranges are no valid file
                over.update(dict.fromkeys(range(left - 1, min(right, COLUMN_LIMIT)), left - 1))
            if bottom > top:
                down.add(left - 1)
    return merged


def _columns(
    upper: Mapping[int, Word], lower: Mapping[int, Word], over: Mapping[int, int], down: set[int]
) -> dict[int, HeaderColumn]:
    """The columns of a header of one line (`upper` is empty) or two; the lower word decides."""
    columns = {}
    # A line with one known word may be a caption; it heads no column that the lower leaves blank.
    is_header = _known(upper) > 1
    parent: Word | None = None
    for index in sorted({*upper, *lower}):
        above, word = upper.get(over.get(index, index)), lower.get(index)
        if index in upper or index in over:
            parent = above
        if word and word.point and not word.is_known:
            # Where nothing is merged, a parent reaches to the right until the next one.
            if parent and parent.field in THREE_POINT:
                columns[index] = HeaderColumn(
                    index,
                    f"{parent.text} {word.text}",
                    f"{parent.field}_{word.point}",
                    (*word.units, *parent.units),
                )
                continue
        elif word is None and index in upper and (is_header or index in down):
            word = upper[index] if upper[index].is_known else None
        if word is not None:
            units = (*word.units, *(above.units if above else ()))
            may_be = words.AMBIGUOUS_HEADERS.get(word.word, ())
            columns[index] = HeaderColumn(index, word.text, word.field, units, may_be=may_be)
    return columns


def _settle(
    sheet: Sheet, columns: Mapping[int, HeaderColumn], width: int, mapping: Mapping[int, str | None]
) -> list[HeaderColumn]:
    """Every column with content or a header: corrected by a person, each field at most once."""
    settled = []
    taken: set[str] = set()
    for index in sorted({*columns, *sheet.columns}):
        if index >= width:
            break
        column = columns.get(index) or HeaderColumn(index, "", None)
        if index in mapping:
            column.field, column.may_be = mapping[index], ()
        if column.may_be:
            column.warnings.append("header_ambiguous")
        elif column.field is None and index not in mapping:
            column.warnings.append("column_unmapped")
        elif column.field and _is_taken(column.field, taken):
            column.field = None
            column.warnings.append("header_duplicate")
        elif column.field:
            taken.add(column.field)
        settled.append(column)
    return settled


def _is_taken(name: str, taken: set[str]) -> bool:
    """Effort in one column and effort in three are the same field."""
    whole = next((field for field in THREE_POINT if name.startswith(f"{field}_")), name)
    rivals = {name, whole} if name != whole else {name, *(f"{name}_{p}" for p in words.POINTS)}
    return bool(rivals & taken)


def letters(index: int) -> str:
    """The name of a column as Excel shows it; index 0 is A."""
    name = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        name = chr(65 + digit) + name
    return name


def label(column: HeaderColumn) -> str:
    """What to call a column: its header on one line, else its letters."""
    return " ".join(column.header.split()) or f"column {letters(column.index)}"


def labels(columns: Sequence[HeaderColumn]) -> dict[int, str]:
    """Column index -> a name that no other column has."""
    names: dict[int, str] = {}
    seen: set[str] = set()
    for column in columns:
        name = label(column)
        if name in seen:
            name = f"{name} ({letters(column.index)})"
        seen.add(name)
        names[column.index] = name
    return names
