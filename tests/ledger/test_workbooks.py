"""What only workbooks have: formulas, errors, merged and hidden cells, real dates, odd XML."""

import datetime as dt
import subprocess
import zipfile

import pytest
import xlsxwriter

from debtreg.ledger import LedgerRefused, inspect, read

from .files import (
    CATALOG,
    cell,
    flags,
    old_workbook,
    points,
    raw_workbook,
    read_rows,
    repacked,
    workbook,
)


def read_sheet(tmp_path, fill, **options):
    path = workbook(tmp_path / "debts.xlsx", fill, **options)
    return read(path, path.name, CATALOG)


def read_raw(tmp_path, rows, **options):
    path = raw_workbook(tmp_path / "debts.xlsx", rows, **options)
    return read(path, path.name, CATALOG)


HEADER = f'<row r="1">{cell("A1", "Title")}{cell("B1", "Effort (d)")}</row>'


def test_a_formula_counts_by_its_stored_result(tmp_path):
    def fill(sheet):
        sheet.write_row("A1", ["Title", "Effort (d)", "Owner"])
        sheet.write("A2", "Leak")
        sheet.write_formula("B2", "=1+2", None, 3)
        sheet.write_formula("C2", '="An"&"n"', None, "Ann")

    ledger = read_sheet(tmp_path, fill)
    assert points(ledger, "effort") == (3, 3, 3)
    assert ledger.rows["owner"][0] == "Ann"


@pytest.mark.parametrize(
    "formula",
    [
        "<f>1+2</f>",
        "<f>1+2</f><v></v>",
        "<f>1+2</f><v/>",
        '<f t="shared" si="0"/>',
        '<f t="shared" ref="B2:B3" si="0">1+2</f>\n<v />',
    ],
)
def test_a_formula_without_a_stored_result_is_unknown_and_not_0(tmp_path, formula):
    row = f'<row r="2">{cell("A2", "Leak")}<c r="B2">{formula}</c></row>'
    ledger = read_raw(tmp_path, HEADER + row)
    assert points(ledger, "effort")[1] != 0
    assert flags(ledger, "formula_without_value") == {(2, "effort", "formula_without_value")}
    if "1+2" in formula:
        assert ledger.rows["effort_text"][0] == "=1+2"


def test_a_formula_that_results_in_an_empty_text_is_blank(tmp_path):
    row = f'<row r="2">{cell("A2", "Leak")}<c r="B2" t="str"><f>""</f><v></v></c></row>'
    ledger = read_raw(tmp_path, HEADER + row)
    assert flags(ledger, "formula_without_value", "unreadable") == set()


def test_a_title_without_a_stored_result_is_held_and_not_lost(tmp_path):
    row = '<row r="2"><c r="A2"><f>Other!A2</f></c><c r="B2"><f>Other!B2</f></c></row>'
    ledger = read_raw(tmp_path, f'{HEADER}<row r="3">{cell("A3", "Race")}</row>{row}')
    assert ledger.rows[["row", "state"]].values.tolist() == [[2, "held"], [3, "imported"]]
    assert (2, "title", "title_missing") in flags(ledger)
    assert (2, "title", "formula_without_value") in flags(ledger)


def test_error_values_are_unknown(tmp_path):
    def fill(sheet):
        sheet.write_row("A1", ["Title", "Effort (d)", "Due", "Owner", "Weather"])
        sheet.write("A2", "Leak")
        for column, shown in enumerate(("#REF!", "#N/A", "#NAME?", "#DIV/0!"), 1):
            sheet.write_formula(1, column, "=x", None, shown)

    ledger = read_sheet(tmp_path, fill)
    row = ledger.rows.iloc[0]
    assert row["effort_text"] == "#REF!"
    assert row["owner"] is None
    assert row["extra"] == {"Weather": "#DIV/0!"}
    assert flags(ledger, "error_value") == {
        (2, name, "error_value") for name in ("effort", "due", "owner", "Weather")
    }


