"""Finding the header, and what its columns mean."""

import pytest

from debtreg.ledger import LedgerRefused, inspect, read
from debtreg.ledger.headers import letters, read_word
from debtreg.ledger.plan import UnknownField

from .files import CATALOG, flags, points, read_rows, read_text, workbook, write


def fields(ledger):
    columns = ledger.columns
    return dict(zip(columns["header"], columns["field"], strict=True))


def column_kinds(ledger):
    found = ledger.column_warnings
    return list(zip(found["header"], found["kind"], strict=True))


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("标题", "title"),
        ("  TITLE： ", "title"),
        ("ｔｉｔｌｅ", "title"),
        ("*债务名称*", "title"),
        ("No.", "id"),
        ("#", "id"),
        ("Due_Date", "due"),
        ("负 责 人", "owner"),
        ("工作量\n（人天）", "effort"),
        ("年化成本（元）?", "annual_cost"),
        ("(人天)", "effort"),
        ("SLA指标", "sla"),
        ("whatever", None),
    ],
)
def test_a_header_is_compared_without_case_punctuation_and_bracketed_unit(header, field):
    assert read_word(header).field == field


def test_the_header_is_the_row_with_the_most_known_words(tmp_path):
    ledger = read_text(tmp_path, "Debt\nNotes,Title\nID,Title,Owner\n1,Leak,Ann\n")
    assert ledger.sheets[0].header_row == 3
    assert ledger.rows["title"].tolist() == ["Leak"]


def test_a_header_below_the_first_20_rows_is_none(tmp_path):
    above = [["text"]] * 20
    with pytest.raises(LedgerRefused) as refused:
        read_rows(tmp_path, *above, ["ID", "Title"], ["1", "Leak"])
    assert refused.value.code == "not_a_ledger"
    assert (
        read_rows(tmp_path, *above[1:], ["ID", "Title"], ["1", "Leak"]).sheets[0].header_row == 20
    )


def test_a_header_twice_counts_the_first_and_keeps_the_second(tmp_path):
    ledger = read_text(tmp_path, "Title,Notes,Background,Notes\nLeak,a,b,c\n")
    assert column_kinds(ledger) == [
        ("Background", "header_duplicate"),
        ("Notes", "header_duplicate"),
    ]
    row = ledger.rows.iloc[0]
    assert row["description"] == "a"
    assert row["extra"] == {"Background": "b", "Notes (D)": "c"}


def test_columns_without_field_or_header_keep_their_values(tmp_path):
    ledger = read_text(tmp_path, "Title,Weather,,\nLeak,sunny,here,\nRace,,,\n")
    assert column_kinds(ledger) == [("Weather", "column_unmapped"), ("", "column_unmapped")]
    assert ledger.rows["extra"].tolist() == [{"Weather": "sunny", "column C": "here"}, None]


def test_a_header_that_may_be_two_fields_waits_for_a_person(tmp_path):
    ledger = read_text(tmp_path, "Title,Area,Target\nLeak,cart-service,p99 < 1 s\n")
    assert column_kinds(ledger) == [("Area", "header_ambiguous"), ("Target", "header_ambiguous")]
    assert "service or type" in ledger.column_warnings["message"][0]
    assert ledger.rows["service"][0] is None
    assert ledger.rows["extra"][0] == {"Area": "cart-service", "Target": "p99 < 1 s"}


def test_a_person_may_correct_what_columns_mean(tmp_path):
    text = "Title,Area,Notes\nLeak,cart-service,later\n"
    ledger = read_text(tmp_path, text, mapping={"": {1: "service", 2: None}})
    assert ledger.rows["service"][0] == "cart-service"
    assert ledger.rows["description"][0] is None
    assert ledger.rows["extra"][0] == {"Notes": "later"}
    assert column_kinds(ledger) == []


def test_a_title_column_that_a_person_chooses_makes_a_ledger(tmp_path):
    text = "Was,Wie lange (h)\nLeck,4\n"
    with pytest.raises(LedgerRefused, match="no title column"):
        read_text(tmp_path, text)
    ledger = read_text(tmp_path, text, mapping={"": {"0": "title", "1": "effort"}})
    assert ledger.rows["title"].tolist() == ["Leck"]
    assert points(ledger, "effort") == (0.5, 0.5, 0.5)


def test_a_mapping_to_no_field_is_told_apart(tmp_path):
    with pytest.raises(UnknownField, match="wether"):
        read_text(tmp_path, "Title\nLeak\n", mapping={"": {0: "wether"}})


def merged_header(sheet):
    """编号 and 标题 over both lines, effort over three columns, the rest captions."""
    sheet.merge_range("A1:A2", "编号")
    sheet.merge_range("B1:B2", "标题")
    sheet.merge_range("C1:E1", "工作量（小时）")
    sheet.merge_range("F1:H1", "年化成本（万元）")
    sheet.merge_range("I1:J1", "跟进")
    sheet.write_row("C2", ["乐观", "最可能", "悲观", "最低", "最可能", "最高", "负责人", "状态"])
    sheet.write_row("A3", ["1", "Leak", 8, 16, 32, 1, "2", "30000元", "Ann", "done"])


