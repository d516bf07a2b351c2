"""Workbook (xlsx, xlsb, xls, ods) -> cells by column, in a process of its own.

A workbook is somebody else's file. One stray cell in XFD1048576 makes the parser reserve a grid of
17 billion cells, and a failed reservation ends the process. So that is this process and not a web
or job worker: reader.py starts this file as a script, under a limit on memory and time, and takes
what it prints. It imports nothing of debtreg, so that it starts at once.

What the parser cannot tell is taken from the packed XML itself on the way: sizes as they really
unpack, hidden rows, merged ranges, formulas without a stored result, error values.
"""

from __future__ import annotations

import gc
import html
import pickle
import re
import struct
import sys
import tempfile
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO

# Rows with content in one file. A ledger is written by people; this is some hundred times the
# longest we know of, and keeps a file's cells within some hundred megabytes.
ROW_LIMIT = 200_000
COLUMN_LIMIT = 16_384  # as Excel
ROWS_OF_EXCEL = 1_048_576
CELL_LIMIT = 10_000_000  # with content; 50 columns of the longest ledger
MEMBER_LIMIT = 10_000  # files in an archive; a workbook has some dozens
UNPACKED_LIMIT = 300_000_000  # bytes
UNPACKED_RATIO = 100  # times the packed size
MEMORY_LIMIT = 2 << 30  # bytes of this process
CPU_LIMIT_S = 120
_CHUNK_CELLS = 20_000
_MANY = 2_000  # different cells after which a column may count as one without equal ones
_CHUNK = 1 << 20
_LONGEST_ROW = 64 << 20  # bytes of XML

Send = Callable[[tuple[Any, ...]], None]


class Refused(Exception):
    """code, message, hint: as in LedgerRefused, which this process does not know."""


class Column:
    """The cells of a column: `values`, and for chunks of rows the first one's index and codes.

    Equal cells are held once, until a column turns out to have few equal ones.
    """

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.chunks: list[tuple[int, array[int]]] = []
        self._codes: dict[Any, int] | None = {}

    def add(self, start: int, cells: Sequence[Any]) -> None:
        new = dict.fromkeys(cells)
        if (1.0 in new or 0.0 in new) and bool in set(map(type, cells)):
            # True == 1.0, and would be taken for it.
            cells = [str(v).upper() if isinstance(v, bool) else v for v in cells]
            new = dict.fromkeys(cells)
        codes = self._codes
        known = len(self.values)
        if codes is None:
            self.values += cells
            self.chunks.append((start, array("i", range(known, len(self.values)))))
            return
        for value in new:
            if value not in codes:
                codes[value] = len(self.values)
                self.values.append(value)
        self.chunks.append((start, array("i", map(codes.__getitem__, cells))))
        if known > _MANY and len(self.values) - known > len(cells) / 2:
            self._codes = None


class Cells:
    """Cells by column. Blank rows are left out.

    rows : the line number of each row that was added
    columns : by position; a blank cell is "" or in no chunk
    count : rows that were offered, also those over the limit
    """

    def __init__(self, limit: int = ROW_LIMIT + 1000) -> None:
        self.rows = array("I")
        self.columns: dict[int, Column] = {}
        self.count = 0
        self._limit = limit
        self._waiting: list[Sequence[Any]] = []
        self._waiting_cells = 0
        self._filled = 0

    def add(self, number: int, row: Sequence[Any]) -> bool:
        """Take a row; False when it only counted, because the limit is reached."""
        self.count += 1
        if self.count > self._limit:
            return False
        self.rows.append(number)
        self._waiting.append(row)
        self._waiting_cells += len(row)
        if self._waiting_cells > _CHUNK_CELLS:
            self.flush()
        return True

    def flush(self) -> None:
        """Encode the rows that wait; to be called once more after the last row."""
        start = len(self.rows) - len(self._waiting)
        for position, cells in enumerate(zip_longest(*self._waiting, fillvalue="")):
            filled = len(cells) - cells.count("")
            if filled:
                self._filled += filled
                self.columns.setdefault(position, Column()).add(start, cells)
        self._waiting.clear()
        self._waiting_cells = 0
        if self._filled > CELL_LIMIT:
            raise Refused(
                "unpacks_too_big",
                f"The file has over {CELL_LIMIT:,} cells with content.",
                "Leave out columns and sheets that are not part of the ledger.",
            )


