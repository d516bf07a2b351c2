"""What single cells say."""

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debtreg.ledger.days import day
from debtreg.ledger.headers import read_word
from debtreg.ledger.sheets import NoValue, as_text
from debtreg.ledger.values import (
    AmountUnit,
    amount,
    amount_unit,
    effort,
    effort_unit,
    number,
    priority,
    status,
)

ANY_CELL = st.one_of(
    st.text(), st.text("0123456789.,-~/()万元人天k$¥+ 月年WQ约>:"), st.floats(), st.dates()
)


def three(points):
    return tuple(None if math.isnan(p) else p for p in points[:3])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3-4人天", (3, 3.5, 4)),
        ("6~9人天", (6, 7.5, 9)),
        ("6至9人天", (6, 7.5, 9)),
        ("16–24天", (16, 20, 24)),
        ("3——4天", (3, 3.5, 4)),
        ("10 to 12 days", (10, 11, 12)),
        ("10/12/24人天", (10, 12, 24)),
        ("3天-1周", (3, 4, 5)),
        ("1.5人月", (30, 30, 30)),
        ("2个月", (40, 40, 40)),
        ("2人周", (10, 10, 10)),
        ("4h", (0.5, 0.5, 0.5)),
        ("12小时", (1.5, 1.5, 1.5)),
        ("3 person days", (3, 3, 3)),
        ("３人天", (3, 3, 3)),
        ("5人天(含测试)", (5, 5, 5)),
        ("3-5人天【不含联调】", (3, 4, 5)),
        ("1,000 d", (1000, 1000, 1000)),
    ],
)
def test_an_effort_becomes_low_likely_and_high_person_days(text, expected):
    read = effort(text)
    assert (three(read), read.kinds) == (expected, ())


@pytest.mark.parametrize(
    ("text", "expected", "kind"),
    [
        ("约5人天", (5, 5, 5), "approximate"),
        ("~4人天", (4, 4, 4), "approximate"),
        ("4人天左右", (4, 4, 4), "approximate"),
        ("approx. 3 d", (3, 3, 3), "approximate"),
        ("20+人天", (20, None, None), "open_range"),
        ("20人天+", (20, None, None), "open_range"),
        (">30人天", (30, None, None), "open_range"),
        ("20人天以上", (20, None, None), "open_range"),
        ("<5d", (None, None, 5), "open_range"),
        ("12-8人天", (8, 10, 12), "range_reversed"),
        ("24/12/10人天", (10, 12, 24), "range_reversed"),
        ("1,5天", (1.5, 1.5, 1.5), "number_format_mixed"),
        ("3", (3, 3, 3), "unit_assumed"),
        ("5 SP", (None, None, None), "unit_unmapped"),
        ("3-5 points", (None, None, None), "unit_unmapped"),
        ("M", (None, None, None), "unit_unmapped"),
        ("S/M", (None, None, None), "unit_unmapped"),
        ("0", (None, None, None), "not_positive"),
        ("-3人天", (None, None, None), "not_positive"),
        ("看排期", (None, None, None), "unreadable"),
        ("3/5人天", (None, None, None), "unreadable"),
        ("5¹人天", (None, None, None), "unreadable"),
        ("2½ d", (None, None, None), "unreadable"),
        ("9999999人天", (None, None, None), "unreadable"),
    ],
)
def test_an_effort_that_a_person_should_look_at_is_flagged(text, expected, kind):
    read = effort(text)
    assert (three(read), read.kinds) == (expected, (kind,))


@pytest.mark.parametrize("text", ["", "TBD", "待评估", "待评估(下周)", "n/a", "－", "?", " — "])
def test_a_word_for_unknown_is_unknown_without_a_warning(text):
    assert three(effort(text)) == three(amount(text)) == (None, None, None)
    assert effort(text).kinds == amount(text).kinds == ()
    assert day(text, last=True) == (None, None)


def test_a_range_with_an_estimate_word_stays_a_range():
    assert effort("约3-5人天") == (3, 4, 5, (), None)


def test_the_header_gives_bare_numbers_their_unit_and_the_cell_wins():
    assert three(effort("4", "h")) == (0.5, 0.5, 0.5)
    assert three(effort(4.0, "h")) == (0.5, 0.5, 0.5)
    assert three(effort("4d", "h")) == (4, 4, 4)
    assert three(effort("5 (h)", "人天")) == (0.625, 0.625, 0.625)
    assert effort("5", "sp").kinds == ("unit_unmapped",)
    assert three(effort("5d", "sp")) == (5, 5, 5)


