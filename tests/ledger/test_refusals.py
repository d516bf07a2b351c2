"""Files that are refused as a whole, with what is wrong and what to do."""

import io
import struct
import zipfile

import pytest

from debtreg.errors import DebtregError
from debtreg.ledger import LedgerRefused, cells, inspect, plan, read

from .files import CATALOG, DATA, cell, raw_workbook, read_text, repacked, workbook, write


def refusal(path, name=None):
    with pytest.raises(LedgerRefused) as read_refused:
        read(path, name or path.name, CATALOG)
    with pytest.raises(LedgerRefused) as inspect_refused:
        inspect(path, name or path.name)
    assert inspect_refused.value.code == read_refused.value.code
    error = read_refused.value
    assert isinstance(error, DebtregError)
    assert error.message.endswith(".")
    assert error.hint.endswith(".")
    return error


def zipped(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "/").replace("_x", "."), content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", b""), ("a.xlsx", b""), ("a.csv", b" \r\n\t\n"), ("a.csv", b"\xef\xbb\xbf"),
     ("a.csv", b",,\n,,\n")],
)  # fmt: skip
def test_a_file_without_content_is_refused(tmp_path, name, content):
    assert refusal(write(tmp_path / name, content)).code == "empty_file"


def test_a_workbook_without_a_cell_is_refused_as_empty(tmp_path):
    path = workbook(tmp_path / "a.xlsx", lambda sheet: None)
    assert refusal(path).code == "empty_file"


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (",,\n", {}, "a.csv has no content: not a single cell is filled."),
        (
            "ID,Title\n1,Leak\n",
            {"sheets": ["Debts"]},
            "a.csv is a single table and has no sheets, so nothing of it was chosen.",
        ),
        (
            "ID,Title\n1,Leak\n",
            {"mapping": {"": {1: "titel"}}},
            "The mapping names titel, which no field is.",
        ),
    ],
)
def test_the_table_of_a_text_file_is_not_called_a_sheet_without_a_name(
    tmp_path, text, options, said
):
    with pytest.raises(DebtregError) as refused:
        read(write(tmp_path / "a.csv", text), "a.csv", CATALOG, **options)
    assert refused.value.message == said


def test_several_sheets_are_spoken_of_in_the_plural(tmp_path):
    import xlsxwriter

    path = tmp_path / "a.xlsx"
    book = xlsxwriter.Workbook(str(path))
    for name in ("A", "B", "Notes"):
        book.add_worksheet(name).write_column("A1", ["-" if name == "Notes" else "Title", "x"])
    book.close()
    with pytest.raises(LedgerRefused) as refused:
        read(path, "a.xlsx", CATALOG, sheets=["Notes"])
    assert "“A”, “B” have one and are hidden or not chosen." in refused.value.message
    assert refused.value.hint == "Choose one of these sheets."
    book = xlsxwriter.Workbook(str(path))
    book.add_worksheet()
    book.add_worksheet()
    book.close()
    assert "not a single cell in its 2 sheets is filled" in refusal(path).message


@pytest.mark.parametrize("below", ["", "\n\n", "Total,5\n", "a note,\n"])
def test_a_header_without_debts_is_refused(tmp_path, below):
    error = refusal(write(tmp_path / "a.csv", f"ID,Title\n{below}"))
    assert error.code == "no_rows"
    assert "row 1" in error.message


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "a,b\n1,2\n"), ("a.md", "# Prose\n\nonly.\n"), ("a.txt", "hello")]
)
def test_a_file_without_a_title_column_is_refused(tmp_path, name, text):
    assert refusal(write(tmp_path / name, text)).code == "not_a_ledger"


UNTITLED = [
    ["台账 2026"],
    ["Kürzel", "Bezeichnung", "Aufwand"],
    ["A-1", "Retries without back-off", 3],
    ["A-2", "No index", 5],
]


