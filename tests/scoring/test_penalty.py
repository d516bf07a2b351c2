import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import ScoringError, calculate_penalty, parse_clause, parse_target

CASES = json.loads((Path(__file__).parents[1] / "data/vectors/penalty.json").read_text())
BODY = CASES[3]["input"]


POINTS = {"target": "≥99.95%", "clause": "每低于目标0.01个百分点,扣减SLO预算5%"}


def deducted(measured, **changes):
    return calculate_penalty({**BODY, "measured": measured, **changes})


def findings(found):
    return {each["check"]: each for each in found["findings"]}


def without(body, *names):
    return {name: value for name, value in body.items() if name not in names}


@pytest.mark.parametrize("case", CASES, ids=[str(case["input"]["measured"]) for case in CASES])
def test_every_penalty_vector_holds(case):
    found = calculate_penalty(case["input"])
    for name, value in case["expect"].items():
        if isinstance(value, str):
            assert Decimal(found[name]) == Decimal(value), name
        else:
            assert found[name] == value, name


# Of 43.2 minutes (99.9 % of 30 days) and, as it is a p99, of 20,000 requests (1 % of 2 million).
@pytest.mark.parametrize(
    ("measured", "shortfall", "steps", "percent", "minutes", "requests", "ceil", "linear"),
    [
        ("287 ms", "0", 0, "0", "0", "0", "0", "0"),
        ("300 ms", "0", 0, "0", "0", "0", "0", "0"),
        ("309.999 ms", "9.999", 0, "0", "0", "0", "5", "4.9995"),
        ("310 ms", "10", 1, "5", "2.16", "1000", "5", "5"),
        ("0.3301s", "30.1", 3, "15", "6.48", "3000", "20", "15.05"),
        ("337 ms", "37", 3, "15", "6.48", "3000", "20", "18.5"),
        ("500 ms", "200", 20, "100", "43.2", "20000", "100", "100"),
        ("620 ms", "320", 32, "100", "43.2", "20000", "100", "100"),
        ("0.35 s", "50", 5, "25", "10.8", "5000", "25", "25"),
    ],
)
def test_the_worked_table_holds(
    measured, shortfall, steps, percent, minutes, requests, ceil, linear
):
    found = deducted(measured, target="p99 ≤ 300 ms")
    assert (found["shortfall"], found["steps"]) == (shortfall, steps)
    assert found["deduct_percent"] == percent
    assert (found["deducted_minutes"], found["deducted_requests"]) == (minutes, requests)
    assert found["known"] is True
    clause = {"step": "10ms", "deduct_percent": 5}
    assert deducted(measured, clause={**clause, "rounding": "ceil"})["deduct_percent"] == ceil
    assert deducted(measured, clause={**clause, "rounding": "linear"})["deduct_percent"] == linear


@pytest.mark.parametrize(
    ("rounding", "steps", "percent"),
    [("floor", 3, "15"), ("ceil", 4, "20"), ("linear", "3.27", "16.35")],
)
def test_a_percentage_falls_short_in_points_and_is_the_budget_itself(rounding, steps, percent):
    body = {**without(BODY, "objective_percent"), **POINTS, "measured": "99.9173%"}
    clause = {"step": {"value": 0.01, "unit": "pp"}, "deduct_percent": "5", "rounding": rounding}
    found = calculate_penalty({**body, "clause": clause})
    assert (found["shortfall"], found["steps"]) == ("0.0327", steps)
    assert found["deduct_percent"] == percent
    assert Decimal(found["deducted_minutes"]) == Decimal(percent) * Decimal("0.216")  # of 21.6


def test_steps_that_floats_would_lose_are_counted():
    assert deducted("99.93%", **POINTS)["steps"] == 2  # (99.95 - 99.93) / 0.01 is 1.99...
    assert deducted("0.35s")["steps"] == 5  # (0.35 - 0.30) / 0.01 is 4.99...
    assert deducted({"low": "0.35s", "high": "0.35s"})["steps"] == 5


def test_a_shortfall_just_below_a_step_is_never_rounded_up_to_it():
    found = deducted("309." + "9" * 35 + "ms")
    assert (found["steps"], found["deduct_percent"]) == (0, "0")
    assert Decimal(found["shortfall"]) < 10


