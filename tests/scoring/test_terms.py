from decimal import Decimal

import pytest

from scoring import ScoringError, Window, parse_window, price_period, read_terms

BODY = {
    "target": "p99 <= 300 ms",
    "measured": "0.3301s",
    "requests": 2_000_000,
    "clause": "每低于目标10ms,扣减SLO预算5%",
    "objective_percent": "99.9",
    "period_days": 30,
}


def a_part(days=30, **changes):
    return {"days": days, "body": {**BODY, **changes}}


@pytest.mark.parametrize(
    ("text", "period", "hours", "basis"),
    [
        ("30d", "rolling", 720, "30d"),
        ("３０ 天", "rolling", 720, "30d"),
        ("28 days", "rolling", 672, ""),
        ("4w", "rolling", 672, ""),
        ("24小时", "rolling", 24, ""),
        ("rolling 7d", "rolling", 168, ""),
        ("calendar_month", "month", None, "calendar"),
        ("per month", "month", None, "calendar"),
        ("自然月", "month", None, "calendar"),
        ("每季度", "quarter", None, "calendar"),
        ("calendar year", "year", None, "calendar"),
        ("730h", "month", 730, "730h"),
        ("month (30d)", "month", 720, "30d"),
    ],
)
def test_the_period_of_a_promise_is_read_with_its_basis(text, period, hours, basis):
    assert parse_window(text) == Window(period, hours and Decimal(hours), basis)


@pytest.mark.parametrize("text", ["", "soon", "0d", "month (31d)", "year (30d)", "30", "1e9d"])
def test_what_is_no_period_is_refused(text):
    with pytest.raises(ScoringError, match="window"):
        parse_window(text)


def test_a_month_is_as_long_as_its_basis_says():
    assert parse_window("calendar month").days(31) == 31
    assert parse_window("30d").days(31) == 30
    assert round(parse_window("730h").days(31), 3) == Decimal("30.417")


@pytest.mark.parametrize(
    ("metric", "target", "statistic", "operator", "value", "unit", "objective"),
    [
        ("p99_response_time", "≤300ms", "p99", "<=", "300", "ms", "0.99"),
        ("p99_response_time", "＜＝３００ 毫秒", "p99", "<=", "300", "ms", "0.99"),
        ("response_time", "p95 不超过 0.5 s", "p95", "<=", "0.5", "s", "0.95"),
        ("p99.9_latency", "below 2s", "p99.9", "<", "2", "s", "0.999"),
        ("availability", "不低于 ９９．９５％", "", ">=", "99.95", "%", "0.9995"),
        ("error_rate", "≤0.1%", "", "<=", "0.1", "%", "0.999"),
        ("gdpr_erasure", "≤30d", "", "<=", "30", "d", None),
        ("throughput", "at least 200 rps", "", ">=", "200", "rps", None),
    ],
)
def test_targets_are_read_in_both_languages(
    metric, target, statistic, operator, value, unit, objective
):
    found = read_terms(metric, target)
    assert found["problems"] == {}
    assert (found["statistic"], found["operator"], found["unit"]) == (statistic, operator, unit)
    assert found["value"] == Decimal(value)
    assert found["objective"] == (None if objective is None else Decimal(objective))


def test_each_part_that_cannot_be_read_is_named_and_the_others_are_kept():
    found = read_terms("audit_retention", "≥5y", "记合规缺口1次", "sometimes")
    assert found["problems"].keys() == {"target", "penalty", "window"}
    assert "'y'" in found["problems"]["target"]
    found = read_terms("p99", "≤300ms", "每低于目标0.1%,扣减SLO预算5%", "30d")
    assert found["problems"].keys() == {"penalty"}
    assert found["value"] == 300
    assert read_terms("p99", "≤0.123456789s")["problems"].keys() == {"target"}


def test_a_person_may_say_that_a_clause_has_nothing_to_count():
    for words in ("none", "无", " "):
        found = read_terms("gdpr_erasure", "≤30d", words)
        assert (found["penalty"], found["problems"]) == (None, {})


def test_a_single_part_is_what_the_calculator_says():
    found = price_period([a_part()])
    assert (found["deduct_percent"], found["deducted_minutes"]) == (15, Decimal("6.48"))
    assert (found["deducted_requests"], found["credit_percent"]) == (3000, None)
    assert (found["known"], found["breached"]) == (True, True)


def test_parts_count_by_their_days_and_each_by_its_own_terms():
    found = price_period([a_part(10), a_part(20, target="p99 <= 290 ms")])
    assert found["deduct_percent"] == pytest.approx(Decimal(15) / 3 + Decimal(20) * 2 / 3)
    assert [part["deduct_percent"] for part in found["parts"]] == ["15", "20"]
    tiers = {"tiers": [{"below_percent": 99.9, "credit_percent": 30}]}
    of_credits = {"target": ">= 99.9 %", "measured": 99.5, "requests": 500, "clause": tiers}
    credits = {"days": 15, "body": of_credits}
    found = price_period([a_part(15, measured="310ms"), credits])
    assert (found["deduct_percent"], found["credit_percent"]) == (Decimal("2.5"), 15)


def test_what_is_unknown_of_a_part_is_unknown_of_the_whole():
    unknown = {"days": 10, "unknown": "Version 2 is not confirmed."}
    found = price_period([a_part(20), unknown])
    assert (found["known"], found["deduct_percent"], found["deducted_minutes"]) == (
        False,
        None,
        None,
    )
    assert found["breached"] is True  # the other part was missed in any case
    assert [each["level"] for each in found["findings"]] == ["fail", "gap"]
    assert price_period([a_part(measured=None)])["known"] is False
    assert price_period([a_part(requests=57)])["deduct_percent"] is None


def test_terms_without_a_penalty_say_only_whether_they_were_kept():
    body = {"target": "<= 300 ms", "measured": "287ms", "requests": 500}
    found = price_period([{"days": 30, "body": body}])
    assert (found["known"], found["breached"], found["deduct_percent"]) == (True, False, None)
    found = price_period([{"days": 30, "body": {**body, "measured": "301ms"}}])
    assert found["breached"] is True


def test_the_cap_and_what_is_above_it_are_both_told():
    found = price_period([a_part(measured="620ms")])
    assert (found["deduct_percent"], found["uncapped_percent"]) == (100, 160)


def test_a_period_without_days_is_refused():
    with pytest.raises(ScoringError, match="days"):
        price_period([])