def test_a_refusal_for_want_of_a_title_names_the_columns_to_choose_from(tmp_path):
    path = workbook(
        tmp_path / "a.xlsx",
        lambda sheet: [sheet.write_row(row, 0, cells) for row, cells in enumerate(UNTITLED)],
    )
    (sheet,) = refusal(path).sheets
    assert (sheet.imported, sheet.why, sheet.header_row) == (False, "sheet_without_title", 2)
    (table,) = refusal(write(tmp_path / "a.csv", "was,why\nSlow,x\n")).sheets
    assert table.message.startswith("The table has no header row with a title column")
    assert [(c.letter, c.header, c.samples) for c in sheet.columns] == [
        ("A", "Kürzel", ("A-1", "A-2")),
        ("B", "Bezeichnung", ("Retries without back-off", "No index")),
        ("C", "Aufwand", ("3", "5")),
    ]
    ledger = read(path, "a.xlsx", CATALOG, mapping={sheet.name: {1: "title", 2: "effort"}})
    assert ledger.sheets[0].header_row == 2
    assert ledger.rows["title"].tolist() == ["Retries without back-off", "No index"]
    assert ledger.rows["effort_likely"].tolist() == [3, 5]


def test_a_sheet_without_a_title_beside_a_ledger_shows_its_columns_too(tmp_path):
    import xlsxwriter

    path = tmp_path / "a.xlsx"
    book = xlsxwriter.Workbook(str(path))
    for name, rows in (("Ledger", [["Title"], ["Leak"]]), ("More", UNTITLED)):
        sheet = book.add_worksheet(name)
        for row, line in enumerate(rows):
            sheet.write_row(row, 0, line)
    book.close()
    more = inspect(path, "a.xlsx").sheets[1]
    assert (more.imported, [c.header for c in more.columns]) == (
        False,
        ["Kürzel", "Bezeichnung", "Aufwand"],
    )
    ledger = read(path, "a.xlsx", CATALOG, mapping={"More": {1: "title"}})
    assert ledger.rows["title"].tolist() == ["Leak", "Retries without back-off", "No index"]


def test_a_refusal_for_anything_else_offers_no_columns(tmp_path):
    assert refusal(write(tmp_path / "a.csv", "ID,Title\n")).sheets == ()


def test_a_workbook_whose_only_ledger_is_hidden_says_which_sheet_to_choose(tmp_path):
    import xlsxwriter

    path = tmp_path / "a.xlsx"
    book = xlsxwriter.Workbook(str(path))
    book.add_worksheet("Front").write("A1", "hello")
    hidden = book.add_worksheet("Back")
    hidden.write_column("A1", ["Title", "Leak"])
    hidden.hide()
    book.close()
    error = refusal(path)
    assert error.code == "not_a_ledger"
    assert "“Back”" in error.message


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.xlsx", b"Title\nLeak\n", "a text file"),
        ("a.xls", b"<html><table><tr><td>Title", "an HTML page"),
        ("a.xls", b"<?xml version='1.0'?><Workbook/>", "an XML file"),
        ("a.xlsx", b"%PDF-1.7 ...", "a PDF document"),
        ("a.csv", b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        ("a.csv", b"  <!DOCTYPE HTML><title>", "an HTML page"),
        ("a.xlsx", zipped(hello_xtxt="hi"), "a ZIP archive"),
        ("a.xlsx", zipped(word__document_xxml="<w/>"), "a Word document"),
        ("a.xlsx", OLE + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        ("a.xls", OLE + "WordDocument".encode("utf-16-le"), "an old Word document"),
        ("a.xlsx", OLE + "Workbook".encode("utf-16-le"), "an old Excel workbook"),
        ("a.csv", OLE + "Workbook".encode("utf-16-le"), "an old Excel workbook"),
        ("a.csv.gz", b"\x1f\x8b\x08\x00", "a gzip archive"),
        ("a.pdf", b"%PDF-1.7", "a PDF document"),
        ("ledger", b"Title\nLeak\n", "a text file"),
    ],
)
def test_content_that_is_not_what_the_name_says_is_refused_by_name(tmp_path, name, content, what):
    error = refusal(write(tmp_path / name, content))
    assert error.code == "wrong_format"
    assert what in error.message