def test_the_cap_holds_and_the_rest_is_reported():
    found = deducted("620ms")
    assert (found["steps"], found["deduct_percent"]) == (32, "100")
    assert found["uncapped_percent"] == "160"
    assert found["deducted_minutes"] == "43.2"
    assert "60 % more would be due" in findings(found)["cap"]["message"]
    clause = {"step": "10ms", "deduct_percent": 5, "cap_percent": 12}
    assert deducted("337ms", clause=clause)["deduct_percent"] == "12"


def test_the_direction_comes_from_the_operator_and_never_from_the_word():
    for word in ("低于", "超过", "高于"):
        clause = f"每{word}目标10ms,扣减SLO预算5%"
        assert deducted("320ms", clause=clause)["deduct_percent"] == "10"
        assert deducted("200ms", clause=clause)["deduct_percent"] == "0"
    found = deducted("99.9173%", target="≥99.95%", clause="每低于目标0.01个百分点,扣减SLO预算5%")
    assert (found["shortfall"], found["steps"]) == ("0.0327", 3)


def test_a_strict_target_is_breached_by_its_own_value_and_costs_nothing():
    for target in ("<300ms", ">300ms"):
        found = deducted("300ms", target=target)
        assert (found["breached"], found["deduct_percent"]) == (True, "0")
        assert findings(found)["target"]["level"] == "warn"
    assert deducted("300ms")["breached"] is False
    assert findings(deducted("300ms"))["target"]["level"] == "pass"


@pytest.mark.parametrize(
    "change",
    [
        {"measured": None},
        {"measured": "NaN"},
        {"measured": "+Inf"},
        {"measured": {"low": "310ms", "high": "NaN"}},
        {"requests": 99},
        {"requests": 57},
        {"requests": 0},
        {"requests": None},
    ],
)
def test_without_enough_data_the_deduction_is_unknown_and_a_gap(change):
    found = calculate_penalty({**BODY, **change})
    assert (found["known"], found["breached"]) == (False, None)
    names = ("shortfall", "steps", "deduct_percent", "uncapped_percent", "deducted_minutes")
    assert [found[name] for name in names] == [None] * 5
    assert findings(found)["data"]["level"] == "gap"
    assert "not 0: a compliance gap" in findings(found)["data"]["message"]


def test_what_was_never_measured_may_be_left_out():
    found = calculate_penalty(without(BODY, "measured", "requests"))
    assert (found["known"], found["deduct_percent"]) == (False, None)


def test_a_hundred_requests_are_enough():
    assert calculate_penalty({**BODY, "requests": 100})["known"] is True


def test_the_bounds_of_a_wide_bucket_leave_the_deduction_open():
    found = deducted({"low": "250ms", "high": "500ms"})
    assert (found["known"], found["breached"], found["deduct_percent"]) == (False, None, None)
    assert found["range"]["deduct_percent"] == {"low": "0", "high": "100"}
    assert found["range"]["deducted_minutes"] == {"low": "0", "high": "43.2"}
    assert findings(found)["bucket"]["level"] == "gap"


def test_the_bounds_of_a_narrow_bucket_settle_it():
    found = deducted({"low": "310ms", "likely": "0.312s", "high": "319ms"})
    assert (found["known"], found["steps"], found["deduct_percent"]) == (True, 1, "5")
    assert found["shortfall"] is None
    assert found["range"] == {"shortfall": {"low": "10", "high": "19"}}


def test_a_number_without_a_unit_is_in_that_of_the_target_and_says_so():
    for value in (337, 337.0, "337"):
        found = deducted(value)
        assert found["deduct_percent"] == "15"
        assert "Prometheus gives seconds: write 0.35s" in findings(found)["unit"]["message"]
    assert "unit" not in findings(deducted("337ms"))


def test_the_answer_says_what_it_assumes_and_how_it_is_calculated():
    found = deducted("0.3301s")
    assert found["inputs"]["measured"] == "0.3301s"
    assert found["assumptions"][0].startswith(
        "More than the target is worse, as the sign of ≤ 300 ms"
    )
    assert found["assumptions"][1] == "Only each completed 10 ms counts."
    assert (
        "initial budget, not of what is left, and all together at most 100 %"
        in (found["assumptions"][2])
    )
    steps = {step["of"]: step for step in found["calculation"]}
    assert steps["shortfall"]["formula"] == "max(0, 330.1 − 300) ms"
    assert steps["steps"]["formula"] == "⌊30.1 / 10⌋"
    assert steps["budget_minutes"]["formula"] == "(1 − 0.999) × 2592000 s / 60"
    assert (steps["deducted_minutes"]["value"], steps["deducted_minutes"]["unit"]) == (
        "6.48",
        "min",
    )


