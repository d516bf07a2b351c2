"""File -> sheets of cells. Refuses first what is not what its name says, and what would explode."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import cells, text
from .errors import LedgerRefused
from .sheets import Column, NoValue, Sheet, column_of

Progress = Callable[[str, int, int], None]

KINDS = {
    ".xlsx": "xlsx", ".xlsm": "xlsx", ".xlsb": "xlsb", ".xls": "xls", ".ods": "ods",
    ".csv": "text", ".tsv": "text", ".txt": "text", ".md": "text",
}  # fmt: skip
NAMES = {
    "xlsx": "an Excel workbook (.xlsx)",
    "xlsb": "a binary Excel workbook (.xlsb)",
    "xls": "an old Excel workbook (.xls)",
    "ods": "an OpenDocument spreadsheet (.ods)",
    "text": "a text file",
}
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SIGNATURES = {
    b"%PDF": "a PDF document",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"PK\x05\x06": "an empty ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a": "a RAR archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x7fELF": "a program",
    b"MZ\x90\x00": "a Windows program",
    b"SQLite format 3\x00": "an SQLite database",
    b"PAR1": "a Parquet file",
    b"{\\rtf": "an RTF document",
}
_MARKUP = {
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
    b"<head": "an HTML page",
    b"<meta": "an HTML page",
    b"<table": "an HTML page",
    b"<?xml": "an XML file",
}


def open_sheets(path: Path, filename: str, progress: Progress) -> list[Sheet]:
    """Every sheet of the file, hidden ones too. Raises LedgerRefused."""
    extension = Path(filename).suffix.lower()
    size = path.stat().st_size
    if not size:
        raise LedgerRefused(
            "empty_file",
            f"{filename} is empty: 0 bytes.",
            "Save the ledger again and check that the file has grown.",
        )
    kind = KINDS.get(extension)
    found, name = _content(path)
    if kind is None:
        raise LedgerRefused(
            "wrong_format",
            f"{filename} is {name or 'of an unknown kind'}; ledgers are "
            f"{', '.join(sorted(KINDS))} files.",
            "Save the ledger as .xlsx or as CSV (UTF-8).",
        )
    if kind != found and (name or kind != "text"):
        if name is None:
            raise LedgerRefused(
                "corrupt_file",
                f"{filename} cannot be opened: it does not start like {NAMES[kind]}.",
                "Save it again in the program that it comes from.",
            )
        raise LedgerRefused(
            "wrong_format",
            f"{filename} is called {extension} and is {name}.",
            "Save the ledger as .xlsx or as CSV (UTF-8), with the ending that the program gives.",
        )
    if kind == "text" and size > cells.UNPACKED_LIMIT:
        raise LedgerRefused(
            "unpacks_too_big",
            f"{filename} has {size / 1e6:,.0f} MB; a text file may have "
            f"{cells.UNPACKED_LIMIT / 1e6:,.0f} MB.",
            "Leave out what is not part of the ledger.",
        )
    if kind == "text":
        try:
            sheets = text.read(path, filename, progress)
        except cells.Refused as refused:
            raise LedgerRefused(*refused.args) from None
    else:
        sheets = _workbook(path, filename, kind, progress)
    if not any(sheet.count for sheet in sheets):
        where = f" in its {len(sheets)} sheets" if len(sheets) > 1 else ""
        raise LedgerRefused(
            "empty_file",
            f"{filename} has no content: not a single cell{where} is filled.",
            "Check that it is the right file, and save the ledger again.",
        )
    _name_apart(sheets)
    return sheets


def _name_apart(sheets: Sequence[Sheet]) -> None:
    """Keys of rows start with their sheet's name: of equal ones the second is called #2."""
    names: set[str] = set()
    for sheet in sheets:
        name, number = sheet.name, 1
        while sheet.name in names:
            number += 1
            sheet.name = f"{name} #{number}"
        names.add(sheet.name)