def test_in_a_two_row_header_the_lower_word_decides_and_three_points_are_joined(tmp_path):
    path = workbook(tmp_path / "a.xlsx", merged_header)
    ledger = read(path, path.name, CATALOG)
    row = ledger.rows.iloc[0]
    assert (row["id"], row["title"], row["owner"], row["status"]) == ("1", "Leak", "Ann", "done")
    assert points(ledger, "effort") == (1, 2, 4)
    assert row["effort_text"] == "8 / 16 / 32"
    assert points(ledger, "annual_cost") == (10_000, 20_000, 30_000)
    assert ledger.column_warnings.empty
    assert flags(ledger) == {(3, "service", "service_missing")}


def test_a_two_row_header_in_a_text_file_needs_no_merged_cells(tmp_path):
    text = "ID,Title,Effort (d),,,Status\n,,min,likely,max,\n1,Leak,1,2,4,open\n"
    ledger = read_text(tmp_path, text)
    assert points(ledger, "effort") == (1, 2, 4)
    assert ledger.rows["row"].tolist() == [3]
    assert ledger.sheets[0].header_row == 1


def test_a_two_row_header_may_repeat_its_upper_word_over_each_point(tmp_path):
    text = "编号,标题,工作量(人天),工作量(人天),工作量(人天)\n,,乐观,最可能,悲观\n1,Leak,1,2,4\n"
    ledger = read_text(tmp_path, text)
    assert points(ledger, "effort") == (1, 2, 4)
    assert ledger.rows["row"].tolist() == [3]


def test_captions_above_the_header_head_no_column(tmp_path):
    ledger = read_rows(tmp_path, ["技术债"], ["", "标题", "服务"], [7, "Leak", "cart-service"])
    assert ledger.sheets[0].header_row == 2
    assert ledger.rows["title"].tolist() == ["Leak"]
    assert ledger.rows["extra"][0] == {"column A": "7"}


@pytest.mark.parametrize(
    ("cells", "expected", "kind"),
    [
        ("2,,4", (2, 3, 4), None),
        (",3,", (3, 3, 3), None),
        ("2,3,", (2, 3, None), "open_range"),
        ("4,3,2", (2, 3, 4), "range_reversed"),
        ("2,x,4", (2, 3, 4), "unreadable"),
        (",,", (None, None, None), None),
    ],
)
def test_three_point_columns_that_are_not_all_filled(tmp_path, cells, expected, kind):
    text = f"ID,Title,Effort (d),,\n,,min,likely,max\n1,Leak,{cells}\n"
    ledger = read_text(tmp_path, text)
    assert tuple(None if p != p else p for p in points(ledger, "effort")) == expected
    found = {k for _, field, k in flags(ledger) if field == "effort"}
    assert found == ({kind} if kind else set())


def test_effort_in_one_column_and_in_three_is_the_same_field(tmp_path):
    ledger = read_text(
        tmp_path,
        "ID,Title,Effort (d),Notes\n1,Leak,3,5\n",
        mapping={"": {3: "effort_low"}},
    )
    assert column_kinds(ledger) == [("Notes", "header_duplicate")]
    assert points(ledger, "effort") == (3, 3, 3)
    assert ledger.rows["extra"][0] == {"Notes": "5"}


def test_the_header_unit_counts_for_bare_numbers(tmp_path):
    ledger = read_text(
        tmp_path, "Title,Effort (h),Annual cost (k CNY)\nLeak,4,1.5\nRace,4d,1.5万\n"
    )
    assert ledger.rows["effort_likely"].tolist() == [0.5, 4]
    assert ledger.rows["annual_cost_likely"].tolist() == [1500, 15_000]
    assert [c.unit for c in ledger.sheets[0].columns] == ["", "h", "k cny"]


def test_inspecting_shows_columns_with_samples_before_anything_is_read(tmp_path):
    path = write(tmp_path / "a.csv", "Title,Effort (h),Area\nLeak,4,x\nRace,,x\nLeak,8,y\n")
    (sheet,) = inspect(path, "a.csv").sheets
    title, effort, area = sheet.columns
    assert (title.letter, title.field, title.samples) == ("A", "title", ("Leak", "Race"))
    assert (effort.header, effort.field, effort.unit) == ("Effort (h)", "effort", "h")
    assert (area.field, area.warnings) == (None, ("header_ambiguous",))
    assert (sheet.header_row, sheet.rows, sheet.imported) == (1, 3, True)


def test_columns_are_called_as_excel_does():
    assert [letters(i) for i in (0, 25, 26, 701, 702, 16_383)] == [
        "A",
        "Z",
        "AA",
        "ZZ",
        "AAA",
        "XFD",
    ]


@pytest.mark.parametrize("columns", [300, 2_000])
def test_a_sheet_with_hundreds_of_columns_is_read(tmp_path, columns):
    header = ["Title", *(f"c{n}" for n in range(1, columns))]
    rows = [[f"debt {r}", *(f"{r}.{n}" for n in range(1, columns))] for r in range(3)]
    text = "\n".join(",".join(row) for row in [header, *rows])
    ledger = read_text(tmp_path, text)
    assert len(ledger.rows["extra"][2]) == columns - 1
    assert len(ledger.column_warnings) == columns - 1


def test_a_line_of_spaces_is_no_header_even_where_a_person_chooses_the_title(tmp_path):
    ledger = read_rows(
        tmp_path, [" ", " "], ["Was", ""], ["Leck", ""], mapping={"Debts": {0: "title"}}
    )
    assert ledger.sheets[0].header_row == 2
    assert ledger.rows["title"].tolist() == ["Leck"]
