import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import DEFAULT_PAYLOAD, Policy, ScoringError, calculate_roi

VECTORS = json.loads((Path(__file__).parents[1] / "data/vectors/roi.json").read_text())
POLICY = Policy.from_payload(DEFAULT_PAYLOAD, version=1)
TOIL = {"kind": "toil", "frequency": "72", "unit_price": "200"}
BODY = {"effort": "3", "day_rate": "1600", "impacts": [TOIL]}


@pytest.mark.parametrize("case", VECTORS, ids=[case["name"] for case in VECTORS])
def test_every_roi_vector_holds_through_the_calculator(case):
    found = calculate_roi(case["input"], POLICY)
    for name, value in case["expect"].items():
        if isinstance(value, str) and name != "state":
            expected = Decimal(value)
            assert Decimal(found[name]).quantize(expected) == expected, name
        else:
            assert found[name] == value, name


def test_numbers_come_as_numbers_texts_or_three_points():
    three = {"low": 2, "likely": "3", "high": 4.0}
    found = calculate_roi({**BODY, "effort": three, "cash": 0, "contingency": 0.1}, POLICY)
    assert found["repair_cost"] == "5280"
    hours = {"low": 16, "likely": 24, "high": 32, "unit": "hour"}
    found = calculate_roi({**BODY, "effort": hours}, POLICY)
    assert found["repair_cost"] == "4800"


def test_a_range_gives_percentiles_and_the_confidence_to_beat_the_threshold():
    found = calculate_roi({**BODY, "effort": {"low": 2, "likely": 3, "high": 4}}, POLICY)
    assert float(found["roi_p5"]) < float(found["roi_p50"]) < float(found["roi_p95"])
    assert 0.45 < float(found["confidence"]) < 0.55
    sure = calculate_roi(BODY, POLICY)
    assert (sure["roi_p5"], sure["roi_p95"], sure["confidence"]) == ("3", "3", "0")
    none = calculate_roi({**BODY, "effort": None}, POLICY)
    assert (none["roi_p50"], none["confidence"]) == (None, None)


def test_the_steps_show_the_formula_with_its_numbers():
    found = calculate_roi({**BODY, "contingency": "0.15"}, POLICY)
    impact, repair, roi = found["steps"]
    assert impact["formula"] == "72 × 1 × 1 × 200"
    assert impact["value"] == "14400"
    assert repair["formula"] == "(3 × 1600 + 0) × (1 + 0.15)"
    assert roi["formula"] == "14400 / 5520"
    assert roi["decision"] == "not above 3"


def test_an_unknown_factor_is_named_in_the_steps_and_assumed_nowhere():
    found = calculate_roi({**BODY, "impacts": [TOIL, {**TOIL, "unit_price": None}]}, POLICY)
    assert found["annual_cost"] == "14400"
    assert found["steps"][1]["formula"] == "72 × 1 × 1 × unknown"
    assert found["steps"][1]["value"] is None
    assert any("1 unpriced" in line for line in found["assumptions"])


def test_the_calculator_takes_its_threshold_from_the_policy():
    low = Policy.from_payload({**DEFAULT_PAYLOAD, "threshold": 2.9})
    assert calculate_roi(BODY, low)["promote"] is True
    assert calculate_roi(BODY, POLICY)["promote"] is False


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"impacts": [{**TOIL, "share": "1.5"}]}, r"impacts\[0\].share is 1.5; allowed is 0..1"),
        ({"impacts": [{"kind": "luck"}]}, r"impacts\[0\].kind is 'luck'; allowed is latency"),
        ({"impacts": [7]}, r"impacts\[0\] is no object"),
        ({"impacts": None}, "impacts is refused"),
        ({"impacts": [{**TOIL, "prize": 1}]}, r"impacts\[0\].prize is no known field"),
        ({"effort": "three"}, "effort is three"),
        ({"effort": -1}, "effort is -1; allowed is 0..1000000"),
        ({"effort": {"low": 3, "likely": 2, "high": 4}}, "effort does not rise"),
        ({"effort": {"likely": 3, "unit": "story_point"}}, "effort.unit 'story_point' has no days"),
        ({"day_rate": True}, "day_rate is True"),
        ({"day_rate": "NaN"}, "day_rate is NaN"),
        ({"day_rate": "1e999999999"}, "day_rate has too many digits"),
        ({"day_rate": []}, "day_rate is \\[\\]"),
        ({"weights": {"toil": "3.01"}}, "weights.toil is 3.01; allowed is 0..3"),
        ({"weights": {"luck": 1}}, "weights.luck is no known field"),
        ({"contingency": None}, "contingency is null"),
    ],
)
def test_a_wrong_field_is_refused_by_its_path_and_bound(change, message):
    with pytest.raises(ScoringError, match=message):
        calculate_roi({**BODY, **change}, POLICY)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "effort": anything,
            "day_rate": anything,
            "cash": anything,
            "contingency": anything,
            "weights": anything | st.dictionaries(st.sampled_from(["toil", "x"]), anything),
            "impacts": anything
            | st.lists(
                st.fixed_dictionaries(
                    {"kind": st.just("toil")}, optional={"frequency": anything, "share": anything}
                )
            ),
        },
    )
)
def test_no_input_is_answered_with_anything_but_a_score_or_a_named_refusal(body):
    try:
        state = calculate_roi(body, POLICY)["state"]
    except ScoringError as refused:
        state = refused.column
    assert state