@pytest.mark.parametrize("name", ["a.csv", "a.xls", "a.ods", "a.xlsb", "a.txt"])
def test_an_xlsx_by_another_name_is_refused(name):
    error = refusal(DATA / "ledger-217.xlsx", name)
    assert error.code == "wrong_format"
    assert "an Excel workbook (.xlsx)" in error.message


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:4000] + bytes(2000) + content[6000:],
        lambda content: b"PK\x03\x04" + b"junk" * 100,
        lambda content: bytes(range(256)) * 4,
    ],
)
def test_a_damaged_workbook_is_refused(tmp_path, spoil):
    content = (DATA / "ledger-217.xlsx").read_bytes()
    assert refusal(write(tmp_path / "a.xlsx", spoil(content))).code == "corrupt_file"


@pytest.mark.parametrize(
    "rows",
    [
        "<row><c",
        '<row r="1"><c r="A1" t="s"><v>99</v></c></row>',
        '<row r="1"><c r="A0"><v>9</v></c></row>',
        '<row r="1"><c r="AAAAAAAA1"><v>9</v></c></row>',
        '<row r="1"><c r="A1"><v>9</v></c><c r="AAAAAAAA1"><v>9</v></c></row>',
        '<row r="9999999"><c r="A9999999"><v>9</v></c></row>',
        '<row r="1"><c r="A1"><v>9</v></c><c r="A9999999999"><v>9</v></c></row>',
    ],
)
def test_a_workbook_with_a_broken_sheet_is_refused(tmp_path, rows):
    assert refusal(raw_workbook(tmp_path / "a.xlsx", rows)).code == "corrupt_file"


