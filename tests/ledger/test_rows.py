"""Which lines are debts, and what rows say about services, teams, each other and themselves."""

import random

import pytest

from debtreg.ledger import LedgerRefused, read

from .files import CATALOG, flags, kinds_of, read_rows, read_text, workbook

HEADER = ["ID", "Title", "Service", "Effort (d)", "Status"]


def test_lines_that_are_no_debts_are_listed_with_the_reason(tmp_path):
    ledger = read_text(
        tmp_path,
        "ID,Title,Service\n"
        "1,Leak,cart-service\n"
        "\n"
        "First quarter,,\n"
        "ID,Title,Service\n"
        ",,\n"
        "2,Race,cart-service\n"
        " 合 计：,2,\n"
        ",Total,5\n"
        "7,,\n",
    )
    assert ledger.rows["row"].tolist() == [2, 7, 10]
    assert ledger.skipped[["row", "reason", "text"]].values.tolist() == [
        [4, "note", "First quarter"],
        [5, "repeated_header", "ID | Title | Service"],
        [8, "total", " 合 计： | 2"],
        [9, "total", "Total | 5"],
    ]


def test_every_line_is_imported_held_skipped_or_blank(tmp_path):
    lines = ["1,Leak,x", ",,", "note,,", "total,,3", "2,,cart-service", "3,Race", "4,a,b,c"]
    ledger = read_text(tmp_path, "ID,Title,Service\n" + "\n".join(lines))
    seen = set(ledger.rows["row"]) | set(ledger.skipped["row"])
    assert seen == {2, 4, 5, 6, 7, 8}


def test_a_text_merged_across_is_a_note_and_one_alone_in_the_title_column_is_a_debt(tmp_path):
    def fill(sheet):
        sheet.write_row("A1", HEADER)
        sheet.merge_range("A2:E2", "支付组")
        sheet.write("B3", "Leak")
        sheet.merge_range("B4:E4", "Footnote")
        sheet.merge_range("A5:E5", "2026-Q1")

    path = workbook(tmp_path / "a.xlsx", fill)
    ledger = read(path, path.name, CATALOG)
    assert ledger.rows["title"].tolist() == ["Leak"]
    assert ledger.skipped[["row", "reason"]].values.tolist() == [
        [2, "note"],
        [4, "note"],
        [5, "note"],
    ]


@pytest.mark.parametrize("title", ["", "  ", "\x01\x02", "\u200b", "\ufeff\u200b \u2060"])
@pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
def test_an_id_without_a_visible_title_waits_for_one(tmp_path, name, title):
    rows = [["ID", "Title", "Owner"], ["TD-1", "Leak", "Ann"], ["TD-2", title, ""]]
    rows += [["3", title, "Bob"], ["estimates of 2026", "", ""]]
    if name == "a.csv":
        ledger = read_text(tmp_path, "".join(",".join(row) + "\n" for row in rows))
    else:
        path = workbook(
            tmp_path / name,
            lambda sheet: [sheet.write_row(at, 0, row) for at, row in enumerate(rows)],
        )
        ledger = read(path, name, CATALOG)
    assert ledger.rows["id"].tolist() == ["TD-1", "TD-2", "3"]
    assert ledger.rows["state"].tolist() == ["imported", "held", "held"]
    assert {(row, kind) for row, _, kind in flags(ledger, "title_missing")} == {
        (3, "title_missing"),
        (4, "title_missing"),
    }
    assert ledger.skipped[["row", "reason"]].values.tolist() == [[5, "note"]]


def test_content_without_a_title_is_held(tmp_path):
    ledger = read_text(tmp_path, "ID,Title,Service\n1,,cart-service\n2,Race,cart-service\n")
    assert ledger.rows["state"].tolist() == ["held", "imported"]
    assert flags(ledger, "title_missing") == {(2, "title", "title_missing")}
    assert ledger.rows["service"][0] == "cart-service"
    assert ledger.totals()["status"] == {"open": 1}


def test_text_comes_in_letter_by_letter_and_titles_on_one_line(tmp_path):
    title = "  Leak\r\n\tin \u3000 cache "
    ledger = read_rows(
        tmp_path, ["Title", "Impact", "Owner"], [title, "  two\n  lines ", " Ann 'A' "]
    )
    row = ledger.rows.iloc[0]
    assert row["title"] == row["title_full"] == "Leak in cache"
    assert (row["impact"], row["owner"]) == ("  two\n  lines ", " Ann 'A' ")


def test_a_title_over_200_characters_is_shortened_and_kept_in_full(tmp_path):
    long = "债" * 201
    ledger = read_text(tmp_path, f"Title\n{long}\n{long[:200]}\n")
    assert ledger.rows["title"].str.len().tolist() == [200, 200]
    assert ledger.rows["title_full"].tolist() == [long, long[:200]]
    assert flags(ledger, "title_too_long") == {(2, "title", "title_too_long")}


