"""Text files: encodings, separators, quotation marks, ragged lines, Markdown tables."""

import re

import pytest

from debtreg.ledger import LedgerRefused
from debtreg.ledger.text import _inline

from .files import flags, points, read_text

CHINESE = "编号,标题,服务,工作量(人天)\n1,缓存没有容量上限,网关,3\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_text_is_read_letter_by_letter_in_each_encoding(tmp_path, encoding):
    ledger = read_text(tmp_path, CHINESE.encode(encoding))
    row = ledger.rows.iloc[0]
    assert (row["id"], row["title"], row["service"]) == ("1", "缓存没有容量上限", "api-gateway")


@pytest.mark.parametrize("mark", ["big", "little"])
def test_utf_16_with_a_mark_is_read_in_either_order(tmp_path, mark):
    codec, bom = {"big": ("utf-16-be", b"\xfe\xff"), "little": ("utf-16-le", b"\xff\xfe")}[mark]
    ledger = read_text(tmp_path, bom + CHINESE.encode(codec))
    assert ledger.rows["title"].tolist() == ["缓存没有容量上限"]


def test_rare_characters_of_gb18030_are_read(tmp_path):
    title = "缓存没有容量上限𠮷😀ü"
    ledger = read_text(tmp_path, CHINESE.replace("缓存没有容量上限", title).encode("gb18030"))
    assert ledger.rows["title"].tolist() == [title]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (
            "Title\nMüller prüft größere Läufe\n".encode("cp1252"),
            "looks like Western or Central European",
        ),
        ("Title\nПривет, как дела сегодня вечером\n".encode("cp1251"), ""),
        ("Title\nキャッシュの容量がありません\n".encode("shift_jis"), ""),
        ("Title\nLeak\n".encode("utf-16-le"), "UTF-16 without"),
        ("Title\nLeak\n".encode("utf-32"), "UTF-32"),
        (b"Title\n\xff\xfe\x81 \x80\x00", "cannot be told"),
    ],
)
def test_any_other_encoding_is_refused_by_name_and_never_guessed(tmp_path, content, name):
    with pytest.raises(LedgerRefused) as refused:
        read_text(tmp_path, content)
    assert refused.value.code == "wrong_format"
    assert name in refused.value.message
    assert "UTF-8" in refused.value.hint
    assert not re.search(r"cp\d|iso8859|_", refused.value.message), "a codec is no name for people"


def test_a_line_of_one_cell_is_spoken_of_in_the_singular(tmp_path):
    ledger = read_text(tmp_path, "Title,ID\nLeak\n")
    assert "The line has 1 cell, the header 2." in ledger.findings["message"].str.cat()


def test_a_mark_that_the_text_does_not_keep_is_named_in_a_sentence(tmp_path):
    with pytest.raises(LedgerRefused) as refused:
        read_text(tmp_path, b"\xef\xbb\xbfTitle\nM\xfcller\n")
    assert refused.value.message == (
        "debts.csv begins with the mark of UTF-8 and holds bytes that are not UTF-8."
    )


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt"])
def test_commas_semicolons_and_tabs_separate_cells(tmp_path, separator, name):
    text = "ID,Title,Owner\n1,Leak,Ann\n".replace(",", separator)
    assert read_text(tmp_path, text, name).rows["owner"].tolist() == ["Ann"]


def test_semicolon_files_have_decimal_commas_and_points_for_thousands(tmp_path):
    text = "Title;Effort (d);Annual cost\nLeak;1,5;1.500\nRace;1.5;1.234,56\n"
    ledger = read_text(tmp_path, text)
    assert ledger.rows["effort_likely"].tolist() == [1.5, 1.5]
    assert ledger.rows["annual_cost_likely"].tolist() == [1500, 1234.56]
    assert flags(ledger, "number_format_mixed") == {(3, "effort", "number_format_mixed")}


def test_a_line_that_names_the_separator_does_no_harm(tmp_path):
    ledger = read_text(tmp_path, "sep=;\nID;Title\n1;Leak\n")
    assert ledger.rows[["row", "title"]].values.tolist() == [[3, "Leak"]]


def test_a_record_counts_by_the_line_on_which_it_starts(tmp_path):
    text = 'ID,Title,Notes\n1,Leak,"two\r\nlines, and ""quotes"""\n\n2,Race,x\r\n3,Jam,y\r4,Dam,z'
    ledger = read_text(tmp_path, text)
    assert ledger.rows["row"].tolist() == [2, 5, 6, 7]
    assert ledger.rows["description"][0] == 'two\r\nlines, and "quotes"'


