"""Realised benefits, bias, returns and cycle times, against numbers worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scoring import (
    BIAS_COLUMNS,
    PREDICTION_COLUMNS,
    READING_COLUMNS,
    RETURN_COLUMNS,
    SPELL_COLUMNS,
    ScoringError,
    bias,
    cycle_times,
    make_frame,
    realised_benefits,
    realised_returns,
    survival,
    yearly_costs,
)


def frame(columns, *rows):
    return make_frame(columns, [dict(zip(columns, row, strict=True)) for row in rows])


def readings(*rows):
    """(impact, after, days, amount) of outcome 1, measured."""
    return frame(READING_COLUMNS, *((1, *row, True) for row in rows))


def impacts(*benefits):
    """The impacts of outcome 1, by their predicted benefits."""
    return frame(
        PREDICTION_COLUMNS, *((1, number, benefit) for number, benefit in enumerate(benefits, 1))
    )


def realised(*rows, predicted=()):
    return realised_benefits(readings(*rows), impacts(*predicted)).loc[1]


# --- A year out of readings -----------------------------------------------------------------------


def test_a_year_is_made_of_the_days_that_were_read():
    # 12,000 in 60 days are 200 a day; with 1,500 in 30 days 13,500 in 90 days: 150 a day.
    costs = yearly_costs(
        readings((0, False, 60, 12_000), (0, True, 60, 12_000), (0, True, 30, 1_500))
    )
    assert costs["cost_per_year"].tolist() == [73_000.0, 54_750.0]
    assert costs["period_days"].tolist() == [60, 90]


@pytest.mark.parametrize("days", [6, 0, -3])
def test_less_than_a_week_is_no_reading(days):
    with pytest.raises(ScoringError, match=f"period_days is {days} .*allowed is 7"):
        yearly_costs(readings((0, False, days, 1)))


def test_what_is_saved_is_the_cost_before_less_the_cost_after():
    # 73 days are a fifth of a year: 10,000 and 1,500 a year.
    found = realised((0, False, 73, 2_000), (0, True, 73, 300))
    assert (found["cost_before"], found["cost_after"], found["realised"]) == (10_000, 1_500, 8_500)
    assert found["measured"]


def test_what_got_worse_is_below_zero():
    assert realised((0, False, 73, 100), (0, True, 73, 300))["realised"] == -1_000


@pytest.mark.parametrize("rows", [[(0, False, 73, 100)], [(0, True, 73, 100)], []])
def test_one_side_alone_says_nothing(rows):
    found = realised(*rows, predicted=[5_000])
    assert math.isnan(found["realised"])
    assert math.isnan(found["cost_before"])
    assert not found["measured"]


def test_impacts_count_once_each_that_was_predicted_is_read():
    first = [(1, False, 73, 1_000), (1, True, 73, 0)]
    second = [(2, False, 73, 400), (2, True, 73, 100)]
    part = realised(*first, predicted=[4_000, 1_000])
    assert math.isnan(part["realised"])
    assert (part["needed"], part["read"]) == (2, 1)
    whole = realised(*first, *second, predicted=[4_000, 1_000])
    assert (whole["realised"], whole["read"]) == (5_000 + 1_500, 2)


def test_an_impact_that_nobody_had_priced_need_not_be_read_but_counts_if_it_is():
    first = [(1, False, 73, 1_000), (1, True, 73, 0)]
    second = [(2, False, 73, 400), (2, True, 73, 100)]
    assert realised(*first, predicted=[4_000, None])["realised"] == 5_000
    assert realised(*first, *second, predicted=[4_000, None])["realised"] == 6_500
    assert realised(*second, predicted=[None, None])["realised"] == 1_500


def test_what_was_read_of_the_whole_item_goes_before_its_impacts():
    found = realised(
        *[(1, False, 73, 1_000), (1, True, 73, 0), (0, False, 73, 3_000), (0, True, 73, 1_000)],
        predicted=[4_000],
    )
    assert found["realised"] == 10_000


def test_one_estimate_makes_the_whole_an_estimate():
    rows = readings((0, False, 73, 100), (0, False, 73, 100), (0, True, 73, 50))
    rows["measured"] = [True, False, True]
    found = realised_benefits(rows, impacts()).loc[1]
    assert (found["realised"], found["measured"]) == (250, False)


# --- Predicted against realised -------------------------------------------------------------------


def test_bias_is_the_ratio_of_sums_beside_the_median_ratio():
    found = bias(
        frame(
            BIAS_COLUMNS,
            (1, 10_000, 5_000),
            (1, 1_000, 1_500),
            (1, 2_000, 2_000),
            (1, None, 9_000),
            (1, 9_000, None),
            (2, 100, None),
        )
    )
    # 8,500 / 13,000; the ratios are 0.5, 1.5, 1.
    assert found.index.tolist() == [1]
    row = found.loc[1]
    assert (row["cases"], row["predicted"], row["realised"]) == (3, 13_000, 8_500)
    assert row["ratio"] == pytest.approx(0.653846, abs=1e-6)
    assert (row["median_ratio"], row["median_cases"], row["weak"]) == (1, 3, True)


def test_five_cases_are_not_weak():
    rows = [(1, 100, 100)] * 4
    assert bias(frame(BIAS_COLUMNS, *rows)).loc[1, "weak"]
    assert not bias(frame(BIAS_COLUMNS, *rows, (1, 100, 100))).loc[1, "weak"]


def test_what_was_predicted_to_save_nothing_has_no_ratio():
    row = bias(frame(BIAS_COLUMNS, (1, 0, 500), (1, -100, 0))).loc[1]
    assert math.isnan(row["ratio"])
    assert math.isnan(row["median_ratio"])
    assert (row["cases"], row["median_cases"]) == (2, 0)


def test_a_return_takes_the_actual_cost_and_the_predicted_one_where_there_is_none():
    found = realised_returns(
        frame(
            RETURN_COLUMNS,
            (1, 9_000, 8_000, 2_000, 3_000),
            (1, 3_000, 1_000, 1_500, None),
            (1, None, 3_000, None, 1_500),
            (1, 5_000, None, 1_000, 1_000),
            (1, 5_000, 700, None, None),
            (0, 100, 50, 0, None),
        )
    )
    now = found.loc[1]
    # 12,000 / (3,000 + 1,500 + 1,500); predicted of the first two: 12,000 / 3,500.
    assert (now["cases"], now["actual_cases"], now["predicted_cases"]) == (3, 2, 2)
    assert (now["benefit"], now["cost"], now["realised_roi"]) == (12_000, 6_000, 2)
    assert now["predicted_roi"] == pytest.approx(3.428571, abs=1e-6)
    # A repair that cost nothing has no return: never infinite.
    assert math.isnan(found.loc[0, "realised_roi"])


@pytest.mark.parametrize("function", [bias, realised_returns])
def test_no_cases_are_no_rows(function):
    columns = BIAS_COLUMNS if function is bias else RETURN_COLUMNS
    assert function(frame(columns)).empty


# --- From promotion to resolved -------------------------------------------------------------------


def spells(*rows):
    return frame(SPELL_COLUMNS, *rows)


def test_open_items_are_counted_as_open_for_as_long_as_they_are():
    # Resolved after 10, 20 and 40 days; open for 15, 30 and 90 days. Still open after day 10: 5/6,
    # day 20: 5/6 x 3/4 = 0.625, day 40: 0.625 x 1/2 = 0.3125.
    rows = spells(
        *[(days, 0, True) for days in (10, 20, 40)], *[(days, 0, False) for days in (15, 30, 90)]
    )
    curve = survival(rows)
    assert curve["at_risk"].tolist() == [6, 4, 2]
    assert curve["still_open"].tolist() == pytest.approx([5 / 6, 0.625, 0.3125])
    times = cycle_times(rows)
    assert (times.resolved, times.mean_days, times.median_days) == (3, pytest.approx(70 / 3), 20)
    assert (times.open, times.mean_age_days, times.oldest_days) == (3, 45, 90)
    assert times.estimated_median_days == 40


def test_a_median_that_was_not_reached_is_not_known():
    times = cycle_times(spells((10, 0, True), (30, 0, False), (40, 0, False)))
    assert math.isnan(times.estimated_median_days)
    assert times.median_days == 10


def test_nothing_promoted_is_nothing_known():
    times = cycle_times(spells())
    assert (times.resolved, times.open) == (0, 0)
    assert all(
        math.isnan(number)
        for number in (times.mean_days, times.median_days, times.mean_age_days, times.oldest_days)
    )
    assert math.isnan(times.estimated_median_days)


def test_what_was_promoted_before_the_period_counts_from_the_age_it_had_then():
    # Promoted 100 days before the period and resolved on its 20th day: at risk from day 100 on, so
    # it says nothing about the first 100 days.
    rows = spells((120, 100, True), (10, 0, True), (30, 0, True), (50, 0, False))
    curve = survival(rows)
    assert curve["open_days"].tolist() == [10, 30, 120]
    assert curve["at_risk"].tolist() == [3, 2, 1]
    assert curve["still_open"].tolist() == pytest.approx([2 / 3, 1 / 3, 0])
    assert cycle_times(rows).estimated_median_days == 30


def test_what_is_resolved_in_the_moment_it_is_promoted_took_no_time():
    times = cycle_times(spells((0, 0, True), (0, 0, True), (4, 0, False)))
    assert (times.mean_days, times.estimated_median_days) == (0, 0)


DAYS = st.lists(st.integers(0, 60), max_size=30)


@given(DAYS.filter(len), DAYS)
def test_without_truncation_the_curve_is_that_of_scipy(resolved, open_):
    rows = spells(*[(day, 0, True) for day in resolved], *[(day, 0, False) for day in open_])
    curve = survival(rows)
    expected = stats.ecdf(stats.CensoredData(uncensored=resolved, right=open_)).sf
    np.testing.assert_allclose(
        expected.evaluate(curve["open_days"].to_numpy()), curve["still_open"], atol=1e-12
    )