def test_text_that_starts_like_a_formula_is_kept_and_flagged(tmp_path):
    texts = ["=1+1", "+run", "-remove", "@SUM(A1)", "-", "-5", "a=b"]
    ledger = read_text(tmp_path, "Title,Impact\n" + "".join(f"t{t},{t}\n" for t in texts))
    assert ledger.rows["impact"].tolist() == texts
    assert flags(ledger, "formula_text") == {
        (row, "impact", "formula_text") for row in (2, 3, 4, 5)
    }


def test_control_characters_are_taken_out_and_flagged(tmp_path):
    ledger = read_text(
        tmp_path, "Title,Effort (d),Weather\nLe\x00ak\x07,3\x01,\x1b[31m\nRace,3,x\n"
    )
    row = ledger.rows.iloc[0]
    assert (row["title"], row["effort_likely"], row["extra"]) == ("Leak", 3, {"Weather": "[31m"})
    assert flags(ledger, "control_chars_removed") == {
        (2, field, "control_chars_removed") for field in ("title", "effort", "Weather")
    }


@pytest.mark.parametrize(
    ("text", "service", "others", "kinds"),
    [
        ("payment-service", "payment-service", (), set()),
        (" Payment_Service ", "payment-service", (), set()),
        ("ＰＡＹＭＥＮＴ service", "payment-service", (), set()),
        ("支付核心", "payment-service", (), set()),
        ("订单中心、order-api", "order-api", (), set()),
        ("order-api; 网关", "order-api", ("api-gateway",), {"service_multiple"}),
        ("order-api/shop", "order-api", ("shop",), {"service_multiple"}),
        ("shop", None, (), {"service_unknown"}),
        ("shop,order-api", None, ("order-api",), {"service_unknown", "service_multiple"}),
        ("-", None, (), {"service_missing"}),
        ("", None, (), {"service_missing"}),
    ],
)
def test_a_service_is_known_by_slug_name_or_alias(tmp_path, text, service, others, kinds):
    ledger = read_text(tmp_path, f'Title,Service\nLeak,"{text}"\n')
    row = ledger.rows.iloc[0]
    assert (row["service"], row["services_other"]) == (service, others)
    assert row["service_text"] == (text or None)
    assert kinds_of(ledger, "service") == kinds


def test_a_team_is_known_by_slug_or_name_and_owners_stay_text(tmp_path):
    ledger = read_text(
        tmp_path, "Title,Team,Owner\na,支付组,Ann\nb,Orders,-\nc,Basketball,\nd,,待定\n"
    )
    assert ledger.rows["team"].tolist() == ["payments", "orders", None, None]
    assert ledger.rows["team_text"].tolist() == ["支付组", "Orders", "Basketball", None]
    assert ledger.rows["owner"].tolist() == ["Ann", "-", None, "待定"]
    assert flags(ledger, "unreadable") == {(4, "team", "unreadable")}


def test_dependencies_are_ids_of_the_same_sheet(tmp_path):
    ledger = read_text(
        tmp_path,
        "ID,Title,Depends on\n"
        "ＴＤ-1,a,\n"
        "TD-2,b,td-1；TD-3\n"
        'TD-3,c,"TD-1、TD-1\nTD-2"\n'
        "TD-4,d,TD-9/TD-4/TD-8\n"
        "TD-5,e,无\n"
        "TD/6,f,TD-5\n"
        "TD-7,g,td/6\n",
    )
    rows = ledger.rows
    assert rows["id"][0] == "TD-1"
    assert rows["depends_on_ids"].tolist() == [
        (), ("TD-1", "TD-3"), ("TD-1", "TD-2"), (), (), ("TD-5",), ("TD/6",),
    ]  # fmt: skip
    assert rows["depends_on"][1] == (rows["key"][0], rows["key"][2])
    assert flags(ledger, "dependency_unknown") == {(6, "depends_on", "dependency_unknown")}
    found = ledger.findings
    unknown = found[found["kind"] == "dependency_unknown"].iloc[0]
    assert unknown["text"] == "TD-9, TD-8"
    assert flags(ledger, "dependency_self") == {(6, "depends_on", "dependency_self")}
    assert flags(ledger, "dependency_cycle") == {
        (row, "depends_on", "dependency_cycle") for row in (3, 4)
    }


def test_a_dependency_on_an_id_of_two_rows_is_left_out(tmp_path):
    ledger = read_text(tmp_path, "ID,Title,Depends on\n1,a,\n1,b,\n2,c,1\n")
    assert ledger.rows["depends_on"].tolist() == [(), (), ()]
    assert flags(ledger, "dependency_ambiguous", "duplicate_id") == {
        (3, "id", "duplicate_id"),
        (4, "depends_on", "dependency_ambiguous"),
    }