def _content(path: Path) -> tuple[str | None, str | None]:
    """The kind of file by its content, and its name for people; both None if nothing is known."""
    with path.open("rb") as file:
        head = file.read(8192)
    if head.startswith(_ZIP):
        return _archive(path)
    if head.startswith(_OLE):
        return _compound(path)
    for signature, name in _SIGNATURES.items():
        if head.startswith(signature):
            return None, name
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for signature, name in _MARKUP.items():
        if start.startswith(signature):
            return None, name
    # BIFF without a container, as Excel wrote up to version 4.
    if head[:2] in (b"\x09\x00", b"\x09\x02", b"\x09\x04", b"\x09\x08"):
        return "xls", NAMES["xls"]
    return ("text", NAMES["text"]) if text.looks_like_text(head) else (None, None)


def _archive(path: Path) -> tuple[str | None, str | None]:
    members = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            members += piece.count(b"PK\x01\x02")
    if members > cells.MEMBER_LIMIT:  # a directory that alone may fill the memory
        raise LedgerRefused(
            "unpacks_too_big",
            f"The archive holds {members:,} files; a workbook has some dozens.",
            "Save the ledger as .xlsx or as CSV (UTF-8).",
        )
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            by_name = {info.filename.lower().lstrip("/"): info for info in archive.infolist()}
            if "xl/workbook.xml" in by_name:
                return "xlsx", NAMES["xlsx"]
            if "xl/workbook.bin" in by_name:
                return "xlsb", NAMES["xlsb"]
            if "mimetype" in by_name and by_name["mimetype"].compress_size < 200:
                mimetype = b"".join(cells.inflate(file, by_name["mimetype"]))
                if mimetype.startswith(b"application/vnd.oasis.opendocument.spreadsheet"):
                    return "ods", NAMES["ods"]
            if any(name.startswith("word/") for name in by_name):
                return None, "a Word document (.docx)"
            if any(name.startswith("ppt/") for name in by_name):
                return None, "a PowerPoint file (.pptx)"
            return None, "a ZIP archive"
    except cells.Refused:
        return None, "a ZIP archive with a password"
    except Exception:  # whatever a broken directory makes zipfile raise
        return None, None


def _compound(path: Path) -> tuple[str | None, str | None]:
    """What an OLE compound file holds, by the names in its directory, wherever that lies."""
    names = {
        "EncryptedPackage": (None, "an Excel workbook that is encrypted with a password"),
        "WordDocument": (None, "an old Word document (.doc)"),
        "PowerPoint Document": (None, "an old PowerPoint file (.ppt)"),
        "Workbook": ("xls", NAMES["xls"]),
        "Book": ("xls", NAMES["xls"]),
    }
    seen = set()
    left = b""
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            seen |= {name for name in names if name.encode("utf-16-le") in left + piece}
            left = piece[-64:]
    return next((names[name] for name in names if name in seen), (None, None))


def _workbook(path: Path, filename: str, kind: str, progress: Progress) -> list[Sheet]:
    # An xlsx on which the reader dies is tried once more with its cells moved closer together.
    for mode in ["as it is", "closer"] if kind == "xlsx" else ["as it is"]:
        sheets = _read_in_process(path, filename, kind, mode, progress)
        if sheets is not None:
            return sheets
    raise _too_much_to_read(filename)


def _too_much_to_read(filename: str) -> LedgerRefused:
    return LedgerRefused(
        "unpacks_too_big",
        f"{filename} cannot be read within {cells.MEMORY_LIMIT >> 30} GB of memory and "
        f"{cells.CPU_LIMIT_S} seconds.",
        "Delete the rows and columns outside of the ledger, or save it as CSV (UTF-8).",
    )