@pytest.mark.parametrize(
    ("text", "step", "unit", "percent", "rounding", "cap"),
    [
        ("每低于目标10ms,扣减SLO预算5%", "10", "ms", "5", "floor", "100"),
        ("每低于目标１０ｍｓ，扣减ＳＬＯ预算５％", "10", "ms", "5", "floor", "100"),
        ("每超过目标 0.5 秒扣除错误预算 2.5%,封顶50%", "0.5", "s", "2.5", "floor", "50"),
        ("每高于目标10毫秒(不足10毫秒按10毫秒计),扣减5%", "10", "ms", "5", "ceil", "100"),
        (
            "For each 10 ms worse than target, deduct 5 % of the SLO budget",
            "10",
            "ms",
            "5",
            "floor",
            "100",
        ),
        (
            "Deduct 5% of the error budget for every 10ms or part thereof",
            "10",
            "ms",
            "5",
            "ceil",
            "100",
        ),
        (
            "Per month, 5% of the budget for each 10 ms, capped at 40%",
            "10",
            "ms",
            "5",
            "floor",
            "40",
        ),
        ("deduct 1% per 0.1pp pro rata", "0.1", "pp", "1", "linear", "100"),
        ("每低于目标10ms ➡️ 扣减SLO预算5%", "10", "ms", "5", "floor", "100"),
        ("每低于目标10ms→扣减SLO预算5%", "10", "ms", "5", "floor", "100"),
        ("每低于目标10ms -> SLO预算5%", "10", "ms", "5", "floor", "100"),
        ("every 10 milliseconds => 5 percent", "10", "ms", "5", "floor", "100"),
        ("每超过目标10毫秒(不足10毫秒不计),扣减5%", "10", "ms", "5", "floor", "100"),
        ("5% of the initial SLO budget per 2 seconds", "2", "s", "5", "floor", "100"),
    ],
)
def test_clauses_are_read_in_chinese_and_english(text, step, unit, percent, rounding, cap):
    found = parse_clause(text)
    assert (found.step, found.unit) == (Decimal(step), unit)
    assert (found.percent, found.rounding, found.cap) == (Decimal(percent), rounding, Decimal(cap))


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("每低于目标10ms,扣减服务费5%", "扣减服务费5%"),
        ("deduct 5% of the monthly fee for each 10 ms above target", "of the monthly fee"),
        ("每低于目标10ms,不扣减SLO预算5%", "不"),
        ("每低于目标10ms,扣减SLO预算5%；累计超过3次，额外扣减20%", "累计超过3次,额外扣减20%"),
        ("每低于目标10ms,扣减SLO预算5%,首次免除", "首次免除"),
        ("超过500ms后，每10ms扣减SLO预算5%", "超过500ms后"),
        ("每低于目标10ms,扣减SLO预算5%-10%", "-10%"),
        ("deduct no more than 5% of the budget for each 10 ms", "deduct no more than"),
        ("each 10 ms: do not deduct 5% of the budget", "do not"),
        ("deduct 5% of the budget for each 10 ms above 500 ms", "above 500 ms"),
        ("每10ms扣减5%,不足5ms按10ms计", "不足5ms按10ms计"),
        ("below 99.9% for 2 months: credit 10%", "for 2 months: credit"),
        ("below 99.9%: 10% of annual fees; below 99%: 25% of monthly fees", "of annual fees"),
        ("低于99.9%不赔付10%", "不赔付"),
    ],
)
def test_a_clause_of_which_a_part_is_not_understood_is_not_read_and_the_part_is_quoted(text, rest):
    with pytest.raises(ScoringError, match=re.escape(f"“{rest}” is not understood")):
        parse_clause(text)