def test_every_row_of_a_long_circle_is_flagged_and_no_other(tmp_path):
    lines = [f"{n},t{n},{n % 50 + 1}" for n in range(1, 51)]
    ledger = read_text(tmp_path, "ID,Title,Depends on\n" + "\n".join([*lines, "60,x,1"]))
    assert {row for row, _, _ in flags(ledger, "dependency_cycle")} == set(range(2, 52))
    assert ledger.rows["depends_on_ids"][50] == ("1",)


def test_numbers_as_ids_are_text_without_a_point(tmp_path):
    ledger = read_rows(tmp_path, ["ID", "Title", "Depends on"], [1, "a", ""], [2.0, "b", 1])
    assert ledger.rows["id"].tolist() == ["1", "2"]
    assert ledger.rows["depends_on_ids"].tolist() == [(), ("1",)]


def test_rows_without_id_status_or_service_say_so(tmp_path):
    ledger = read_text(tmp_path, "ID,Title,Service,Status\n,Leak,,\n-,Race,order-api,done\n")
    assert flags(ledger) == {
        (2, "id", "id_missing"),
        (2, "service", "service_missing"),
        (2, "status", "status_missing"),
        (3, "id", "id_missing"),
    }


def pairs(ledger):
    return ledger.duplicates[["first_row", "row", "why"]].values.tolist()


def test_the_same_title_on_the_same_service_is_proposed_as_a_duplicate(tmp_path):
    ledger = read_text(
        tmp_path,
        "ID,Title,Service\n"
        "1,No retry,order-api\n"
        "2,Ｎｏ  RETRY,订单中心\n"
        "3,No retry,cart-service\n"
        "4,No retry,shop\n"
        "5,No retry,Shop\n"
        "6,No retry,order-api\n",
    )
    same = "same title and service"
    assert pairs(ledger) == [[2, 3, same], [5, 6, same], [2, 7, same]]
    assert {row for row, _, _ in flags(ledger, "duplicate_candidate")} == {3, 6, 7}
    assert len(ledger.rows) == 6


@pytest.mark.parametrize("mark", ["(重复)", "（重复）", " (Duplicate)", "(copy)", "(副本)"])
def test_a_duplicate_mark_proposes_the_row_that_it_repeats(tmp_path, mark):
    ledger = read_text(
        tmp_path, f"ID,Title,Service\n1,No retry,order-api\n2,No retry{mark},cart-service\n"
    )
    assert pairs(ledger) == [[2, 3, "duplicate mark in the title"]]
    assert flags(ledger, "duplicate_candidate") == {(3, "title", "duplicate_candidate")}


def test_a_duplicate_mark_without_another_row_is_flagged_by_itself(tmp_path):
    ledger = read_text(tmp_path, "ID,Title,Service\n1,No retry (copy),order-api\n")
    assert flags(ledger, "duplicate_candidate") == {(2, "title", "duplicate_candidate")}


LINES = [
    "1,Leak,order-api,3",
    "2,Race,order-api,4",
    ",No id,order-api,5",
    ",No id,cart-service,6",
    "3,Same id,order-api,7",
    "3,Same id too,order-api,8",
]


def by_key(ledger):
    return dict(zip(ledger.rows["key"], ledger.rows["title"], strict=True))


def test_rows_keep_their_keys_when_they_move(tmp_path):
    header = "ID,Title,Service,Effort (d)\n"
    ledger = read_text(tmp_path, header + "\n".join(LINES))
    shuffled = random.Random(5).sample(LINES, len(LINES))
    moved = read_text(tmp_path, f"My debts\n\n{header}0,New,order-api,1\n" + "\n".join(shuffled))
    assert ledger.rows["key"].is_unique
    assert by_key(ledger).items() < by_key(moved).items()
    prints = ledger.rows.set_index("key")["fingerprint"]
    assert moved.rows.set_index("key")["fingerprint"][prints.index].equals(prints)


def test_rows_that_are_the_same_in_all_that_get_a_running_number(tmp_path):
    ledger = read_text(tmp_path, "ID,Title,Service\n,Leak,order-api\n,Leak,order-api\n")
    assert ledger.rows["key"].tolist() == [" |  | leak | order-api", " |  | leak | order-api #2"]


def test_a_changed_cell_keeps_the_key_and_changes_the_fingerprint(tmp_path):
    header = "ID,Title,Service,Effort (d),Weather\n"
    before = read_text(tmp_path, header + "1,Leak,order-api,3,sunny\n").rows.iloc[0]
    changed = ("1,Leaks,order-api,3,sunny", "1,Leak,order-api,3,rain", "1,Leak,order-api,sunny,3")
    for line in changed:
        after = read_text(tmp_path, header + line + "\n").rows.iloc[0]
        assert after["key"] == before["key"]
        assert after["fingerprint"] != before["fingerprint"]