def test_entities_are_not_expanded(tmp_path):
    path = raw_workbook(
        tmp_path / "a.xlsx",
        f'<row r="1">{cell("A1", "Title")}</row><row r="2">{cell("A2", "&amp;&boom;")}</row>',
        root='<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY boom "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    )
    assert refusal(path).code == "corrupt_file"
    book = b'<!DOCTYPE workbook [<!ENTITY a "b">]><workbook/>'
    other = repacked(path, tmp_path / "b.xlsx", {"xl/workbook.xml": book})
    assert "document type" in refusal(other).message


def test_an_archive_that_unpacks_to_too_much_is_refused_by_its_directory(tmp_path):
    path = workbook(tmp_path / "a.xlsx", lambda sheet: sheet.write("A1", "Title"))
    bomb = repacked(path, tmp_path / "b.xlsx", {"xl/media/a.bin": bytes(20_000_000)})
    error = refusal(bomb)
    assert error.code == "unpacks_too_big"
    assert "20 MB" in error.message


def lying(path, name, size):
    """Rewrite what the archive says of a member's unpacked size, in both places."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        info = file.getinfo(name)
        directory = file.start_dir
    struct.pack_into("<I", content, info.header_offset + 22, size)
    at = directory
    while content[at : at + 4] == b"PK\x01\x02":
        lengths = struct.unpack_from("<3H", content, at + 28)
        if content[at + 46 : at + 46 + lengths[0]].decode() == name:
            struct.pack_into("<I", content, at + 24, size)
        at += 46 + sum(lengths)
    return write(path, bytes(content))


def test_an_archive_that_lies_about_its_size_is_refused_by_what_it_unpacks_to(tmp_path):
    path = workbook(tmp_path / "a.xlsx", lambda sheet: sheet.write("A1", "Title"))
    bomb = repacked(path, tmp_path / "b.xlsx", {"xl/media/a.bin": bytes(20_000_000)})
    error = refusal(lying(bomb, "xl/media/a.bin", 100))
    assert error.code == "unpacks_too_big"
    assert "at least" in error.message


def test_a_big_text_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "UNPACKED_LIMIT", 1000)
    error = refusal(write(tmp_path / "a.csv", "Title\n" + "x\n" * 1000))
    assert error.code == "unpacks_too_big"


def test_a_ledger_over_the_row_limit_is_refused_with_both_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "ROW_LIMIT", 10)
    rows = "".join(f"debt {n}\n" for n in range(11))
    error = refusal(write(tmp_path / "a.csv", f"Title\n{rows}"))
    assert error.code == "too_many_rows"
    assert "11 rows" in error.message
    assert "10" in error.message
    assert len(read_text(tmp_path, f"Title\n{rows[7:]}").rows) == 10


def test_rows_over_the_limit_are_counted_and_not_held(tmp_path):
    kept = cells.Cells(limit=3)
    assert [kept.add(n, ["x"]) for n in range(5)] == [True, True, True, False, False]
    kept.flush()
    assert (kept.count, len(kept.rows)) == (5, 3)


def test_a_workbook_that_needs_too_much_memory_is_refused_and_does_no_harm(tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "MEMORY_LIMIT", 2 << 30)
    # A diagonal leaves no empty space between cells to take out.
    rows = "".join(
        f'<row r="{n}"><c r="{place(n)}{n}"><v>{n}.{n * 7919 % 104729}</v></c></row>'
        for n in range(1, 16_000)
    )
    error = refusal(raw_workbook(tmp_path / "a.xlsx", rows))
    assert error.code == "unpacks_too_big"
    assert "2 GB" in error.message


def place(column):
    letters = ""
    while column:
        column, digit = divmod(column - 1, 26)
        letters = chr(65 + digit) + letters
    return letters


def test_a_password_is_named(tmp_path):
    path = workbook(tmp_path / "a.xlsx", lambda sheet: sheet.write("A1", "Title"))
    content = bytearray(path.read_bytes())
    for at in range(len(content) - 4):
        if content[at : at + 4] == b"PK\x03\x04":
            content[at + 6] |= 1
        elif content[at : at + 4] == b"PK\x01\x02":
            content[at + 8] |= 1
    error = refusal(write(path, bytes(content)))
    assert error.code == "corrupt_file"
    assert "password" in error.message


def test_an_archive_of_very_many_members_is_refused_before_its_directory_is_read(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for n in range(10_001):
            file.writestr(f"{n}", b"")
    error = refusal(write(tmp_path / "a.xlsx", out.getvalue()))
    assert error.code == "unpacks_too_big"
    assert "10,001 files" in error.message


@pytest.mark.parametrize("name", ["a.csv", "a.md"])
def test_a_file_of_very_many_cells_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(cells, "CELL_LIMIT", 1000)
    text = (
        "|Title|b|\n|---|---|\n" + "|x|y|\n" * 600
        if name == "a.md"
        else "Title,b\n" + "x,y\n" * 600
    )
    error = refusal(write(tmp_path / name, text))
    assert error.code == "unpacks_too_big"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,Leak," + "x" * 140_000, "A cell in line 2 of a.csv has over 131,072 characters."),
        ('1,"Leak\n' + "2,Slow\n" * 30_000, "opens in line 2 of a.csv does not close"),
    ],
)
def test_a_cell_beyond_measure_is_told_from_a_quotation_mark_that_stays_open(tmp_path, row, said):
    error = refusal(write(tmp_path / "a.csv", f"ID,Title,Why\n{row}\n3,Last,\n"))
    assert (error.code, said in error.message) == ("corrupt_file", True)


def test_a_markdown_table_wider_than_any_sheet_is_refused(tmp_path):
    line = "|" + "-|" * 20_000
    error = refusal(write(tmp_path / "a.md", f"{line}\n{line}\n"))
    assert "has 20,000 cells; a table has at most 16,384" in error.message
