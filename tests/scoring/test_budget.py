import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import (
    ScoringError,
    alert_windows,
    calculate_burn_rate,
    check_threshold,
    month_hours,
    remaining_ratio,
    seconds_to_exhaustion,
    serial_availability,
)

FOLDER = Path(__file__).parents[1] / "data/vectors"
BURNS = json.loads((FOLDER / "burn_rate.json").read_text())
WINDOWS = json.loads((FOLDER / "alert_windows.json").read_text())
BODY = BURNS[0]["input"]
LONG = {"1h": 3600, "6h": 21600, "1d": 86400, "3d": 259200}


def same(found, expected):
    if expected is None or not isinstance(expected, str):
        return found == expected
    wanted = Decimal(expected)
    return Decimal(found).quantize(wanted) == wanted


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


def test_no_data_is_no_burn_rate_of_zero():
    found = calculate_burn_rate({**BODY, "good": 0, "total": 0})
    names = ("error_ratio", "burn_rate", "budget_consumed_percent", "seconds_to_exhaustion")
    assert [found[name] for name in names] == [None] * 4


def test_a_budget_that_does_not_burn_is_never_exhausted_and_an_overdrawn_one_is_already():
    quiet = calculate_burn_rate({**BODY, "good": 5, "total": 5})
    assert (quiet["burn_rate"], quiet["seconds_to_exhaustion"]) == ("0", None)
    over = calculate_burn_rate({**BODY, "remaining_percent": "-20"})
    assert over["seconds_to_exhaustion"] == "0"
    half = calculate_burn_rate({**BODY, "remaining_percent": 50})
    assert half["seconds_to_exhaustion"] == "1296000"
    assert seconds_to_exhaustion(Decimal(1), Decimal(9), Decimal(0)) == Decimal("Infinity")


def test_an_alert_fires_strictly_above_in_both_windows():
    page = alert_windows(Decimal(30))[0]
    just = Decimal("14.4")
    more = Decimal("14.4000001")
    assert page.fires(more, more) is True
    assert page.fires(just, more) is False
    assert page.fires(more, just) is False
    assert page.fires(more, None) is None


def test_a_threshold_that_can_never_fire_is_refused():
    with pytest.raises(ScoringError, match="can never fire: a total failure burns 10"):
        check_threshold(Decimal("14.4"), Decimal("0.9"))
    assert check_threshold(Decimal("14.4"), Decimal("0.99")) is None
    assert check_threshold(Decimal("0.5"), Decimal("0.99")) is not None


def test_the_rest_of_a_budget_may_be_negative_and_is_exact():
    assert remaining_ratio(Decimal("0.9985"), Decimal("0.999")) == Decimal("-0.5")
    assert remaining_ratio(None, Decimal("0.999")) is None


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective_percent": "100"}, "objective_percent is 100, which leaves no budget"),
        ({"objective_percent": "101"}, "objective_percent is 101; allowed is 0..100 %"),
        ({"good": 2000}, "good is 2000; allowed is at most the total, 1000"),
        ({"total": -1}, "total is -1"),
        ({"total": None}, "total is null"),
        ({"window_seconds": 0}, "window_seconds is 0; allowed is above 0 s"),
        ({"period_days": "a month"}, "period_days is a month"),
        ({"extra": 1}, "extra is no known field"),
    ],
)
def test_a_wrong_field_is_refused_by_name(change, message):
    with pytest.raises(ScoringError, match=message):
        calculate_burn_rate({**BODY, **change})


@given(st.integers(0, 10**9), st.integers(1, 10**9), st.decimals(0, "99.999", places=3))
def test_the_burn_rate_is_the_error_ratio_in_budgets(bad, total, objective):
    bad = min(bad, total)
    body = {**BODY, "good": total - bad, "total": total, "objective_percent": str(objective)}
    found = Decimal(calculate_burn_rate(body)["burn_rate"])
    exact = Decimal(bad) / total / (1 - objective / 100)
    assert abs(found - exact) <= exact * Decimal("1e-13")
