"""Whatever the bytes, a file is read or refused; nothing else is ever raised."""

import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debtreg.ledger import REFUSALS, WARNINGS, Ledger, LedgerRefused, read
from debtreg.ledger.reader import KINDS

from .files import CATALOG, DATA, repacked

TEXTS = sorted(name for name, kind in KINDS.items() if kind == "text")
WORKBOOKS = sorted(name for name, kind in KINDS.items() if kind != "text")
WORKBOOK = DATA / "ledger-217.xlsx"
CSV = (DATA / "ledger-en.csv").read_bytes()
SHEET = zipfile.ZipFile(WORKBOOK).read("xl/worksheets/sheet1.xml")

# Reading a workbook starts a process, so these try fewer files.
SLOW = settings(max_examples=15, deadline=None)
QUICK = settings(max_examples=150, deadline=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def read_or_refuse(path: Path, name: str) -> None:
    try:
        ledger = read(path, name, CATALOG)
    except LedgerRefused as error:
        refused = error
    else:
        check(ledger)
        return
    assert refused.code in REFUSALS
    assert refused.message
    assert refused.hint


def check(ledger: Ledger) -> None:
    rows = ledger.rows
    assert len(rows)
    assert rows["key"].is_unique
    assert rows.loc[rows["state"] == "imported", "title"].notna().all()
    assert set(rows["status"]) <= {"open", "doing", "done", "accepted"}
    assert set(ledger.findings["kind"]) <= set(WARNINGS)
    assert set(ledger.findings["row"]) <= set(rows["row"])
    assert not rows["title_full"].str.contains("\x00", regex=False).any()
    ledger.totals()
    ledger.cells(range(len(rows)))


def try_bytes(folder: Path, content: bytes, extension: str) -> None:
    path = folder / "file"
    path.write_bytes(content)
    read_or_refuse(path, f"debts{extension}")


cut = st.tuples(st.integers(0, 1 << 20), st.integers(0, 40), st.binary(max_size=40))


def mutated(content: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    """Some pieces of a file taken out and others put in."""
    for at, length, new in cuts:
        at %= len(content) + 1
        content = content[:at] + new + content[at + length :]
    return content


@QUICK
@given(st.binary(max_size=400), st.sampled_from(TEXTS))
def test_random_bytes_as_text(folder, content, extension):
    try_bytes(folder, content, extension)


@QUICK
@given(
    st.text("Titlete标题,;\t|-\"'\n\r\\`*_[]()#0123456789.工作量人天状态依赖\x00 ", max_size=300),
    st.sampled_from(TEXTS),
    st.sampled_from(["utf-8", "utf-16", "gb18030"]),
)
def test_random_tables_as_text(folder, text, extension, encoding):
    try_bytes(folder, ("Title,ID,状态,依赖\n" + text).encode(encoding), extension)


@QUICK
@given(st.lists(cut, min_size=1, max_size=8), st.sampled_from(TEXTS))
def test_mutated_copies_of_the_csv_sample(folder, cuts, extension):
    try_bytes(folder, mutated(CSV, cuts), extension)


@QUICK
@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\x09\x08"]),
    st.sampled_from(WORKBOOKS),
)
def test_random_bytes_as_a_workbook(folder, content, start, extension):
    try_bytes(folder, start + content, extension)


@SLOW
@given(st.binary(max_size=2000))
def test_random_bytes_in_an_old_workbook(folder, content):
    start = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + b"\x3e\x00\x03\x00\xfe\xff\x09\x00"
    try_bytes(folder, start + content + "Workbook".encode("utf-16-le"), ".xls")


@SLOW
@given(st.lists(cut, min_size=1, max_size=4))
def test_mutated_copies_of_the_workbook_sample(folder, cuts):
    try_bytes(folder, mutated(WORKBOOK.read_bytes(), cuts), ".xlsx")


XML = [b"", b"<", b">", b'"', b"<f>1</f>", b"</c>", b't="e"', b' r="XFD9"', b"<row>", b"&", b"0"]


@SLOW
@given(
    st.lists(
        st.tuples(st.integers(0, len(SHEET)), st.integers(0, 40), st.sampled_from(XML)),
        min_size=1,
        max_size=4,
    )
)
def test_mutated_sheets_of_the_workbook_sample(folder, cuts):
    path = folder / "sheet.xlsx"
    repacked(WORKBOOK, path, {"xl/worksheets/sheet1.xml": mutated(SHEET, cuts)})
    read_or_refuse(path, path.name)
