"""Ledgers made for a test, and short ways to look at what was read."""

import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import xlsxwriter
import yaml
from xlsxwriter.worksheet import Worksheet

from debtreg.ledger import Catalog, Ledger, read

DATA = Path(__file__).parent.parent / "data" / "ledger"


def sample_catalog() -> Catalog:
    known = yaml.safe_load((DATA / "services.yaml").read_text(encoding="utf-8"))
    services = {
        name: service["slug"]
        for service in known["services"]
        for name in (service["slug"], service["name"], *service["aliases"])
    }
    teams = {name: t["slug"] for t in known["teams"] for name in (t["slug"], t["name"])}
    return Catalog(services, teams)


CATALOG = sample_catalog()


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_text(
    tmp_path: Path, content: str | bytes, name: str = "debts.csv", **options: Any
) -> Ledger:
    return read(write(tmp_path / name, content), name, CATALOG, **options)


def workbook(path: Path, fill: Callable[[Worksheet], None], **options: Any) -> Path:
    """An xlsx with one sheet, `Debts`."""
    book = xlsxwriter.Workbook(str(path), options)
    fill(book.add_worksheet("Debts"))
    book.close()
    return path


def read_rows(tmp_path: Path, *rows: Iterable[Any], **options: Any) -> Ledger:
    """An xlsx of these rows, read."""

    def fill(sheet: Worksheet) -> None:
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)

    path = workbook(tmp_path / "debts.xlsx", fill, strings_to_urls=False, strings_to_formulas=False)
    return read(path, path.name, CATALOG, **options)


def raw_workbook(
    path: Path, rows: str, *, after: str = "", before: str = "", prefix: str = "", root: str = ""
) -> Path:
    """An xlsx whose only sheet is this XML, for what no library would write."""
    donor = workbook(path.with_suffix(".donor.xlsx"), lambda sheet: None)
    p = f"{prefix}:" if prefix else ""
    xmlns = f"xmlns:{prefix}" if prefix else "xmlns"
    sheet = (
        f'{root}<{p}worksheet {xmlns}="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f"{before}<{p}sheetData>{rows}</{p}sheetData>{after}</{p}worksheet>"
    )
    return repacked(donor, path, {"xl/worksheets/sheet1.xml": sheet.encode()})


def repacked(source: Path, target: Path, replaced: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, replaced.get(name, old.read(name)))
        for name in set(replaced) - set(old.namelist()):
            new.writestr(name, replaced[name])
    return target


def cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def flags(ledger: Ledger, *kinds: str) -> set[tuple[int, str, str]]:
    """(row, field, kind) of the findings; only of these kinds if any are named."""
    found = ledger.findings
    if kinds:
        found = found[found["kind"].isin(kinds)]
    return set(found[["row", "field", "kind"]].itertuples(index=False, name=None))


def kinds_of(ledger: Ledger, field: str) -> set[str]:
    return set(ledger.findings.loc[ledger.findings["field"] == field, "kind"])


def points(ledger: Ledger, name: str, at: int = 0) -> tuple[float, float, float]:
    row = ledger.rows.iloc[at]
    return row[f"{name}_low"], row[f"{name}_likely"], row[f"{name}_high"]


def old_workbook(path: Path, rows: list[list[str | float]], merged: Iterable[tuple] = ()) -> Path:
    """An xls (BIFF 8 in a compound file) with one sheet, written by hand: no library here does."""

    def record(kind: int, content: bytes) -> bytes:
        return struct.pack("<HH", kind, len(content)) + content

    def opening(kind: int) -> bytes:
        return record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0, 0, 0, 6))

    cells = b""
    for r, row in enumerate(rows):
        for c, value in enumerate(row):
            place = struct.pack("<HHH", r, c, 0)
            if isinstance(value, str):
                text = struct.pack("<HB", len(value), 1) + value.encode("utf-16-le")
                cells += record(0x0204, place + text)
            else:
                cells += record(0x0203, place + struct.pack("<d", value))
    ranges = [struct.pack("<4H", *corners) for corners in merged]
    if ranges:
        cells += record(0x00E5, struct.pack("<H", len(ranges)) + b"".join(ranges))
    start = opening(0x0005)
    sheet_record = 4 + 4 + 2 + 2 + len("Debts")
    place_of_sheet = struct.pack("<I", len(start) + sheet_record + 4)
    named = record(0x0085, place_of_sheet + bytes([0, 0, len("Debts"), 0]) + b"Debts")
    end = record(0x000A, b"")
    stream = start + named + end + opening(0x0010) + cells + end
    stream = stream.ljust(max(4096, -(-len(stream) // 512) * 512), b"\0")

    last, free, none = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFF
    count = len(stream) // 512
    fat = [0xFFFFFFFD, last, *range(3, count + 2), last]
    fat += [free] * (128 - len(fat))

    def entry(name: str, kind: int, child: int, first: int, size: int) -> bytes:
        text = (name.encode("utf-16-le") + b"\0\0") if name else b""
        return (
            text.ljust(64, b"\0")
            + struct.pack("<HBBIII", len(text), kind, 1, none, none, child)
            + bytes(36)
            + struct.pack("<IQ", first, size)
        )

    directory = entry("Root Entry", 5, 1, last, 0) + entry("Workbook", 2, none, 2, len(stream))
    directory += 2 * entry("", 0, none, 0, 0)
    header = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        + bytes(16)
        + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
        + bytes(6)
        + struct.pack("<9I", 0, 1, 1, 0, 4096, last, 0, last, 0)
        + struct.pack("<109I", 0, *[free] * 108)
    )
    path.write_bytes(header + struct.pack("<128I", *fat) + directory + stream)
    return path
