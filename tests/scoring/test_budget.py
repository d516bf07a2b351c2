import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import (
    ScoringError,
    alert_windows,
    burn_rate,
    calculate_burn_rate,
    check_threshold,
    max_burn_rate,
    month_hours,
    redundant_availability,
    remaining_ratio,
    seconds_to_exhaustion,
    serial_availability,
)

FOLDER = Path(__file__).parents[1] / "data/vectors"
BURNS = json.loads((FOLDER / "burn_rate.json").read_text())
WINDOWS = json.loads((FOLDER / "alert_windows.json").read_text())
BODY = BURNS[0]["input"]
NUMBERS = ("error_ratio", "burn_rate", "budget_consumed_percent", "seconds_to_exhaustion")
LONG = {"1h": 3600, "6h": 21600, "1d": 86400, "3d": 259200}


def same(found, expected):
    if expected is None or not isinstance(expected, str):
        return found == expected
    wanted = Decimal(expected)
    return Decimal(found).quantize(wanted) == wanted


def answer(**changes):
    return calculate_burn_rate({**BODY, **changes})


def levels(**changes):
    return {found["check"]: found["level"] for found in answer(**changes)["findings"]}


# --- What the vectors and the book say ------------------------------------------------------------


@pytest.mark.parametrize("case", BURNS)
def test_every_burn_rate_vector_holds(case):
    found = calculate_burn_rate(case["input"])
    for name, value in case["expect"].items():
        assert same(found[name], value), name


@pytest.mark.parametrize("case", WINDOWS)
def test_every_alert_window_vector_holds(case):
    found = {window.long_seconds: window for window in alert_windows(Decimal(case["period_days"]))}
    for name, value in case["thresholds"].items():
        assert float(found[LONG[name]].threshold) == pytest.approx(value, abs=5e-6)
        assert found[LONG[name]].short_seconds * 12 == LONG[name]
    for name, value in case.get("consumed", {}).items():
        assert found[LONG[name]].consumed * 100 == value


def test_one_failure_in_ten_at_999_burns_a_hundredfold_and_not_a_thousandfold():
    found = answer(good=9, total=10)
    assert found["burn_rate"] == "100"
    assert same(found["budget_consumed_percent"], "13.9")


def test_a_burn_rate_of_14_4_empties_a_month_in_fifty_hours():
    assert answer(good=985600, total=1000000)["seconds_to_exhaustion"] == str(50 * 3600)


def test_a_tenth_of_a_percent_is_exactly_that():
    assert answer()["burn_rate"] == "1"
    assert answer()["steps"][1]["formula"] == "0.001 / (1 − 0.999)"


# --- No data, nothing left, nothing burning -------------------------------------------------------


def test_no_data_is_no_burn_rate_of_zero():
    found = answer(good=0, total=0)
    assert [found[name] for name in NUMBERS] == [None] * 4
    assert found["findings"][0]["level"] == "gap"
    assert [window["fires"] for window in found["alert_windows"]] == [None] * 4


@pytest.mark.parametrize(
    ("name", "unknown"),
    [
        ("good", NUMBERS),
        ("total", NUMBERS),
        ("objective_percent", NUMBERS[1:]),
        ("window_seconds", NUMBERS[2:3]),
        ("period_days", NUMBERS[2:]),
        ("remaining_percent", NUMBERS[3:]),
    ],
)
def test_what_is_not_known_leaves_only_what_rests_on_it_unknown(name, unknown):
    found = answer(**{name: None})
    assert {each for each in NUMBERS if found[each] is None} == set(unknown)
    assert name.replace("_", " ") in found["findings"][0]["message"]


def test_a_budget_that_does_not_burn_lasts_forever_and_an_overdrawn_one_is_gone():
    quiet = answer(good=5, total=5)
    assert (quiet["burn_rate"], quiet["seconds_to_exhaustion"]) == ("0", "Infinity")
    over = answer(remaining_percent="-20")
    assert over["seconds_to_exhaustion"] == "0"
    assert levels(remaining_percent="-20")["budget"] == "fail"
    assert answer(remaining_percent=50)["seconds_to_exhaustion"] == "1296000"
    assert seconds_to_exhaustion(Decimal(1), Decimal(9), Decimal(0)) == Decimal("Infinity")
    assert seconds_to_exhaustion(Decimal(0), Decimal(9), Decimal(0)) == 0


def test_the_rest_of_a_budget_may_be_negative_and_is_exact():
    assert remaining_ratio(Decimal("0.9985"), Decimal("0.999")) == Decimal("-0.5")
    assert remaining_ratio(None, Decimal("0.999")) is None


def test_an_objective_of_everything_leaves_no_budget_to_divide_by():
    for formula in (burn_rate, remaining_ratio):
        with pytest.raises(ScoringError, match="objective is 1; allowed is from 0, below 1"):
            formula(Decimal("0.5"), Decimal(1))


def test_an_objective_that_looks_like_a_ratio_is_pointed_out():
    found = answer(objective_percent="0.999")["findings"][0]
    assert (found["check"], found["level"]) == ("unit", "warn")
    assert "taken as 0.999 %. If it is a ratio, write 99.9." in found["message"]
    assert "unit" not in levels(objective_percent="99.9")


# --- Alerts ---------------------------------------------------------------------------------------


def test_an_alert_fires_strictly_above_in_both_windows():
    page = alert_windows(Decimal(30))[0]
    just = Decimal("14.4")
    more = Decimal("14.4000001")
    assert page.fires(more, more) is True
    assert page.fires(just, more) is False
    assert page.fires(more, just) is False
    assert page.fires(more, None) is None