@pytest.mark.parametrize(
    ("text", "rounding"),
    [
        ("deduct 5% of the SLO budget for each started 10ms", "ceil"),
        ("deduct 5% of the SLO budget for each full 10ms", "floor"),
        ("每满10ms扣减SLO预算5%", "floor"),
        ("每超过目标10ms扣减SLO预算5%，不足10ms的按10ms计算", "ceil"),
        ("每超过目标10ms扣减SLO预算5%，不足10ms的部分按比例计", "linear"),
    ],
)
def test_what_becomes_of_a_part_of_a_step_is_read(text, rounding):
    assert parse_clause(text).rounding == rounding


def test_a_clause_that_counts_a_part_of_a_step_in_two_ways_is_not_read():
    with pytest.raises(ScoringError, match="in two ways"):
        parse_clause("每满10ms扣减SLO预算5%,不足10ms按10ms计")


@pytest.mark.parametrize(
    "text", ["并且" * 900, "应当月" * 600, "的预算" * 600, "不足的部分,按" * 280]
)
def test_a_long_clause_is_refused_as_fast_as_a_short_one(text):
    for clause in (f"每10ms扣减5%{text}x", f"低于99%赔付10%{text}x"):
        with pytest.raises(ScoringError, match=r"is not understood|more than levels"):
            parse_clause(clause)


@pytest.mark.parametrize(
    ("text", "operator", "value"),
    [
        ("≤300ms", "<=", "0.3"),
        ("<= 0.3 s", "<=", "0.3"),
        ("＜300毫秒", "<", "0.3"),
        ("P99 ≤ 300 ms", "<=", "0.3"),
        ("不低于99.95%", ">=", "99.95"),
        (">=99.95 %", ">=", "99.95"),
        ("＜=３００ｍｓ", "<=", "0.3"),
        ("≤ 300000 µs", "<=", "0.3"),
        ("p99 latency at most 300 milliseconds", "<=", "0.3"),
        ("可用性 ≥ 99.95%", ">=", "99.95"),
        ("no more than 0.1%", "<=", "0.1"),
        ("≥ 250 rps", ">=", "250"),
        ("300ms以内", "<=", "0.3"),
        ("p99 300毫秒以下", "<=", "0.3"),
        ("99.95% 以上", ">=", "99.95"),
        ("≤1,000ms", "<=", "1"),
    ],
)
def test_targets_are_read_with_their_operator_and_unit(text, operator, value):
    found = parse_target(text)
    assert found.operator == operator
    assert found.shortfall(Decimal(value)) == 0
    assert found.shortfall(Decimal(value) + 1) == (1 if operator.startswith("<") else 0)


def test_credits_rise_with_the_shortfall_and_the_highest_counts():
    clause = "低于99.95%赔付10%,低于99%赔付25%,低于95%赔付100%"
    body = {"target": ">=99.95%", "clause": clause, "requests": 1000, "fee": "2000"}
    for measured, percent, amount in (
        ("99.95%", "0", "0"),
        ("99.9499%", "10", "200"),
        ("98%", "25", "500"),
        ("12%", "100", "2000"),
    ):
        found = calculate_penalty({**body, "measured": measured})
        assert (found["credit_percent"], found["credit_amount"]) == (percent, amount)
    assert calculate_penalty({**body, "measured": None})["credit_percent"] is None


TABLE = """| Monthly Uptime Percentage | Service Credit Percentage |
|---|---|
| Less than 99.99% but equal to or greater than 99.0% | 10% |
| Less than 99.0% but equal to or greater than 95.0% | 30% |
| Less than 95.0% | 100% |"""