@pytest.mark.parametrize(
    ("header", "unit"),
    [
        ("工作量（人天）", "人天"),
        ("Effort (Person-Days)", "person-days"),
        ("工时(单位:小时)", "小时"),
        ("Effort (rough) [h]", "h"),
        ("Hours", "h"),
        ("Man days (h)", "h"),
        ("预计人天", "人天"),
        ("Story Points", "sp"),
        ("工作量(估算)", None),
        ("工时", None),
    ],
)
def test_an_effort_header_gives_its_unit_by_bracket_or_by_itself(header, unit):
    assert effort_unit(read_word(header).units) == unit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.8万", (18_000, 18_000, 18_000)),
        ("1-3万", (10_000, 20_000, 30_000)),
        ("8000-1万", (8_000, 9_000, 10_000)),
        ("1万~3万元", (10_000, 20_000, 30_000)),
        ("6000-12000", (6_000, 9_000, 12_000)),
        ("1/2/3万", (10_000, 20_000, 30_000)),
        ("¥14,000", (14_000, 14_000, 14_000)),
        ("￥14,000", (14_000, 14_000, 14_000)),
        ("12k CNY", (12_000, 12_000, 12_000)),
        ("10w", (100_000, 100_000, 100_000)),
        ("2百万", (2e6, 2e6, 2e6)),
        ("5千万", (5e7, 5e7, 5e7)),
        ("1亿", (1e8, 1e8, 1e8)),
        ("12 000 元", (12_000, 12_000, 12_000)),
        ("10万/年", (100_000, 100_000, 100_000)),
        ("每年10万", (100_000, 100_000, 100_000)),
        ("1200(估)", (1_200, 1_200, 1_200)),
        ("0", (0, 0, 0)),
        (0.0, (0, 0, 0)),
    ],
)
def test_an_annual_cost_is_read_in_the_ledgers_currency(text, expected):
    read = amount(text)
    assert (three(read), read.kinds, read.currency) == (expected, (), "CNY")


@pytest.mark.parametrize(
    ("text", "expected", "kinds", "currency"),
    [
        ("0.8万/月", 96_000, {"annualised"}, "CNY"),
        ("每月1500元", 18_000, {"annualised"}, "CNY"),
        ("每月约1500元", 18_000, {"annualised", "approximate"}, "CNY"),
        ("1万/季度", 40_000, {"annualised"}, "CNY"),
        ("100 per week", 5_200, {"annualised"}, "CNY"),
        ("$12,000", 12_000, {"foreign_currency"}, "USD"),
        ("1.2k usd/month", 14_400, {"annualised", "foreign_currency"}, "USD"),
        ("CHF 12'000", 12_000, {"foreign_currency"}, "CHF"),
        ("EUR 5.000,00", 5_000, {"foreign_currency", "number_format_mixed"}, "EUR"),
        ("12000(GBP)", 12_000, {"foreign_currency"}, "GBP"),
        ("(1,200)", -1_200, {"negative"}, "CNY"),
        ("（1200元）", -1_200, {"negative"}, "CNY"),
        ("-1,200", -1_200, {"negative"}, "CNY"),
        ("¥-500", -500, {"negative"}, "CNY"),
        (-500.0, -500, {"negative"}, "CNY"),
        ("约1万", 10_000, {"approximate"}, "CNY"),
    ],
)
def test_an_annual_cost_that_a_person_should_look_at_is_flagged(text, expected, kinds, currency):
    read = amount(text)
    assert (read.likely, set(read.kinds), read.currency) == (expected, kinds, currency)


@pytest.mark.parametrize(
    "text", ["较高", "HK$5000", "¥5 $6", "1.2m", "12 apples", "1e5", "1,50,000", math.inf]
)
def test_an_amount_that_cannot_be_read_is_unknown(text):
    read = amount(text)
    assert (three(read), read.kinds) == ((None, None, None), ("unreadable",))


def test_an_open_amount_keeps_only_the_end_that_is_given():
    assert three(amount("10万+")) == (100_000, None, None)
    assert three(amount(">10万")) == (100_000, None, None)
    assert amount(">10万").kinds == ("open_range",)


