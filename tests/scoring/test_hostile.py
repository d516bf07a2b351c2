"""Whatever comes in, a calculator answers in JSON of bounded size, or refuses it by its field."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import (
    ScoringError,
    calculate_breaker,
    calculate_burn_rate,
    calculate_inversion,
    calculate_penalty,
)

TARGET = {"objective_percent": "99.9", "period_days": "30"}
BODIES = {
    calculate_burn_rate: {
        **TARGET,
        "good": 98,
        "total": 100,
        "window_seconds": 60,
        "remaining_percent": 1,
        "threshold": 2,
    },
    calculate_inversion: {
        "target_percent": 99,
        "period_days": 1,
        "recovery_seconds": 9,
        "impact": 1,
        "open_seconds": 1,
    },
    calculate_breaker: {
        **TARGET,
        "recovery_seconds": 9,
        "failure_threshold": 5,
        "call_timeout_ms": 1,
        "open_seconds": 3,
        "half_open_probes": 1,
    },
    calculate_penalty: {
        **TARGET,
        "target": "≤300ms",
        "measured": "0.35s",
        "requests": 999,
        "fee": 1,
        "clause": "每低于目标10ms,扣减SLO预算5%",
    },
}
DIGITS = st.text("0123456789.eE+-", max_size=50)
TEXTS = st.sampled_from(
    [
        *("≤300ms", "p99 ≤ 0.3 s", "≥99.95%", "<1e9h", "> 0.1 %", "0.35s", "99.93%", "NaN", "+Inf"),
        *("每低于目标10ms,扣减SLO预算5%", "每0.000001ns扣100%", "每低于目标0.01个百分点→5%"),
        *("<99.9% → 10%; <99% → 25%", "5% of the budget per 10 ms pro rata", "1e-30", "1e30"),
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | DIGITS | TEXTS | st.text()
NAMES = st.sampled_from(
    [
        *("low", "likely", "high", "step", "value", "unit", "deduct_percent", "rounding"),
        *("cap_percent", "tiers", "below_percent", "credit_percent"),
    ]
)
ANYTHING = st.recursive(
    LEAVES | st.integers(1, 100).map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("calculate", BODIES, ids=lambda function: function.__name__)
@given(st.data())
def test_no_body_is_answered_with_anything_but_an_answer_or_a_named_refusal(calculate, data):
    body = BODIES[calculate]
    changes = st.dictionaries(st.sampled_from(list(body)), ANYTHING, min_size=1, max_size=3)
    refused = None
    try:
        found = calculate(body | data.draw(changes))
    except ScoringError as error:
        refused = error
    if refused:
        assert refused.column.partition(".")[0] in body
        assert len(str(refused)) < 500
    else:
        del found["inputs"]
        assert len(json.dumps(found, allow_nan=False)) < 20_000


@pytest.mark.parametrize("calculate", BODIES, ids=lambda function: function.__name__)
@pytest.mark.parametrize("body", [None, [], "text", 5, {}, {"x": 1}, {1: 2}, {None: 1}])
def test_what_is_no_question_at_all_is_refused(calculate, body):
    with pytest.raises(ScoringError):
        calculate(body)