@pytest.mark.parametrize(
    ("text", "tiers"),
    [
        ("below 99.9%: 10% credit; below 99%: 25%", "99.9 10, 99 25"),
        ("below 99.9%: credit 10% per month; below 99%: credit 25%", "99.9 10, 99 25"),
        ("less than 99.95% but equal to or greater than 99.0%: 10%", "99.95 10"),
        ("less than 99.95% but ≥ 99.0%: 10%, less than 99.0%: 30%", "99.95 10, 99 30"),
        (TABLE, "99.99 10, 99 30, 95 100"),
        ("99.0% to < 99.95%: 10%; 95.0% to < 99.0%: 25%; < 95.0%: 50%", "99.95 10, 99 25, 95 50"),
        ("< 99.9% 10%\n< 99% 25%\n< 95% 100%", "99.9 10, 99 25, 95 100"),
        ("≥99.99%: 0%; <99.99%: 10%; <99%: 30%", "99.99 10, 99 30"),
        ("between 99% and 99.9%: 10% credit. Under 99%: 25% credit.", "99.9 10, 99 25"),
        ("10% credit if below 99.9%; 25% credit if below 99%", "99.9 10, 99 25"),
        ("credits of 10 percent below 99.9 percent and 25% below 99%", "99.9 10, 99 25"),
        ("below 99.9% ➙ 10%; lower than 99% ↦ 25%", "99.9 10, 99 25"),
        ("below 99.9% - 10%; below 99% - 25%", "99.9 10, 99 25"),
        (
            "低于99.95%但等于或高于99.0% | 月度服务费的10%; 低于99%：月度服务费的25%",
            "99.95 10, 99 25",
        ),
        ("95%≤服务可用性<99%，赔付25%；99%≤服务可用性<99.95%，赔付10%", "99.95 10, 99 25"),
        ("99.0%（含）-99.95%（不含）：10%；99.0%以下：25%", "99.95 10, 99 25"),
        ("小于99.9%减免当月服务费的10%，不足99%退还25%", "99.9 10, 99 25"),
    ],
)
def test_credit_tiers_are_read_as_clouds_and_contracts_word_them(text, tiers):
    wanted = tuple(tuple(map(Decimal, each.split())) for each in tiers.split(", "))
    assert parse_clause(text).tiers == wanted


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("below 99.9%: customer keeps 90% of the fee", "more than levels and credits"),
        ("below 99.9%: up to 10% credit", "more than levels and credits"),
        ("below 99.9%: 10% credit, 50% of the budget", "more than levels and credits"),
        ("below 99.9% for 5% of days credit 10%", "has a credit of 10 % without a level"),
        ("below 99.9%: 10% credit, below 99%", "a level without a credit"),
        ("below 99.9%, below 99%: 10% credit", "a level without a credit"),
        ("from 99% on: 10%, below 99%: 25%", "has a credit of 10 % without a level|without"),
        ("below 99.9% we are sorry for 10%", "before 10 %"),
        ("below 99.9%: three days", "a level without a credit"),
        ("less than 99.95% but at least 99.5%: 10%; less than 99%: 25%", "from 99.5 to 99.95 %"),
    ],
)
def test_tiers_that_leave_something_open_are_refused(text, why):
    with pytest.raises(ScoringError, match=why):
        parse_clause(text)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        *(("≤300毫秒", "ms"), ("≤ 3 seconds", "s"), ("≤5分钟", "min"), ("≤2小时", "h")),
        *(("≤ 300 µs", "μs"), ("≤ 1 天", "d"), ("≥100 次/秒", "rps"), ("≥100 qps", "qps")),
        ("≥ 99.9 percent", "%"),
    ],
)
def test_units_are_kept_under_one_name(text, unit):
    assert parse_target(text).unit == unit
    assert parse_clause(f"deduct 5% for each {text[1:]}").unit == unit if unit != "%" else True


def test_a_credit_between_two_tiers_is_not_known():
    clause = "<99.95% → 10%; <99% → 25%"
    body = {"target": ">=99.95%", "clause": clause, "requests": 1000}
    found = calculate_penalty({**body, "measured": {"low": "98.9%", "high": "99.1%"}})
    assert (found["known"], found["breached"], found["credit_percent"]) == (False, True, None)
    assert found["range"]["credit_percent"] == {"low": "10", "high": "25"}
    assert found["credit_amount"] is None


def test_what_there_is_to_deduct_from_is_said_by_the_target_or_has_to_be_given():
    body = without(BODY, "objective_percent")
    with pytest.raises(ScoringError, match=r"objective_percent is missing, .* no budget to deduct"):
        calculate_penalty(body)
    found = calculate_penalty({**body, "target": "p99.5 ≤ 300ms"})  # 0.5 % of 2,000,000
    assert (found["deducted_minutes"], found["deducted_requests"]) == (None, "500")
    errors = {
        "target": "≤0.1%",
        "clause": "每超过目标0.1个百分点,扣减SLO预算5%",
        "measured": "0.25%",
    }
    assert calculate_penalty({**body, **errors})["deducted_minutes"] == "2.16"  # of 43.2


