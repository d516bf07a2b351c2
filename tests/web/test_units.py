"""Numbers become text in one place."""

from decimal import Decimal

import pytest

from debtreg.templatetags import charts, units
from tests.factories import ScoringPolicyFactory


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("12960.00"), "¥12,960"),
        ("3200", "¥3,200"),
        (4.05, "¥4.05"),
        (0, "¥0"),
        (Decimal("0.00002"), "¥0.00002"),
        (Decimal("0.0000085000"), "¥0.0000085"),
        (-1200, "−¥1,200"),
        (1e15, "¥1,000,000,000,000,000"),
    ],
)
def test_money_is_in_the_currency_with_as_many_places_as_it_needs(value: object, text: str) -> None:
    assert units.money(value) == text


def test_money_in_another_currency_is_never_taken_for_ours() -> None:
    assert units.money(12_000, "USD") == "$12,000"
    assert units.money(12_000, "JPY") == "JPY 12,000"  # its sign is that of CNY, too
    assert units.money(12_000, "CHF") == "CHF 12,000"


@pytest.mark.parametrize(
    "to_text",
    [
        units.money,
        units.money_short,
        units.ratio,
        units.percent,
        units.number,
        units.days,
        units.span,
        units.years,
        units.figure,
        units.seconds,
        units.filesize,
    ],
)
@pytest.mark.parametrize("value", [None, "", float("nan"), float("inf"), "much"])
def test_unknown_is_said_and_never_0(to_text: object, value: object) -> None:
    assert "not known" in to_text(value)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.05, "4.05"),
        (2.625, "2.63"),
        (12.34, "12.3"),
        (1250, "1,250"),
        (3, "3.00"),
        (3.0000020833, "3.000002"),
        (2.9996, "2.9996"),
        (4.9996, "5.00"),
        (0, "0.00"),
    ],
)
def test_a_ratio_that_just_beats_the_threshold_does_not_look_equal_to_it(
    db: None, value: float, text: str
) -> None:
    assert units.ratio(value) == text


def test_a_headline_has_three_digits() -> None:
    shown = [units.money_short(value) for value in (999, 12_960, 999_999, 1_159_700, 2.5e9)]
    assert shown == ["¥999", "¥13k", "¥1M", "¥1.16M", "¥2.5B"]


def test_times_are_in_the_unit_that_reads_best() -> None:
    assert units.span(90.12) == "90 days"
    assert units.span(1) == "1 day"
    assert units.span(0) == units.span(0.04) == "less than a day"
    assert units.span(0.05) == "0.1 days"
    assert units.span(3650) == "10 years"
    assert units.years(0.11) == "40 days"
    assert units.days(Decimal("12.5")) == "12.5 days"
    assert units.seconds(0.0123) == "0.012 s"
    assert units.seconds(400) == "6.7 min"
    assert units.seconds(180000) == "50 h"
    assert units.seconds(2592000) == "30 days"


def test_an_estimate_leaves_open_what_nobody_knows() -> None:
    assert units.points(3, 3, 3) == "3"
    assert units.points(3, 3.5, 4) == "3 – 3.5 – 4"
    assert units.points(20, None, None) == "20 or more"
    assert units.points(None, None, 5) == "up to 5"
    assert "not known" in units.points(None, None, None)


def test_an_roi_is_drawn_beside_its_threshold_only_if_there_is_one() -> None:
    assert charts.roi_plot(None, None, None, 3) == ""
    assert "plot-over" in charts.roi_plot(3.01, None, None, 3)
    assert "plot-over" not in charts.roi_plot(3, None, None, 3)
    assert "plot-range" in charts.roi_plot(3, 1, 9, 3)
    assert "plot-range" not in charts.roi_plot(3, None, None, 3)


def test_a_bar_beyond_its_capacity_is_full_and_says_so() -> None:
    drawn = charts.bar(Decimal(8), Decimal(10), Decimal(4))
    assert "bar-over" in drawn
    assert 'class="bar-over" width="100.0%"' in drawn
    assert 'class="bar-done" width="33.3%"' in drawn
    assert "bar-over" not in charts.bar(6, 10, 4)
    assert charts.bar(0, 0) != ""


def test_what_deserves_two_digits_shows_two_and_still_tells_the_sides_of_a_threshold(
    db: None,
) -> None:
    assert units.about_money("10500.00") == "≈ ¥11,000"
    assert units.about_money("10500.00", False) == "¥10,500"
    assert units.about_ratio("5.42") == "≈ 5.4"
    assert units.about_ratio("2.9634") == "≈ 2.96"
    assert units.about_ratio("18.7") == "≈ 19"
    assert units.about_ratio(3) == "≈ 3.0"
    assert [units.about_ratio(each) for each in (6.04, 1.02)] == ["≈ 6.0", "≈ 1.0"]
    ScoringPolicyFactory(threshold=6.0, demote_below=1.0)
    assert [units.about_ratio(each) for each in (6.04, 1.02)] == ["≈ 6.04", "≈ 1.02"]
    assert units.about_number("71428.57") == "≈ 71,000"
    assert units.about_percent("0.925") == "≈ 93 %"
    assert units.about_percent("0.9963") == "more than 99 %"
    assert units.about_percent(1) == "100 %"
    assert units.about_percent("0.0012") == "less than 1 %"
    assert units.about_money(None) == units.money(None)


def test_a_limit_never_looks_equal_to_what_it_is_compared_with() -> None:
    assert units.limit("10.43", 10) == "≈ 10.4"
    assert units.limit("1603.2", 1600) == "≈ 1,603"
    assert units.limit("71428.57", 90_000) == "≈ 71,000"
    assert units.limit("24.6834", 25, False) == "24.68"
    assert units.limit("0.99996", 1) == "≈ 0.99996"


def test_a_range_says_about_once(db: None) -> None:
    assert units.spread("2.612", "18.7") == "≈ 2.6 – 19"
    assert units.spread("2.612", "18.7", False) == "2.61 – 18.7"
