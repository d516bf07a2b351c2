import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import ScoringError, calculate_penalty, parse_clause, parse_target

CASES = json.loads((Path(__file__).parents[1] / "data/vectors/penalty.json").read_text())
BODY = CASES[3]["input"]


def deducted(measured, **changes):
    return calculate_penalty({**BODY, "measured": measured, **changes})


@pytest.mark.parametrize("case", CASES, ids=[str(case["input"]["measured"]) for case in CASES])
def test_every_penalty_vector_holds(case):
    found = calculate_penalty(case["input"])
    for name, value in case["expect"].items():
        if isinstance(value, str):
            assert Decimal(found[name]) == Decimal(value), name
        else:
            assert found[name] == value, name


def test_the_cap_holds_and_the_rest_is_reported():
    found = deducted("620ms")
    assert (found["steps"], found["deduct_percent"], found["uncapped_percent"]) == (
        32,
        "100",
        "160",
    )
    assert found["deducted_minutes"] == "43.2"
    assert "60 % more would be due" in found["findings"][0]["message"]


@pytest.mark.parametrize(
    ("rounding", "measured", "percent"),
    [
        ("floor", "309.999ms", "0"),
        ("ceil", "309.999ms", "5"),
        ("linear", "309.999ms", "4.9995"),
        ("ceil", "310ms", "5"),
        ("linear", "337ms", "18.5"),
        ("ceil", "337ms", "20"),
        ("ceil", "300ms", "0"),
    ],
)
def test_steps_are_completed_ones_unless_the_contract_says_otherwise(rounding, measured, percent):
    clause = {"step": "10ms", "deduct_percent": 5, "rounding": rounding}
    assert deducted(measured, clause=clause)["deduct_percent"] == percent


def test_the_direction_comes_from_the_operator_and_never_from_the_word():
    for word in ("低于", "超过", "高于"):
        clause = f"每{word}目标10ms,扣减SLO预算5%"
        assert deducted("320ms", clause=clause)["deduct_percent"] == "10"
        assert deducted("200ms", clause=clause)["deduct_percent"] == "0"
    found = deducted("99.9173%", target="≥99.95%", clause="每低于目标0.01个百分点,扣减SLO预算5%")
    assert (found["shortfall"], found["steps"]) == ("0.0327", 3)


def test_a_strict_target_is_breached_by_its_own_value_and_costs_nothing():
    found = deducted("300ms", target="<300ms")
    assert (found["breached"], found["deduct_percent"]) == (True, "0")
    assert found["findings"][0]["level"] == "warn"
    assert deducted("300ms")["breached"] is False


@pytest.mark.parametrize(
    "change", [{"measured": None}, {"measured": "NaN"}, {"requests": 99}, {"requests": None}]
)
def test_without_enough_data_the_deduction_is_unknown_and_a_gap(change):
    found = calculate_penalty({**BODY, **change})
    assert (found["known"], found["deduct_percent"], found["deducted_minutes"]) == (
        False,
        None,
        None,
    )
    assert found["findings"][0]["level"] == "gap"


def test_a_hundred_requests_are_enough():
    assert calculate_penalty({**BODY, "requests": 100})["known"] is True


@pytest.mark.parametrize(
    ("text", "step", "unit", "percent", "rounding", "cap"),
    [
        ("每低于目标10ms,扣减SLO预算5%", "10", "ms", "5", "floor", "100"),
        ("每低于目标１０ｍｓ，扣减ＳＬＯ预算５％", "10", "ms", "5", "floor", "100"),
        ("每超过目标 0.5 秒扣除错误预算 2.5%,封顶50%", "0.5", "秒", "2.5", "floor", "50"),
        ("每高于目标10毫秒(不足10毫秒按10毫秒计),扣减5%", "10", "毫秒", "5", "ceil", "100"),
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
    ],
)
def test_clauses_are_read_in_chinese_and_english(text, step, unit, percent, rounding, cap):
    found = parse_clause(text)
    assert (found.step, found.unit) == (Decimal(step), unit)
    assert (found.percent, found.rounding, found.cap) == (Decimal(percent), rounding, Decimal(cap))


@pytest.mark.parametrize(
    ("text", "operator", "value"),
    [
        ("≤300ms", "<=", "0.3"),
        ("<= 0.3 s", "<=", "0.3"),
        ("＜300毫秒", "<", "0.3"),
        ("P99 ≤ 300 ms", "<=", "0.3"),
        ("不低于99.95%", ">=", "99.95"),
        (">=99.95 %", ">=", "99.95"),
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


def test_without_an_objective_there_is_no_budget_to_deduct_from():
    found = calculate_penalty({**BODY, "objective_percent": None})
    assert (found["deduct_percent"], found["deducted_minutes"]) == ("5", None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "300ms"}, "target '300ms' cannot be read"),
        ({"target": "≤300 apples"}, "target '≤300 apples' cannot be read"),
        ({"target": "≤300"}, "target '≤300' has no known unit"),
        ({"target": 300}, "target is no text"),
        ({"measured": "fast"}, "measured 'fast' cannot be read"),
        ({"measured": "99%"}, "measured is in %, the target in ms"),
        ({"measured": -5}, "measured is -5"),
        (
            {"clause": "每低于目标0.1个百分点,扣减SLO预算5%"},
            "clause.step is in 个百分点, the target in ms",
        ),
        ({"clause": "每低于目标10ms,扣减SLO预算0%"}, "clause.deduct_percent is 0"),
        ({"clause": "每低于目标0ms,扣减SLO预算5%"}, "clause.step is 0; allowed is above 0"),
        ({"clause": "每低于目标10ms,扣减SLO预算101%"}, "clause.deduct_percent is 101"),
        ({"clause": "as agreed"}, "clause 'as agreed' cannot be read"),
        ({"clause": "x" * 501}, "clause is 501 letters long"),
        ({"clause": None}, "clause is no object"),
        (
            {"clause": {"step": "-1ms", "deduct_percent": 5}},
            "clause.step is -1; allowed is above 0",
        ),
        (
            {"clause": {"step": "10 parsecs", "deduct_percent": 5}},
            "clause.step '10 parsecs' cannot",
        ),
        ({"clause": {"step": {"value": 10, "unit": "league"}}}, "clause.step.unit is 'league'"),
        ({"clause": {"step": "10ms"}}, "clause.deduct_percent is null"),
        (
            {"clause": {"step": "10ms", "deduct_percent": 5, "rounding": "up"}},
            "clause.rounding is 'up'",
        ),
        (
            {"clause": {"step": "10ms", "deduct_percent": 5, "cap_percent": 0}},
            "clause.cap_percent is 0",
        ),
        ({"clause": {"tiers": []}}, "clause.tiers is refused"),
        ({"clause": "低于99%赔付10%"}, "clause.tiers do not go with a target in ms"),
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


@given(st.decimals(0, 2000, places=3), st.decimals("0.1", 50, places=1))
def test_a_worse_answer_is_never_deducted_less(measured, more):
    first = deducted(f"{measured}ms")
    worse = deducted(f"{measured + more}ms")
    assert Decimal(worse["deduct_percent"]) >= Decimal(first["deduct_percent"])
    assert Decimal(first["steps"]) == max(Decimal(0), measured - 300) // 10


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