@dataclass
class Marks:
    """What the XML of a sheet says and the parser does not. Rows and columns count from 1."""

    hidden: list[tuple[int, int]] = field(default_factory=list)  # first and last row
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)  # top left bottom right
    no_result: list[tuple[int, int, str]] = field(default_factory=list)  # row, column, formula
    errors: list[tuple[int, int, str]] = field(default_factory=list)  # row, column, what it shows


# --- The container ------------------------------------------------------------------------------


def inflate(file: BinaryIO, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """A member of an archive in pieces, as it really is: its declared size is not believed."""
    if info.flag_bits & 1:
        raise Refused(
            "corrupt_file",
            "The workbook is protected by a password.",
            "Remove the password in the spreadsheet program, save it, and import it again.",
        )
    file.seek(info.header_offset)
    header = file.read(30)
    if header[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile("no member where the directory says")
    name_length, extra_length = struct.unpack("<26x2H", header)
    file.seek(name_length + extra_length, 1)
    left = info.compress_size
    if info.compress_type == zipfile.ZIP_STORED:
        while left > 0 and (piece := file.read(min(left, _CHUNK))):
            left -= len(piece)
            yield piece
        return
    if info.compress_type != zipfile.ZIP_DEFLATED:
        raise zipfile.BadZipFile(f"packing method {info.compress_type}")
    unpack = zlib.decompressobj(-15)
    while not unpack.eof and left > 0 and (packed := file.read(min(left, _CHUNK))):
        left -= len(packed)
        while packed and not unpack.eof:
            if piece := unpack.decompress(packed, _CHUNK):
                yield piece
            packed = unpack.unconsumed_tail
    if not unpack.eof:
        raise zipfile.BadZipFile("a member ends too early")


def _too_big(size: float, packed: int, at_least: bool) -> Refused:
    more = "at least " if at_least else ""
    return Refused(
        "unpacks_too_big",
        f"The file unpacks to {more}{size / 1e6:,.0f} MB, {size / max(packed, 1):,.0f} times its "
        f"own size; the limit is {UNPACKED_LIMIT / 1e6:,.0f} MB and {UNPACKED_RATIO} times.",
        "Delete sheets and formatting that are not part of the ledger, or save it as CSV.",
    )


def scan(path: Path, kind: str, send: Send) -> tuple[list[Marks], bool]:
    """Unpack the whole file once without keeping it. Returns the marks by sheet, and if 1904.

    Raises Refused where it unpacks to too much, whatever its directory says.
    """
    packed = path.stat().st_size
    limit = min(UNPACKED_LIMIT, packed * UNPACKED_RATIO)
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        declared = sum(info.file_size for info in members)
        if declared > limit:
            raise _too_big(declared, packed, at_least=False)
        by_name = {info.filename.lower().lstrip("/"): info for info in members}
        names, date1904 = _sheet_members(file, by_name, limit) if kind == "xlsx" else ([], False)
        if kind == "ods":
            names = ["content.xml"]
        found: dict[str, Any] = {}
        unpacked = 0
        for info in members:
            name = info.filename.lower().lstrip("/")
            reader = None
            if name in names and by_name[name] is info:
                reader = found[name] = _OdsTables() if kind == "ods" else _Sheet()
            for piece in inflate(file, info):
                unpacked += len(piece)
                if unpacked > limit:
                    raise _too_big(unpacked, packed, at_least=True)
                if reader:
                    reader.feed(piece)
            if reader:
                reader.close()
            send(("progress", "checking", unpacked, max(declared, unpacked)))
    if kind == "ods":
        return found["content.xml"].tables if found else [], False
    return [found[name].marks if name in found else Marks() for name in names], date1904


_ATTRIBUTES = rb"""((?:[^<>"']|"[^"<]*"|'[^'<]*')*)"""


def _attribute(tag: bytes, name: bytes) -> str | None:
    found = re.search(rb"(?:^|\s)" + name + rb"\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", tag)
    if not found:
        return None
    return html.unescape((found[1] if found[1] is not None else found[2]).decode("utf-8"))


def _sheet_members(
    file: BinaryIO, by_name: dict[str, zipfile.ZipInfo], limit: int
) -> tuple[list[str], bool]:
    """The members that hold the sheets, in order, and whether the workbook counts from 1904."""

    def text(name: str) -> bytes:
        content = bytearray()
        for piece in inflate(file, by_name[name]):
            content += piece
            if len(content) > min(limit, _LONGEST_ROW):
                raise _too_big(len(content), by_name[name].compress_size, at_least=True)
        if b"<!DOCTYPE" in content[:4096]:
            raise Refused(
                "corrupt_file",
                "The workbook holds a document type declaration, which no spreadsheet program "
                "writes.",
                "Open it in a spreadsheet program, save it as .xlsx, and import that.",
            )
        return bytes(content)

    targets = {}
    relations = text("xl/_rels/workbook.xml.rels")
    for tag in re.findall(rb"<(?:[\w.-]+:)?Relationship\b" + _ATTRIBUTES, relations):
        target = (_attribute(tag, b"Target") or "").replace("\\", "/").lower()
        targets[_attribute(tag, b"Id")] = target[1:] if target[:1] == "/" else f"xl/{target}"
    book = text("xl/workbook.xml")
    names = [
        targets.get(_attribute(tag, rb"[\w.-]+:id"), "")
        for tag in re.findall(rb"<(?:[\w.-]+:)?sheet\b" + _ATTRIBUTES, book)
    ]
    settings = re.search(rb"<(?:[\w.-]+:)?workbookPr\b" + _ATTRIBUTES, book)
    return names, bool(settings and _attribute(settings[1], b"date1904") in ("1", "true"))


def column_number(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - 64
    return number


class _Sheet:
    """The marks of one xlsx sheet, from pieces of its XML.

    Rows are found by one quick search; only rows with a formula or an error are looked into.
    """

    def __init__(self) -> None:
        self.marks = Marks()
        self._left = b""
        self._row = 0
        self._numbered = False
        self._after_rows = False
        self._prefix: bytes | None = None

    def _learn(self, prefix: bytes) -> None:
        name = b"<" + prefix
        self._prefix = prefix
        self._row_tag = name + b"row"
        self._rows = re.compile(name + rb"row\b(?:\s+r=\"(\d+)\")?([^<>]*)>")
        self._end = b"</" + prefix + b"sheetData"
        self._tokens = re.compile(rb"<(/?)" + prefix + rb"(c|f|v)\b" + _ATTRIBUTES + rb">")
        # Every formula has text behind it or shares another's. Long needles are found fastest.
        self._telling = (b"</" + prefix + b"f>", b"shared", b' t="e"', b" t='e'")
        self._merged = re.compile(name + rb"mergeCell\b" + _ATTRIBUTES + rb">")

    def feed(self, piece: bytes) -> None:
        text = self._left + piece
        if self._prefix is None:
            root = re.search(rb"<((?:[\w.-]+:)?)worksheet\b", text)
            if not root:
                self._left = text[-4096:]
                return
            self._learn(root[1])
        self._left = text[self._take(text, last=False) :]
        if len(self._left) > _LONGEST_ROW:
            raise Refused(
                "unpacks_too_big",
                f"Row {self._row} of a sheet is over {_LONGEST_ROW >> 20} MB long.",
                "Shorten its cells, or save the ledger as CSV.",
            )

    def close(self) -> None:
        if self._prefix is not None:
            self._take(self._left, last=True)

    def _take(self, text: bytes, last: bool) -> int:
        """Read what is complete. Returns where the rest starts."""
        done = 0
        if not self._after_rows:
            done = text.find(self._end)
            if done < 0 and not last:
                # The last row may go on, and the last tag may be half a one.
                done = text.rfind(self._row_tag)
                done = done if done >= 0 else max(text.rfind(b"<"), 0)
                self._read_rows(text, done)
                return done
            done = done if done >= 0 else len(text)
            self._read_rows(text, done)
            self._after_rows = True
        for found in self._merged.finditer(text, done):
            corners = re.fullmatch(
                r"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})", _attribute(found[1], b"ref") or ""
            )
            if corners:
                left, top, right, bottom = corners.groups()
                self.marks.merged.append(
                    (int(top), column_number(left), int(bottom), column_number(right))
                )
            done = found.end()
        return max(done, text.rfind(b"<"))

    def _read_rows(self, text: bytes, end: int) -> None:
        telling = [t for t in self._telling if text.find(t, 0, end) >= 0]
        if self._numbered and not telling and text.find(b"hidden", 0, end) < 0:
            return  # nothing to tell, and the next row says its number itself
        rows = list(self._rows.finditer(text, 0, end))
        ends = [*(row.start() for row in rows[1:]), end]
        for row, after in zip(rows, ends, strict=bool(rows)):
            number, attributes = row.groups()
            if number is None and (said := _attribute(attributes, b"r")):
                number = said.encode()
            self._numbered = number is not None
            self._row = int(number) if number else self._row + 1
            if b"hidden" in attributes and _attribute(attributes, b"hidden") in ("1", "true"):
                self.marks.hidden.append((self._row, self._row))
            if any(text.find(t, row.end(), after) >= 0 for t in telling):
                self._read_cells(text, row.end(), after)

    def _read_cells(self, text: bytes, start: int, end: int) -> None:
        column = 0
        kind: str | None = None
        formula: str | None = None
        value: str | None = None
        since = {b"f": start, b"v": start}
        for token in self._tokens.finditer(text, start, end):
            closing, name, attributes = token.groups()
            alone = attributes.endswith(b"/")
            if name == b"c" and not closing:
                place = re.match(r"[A-Za-z]+", _attribute(attributes, b"r") or "")
                column = column_number(place[0]) if place else column + 1
                kind, formula, value = _attribute(attributes, b"t"), None, None
            elif name == b"c":
                if kind == "e":
                    self.marks.errors.append((self._row, column, value or "#ERROR"))
                elif formula is not None and (value is None or not (value or kind == "str")):
                    self.marks.no_result.append((self._row, column, f"={formula}"))
            elif not closing:
                since[name] = token.end()
                if alone and name == b"f":
                    formula = ""
                elif alone:
                    value = ""
            else:
                inner = text[since[name] : token.start()][:200].decode("utf-8", "replace")
                if name == b"f":
                    formula = html.unescape(inner)
                else:
                    value = html.unescape(inner.strip())


class _OdsTables:
    """The marks of every table of an ods file, from pieces of its content.xml."""

    _tags = re.compile(
        rb"<(/?)table:(table|table-row|table-cell|covered-table-cell)(?=[\s/>])"
        + _ATTRIBUTES
        + rb">"
    )

    def __init__(self) -> None:
        self.tables: list[Marks] = []
        self._left = b""
        self._row = self._column = 0
        self._repeat = 1

    def feed(self, piece: bytes) -> None:
        text = self._left + piece
        cut = text.rfind(b"<")
        self._left = text[cut:] if cut >= 0 else b""
        if len(self._left) > _LONGEST_ROW:
            raise zipfile.BadZipFile("a tag without an end")
        self._take(text[:cut] if cut >= 0 else b"")

    def close(self) -> None:
        self._take(self._left)

    def _take(self, text: bytes) -> None:
        for closing, name, attributes in self._tags.findall(text):
            if name == b"table" and not closing:
                self.tables.append(Marks())
                self._row, self._column, self._repeat = 1, 1, 1
            elif name == b"table-row":
                if not closing:
                    self._repeat = int(_attribute(attributes, b"table:number-rows-repeated") or 1)
                    self._column = 1
                    if _attribute(attributes, b"table:visibility") in ("collapse", "filter"):
                        self.tables[-1].hidden.append((self._row, self._row + self._repeat - 1))
                if closing or attributes.endswith(b"/"):
                    self._row += self._repeat
            elif not closing:
                self._read_cell(attributes)

    def _read_cell(self, attributes: bytes) -> None:
        marks = self.tables[-1]
        here = (self._row, self._column)
        down = int(_attribute(attributes, b"table:number-rows-spanned") or 1)
        right = int(_attribute(attributes, b"table:number-columns-spanned") or 1)
        if down > 1 or right > 1:
            marks.merged.append((*here, self._row + down - 1, self._column + right - 1))
        if _attribute(attributes, b"calcext:value-type") == "error":
            marks.errors.append((*here, "#ERROR"))
        formula = _attribute(attributes, b"table:formula")
        if formula and b"value-type" not in attributes:
            marks.no_result.append((*here, formula.removeprefix("of:")[:200]))
        self._column += int(_attribute(attributes, b"table:number-columns-repeated") or 1)


# --- Cells far apart ----------------------------------------------------------------------------


class _Closer:
    """Rewrites the places of a sheet's cells so that only rows and columns in use remain.

    A cell in A1 and one in XFD1048576 then make a grid of 2 x 2; `rows` and `columns` say where
    they stood.
    """

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}
        self.columns: dict[int, int] = {}
        self._left = b""
        self._row = self._column = 0
        self._tags: re.Pattern[bytes] | None = None

    def feed(self, piece: bytes) -> bytes:
        text = self._left + piece
        if self._tags is None:
            root = re.search(rb"<((?:[\w.-]+:)?)worksheet\b", text)
            if not root:
                self._left = text
                return b""
            self._tags = re.compile(rb"<" + root[1] + rb"(row|c|dimension)\b" + _ATTRIBUTES + rb">")
            self._prefix = root[1]
        cut = text.rfind(b"<")
        self._left = text[cut:]
        return self._tags.sub(self._place, text[:cut])

    def close(self) -> bytes:
        return self._tags.sub(self._place, self._left) if self._tags else self._left

    def _place(self, tag: re.Match[bytes]) -> bytes:
        name, attributes = tag.groups()
        if name == b"dimension":
            return tag[0] if not attributes.endswith(b"/") else b""
        place = _attribute(attributes, b"r")
        if name == b"row":
            self._row = int(place) if place else self._row + 1
            self._column = 0
            return b"<" + self._prefix + (b"row/>" if attributes.endswith(b"/") else b"row>")
        found = re.fullmatch(r"([A-Za-z]{1,3})(\d{1,7})", place) if place else None
        if place and not found:
            raise ValueError(f"no such cell: {place}")
        row = int(found[2]) if found else self._row
        self._column = column_number(found[1]) if found else self._column + 1
        if not (0 < row <= ROWS_OF_EXCEL and 0 < self._column <= COLUMN_LIMIT):
            raise ValueError(f"no such cell: {place}")
        if attributes.endswith(b"/"):  # a blank cell with a format: nothing to keep
            return b""
        new_row = self.rows.setdefault(row, len(self.rows) + 1)
        new_column = self.columns.setdefault(self._column, len(self.columns) + 1)
        rest = re.sub(rb"(?:^|\s)r\s*=\s*(?:\"[^\"]*\"|'[^']*')", b"", attributes)
        return b'<%bc r="%b%d"%b>' % (self._prefix, _letters(new_column).encode(), new_row, rest)


def _letters(column: int) -> str:
    letters = ""
    while column:
        column, digit = divmod(column - 1, 26)
        letters = chr(65 + digit) + letters
    return letters


def move_closer(path: Path, into: BinaryIO) -> list[tuple[list[int], list[int]]]:
    """Write the xlsx anew without the empty space between cells. Returns rows, columns by sheet."""
    with (
        path.open("rb") as file,
        zipfile.ZipFile(file) as archive,
        zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as copy,
    ):
        by_name = {info.filename.lower().lstrip("/"): info for info in archive.infolist()}
        names, _ = _sheet_members(file, by_name, UNPACKED_LIMIT)
        closers = {name: _Closer() for name in names}
        for name, info in by_name.items():
            closer = closers.get(name)
            with copy.open(info.filename, "w", force_zip64=True) as out:
                for piece in inflate(file, info):
                    out.write(closer.feed(piece) if closer else piece)
                if closer:
                    out.write(closer.close())
    return [(list(closers[name].rows), list(closers[name].columns)) for name in names]


# --- The sheets ---------------------------------------------------------------------------------


def read(path: Path, kind: str, send: Send, *, closer: bool = False) -> None:
    """Send every worksheet: ("sheet", facts), then ("column", position, values, chunks) each.

    Formulas without result and error cells are blank here; their places are in the facts.
    """
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    marks, date1904 = scan(path, kind, send) if kind != "xls" else ([], False)
    with tempfile.TemporaryDirectory() as folder:
        # The parser goes by the name's ending, and the upload may be called anything.
        named = Path(folder) / f"book.{kind}"
        places = []
        if closer:
            with named.open("wb") as copy:
                places = move_closer(path, copy)
        else:
            named.symlink_to(path.resolve())
        book = CalamineWorkbook.from_path(named)
        for index, meta in enumerate(book.sheets_metadata):
            if meta.typ != SheetTypeEnum.WorkSheet:
                continue
            sheet = book.get_sheet_by_index(index)
            if sheet.end and (sheet.end[0] >= ROWS_OF_EXCEL or sheet.end[1] >= COLUMN_LIMIT):
                raise ValueError(f"a cell in row {sheet.end[0] + 1}, column {sheet.end[1] + 1}")
            found = marks[index] if index < len(marks) else Marks()
            if kind in ("xls", "xlsb"):
                found.merged = [
                    (top + 1, left + 1, bottom + 1, right + 1)
                    for (top, left), (bottom, right) in sheet.merged_cell_ranges or []
                ]
            rows, columns = places[index] if index < len(places) else ([], [])
            cells = _cells_of(sheet, found, rows, send)
            first = sheet.start[1] if sheet.start else 0
            facts = {
                "name": meta.name,
                "hidden": meta.visible != SheetVisibleEnum.Visible,
                "rows": cells.rows,
                "count": cells.count,
                "marks": found,
                "date1904": date1904,
            }
            send(("sheet", facts))
            for position, column in sorted(cells.columns.items()):
                place = columns[first + position] - 1 if columns else first + position
                send(("column", place, column.values, column.chunks))


def _cells_of(sheet: Any, marks: Marks, places: list[int], send: Send) -> Cells:
    """The rows of a sheet; not in order where cells were moved closer or have no value."""
    cells = Cells()
    marked = {row for row, _, _ in marks.no_result} | {row for row, _, _ in marks.errors}
    blank = [""] * (sheet.width or 0)
    total = sheet.height or 0
    for number, row in enumerate(sheet.iter_rows(), 1):
        line = places[number - 1] if places else number
        if row != blank or line in marked:
            marked.discard(line)
            cells.add(line, row)
        if number % 20_000 == 0:
            send(("progress", "reading", number, total))
    for line in sorted(marked):  # beyond the last cell that has a value
        cells.add(line, [""])
    cells.flush()
    return cells


def main(path: str, kind: str, mode: str) -> None:
    """Print pickles: progress, sheets and columns as `read` sends them, at last done or refused."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass  # no such limits on this system
    gc.disable()  # this process makes millions of objects, none of them in a circle, and ends
    out = sys.stdout.buffer

    def send(message: tuple[Any, ...]) -> None:
        pickler = pickle.Pickler(out, protocol=pickle.HIGHEST_PROTOCOL)
        pickler.fast = True  # no search for repeated objects: cells that repeat are held once
        pickler.dump(message)

    try:
        read(Path(path), kind, send, closer=mode == "closer")
        send(("done",))
    except Refused as refused:
        send(("refused", *refused.args))
    except MemoryError:
        raise
    except BaseException as broken:  # a panic of the parser is no Exception
        send(("broken", type(broken).__name__, str(broken)))
    out.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
