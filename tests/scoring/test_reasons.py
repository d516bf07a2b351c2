import math

import pandas as pd
import pytest

from scoring import (
    DEFAULT_PAYLOAD,
    PLACES,
    REASONS,
    Policy,
    iteration_reasons,
    place_reasons,
    promotion_reasons,
)

POLICY = Policy.from_payload({**DEFAULT_PAYLOAD, "min_confidence": 0.8})


def key(item):
    return f"DEBT-{item}"


@pytest.mark.parametrize("reason", REASONS)
def test_every_decision_has_a_sentence_without_a_gap(reason):
    row = {"item_id": 1, "marginal_roi": math.nan, "reason": REASONS.index(reason)}
    rows = pd.DataFrame([{**row, "blocked_by": 7, "bundle": -1}])
    (text,) = promotion_reasons(rows, POLICY, key)
    assert text.endswith(".")
    assert "nan" not in text
    assert "{" not in text
    assert "DEBT--1" not in text


@pytest.mark.parametrize("place", range(len(PLACES)))
def test_every_place_has_a_sentence_without_a_gap(place):
    row = {"iteration_id": 3, "place": place, "benefit": 5.0, "needs_id": -1}
    rows = pd.DataFrame([{**row, "displaced_id": -1, "displaced_by_id": -1}])
    (text,) = place_reasons(rows, key, "Sprint {}".format)
    assert text.endswith(".")
    assert "DEBT--1" not in text


def test_a_bundle_names_the_others_of_its_group():
    rows = pd.DataFrame(
        {
            "item_id": [1, 2, 3],
            "marginal_roi": [5.0, 5.0, 5.0],
            "reason": [REASONS.index("bundle")] * 3,
            "blocked_by": [-1] * 3,
            "bundle": [1, 1, 1],
        }
    )
    assert "DEBT-1 and DEBT-3:" in promotion_reasons(rows, POLICY, key)[1]


def test_a_full_iteration_with_nothing_left_out_says_only_what_is_left():
    rows = pd.DataFrame(
        {
            "left_half_days": [3],
            "first_left_out_id": [-1],
            "one_more_day_id": [-1],
            "one_more_day_instead_of_id": [-1],
            "one_more_day_benefit": [0.0],
        }
    )
    assert iteration_reasons(rows, key) == ["1.5 person-days left."]