@pytest.mark.parametrize(
    ("header", "unit"),
    [
        ("年化成本（万元）", AmountUnit(1e4, "CNY")),
        ("年化成本【人民币万元】", AmountUnit(1e4, "CNY")),
        ("Annual cost (k CNY)", AmountUnit(1e3, "CNY")),
        ("Annual cost [USD, k]", AmountUnit(1e3, "USD")),
        ("利息(元/月)", AmountUnit(1, "CNY", "month")),
        ("年化成本(估算)", AmountUnit()),
        ("年化成本", AmountUnit()),
    ],
)
def test_an_amount_header_gives_multiplier_currency_and_period(header, unit):
    assert amount_unit(read_word(header).units) == unit


def test_what_an_amount_cell_says_wins_over_its_header():
    unit = AmountUnit(1e4, "USD", "month")
    assert amount(2.0, unit)[:3] == (240_000,) * 3
    assert amount("2", unit).currency == "USD"
    assert amount("1.8万/年", unit)[:3] == (18_000,) * 3
    assert amount("500元/年", unit)[:3] == (500,) * 3
    assert amount("500元/年", unit).currency == "CNY"
    assert amount("3", ledger="EUR").currency == "EUR"


@pytest.mark.parametrize(
    ("text", "decimal", "expected"),
    [
        ("1,500", ".", (1500, False)),
        ("1.500", ".", (1.5, False)),
        ("1,5", ".", (1.5, True)),
        ("0,125", ".", (0.125, True)),
        ("1234,567", ".", (1234.567, True)),
        ("1,234,567.8", ".", (1234567.8, False)),
        ("1.234,56", ".", (1234.56, True)),
        ("1.500", ",", (1500, False)),
        ("1,500", ",", (1.5, False)),
        ("1.5", ",", (1.5, True)),
        ("1,234.56", ",", (1234.56, True)),
        ("12 000", ".", (12000, False)),
        ("12'000.5", ".", (12000.5, False)),
        ("1,50,000", ".", None),
        ("1.2.3", ".", None),
    ],
)
def test_a_mark_separates_thousands_only_before_exactly_three_digits(text, decimal, expected):
    assert number(text, decimal) == expected


D = dt.date


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026/3/5", D(2026, 3, 5)),
        ("2026-03-05", D(2026, 3, 5)),
        ("2026.3.5", D(2026, 3, 5)),
        ("２０２６年３月５日", D(2026, 3, 5)),
        ("26年3月5日", D(2026, 3, 5)),
        ("5.3.2026", D(2026, 3, 5)),
        ("5.3.26", D(2026, 3, 5)),
        ("25/12/2026", D(2026, 12, 25)),
        ("12/25/2026", D(2026, 12, 25)),
        ("03/03/2026", D(2026, 3, 3)),
        ("20260305", D(2026, 3, 5)),
        ("46086", D(2026, 3, 5)),
        (46086.0, D(2026, 3, 5)),
        (45447.5, D(2024, 6, 4)),
        (20260305.0, D(2026, 3, 5)),
        (dt.datetime(2026, 3, 5, 10), D(2026, 3, 5)),
        (D(2026, 3, 5), D(2026, 3, 5)),
        ("2026-03-05T10:30:00Z", D(2026, 3, 5)),
        ("2026-03-05 10:30", D(2026, 3, 5)),
        ("2026-03-05(暂定)", D(2026, 3, 5)),
        ("5 Mar 2026", D(2026, 3, 5)),
        ("March 5, 2026", D(2026, 3, 5)),
    ],
)
def test_a_date_is_read(text, expected):
    assert day(text, last=True) == (expected, None)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("26Q2", D(2026, 4, 1), D(2026, 6, 30)),
        ("2026Q4", D(2026, 10, 1), D(2026, 12, 31)),
        ("Q3 2026", D(2026, 7, 1), D(2026, 9, 30)),
        ("2026年第四季度", D(2026, 10, 1), D(2026, 12, 31)),
        ("2026W14", D(2026, 3, 30), D(2026, 4, 5)),
        ("2026年第14周", D(2026, 3, 30), D(2026, 4, 5)),
        ("2026年2月", D(2026, 2, 1), D(2026, 2, 28)),
        ("2026-12", D(2026, 12, 1), D(2026, 12, 31)),
        ("Feb 2028", D(2028, 2, 1), D(2028, 2, 29)),
        ("2026", D(2026, 1, 1), D(2026, 12, 31)),
        (2026.0, D(2026, 1, 1), D(2026, 12, 31)),
        ("2026年", D(2026, 1, 1), D(2026, 12, 31)),
    ],
)
def test_of_a_period_the_first_day_starts_and_the_last_ends(text, first, last):
    assert day(text, last=False) == (first, "date_is_period")
    assert day(text, last=True) == (last, "date_is_period")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("3月5日", "date_without_year"),
        ("8月", "date_without_year"),
        ("3/5", "date_without_year"),
        ("03/04/2026", "date_ambiguous"),
        ("3-4-2026", "date_ambiguous"),
        ("25/12/26", "date_ambiguous"),
        ("大促前", "unreadable"),
        ("2026-02-31", "unreadable"),
        ("2026W54", "unreadable"),
        ("31.4.2026", "unreadable"),
        ("20261301", "unreadable"),
        ("1500", "unreadable"),
        (2026.3, "unreadable"),
        (dt.time(12), "unreadable"),
        (math.nan, "unreadable"),
        (NoValue("error_value", "#REF!"), "error_value"),
    ],
)
def test_a_date_that_is_not_certain_is_unknown(text, kind):
    assert day(text, last=True) == (None, kind)