def test_error_values_in_a_text_file_are_unknown_too(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Title,Effort (d)\nLeak,#REF!\n")
    ledger = read(path, "a.csv", CATALOG)
    assert flags(ledger, "error_value") == {(2, "effort", "error_value")}


def test_merged_cells_are_filled_down_and_amounts_go_to_the_first(tmp_path):
    def fill(sheet):
        sheet.write_row("A1", ["Title", "Service", "Effort (d)", "Annual cost", "Owner"])
        for row in range(1, 5):
            sheet.write(row, 0, f"debt {row}")
        sheet.merge_range("B2:B4", "order-api")
        sheet.merge_range("C2:C3", "6")
        sheet.merge_range("D3:D4", 500)

    ledger = read_sheet(tmp_path, fill)
    assert ledger.rows["service"].tolist() == ["order-api"] * 3 + [None]
    assert ledger.rows["effort_likely"].fillna(0).tolist() == [6, 0, 0, 0]
    assert ledger.rows["annual_cost_likely"].fillna(0).tolist() == [0, 500, 0, 0]
    assert flags(ledger, "merged_amount", "service_missing") == {
        (2, "effort", "merged_amount"),
        (3, "effort", "merged_amount"),
        (3, "annual_cost", "merged_amount"),
        (4, "annual_cost", "merged_amount"),
        (5, "service", "service_missing"),
    }


def test_blank_cells_that_are_not_merged_stay_blank_and_blank_lines_of_merged_ones_go(tmp_path):
    def fill(sheet):
        sheet.write_row("A1", ["Title", "Service"])
        sheet.merge_range("A2:A3", "Leak")
        sheet.merge_range("B2:B3", "order-api")
        sheet.write_row("A4", ["Race", ""])

    ledger = read_sheet(tmp_path, fill)
    assert ledger.rows["row"].tolist() == [2, 4]
    assert ledger.rows["service"].tolist() == ["order-api", None]


def test_hidden_rows_come_in_flagged(tmp_path):
    def fill(sheet):
        sheet.write_row("A1", ["Title"])
        for row in range(1, 6):
            sheet.write(row, 0, f"debt {row}")
        sheet.set_row(2, None, None, {"hidden": True})
        sheet.set_row(4, None, None, {"hidden": True})

    ledger = read_sheet(tmp_path, fill)
    assert ledger.rows["hidden"].tolist() == [False, True, False, True, False]
    assert flags(ledger, "row_hidden") == {(3, "", "row_hidden"), (5, "", "row_hidden")}


def test_hidden_sheets_are_listed_and_come_in_only_when_chosen(tmp_path):
    path = tmp_path / "a.xlsx"
    book = xlsxwriter.Workbook(str(path))
    for name in ("Seen", "Hidden", "Plain"):
        sheet = book.add_worksheet(name)
        sheet.write_row("A1", ["Title" if name != "Plain" else "x"])
        sheet.write_column("A2", [f"{name} 1", f"{name} 2"])
        if name == "Hidden":
            sheet.hide()
    book.add_chartsheet("Chart")
    book.close()
    found = inspect(path, path.name).sheets
    assert [(s.name, s.hidden, s.imported, s.why, s.rows) for s in found] == [
        ("Seen", False, True, "", 2),
        ("Hidden", True, False, "sheet_hidden", 2),
        ("Plain", False, False, "sheet_without_title", 3),
    ]
    assert "hidden" in found[1].message
    assert read(path, path.name, CATALOG).rows["title"].tolist() == ["Seen 1", "Seen 2"]
    chosen = read(path, path.name, CATALOG, sheets=["Hidden"])
    assert chosen.rows["title"].tolist() == ["Hidden 1", "Hidden 2"]


@pytest.mark.parametrize("since_1904", [False, True])
def test_real_dates_and_serials_are_days_also_where_they_count_from_1904(tmp_path, since_1904):
    day = dt.date(2026, 3, 5)

    def fill(sheet):
        sheet.write_row("A1", ["Title", "Created", "Due", "Closed"])
        sheet.write("A2", "Leak")
        sheet.write_datetime("B2", dt.datetime(2026, 3, 5, 10), date_format)
        sheet.write_number("C2", 46086 - 1462 * since_1904)
        sheet.write_string("D2", str(46086 - 1462 * since_1904))

    path = tmp_path / "a.xlsx"
    book = xlsxwriter.Workbook(str(path), {"date_1904": since_1904})
    date_format = book.add_format({"num_format": "yyyy-mm-dd"})
    fill(book.add_worksheet())
    book.close()
    row = read(path, path.name, CATALOG).rows.iloc[0]
    assert [row[name].date() for name in ("created", "due", "closed")] == [day] * 3
    assert row["created_text"] == "2026-03-05 10:00:00"


def test_true_is_not_taken_for_1(tmp_path):
    ledger = read_rows(tmp_path, ["Title", "Effort (d)"], ["a", 1], ["b", True], ["c", 0])
    assert ledger.rows["effort_text"].tolist() == ["1", "TRUE", "0"]
    assert flags(ledger, "unreadable") == {(3, "effort", "unreadable")}


def test_escaped_control_characters_are_taken_out(tmp_path):
    ledger = read_rows(tmp_path, ["Title"], ["Le\x01ak_x0041_"])
    assert ledger.rows["title"][0] == "Leak_x0041_"
    assert flags(ledger, "control_chars_removed") == {(2, "title", "control_chars_removed")}


def test_a_declared_size_is_not_believed(tmp_path):
    rows = f'{HEADER}<row r="2">{cell("A2", "Leak")}</row>'
    ledger = read_raw(tmp_path, rows, before='<dimension ref="A1:XFD1048576"/>')
    assert ledger.rows["title"].tolist() == ["Leak"]


def test_cells_as_far_apart_as_a_sheet_allows_are_read(tmp_path):
    def fill(sheet):
        sheet.write_row("A1", ["Title", "Effort (d)"])
        sheet.write_row("A3", ["Leak", "3"])
        sheet.merge_range("A4:A5", "Race")
        sheet.write("B5", "4")
        sheet.set_row(4, None, None, {"hidden": True})
        sheet.write_formula("B4", "=1", None, "#REF!")
        sheet.write(1_048_575, 16_383, "far")
        sheet.write(1_048_575, 0, "Last")

    ledger = read_sheet(tmp_path, fill)
    rows = ledger.rows
    assert rows["row"].tolist() == [3, 4, 5, 1_048_576]
    assert rows["title"].tolist() == ["Leak", "Race", "Race", "Last"]
    assert rows["effort_text"].tolist() == ["3", "#REF!", "4", None]
    assert rows["hidden"].tolist() == [False, False, True, False]
    assert rows["extra"][3] == {"column XFD": "far"}
    assert ledger.sheets[0].columns[2].letter == "XFD"


def test_cells_far_apart_may_stand_in_any_order(tmp_path):
    rows = (
        f'<row r="1048576">{cell("XFD1048576", "far")}{cell("A1048576", "Last")}</row>'
        f'<row r="3">{cell("B3", "3d")}{cell("A3", "Leak")}</row>'
        f'<row r="1">{cell("B1", "Effort")}{cell("A1", "Title")}</row>'
    )
    ledger = read_raw(tmp_path, rows)
    assert ledger.rows[["row", "title"]].values.tolist() == [[3, "Leak"], [1_048_576, "Last"]]
    assert ledger.rows["effort_likely"][0] == 3
    assert ledger.rows["extra"][1] == {"column XFD": "far"}


def test_a_lone_cell_far_away_is_a_note(tmp_path):
    def fill(sheet):
        sheet.write_column("A1", ["Title", "Leak"])
        sheet.write("XFD1048576", "x")

    ledger = read_sheet(tmp_path, fill)
    assert ledger.rows["title"].tolist() == ["Leak"]
    assert ledger.skipped[["row", "reason"]].values.tolist() == [[1_048_576, "note"]]


def test_rows_and_cells_in_any_order_and_without_places_are_read(tmp_path):
    rows = (
        f'<row r="3" hidden="1">{cell("B3", "3d")}{cell("A3", "Race")}</row>'
        f'<row r="1">{cell("B1", "Effort")}{cell("A1", "Title")}</row>'
        f'<row r="2">{cell("A2", "Leak")}</row>'
    )
    ledger = read_raw(tmp_path, rows)
    assert ledger.rows[["row", "title", "hidden"]].values.tolist() == [
        [2, "Leak", False],
        [3, "Race", True],
    ]
    nowhere = (
        '<row><c t="inlineStr"><is><t>Title</t></is></c><c t="inlineStr"><is><t>Effort</t></is></c>'
        '</row><row hidden="true"><c t="inlineStr"><is><t>Leak</t></is></c><c><f>1</f></c></row>'
    )
    ledger = read_raw(tmp_path, nowhere)
    assert flags(ledger, "row_hidden", "formula_without_value") == {
        (2, "", "row_hidden"),
        (2, "effort", "formula_without_value"),
    }


def test_a_prefixed_namespace_makes_no_difference(tmp_path):
    rows = (
        '<x:row r="1"><x:c r="A1" t="inlineStr"><x:is><x:t>Title</x:t></x:is></x:c></x:row>'
        '<x:row r="2" hidden="1"><x:c r="A2" t="inlineStr"><x:is><x:t>Leak</x:t></x:is></x:c>'
        '<x:c r="B2" t="e"><x:v>#REF!</x:v></x:c></x:row>'
    )
    merged = '<x:mergeCells><x:mergeCell ref="A2:A3"/></x:mergeCells>'
    ledger = read_raw(tmp_path, rows, prefix="x", after=merged)
    assert ledger.rows["hidden"].tolist() == [True]
    assert ledger.rows["extra"][0] == {"column B": "#REF!"}


def test_marks_are_found_wherever_the_pieces_of_a_long_sheet_end(tmp_path):
    last = 9_000
    text = "x" * 200
    rows = [HEADER]
    for row in range(2, last + 1):
        hidden = ' hidden="1"' if row % 777 == 0 else ""
        formula = f'<c r="B{row}"><f>A{row}</f></c>'
        rows.append(f'<row r="{row}"{hidden}>{cell(f"A{row}", f"{text}{row}")}{formula}</row>')
    merged = '<mergeCells count="1"><mergeCell ref="B2:B3"/></mergeCells>'
    path = raw_workbook(tmp_path / "a.xlsx", "".join(rows), after=merged)
    ledger = read(path, path.name, CATALOG)
    assert len(ledger.rows) == last - 1
    found = {row for row, _, _ in flags(ledger, "formula_without_value")}
    assert found == set(range(2, last + 1))
    assert {row for row, _, _ in flags(ledger, "row_hidden")} == set(range(777, last, 777))
    assert {row for row, _, _ in flags(ledger, "merged_amount")} == {2, 3}


def ods(path, rows):
    name = "urn:oasis:names:tc:opendocument:xmlns"
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    content = (
        f'<office:document-content xmlns:office="{name}:office:1.0" xmlns:table="{name}:table:1.0" '
        f'xmlns:text="{name}:text:1.0" xmlns:calcext="urn:org:documentfoundation:names:experimental'
        ':calc:xmlns:calcext:1.0"><office:body><office:spreadsheet><table:table table:name="Debts">'
        f"{rows}</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
        "</manifest:manifest>"
    )
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("mimetype", kind)
        file.writestr("META-INF/manifest.xml", manifest)
        file.writestr("content.xml", content)
    return path


def ods_row(*texts, row="", first=""):
    cells = [
        f'<table:table-cell office:value-type="string"{first if n == 0 else ""}>'
        f"<text:p>{text}</text:p></table:table-cell>"
        for n, text in enumerate(texts)
    ]
    return f"<table:table-row{row}>{''.join(cells)}</table:table-row>"


def test_an_opendocument_spreadsheet_is_read_with_its_marks(tmp_path):
    path = ods(
        tmp_path / "a.ods",
        ods_row("Title", "Effort (d)")
        + '<table:table-row table:number-rows-repeated="2"><table:table-cell/></table:table-row>'
        + ods_row("Leak", "3", first=' table:number-rows-spanned="2"')
        + '<table:table-row table:visibility="filter"><table:covered-table-cell/>'
        '<table:table-cell table:formula="of:=1+1"/></table:table-row>'
        + '<table:table-row table:number-rows-repeated="1048000"><table:table-cell '
        'table:number-columns-repeated="16384"/></table:table-row>',
    )
    ledger = read(path, path.name, CATALOG)
    assert ledger.rows[["row", "title", "hidden"]].values.tolist() == [
        [4, "Leak", False],
        [5, "Leak", True],
    ]
    assert (5, "effort", "formula_without_value") in flags(ledger)


def test_an_opendocument_bomb_of_repeated_cells_is_refused(tmp_path):
    path = ods(
        tmp_path / "a.ods",
        '<table:table-row table:number-rows-repeated="1048576"><table:table-cell '
        'table:number-columns-repeated="16384" office:value-type="string"><text:p>Title</text:p>'
        "</table:table-cell></table:table-row>",
    )
    with pytest.raises(LedgerRefused) as refused:
        read(path, path.name, CATALOG)
    assert refused.value.code == "unpacks_too_big"


def test_an_old_workbook_is_read(tmp_path):
    path = old_workbook(
        tmp_path / "a.xls",
        [["标题", "服务", "工作量(人天)"], ["Leak", "order-api", 3.0], ["Race", "", "4-6"]],
        merged=[(1, 2, 1, 1)],
    )
    ledger = read(path, path.name, CATALOG)
    assert ledger.rows["title"].tolist() == ["Leak", "Race"]
    assert ledger.rows["service"].tolist() == ["order-api", "order-api"]
    assert ledger.rows["effort_likely"].tolist() == [3, 5]


def test_a_workbook_with_macros_is_read_as_one_without(tmp_path):
    path = workbook(tmp_path / "a.xlsx", lambda sheet: sheet.write_column("A1", ["Title", "Leak"]))
    assert read(path, "a.XLSM", CATALOG).rows["title"].tolist() == ["Leak"]


def test_the_name_of_the_uploaded_file_counts_and_not_that_of_the_stored_one(tmp_path):
    path = workbook(tmp_path / "a.xlsx", lambda sheet: sheet.write_column("A1", ["Title", "Leak"]))
    stored = path.rename(tmp_path / "upload.ods")
    assert read(stored, "debts.xlsx", CATALOG).rows["title"].tolist() == ["Leak"]


def test_relations_with_absolute_targets_are_followed(tmp_path):
    def fill(sheet):
        sheet.write_column("A1", ["Title", "Leak"])
        sheet.set_row(1, None, None, {"hidden": True})

    path = workbook(tmp_path / "a.xlsx", fill)
    with zipfile.ZipFile(path) as file:
        relations = file.read("xl/_rels/workbook.xml.rels")
    absolute = relations.replace(b'Target="worksheets', b'Target="/xl/worksheets')
    assert absolute != relations
    moved = repacked(path, tmp_path / "b.xlsx", {"xl/_rels/workbook.xml.rels": absolute})
    assert read(moved, moved.name, CATALOG).rows["hidden"].tolist() == [True]


def test_progress_is_told_while_a_workbook_is_read(tmp_path):
    path = workbook(tmp_path / "a.xlsx", lambda sheet: sheet.write_column("A1", ["Title", "Leak"]))
    seen = []
    read(path, path.name, CATALOG, progress=lambda *said: seen.append(said))
    assert seen[0][0] == "checking"
    assert seen[-1] == ("understanding", 1, 1)


def test_a_reader_that_is_told_to_stop_leaves_no_process_behind(tmp_path, monkeypatch):
    path = workbook(tmp_path / "a.xlsx", lambda sheet: sheet.write_column("A1", ["Title", "Leak"]))
    started = []

    class Remembered(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            started.append(self)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Remembered)
    with pytest.raises(KeyboardInterrupt):
        read(path, path.name, CATALOG, progress=stop)
    assert [process.returncode is not None for process in started] == [True]


def test_sheets_of_the_same_name_are_told_apart(tmp_path):
    import xlsxwriter

    book = xlsxwriter.Workbook(str(tmp_path / "a.xlsx"))
    for name in ("Debts", "Other"):
        book.add_worksheet(name).write_column("A1", ["Title", "Leak"])
    book.close()
    with zipfile.ZipFile(tmp_path / "a.xlsx") as file:
        names = file.read("xl/workbook.xml").replace(b'"Other"', b'"Debts"')
    path = repacked(tmp_path / "a.xlsx", tmp_path / "b.xlsx", {"xl/workbook.xml": names})
    ledger = read(path, "b.xlsx", CATALOG)
    assert ledger.rows["sheet"].tolist() == ["Debts", "Debts #2"]
    assert ledger.rows["key"].is_unique
