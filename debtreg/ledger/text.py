"""Text files -> sheets: CSV with commas, semicolons or tabs, and Markdown pipe tables."""

from __future__ import annotations

import codecs
import csv
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
from charset_normalizer import from_bytes

from . import headers
from .cells import COLUMN_LIMIT, Cells
from .errors import LedgerRefused
from .sheets import Sheet, column_of

Progress = Callable[[str, int, int], None]

_CHUNK = 1 << 20
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# What programs save text as by themselves; other guesses are mostly wrong, and help nobody.
_ENCODING_NAMES = {
    **dict.fromkeys(
        ("cp1250", "cp1252", "cp850", "cp852", "iso8859_15", "iso8859_2", "latin_1"),
        "Western or Central European text",
    ),
    **dict.fromkeys(("cp1251", "iso8859_5", "koi8_r", "cp866"), "Cyrillic text"),
    **dict.fromkeys(("cp1253", "iso8859_7"), "Greek text"),
    **dict.fromkeys(("cp1254", "iso8859_9"), "Turkish text"),
    **dict.fromkeys(("shift_jis", "cp932", "euc_jp"), "Japanese text"),
    **dict.fromkeys(("big5", "cp950", "big5hkscs"), "traditional Chinese text (Big5)"),
    **dict.fromkeys(("euc_kr", "cp949"), "Korean text"),
}
_SAVE_AS_UTF8 = "Save it as “CSV UTF-8”, or as .xlsx."