def test_a_bare_serial_in_a_1904_workbook_counts_from_1904():
    assert day(44624.0, last=True, date1904=True).day == D(2026, 3, 5)
    assert day("44624", last=True, date1904=True).day == D(2026, 3, 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P1", "P1"),
        ("紧急", "P0"),
        ("高", "P1"),
        ("Medium", "P2"),
        ("可选", "P3"),
        ("P1-高", "P1"),
        ("高(影响资损)", "P1"),
    ],
)
def test_a_priority_is_known_by_its_words(text, expected):
    assert priority(text) == (expected, None)


def test_a_priority_is_unknown_where_blank_and_flagged_where_unreadable():
    assert priority("") == priority("-") == (None, None)
    for text in ("看情况", "高/中", "1"):
        assert priority(text) == (None, "unreadable")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("待处理", "open"),
        ("IN_PROGRESS", "doing"),
        ("to-do", "open"),
        ("Won’t fix", "accepted"),
        ("✅", "done"),
        ("✅ done", "done"),
        ("✅已完成", "done"),
        ("已完成/done", "done"),
        ("已完成(2026-03)", "done"),
        ("🔴", "open"),
        ("🟡 进行中", "doing"),
        ("🟡 已豁免", "accepted"),
        ("🟢 done", "done"),
    ],
)
def test_a_status_is_known_by_its_words_and_marks(text, expected):
    assert status(text) == (expected, None)


@pytest.mark.parametrize(
    ("text", "expected", "kind"),
    [
        ("", "open", "status_missing"),
        ("-", "open", "status_missing"),
        ("🟡", "doing", "status_ambiguous"),
        ("🟡\ufe0f", "doing", "status_ambiguous"),
        ("✅ open", "open", "unreadable"),
        ("🟢", "open", "unreadable"),
        ("somehow", "open", "unreadable"),
    ],
)
def test_without_a_certain_status_a_debt_is_flagged(text, expected, kind):
    assert status(text) == (expected, kind)


@given(ANY_CELL)
def test_whatever_a_cell_holds_it_is_read_or_flagged(value):
    for read in (effort(value), amount(value)):
        known = [p for p in read[:3] if not math.isnan(p)]
        assert known == sorted(known)
        assert all(math.isfinite(p) for p in known)
        blank = isinstance(value, str) and not known and not read.kinds
        assert known or read.kinds or blank
    assert all(p > 0 for p in effort(value)[:3] if not math.isnan(p))
    found = day(value, last=True)
    assert found.day is None or found.kind in (None, "date_is_period")
    assert status(value).name in ("open", "doing", "done", "accepted")
    assert priority(value).name in (None, "P0", "P1", "P2", "P3")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (0.1 + 0.2, "0.3"),
        (5200.5, "5200.5"),
        (D(2026, 3, 5), "2026-03-05"),
        (dt.datetime(2026, 3, 5, 10, 30), "2026-03-05 10:30:00"),
        (dt.timedelta(hours=36), "36 h"),
        (NoValue("error_value", "#REF!"), "#REF!"),
    ],
)
def test_a_cell_has_the_text_that_the_spreadsheet_shows(value, text):
    assert as_text(value) == text