def test_an_objective_that_is_not_known_leaves_the_minutes_unknown():
    for name in ("objective_percent", "period_days"):
        found = calculate_penalty({**BODY, name: None})
        assert (found["known"], found["deduct_percent"]) == (True, "5")
        assert found["deducted_minutes"] is None
        assert findings(found)["budget"]["level"] == "gap"
    with pytest.raises(ScoringError, match="period_days is missing"):
        calculate_penalty(without(BODY, "period_days"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "300ms"}, "target '300ms' cannot be read"),
        ({"target": "≤300 apples"}, "target is in 'apples', which is no known unit; allowed is ns"),
        ({"target": "≤300"}, "target '≤300' has no unit; allowed is ns"),
        ({"target": 300}, "target is 300; allowed is a text"),
        ({"target": None}, "target is null; allowed is a text"),
        ({"target": "≤-300ms"}, "target is -300; allowed is 0"),
        ({"target": "≥100.5%"}, r"target is 100\.5; allowed is 0\.\.100 %"),
        ({"target": "≥99.9pp"}, "target '≥99.9pp' is in pp; allowed is a percentage"),
        ({"target": "p100≤300ms"}, "target names p100"),
        ({"target": "≤" + "9" * 400 + "ms"}, r"target is 9{40}\.\.\."),
        ({"measured": "150%", **POINTS}, r"measured is 150; allowed is 0\.\.100 %"),
        ({"measured": "310 apples"}, "measured is in 'apples', which is no known unit"),
        ({"target": "≥5y"}, "target is in 'y', which is no known unit"),
        ({"measured": "-5ms"}, "measured is -5"),
        ({"measured": "1e999999999s"}, "measured has too many digits"),
        ({"measured": "Infinity"}, "measured 'Infinity' cannot be read"),
        ({"measured": ["310ms"]}, "measured is \\['310ms'\\]"),
        ({"measured": True}, "measured is True"),
        ({"measured": 10**5000}, "measured has too many digits"),
        ({"measured": {"low": "320ms", "high": "310ms"}}, "measured does not rise"),
        ({"measured": {"low": "310ms"}}, r"measured\.high is null"),
        ({"measured": {"low": "1ms", "high": "9%"}}, r"measured\.high is in %, the target in ms"),
        ({"requests": -1}, "requests is -1"),
        ({"fee": -1}, "fee is -1"),
        ({"measured": "fast"}, "measured 'fast' cannot be read"),
        ({"measured": "99%"}, "measured is in %, the target in ms"),
        ({"measured": -5}, "measured is -5"),
        (
            {"clause": "每低于目标0.1个百分点,扣减SLO预算5%"},
            "clause.step is in pp, the target in ms",
        ),
        ({"clause": "每低于目标10ms,扣减SLO预算0%"}, "clause.deduct_percent is 0"),
        ({"clause": "每低于目标0ms,扣减SLO预算5%"}, "clause.step is 0 ms; allowed is above 0"),
        ({"clause": "每低于目标-10ms,扣减SLO预算5%"}, "clause.step is -10 ms; allowed is above 0"),
        ({"clause": "每低于目标−10ms,扣减SLO预算5%"}, "clause.step is -10 ms; allowed is above 0"),
        ({"clause": "每低于目标10ms,扣减SLO预算-5%"}, "clause.deduct_percent is -5"),
        ({"clause": "for each 10 sheep, deduct 5%"}, "clause names no known unit for its step"),
        (
            {"clause": "每低于目标10码,扣减SLO预算5%"},
            "clause names no known unit for its step of 10",
        ),
        ({"clause": "低于99%赔付10%,低于95%再议"}, "has a level without a credit"),
        ({"clause": ["每低于目标10ms,扣减SLO预算5%"]}, "clause is .*; allowed is a text or a JSON"),
        ({"clause": "每低于目标10ms,扣减SLO预算101%"}, "clause.deduct_percent is 101"),
        ({"clause": "as agreed"}, "clause 'as agreed' cannot be read"),
        ({"clause": "x" * 2001}, "clause is 2001 letters long"),
        ({"clause": None}, "clause is null; allowed is a text or a JSON object"),
        (
            {"clause": {"step": "-1ms", "deduct_percent": 5}},
            "clause.step is -1 ms; allowed is above 0",
        ),
        (
            {"clause": {"step": "10 parsecs", "deduct_percent": 5}},
            "clause.step is in 'parsecs', which is no known unit",
        ),
        ({"clause": {"step": {"value": 10, "unit": "league"}}}, "clause.step.unit is league"),
        ({"clause": {"step": "10"}}, "clause.step '10' has no unit"),
        ({"clause": {"step": 10}}, "clause.step is 10; allowed is a text"),
        ({"clause": {"step": "10ms"}}, "clause.deduct_percent is null"),
        (
            {"clause": {"step": "10ms", "deduct_percent": 5, "rounding": "up"}},
            "clause.rounding is up",
        ),
        (
            {"clause": {"step": "10ms", "deduct_percent": 5, "cap_percent": 0}},
            "clause.cap_percent is 0",
        ),
        ({"clause": {"tiers": []}}, "clause.tiers is refused"),
        ({"clause": "低于99%赔付10%"}, "clause.tiers do not go with a target of ≤ 300 ms"),
        (
            {"clause": "低于99%赔付30%,低于95%赔付10%"},
            "clause.tiers credits less for a worse level",
        ),
        ({"objective_percent": "100"}, "objective_percent is 100, which leaves no budget"),
        ({"why": 1}, "why is no known field"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_field_and_the_reason(change, message):
    with pytest.raises(ScoringError, match=message):
        calculate_penalty({**BODY, **change})


def test_a_percentage_of_a_percentage_is_refused_as_ambiguous():
    body = {**BODY, "target": ">=99.95%", "measured": "99%"}
    with pytest.raises(ScoringError, match="percentage points"):
        calculate_penalty({**body, "clause": {"step": "0.01%", "deduct_percent": 5}})


clauses = st.fixed_dictionaries(
    {
        "step": st.decimals("0.001", 500, places=3).map(lambda size: f"{size}ms"),
        "deduct_percent": st.decimals("0.1", 100, places=1).map(str),
        "rounding": st.sampled_from(["floor", "ceil", "linear"]),
        "cap_percent": st.decimals("0.1", 100, places=1).map(str),
    }
)
times = st.decimals(0, 2000, places=3)


@given(clauses, times)
def test_a_deduction_never_exceeds_its_cap_nor_the_budget(clause, measured):
    found = deducted(f"{measured}ms", clause=clause)
    percent = Decimal(found["deduct_percent"])
    assert 0 <= percent <= Decimal(clause["cap_percent"])
    assert percent == min(Decimal(found["uncapped_percent"]), Decimal(clause["cap_percent"]))
    assert 0 <= Decimal(found["deducted_minutes"]) <= Decimal("43.2")


@given(clauses, times, st.decimals("0.1", 50, places=1), st.sampled_from(["≤", "<", "≥", ">"]))
def test_a_worse_answer_is_never_deducted_less(clause, measured, more, operator):
    first, worse = f"{measured}ms", f"{measured + more}ms"
    if operator in "≥>":
        first, worse = worse, first
    ends = [
        Decimal(deducted(each, target=f"{operator}300ms", clause=clause)["deduct_percent"])
        for each in (first, worse)
    ]
    assert ends == sorted(ends)


@given(times, st.sampled_from(["floor", "ceil", "linear"]))
def test_steps_are_those_of_whole_arithmetic(measured, rounding):
    found = deducted(
        f"{measured}ms", clause={"step": "0.7ms", "deduct_percent": 1} | {"rounding": rounding}
    )
    micro = max(0, int(measured * 1000) - 300_000)
    if rounding == "linear":
        assert abs(Decimal(found["steps"]) - Decimal(micro) / 700) <= Decimal("1e-9")
    else:
        assert found["steps"] == (micro // 700 if rounding == "floor" else -(-micro // 700))


@given(st.text(max_size=40), st.text(max_size=40), st.one_of(st.none(), st.text(max_size=20)))
def test_no_text_is_answered_with_anything_but_a_number_or_a_named_refusal(
    target, clause, measured
):
    for body in (
        {**BODY, "target": target},
        {**BODY, "clause": clause},
        {**BODY, "measured": measured},
    ):
        try:
            named = calculate_penalty(body)["clause"]["kind"]
        except ScoringError as refused:
            named = refused.column
        assert named


def test_what_a_penalty_cannot_do_without_is_not_said_to_be_null():
    for body, name in (({}, "target"), ({"target": "≤300ms"}, "clause")):
        with pytest.raises(ScoringError, match=f"{name} is missing; allowed is what the contract"):
            calculate_penalty(body)