def test_a_line_with_fewer_cells_comes_in_and_one_with_more_is_held(tmp_path):
    ledger = read_text(
        tmp_path,
        "ID,Title,Effort (d),Due\n1,Leak\n2,Race, condition,x,y,z\n3,Jam,3,,,,\n"
        "4,Dam,3,2026-03-05\n",
    )
    assert ledger.rows["state"].tolist() == ["imported", "held", "imported", "imported"]
    assert flags(ledger, "row_ragged", "unreadable") == {
        (2, "", "row_ragged"),
        (3, "", "row_ragged"),
    }
    assert "has 2 cells, the header 4" in ledger.findings.query("row == 2")["message"].str.cat()
    assert "6 cells, the header 4" in ledger.findings.query("row == 3")["message"].item()
    assert ledger.rows["extra"][1] == {"column E": "y", "column F": "z"}


def test_a_quotation_mark_that_never_closes_is_refused_with_its_line(tmp_path):
    for text in ('Title,Notes\nLeak,a\nRace,"b\nJam,c\n', 'Title\na\n"' + "b\n" * 70_000):
        with pytest.raises(LedgerRefused, match="opens in line 3") as refused:
            read_text(tmp_path, text)
        assert refused.value.code == "corrupt_file"


def test_a_quotation_mark_inside_a_cell_is_a_letter(tmp_path):
    ledger = read_text(tmp_path, 'Title,Notes\nThe 5" disk,"said "no" twice"\n')
    assert ledger.rows["title"].tolist() == ['The 5" disk']


def test_a_line_of_too_many_cells_is_refused(tmp_path):
    with pytest.raises(LedgerRefused, match=r"Line 2 .* 20,000 cells"):
        read_text(tmp_path, "Title\n" + "x," * 19_999 + "\n")


MARKDOWN = """# Debts of the 支付组

Prose before | with a bar.

## 支付组

| ID | Title | Service | Effort (d) |
|----|:-----:|---------|-----------:|
| 1 | **No retry** in `a_b*c` | [order-api](https://x.example/a_(b)) | 3 |
| 2 | one<br>two \\| three | order-api |
| 3 | snake_case *em* _em_ 2 * 3 | order-api | 3 | 4 |

A footnote.

```
| ID | Title |
|----|-------|
```

## Other
ID | Title
--- | ---
1 | \\*kept\\* ![alt](i.png)
"""


@pytest.mark.parametrize("name", ["a.md", "a.txt"])
def test_markdown_pipe_tables_are_ledgers(tmp_path, name):
    ledger = read_text(tmp_path, MARKDOWN, name)
    rows = ledger.rows
    assert rows[["sheet", "row", "title_full", "state"]].values.tolist() == [
        ["支付组", 9, "No retry in a_b*c", "imported"],
        ["支付组", 10, "one two | three", "imported"],
        ["支付组", 11, "snake_case em em 2 * 3", "held"],
        ["Other", 23, "*kept* alt", "imported"],
    ]
    assert rows["service"][0] == "order-api"
    assert rows["team"].tolist() == ["payments"] * 3 + [None]
    assert points(ledger, "effort") == (3, 3, 3)
    assert flags(ledger, "row_ragged") == {(10, "", "row_ragged"), (11, "", "row_ragged")}
    assert ledger.cells([1])[0]["Title"] == "one\ntwo | three"
    assert ledger.skipped["row"].tolist() == [13, 15, 16, 17, 18, 20]
    assert set(ledger.skipped["reason"]) == {"note"}


def test_tables_below_the_same_heading_are_told_apart(tmp_path):
    table = "| Title |\n|---|\n| Leak |\n\n"
    ledger = read_text(tmp_path, f"# Debts\n\n{table}{table}", "a.md")
    assert ledger.rows["sheet"].tolist() == ["Debts", "Debts #2"]
    assert ledger.rows["key"].is_unique


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("plain", "plain"),
        ("***both***", "both"),
        ("**中文**粗体", "中文粗体"),
        ("`` a`b ``", " a`b "),
        (r"`a\|b`", "a|b"),
        ("[see [1]](x) and [ref][r]", "[see [1]](x) and ref"),
        ("<https://x.example>", "https://x.example"),
        ("~4人天", "~4人天"),
        ("a * b * c", "a * b * c"),
        (r"C:\temp", r"C:\temp"),
        ("**open", "**open"),
        ("*" * 9_999, "*" * 9_999),
    ],
)
def test_markdown_marks_go_and_everything_else_stays(text, plain):
    assert _inline(text) == plain


def test_progress_is_told_while_a_text_file_is_read(tmp_path):
    seen = []
    read_text(tmp_path, "Title\n" + "x\n" * 45_000, progress=lambda stage, *_: seen.append(stage))
    assert seen.count("reading") == 3