def test_keys_do_not_depend_on_the_catalog(tmp_path):
    text = "Title,Service\nLeak,网关\n"
    known = read_text(tmp_path, text)
    unknown = read(tmp_path / "debts.csv", "debts.csv", type(CATALOG)({}, {}))
    assert known.rows["service"][0] == "api-gateway"
    assert unknown.rows["service"][0] is None
    assert known.rows["key"].equals(unknown.rows["key"])


def test_a_key_is_short_whatever_the_title(tmp_path):
    title = "债" * 5000
    ledger = read_text(tmp_path, f"Title\n{title}a\n{title}b\n")
    assert ledger.rows["key"].is_unique
    assert ledger.rows["key"].str.len().max() <= 320


def test_the_original_text_of_every_cell_stays_at_hand(tmp_path):
    ledger = read_text(
        tmp_path, "ID,Title,Priority,Due,Weather\n1,Leak,高,26Q2,sunny\n2,Race,,,\n3,Jam,x,y,z,w\n"
    )
    assert ledger.cells([2, 0]) == [
        {"ID": "3", "Title": "Jam", "Priority": "x", "Due": "y", "Weather": "z", "column F": "w"},
        {"ID": "1", "Title": "Leak", "Priority": "高", "Due": "26Q2", "Weather": "sunny"},
    ]
    row = ledger.rows.iloc[0]
    assert (row["priority_text"], row["due_text"]) == ("高", "26Q2")


def test_sheets_with_the_same_ids_do_not_meet(tmp_path):
    import xlsxwriter

    path = tmp_path / "a.xlsx"
    book = xlsxwriter.Workbook(str(path))
    for name, title in (("支付组", "a"), ("Other", "b")):
        sheet = book.add_worksheet(name)
        sheet.write_row("A1", ["ID", "Title", "Team", "Depends on"])
        sheet.write_row("A2", ["1", title, "", ""])
        sheet.write_row("A3", ["2", title * 2, "orders", "1"])
    book.close()
    ledger = read(path, path.name, CATALOG)
    assert ledger.rows["team"].tolist() == ["payments", "orders", None, "orders"]
    assert ledger.rows["key"].is_unique
    assert ledger.rows["depends_on"][3] == (ledger.rows["key"][2],)
    assert flags(ledger, "duplicate_id", "dependency_ambiguous") == set()
    only = read(path, path.name, CATALOG, sheets=["Other"])
    assert only.rows["title"].tolist() == ["b", "bb"]
    assert [(s.name, s.imported, s.why) for s in only.sheets] == [
        ("支付组", False, "not_chosen"), ("Other", True, ""),
    ]  # fmt: skip
    with pytest.raises(LedgerRefused, match="hidden or not chosen"):
        read(path, path.name, CATALOG, sheets=["Nowhere"])


def test_totals_count_what_is_known_and_add_one_currency(tmp_path):
    ledger = read_text(
        tmp_path,
        "Title,Effort (d),Annual cost,Priority\na,3,100,P1\nb,,$5,\nc,2-4,,P1\nd,20+,x,P2\n",
    )
    assert ledger.totals() == {
        "status": {"open": 4},
        "priority": {"None": 1, "P1": 2, "P2": 1},
        "effort_known": 2,
        "effort_likely_person_days": 6.0,
        "annual_cost_known": 2,
        "annual_cost_likely_cny": 100.0,
    }


def test_a_header_of_two_lines_is_known_when_it_comes_again(tmp_path):
    header = "ID,Title,Effort (d),,\n,,min,likely,max\n"
    ledger = read_text(tmp_path, f"{header}1,Leak,1,2,4\n{header}2,Race,1,2,4\n")
    assert ledger.rows["title"].tolist() == ["Leak", "Race"]
    assert ledger.skipped[["row", "reason"]].values.tolist() == [
        [4, "repeated_header"],
        [5, "repeated_header"],
    ]


def test_a_cell_that_lists_hundreds_of_ids_or_services_is_kept_as_text(tmp_path):
    many = ";".join(str(n) for n in range(500))
    ledger = read_text(tmp_path, f'ID,Title,Service,Depends on\n7,a,,\n8,b,"{many}","{many}"\n')
    row = ledger.rows.iloc[1]
    assert (row["depends_on"], row["depends_on_text"]) == ((), many)
    assert (row["service"], row["services_other"], row["service_text"]) == (None, (), many)
    assert flags(ledger, "unreadable", "service_unknown") == {
        (3, "depends_on", "unreadable"),
        (3, "service", "service_unknown"),
    }