def test_nothing_is_rounded_before_it_is_compared():
    assert answer(good=98556, total=100000)["alert_windows"][0]["fires"] is True  # 14.44 > 14.4
    assert answer(good=9856, total=10000)["alert_windows"][0]["fires"] is False  # 14.4
    assert levels(good=99095, total=100000, threshold="9.05")["alert"] == "pass"
    assert levels(good=9909499, total=10000000, threshold="9.05")["alert"] == "warn"


def test_a_threshold_that_can_never_fire_is_refused_and_one_below_1_is_warned_of():
    with pytest.raises(ScoringError, match="can never fire: a total failure burns 10"):
        check_threshold(Decimal("14.4"), Decimal("0.9"))
    assert check_threshold(Decimal("14.4"), Decimal("0.99")) is None
    assert check_threshold(Decimal("0.5"), Decimal("0.99")) is not None
    with pytest.raises(ScoringError, match=r"threshold is 1000 .*; allowed is below 1000"):
        answer(threshold=1000)
    assert levels(threshold="0.5")["threshold"] == "warn"
    assert "threshold" not in levels(threshold="999.9")


@pytest.mark.parametrize(
    ("threshold", "just_not", "just"),
    [("14.4", "93.055", "93.056"), ("6", "83.333", "83.334"), ("3", "66.666", "66.667")],
)
def test_each_usual_threshold_can_be_reached_from_its_objective_on(threshold, just_not, just):
    def reachable(objective):
        windows = answer(objective_percent=objective)["alert_windows"]
        return {window["threshold"]: window["reachable"] for window in windows}[threshold]

    assert (reachable(just_not), reachable(just)) == (False, True)


def test_thresholds_are_made_for_the_period_and_never_those_of_30_days():
    found = {window["long_seconds"]: window for window in answer(period_days=7)["alert_windows"]}
    assert found[3600]["threshold"] == "3.36"
    assert found[3600]["consumed_percent"] == "2"
    assert answer(period_days=None)["alert_windows"] == []


# --- Months and dependencies ----------------------------------------------------------------------


def test_a_month_is_as_long_as_its_basis_says():
    assert month_hours("730h") == 730
    with pytest.raises(ScoringError, match="days_in_month is None"):
        month_hours("calendar")
    with pytest.raises(ScoringError, match="basis is 'month'"):
        month_hours("month")


def test_each_dependency_counts_once_and_a_circle_ends():
    own = {"a": Decimal("0.9"), "b": Decimal("0.8")}
    assert serial_availability("a", own, {"a": ["b"], "b": ["a"]}) == Decimal("0.72")
    with pytest.raises(ScoringError, match="availability of c is missing"):
        serial_availability("a", own, {"a": ["c"]})


def test_copies_of_which_one_is_enough_multiply_what_they_miss():
    assert redundant_availability([Decimal("0.99")] * 2) == Decimal("0.9999")
    assert redundant_availability([]) == 0


# --- What comes in --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective_percent": "100"}, "objective_percent is 100, which leaves no budget"),
        ({"objective_percent": "101"}, "objective_percent is 101; allowed is 0..100 %"),
        ({"good": 2000}, "good is 2000; allowed is at most the total, 1000"),
        ({"total": -1}, "total is -1"),
        ({"window_seconds": 0}, r"window_seconds is 0; allowed is 0\.001\.\.1e9 s"),
        ({"period_days": "a month"}, "period_days is a month"),
        ({"remaining_percent": 101}, "remaining_percent is 101"),
        ({"threshold": 0}, "threshold is 0; allowed is above 0"),
        ({"extra": 1}, "extra is no known field"),
    ],
)
def test_a_wrong_field_is_refused_by_name(change, message):
    with pytest.raises(ScoringError, match=message):
        answer(**change)


@pytest.mark.parametrize("name", list(BODY))
def test_a_field_that_is_missing_is_named_as_it_may_be_a_slip(name):
    body = {key: value for key, value in BODY.items() if key != name}
    with pytest.raises(ScoringError, match=f"{name} is missing; allowed is null where"):
        calculate_burn_rate(body)


def test_a_target_of_very_many_nines_is_not_rounded_to_all():
    found = answer(objective_percent="99." + "9" * 36, good=0)
    assert found["burn_rate"] == "1" + "0" * 38


@given(st.integers(0, 10**9), st.integers(1, 10**9), st.decimals(0, "99.999", places=3))
def test_the_burn_rate_is_the_error_ratio_in_budgets(bad, total, objective):
    bad = min(bad, total)
    found = answer(good=total - bad, total=total, objective_percent=str(objective))
    burn = Decimal(found["burn_rate"])
    exact = Decimal(bad) / total / (1 - objective / 100)
    assert abs(burn - exact) <= exact * Decimal("1e-13")
    assert burn <= Decimal(found["max_burn_rate"]) * (1 + Decimal("1e-13"))


@given(st.integers(1, 10**6), st.integers(0, 100), st.decimals("0.01", 36600, places=2), st.data())
def test_what_burns_until_exhaustion_is_what_was_left(total, remaining, days, data):
    good = data.draw(st.integers(0, total - 1))
    found = answer(good=good, total=total, remaining_percent=remaining, period_days=str(days))
    lasts = Decimal(found["seconds_to_exhaustion"])
    used = Decimal(found["burn_rate"]) * lasts / (days * 86400) * 100
    assert abs(used - remaining) <= Decimal("1e-9")


@given(st.decimals(0, "99.99", places=2))
def test_nothing_burns_faster_than_a_total_failure(objective):
    ratio = objective / 100
    assert burn_rate(Decimal(1), ratio) == max_burn_rate(ratio)