def looks_like_text(head: bytes) -> bool:
    """Text has hardly any control characters; UTF-16 may, and says so by its mark."""
    if any(head.startswith(mark) for mark in _BOMS):
        return True
    odd = len(re.findall(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", head))
    return odd <= len(head) / 10


def read(path: Path, filename: str, progress: Progress) -> list[Sheet]:
    """The table of a CSV file, or every pipe table of a Markdown one. Raises LedgerRefused."""
    encoding = _encoding(path, filename)
    extension = Path(filename).suffix.lower()
    try:
        with path.open(encoding=encoding, newline="") as file:
            if extension in (".md", ".txt") and _has_pipe_table(file):
                file.seek(0)
                return _markdown(file, filename)
            if extension == ".md":
                raise LedgerRefused(
                    "not_a_ledger",
                    f"{filename} has no pipe table.",
                    "A table has a header line with “|” between the cells, and a line of dashes "
                    "below it.",
                )
            file.seek(0)
            delimiter = _delimiter(file, extension)
            file.seek(0)
            return [_delimited(file, delimiter, filename, path.stat().st_size, progress)]
    except UnicodeDecodeError:
        name = encoding.removesuffix("-sig").upper()
        raise LedgerRefused(
            "corrupt_file",
            f"{filename} begins with the mark of {name} and holds bytes that are not {name}.",
            _SAVE_AS_UTF8,
        ) from None


# --- Encoding -----------------------------------------------------------------------------------


def _encoding(path: Path, filename: str) -> str:
    """UTF-8, UTF-16 with a mark, or GB 18030; anything else is refused by name, never guessed."""
    with path.open("rb") as file:
        head = file.read(_CHUNK)
    for mark, encoding in _BOMS.items():
        if head.startswith(mark):
            if encoding == "utf-32":
                raise _wrong_encoding(filename, "UTF-32")
            return encoding
    if head.count(0) > len(head) / 10:
        every_other = max(head[0::2].count(0), head[1::2].count(0)) > 0.9 * head.count(0)
        name = "UTF-16 without a byte order mark" if every_other else "binary data"
        raise _wrong_encoding(filename, name)
    if _decodes(path, "utf-8"):
        return "utf-8"
    if _is_chinese(head) and _decodes(path, "gb18030"):
        return "gb18030"
    best = from_bytes(_around_first_odd_byte(head)).best()
    raise _wrong_encoding(filename, _ENCODING_NAMES.get(best.encoding, "") if best else "")


def _wrong_encoding(filename: str, name: str) -> LedgerRefused:
    """`name` is for people; empty where nothing is known that they may have heard of."""
    looks = f"it looks like {name}" if name else "what it is cannot be told"
    return LedgerRefused(
        "wrong_format",
        f"{filename} is no UTF-8, UTF-16 or GB 18030 text; {looks}.",
        _SAVE_AS_UTF8,
    )


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while piece := file.read(_CHUNK):
                decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _is_chinese(head: bytes) -> bool:
    """Whether bytes that may be GB 18030 are likely to be.

    Western, Cyrillic and Japanese text often decodes as GB 18030 too, into rare characters; real
    Chinese consists of the common ones, which are the first level of GB 2312, and its signs.
    """
    pairs = re.findall(rb"[\x81-\xfe][\x30-\x39\x40-\x7e\x80-\xfe]", head)
    common = sum(0xA1 <= lead <= 0xD7 and trail >= 0xA1 for lead, trail in pairs)
    return common >= 0.7 * len(pairs) > 0


def _around_first_odd_byte(head: bytes) -> bytes:
    found = re.search(rb"[\x80-\xff]", head)
    start = max(0, found.start() - 2000) if found else 0
    return head[start : start + 20_000]


# --- Comma, semicolon, tab ----------------------------------------------------------------------


class _OpenQuote(Exception):
    """A quotation mark that opens in the record starting on this line never closes."""


class _LongCell(Exception):
    """A cell on this line is longer than any that a table holds."""


def _records(file: IO[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line that it starts on."""
    lines: list[str] = []  # of the record being read

    def remembered() -> Iterator[str]:
        for line in file:
            lines.append(line)
            yield line

    reader = csv.reader(remembered(), delimiter=delimiter)
    start, last = 1, 0
    last_lines: list[str] = []
    try:
        for record in reader:
            last, last_lines = start, lines.copy()
            lines.clear()
            yield start, record
            start = reader.line_num + 1
    except csv.Error:  # the only one left without `strict`: a cell over the limit
        # One that goes on over lines has swallowed them: its quotation mark does not close.
        raise (_OpenQuote if len(lines) > 1 else _LongCell)(start) from None
    try:
        list(csv.reader(last_lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise _OpenQuote(last) from None


def _delimiter(file: IO[str], extension: str) -> str:
    """The one that finds the most header words; of equals the most usual one."""
    candidates = "\t,;" if extension == ".tsv" else ",;\t"
    lines = []
    size = 0
    for line in file:
        lines.append(line)
        size += len(line)
        if len(lines) == 200 or size > _CHUNK:
            break

    def header_words(delimiter: str) -> int:
        try:
            rows = list(islice(csv.reader(lines, delimiter=delimiter), headers.SEARCHED_ROWS))
        except csv.Error:
            return 0
        return max((headers.known_words(row) for row in rows), default=0)

    return max(candidates, key=header_words)


def _delimited(
    file: IO[str], delimiter: str, filename: str, size: int, progress: Progress
) -> Sheet:
    cells, lengths = Cells(), array("I")
    try:
        for number, (line, record) in enumerate(_records(file, delimiter)):
            _check_width(line, record, filename)
            if any(record) and not "".join(record).isspace() and cells.add(line, record):
                lengths.append(len(record))
            if number % 20_000 == 0:
                progress("reading", min(file.buffer.tell(), size), size)  # type: ignore[attr-defined]
    except _OpenQuote as line:
        raise LedgerRefused(
            "corrupt_file",
            f"A quotation mark that opens in line {line} of {filename} does not close in the same "
            "cell.",
            "Close it, or double it where it is part of the text.",
        ) from None
    except _LongCell as line:
        raise LedgerRefused(
            "corrupt_file",
            f"A cell in line {line} of {filename} has over {csv.field_size_limit():,} characters.",
            "Shorten it, and check that no separator is missing there.",
        ) from None
    sheet = _sheet("", cells, lengths)
    sheet.decimal = "," if delimiter == ";" else "."
    return sheet


def _check_width(line: int, row: Sequence[str], filename: str) -> None:
    if len(row) > COLUMN_LIMIT:
        raise LedgerRefused(
            "corrupt_file",
            f"Line {line} of {filename} has {len(row):,} cells; a table has at most "
            f"{COLUMN_LIMIT:,}.",
            "Check the separators of that line.",
        )


def _sheet(name: str, cells: Cells, lengths: array[int]) -> Sheet:
    cells.flush()
    return Sheet(
        name=name,
        rows=np.array(cells.rows, dtype=np.int64),
        columns={
            position: column_of(column.values, column.chunks)
            for position, column in sorted(cells.columns.items())
        },
        count=cells.count,
        cells_in_row=np.array(lengths, dtype=np.int64),
    )


# --- Markdown -----------------------------------------------------------------------------------

_DASHES = re.compile(r"\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?")
_BAR = re.compile(r"(?<!\\)\|")
_FENCE = re.compile(r"```|~~~")
_HEADING = re.compile(r"#{1,6}\s+(.+?)\s*#*")
_MARKED = re.compile(r"[`*_\[\\<]")
_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_LINK = re.compile(r"!?\[((?:\\.|[^\[\]\\])*)\](?:\((?:\\.|[^()\\]|\([^()]*\))*\)|\[[^\[\]]*\])")
_AUTOLINK = re.compile(r"<((?:https?|mailto):[^<>\s]+)>")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_STARS = re.compile(r"(?<!\\)(\*{1,3})(?=[^\s*])(.+?)(?<=[^\s\\])\1(?!\*)")
_UNDERSCORES = re.compile(r"(?<![\w\\])(_{1,3})(?=[^\s_])(.+?)(?<=[^\s\\])\1(?!\w)")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
# Longer cells keep their marks: looking for pairs takes time that grows with the square.
_LONGEST_MARKED = 10_000


def _is_row(line: str) -> bool:
    return bool(_BAR.search(line))


def _opens_table(above: str, line: str) -> bool:
    return _is_row(above) and _is_row(line) and "-" in line and bool(_DASHES.fullmatch(line))


def _has_pipe_table(file: IO[str]) -> bool:
    above = ""
    for line in map(str.strip, file):
        if _opens_table(above, line):
            return True
        above = line
    return False


def _markdown(file: IO[str], filename: str) -> list[Sheet]:
    """A sheet for each table, called as the heading above it or by its number.

    Lines between tables are notes of the table before them.
    """
    tables: list[tuple[str, Cells, array[int], list[tuple[int, str]]]] = []
    heading = ""
    waiting: tuple[int, str] | None = None  # the line above, which may be a header
    in_rows = fenced = False

    def add(number: int, line: str) -> None:
        _, cells, lengths, _ = tables[-1]
        row = _row(line)
        _check_width(number, row, filename)
        if any(row) and cells.add(number, row):
            lengths.append(len(row))

    for number, line in enumerate(map(str.strip, file), 1):
        if _FENCE.match(line):
            fenced = not fenced
        if in_rows and not fenced and _is_row(line):
            add(number, line)
            continue
        in_rows = False
        if waiting and not fenced and _opens_table(waiting[1], line):
            name = heading or f"Table {len(tables) + 1}"
            tables.append((name, Cells(), array("I"), []))
            add(*waiting)
            waiting, in_rows = None, True
            continue
        if waiting and tables:
            tables[-1][3].append(waiting)
        waiting = (number, line) if line else None
        if not fenced and (found := _HEADING.fullmatch(line)):
            heading = _inline(found[1])
    if waiting and tables:
        tables[-1][3].append(waiting)
    sheets: list[Sheet] = []
    for name, cells, lengths, notes in tables:
        sheet = _sheet(name, cells, lengths)
        sheet.notes = notes
        sheets.append(sheet)
    return sheets


def _row(line: str) -> list[str]:
    cells = _BAR.split(line)
    if not cells[0].strip():
        del cells[0]
    if cells and not cells[-1].strip():
        del cells[-1]
    return [_inline(cell.strip()) for cell in cells]


def _inline(text: str) -> str:
    """A cell without its Markdown: emphasis, code marks and link targets go, `<br>` breaks."""
    if not _MARKED.search(text) or len(text) > _LONGEST_MARKED:
        return text.replace(r"\|", "|")
    parts = []
    at = 0
    for code in _CODE.finditer(text):
        parts += [_prose(text[at : code.start()]), code[2].replace(r"\|", "|")]
        at = code.end()
    return "".join([*parts, _prose(text[at:])])


def _prose(text: str) -> str:
    text = _AUTOLINK.sub(r"\1", _BREAK.sub("\n", text))
    for pattern, kept in ((_LINK, r"\1"), (_STARS, r"\2"), (_UNDERSCORES, r"\2")):
        before = ""
        while before != text:
            before, text = text, pattern.sub(kept, text)
    return _ESCAPE.sub(r"\1", text)