def _read_in_process(
    path: Path, filename: str, kind: str, mode: str, progress: Progress
) -> list[Sheet] | None:
    """The sheets as cells.py reads them; None if that process died."""
    sheets: list[Sheet] = []
    marks: list[tuple[Sheet, cells.Marks]] = []
    command = [sys.executable, "-P", cells.__file__, str(path), kind, mode]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        out = process.stdout
        if out is None:
            return None
        try:
            while True:
                try:
                    what, *facts = _Unpickler(out).load()
                except (EOFError, pickle.UnpicklingError):
                    return None
                if what == "done":
                    break
                if what == "refused":
                    raise LedgerRefused(*facts)
                if what == "broken":
                    raise _broken(filename, kind, *facts)
                if what == "progress":
                    progress(*facts)
                elif what == "sheet":
                    sheets.append(_sheet(facts[0]))
                    marks.append((sheets[-1], facts[0]["marks"]))
                else:
                    position, values, chunks = facts
                    sheets[-1].columns[position] = column_of(values, chunks)
        finally:
            process.kill()
    for sheet, found in marks:
        _put_marks(sheet, found)
        _put_in_order(sheet)
        sheet.columns = dict(sorted(sheet.columns.items()))
    return sheets


class _Unpickler(pickle.Unpickler):
    """Started as a script, cells.py calls itself __main__."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "__main__":
            return getattr(cells, name)
        return super().find_class(module, name)


def _broken(filename: str, kind: str, error: str, detail: str) -> LedgerRefused:
    if "password" in f"{error} {detail}".lower():
        return LedgerRefused(
            "corrupt_file",
            f"{filename} is protected by a password.",
            "Remove the password in the spreadsheet program, save it, and import it again.",
        )
    if "limit exceeded" in detail:
        return _too_much_to_read(filename)
    return LedgerRefused(
        "corrupt_file",
        f"{filename} cannot be opened as {NAMES[kind]}: {detail[:200] or error}.",
        "Open it in a spreadsheet program, save it again, and import that.",
    )


def _sheet(facts: dict[str, Any]) -> Sheet:
    rows = np.array(facts["rows"], dtype=np.int64)
    found: cells.Marks = facts["marks"]
    hidden_rows = np.zeros(len(rows), dtype=bool)
    if found.hidden:
        first, last = np.array(sorted(found.hidden), dtype=np.int64).T
        at = np.searchsorted(first, rows, side="right") - 1
        hidden_rows = (at >= 0) & (rows <= last[at])
    return Sheet(
        name=facts["name"],
        rows=rows,
        columns={},
        count=facts["count"],
        hidden=facts["hidden"],
        hidden_rows=hidden_rows,
        merged=found.merged,
        date1904=facts["date1904"],
    )


def _put_marks(sheet: Sheet, found: cells.Marks) -> None:
    """Put a NoValue where the parser gave a blank for an error or a formula without result."""
    places: dict[int, dict[int, NoValue]] = {}
    for kind, listed in (("formula_without_value", found.no_result), ("error_value", found.errors)):
        for row, column, shown in listed:
            places.setdefault(column - 1, {})[row] = NoValue(kind, shown)
    at = {line: index for index, line in enumerate(sheet.rows.tolist())} if places else {}
    for position, by_row in places.items():
        target = sheet.columns.setdefault(position, Column([], [], [], []))
        codes = sheet.codes(position)
        code = {value: len(target.values) + n for n, value in enumerate(set(by_row.values()))}
        for line, value in by_row.items():
            if line in at:  # else beyond the row limit
                codes[at[line]] = code[value]
        target.values += code
        target.texts += [value.text for value in code]
        target.dirty += [False] * len(code) if target.dirty else []
        target.chunks = [(0, codes)]


def _put_in_order(sheet: Sheet) -> None:
    if np.all(sheet.rows[1:] > sheet.rows[:-1]):
        return
    order = np.argsort(sheet.rows, kind="stable")
    for position, column in sheet.columns.items():
        column.chunks = [(0, sheet.codes(position)[order])]
    sheet.rows = sheet.rows[order]
    if sheet.hidden_rows is not None:
        sheet.hidden_rows = sheet.hidden_rows[order]
