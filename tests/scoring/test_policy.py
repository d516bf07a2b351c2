import copy
import math

import pytest

from scoring import CONFIDENCES, DEFAULT_PAYLOAD, KINDS, Policy, ScoringError, payload_problems


def changed(path, value):
    payload = copy.deepcopy(DEFAULT_PAYLOAD)
    *parents, last = path.split(".")
    part = payload
    for name in parents:
        part = part[name]
    part[last] = value
    return payload


def test_the_default_policy_has_neutral_weights_and_the_threshold_three():
    policy = Policy.from_payload(DEFAULT_PAYLOAD, version=4)
    assert (policy.version, policy.threshold, policy.demote_below) == (4, 3.0, 2.5)
    assert policy.weight_by_kind().tolist() == [1.0] * len(KINDS)
    assert dict(zip(CONFIDENCES, policy.contingency_by_class(), strict=True)) == {
        "": 0.0,
        "high": 0.0,
        "medium": 0.15,
        "low": 0.3,
    }


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("weights.toil", 3.1, "weights.toil is refused: 3.1 is greater than the maximum of 3"),
        ("weights.luck", 1, "weights is refused.*'luck'"),
        ("contingency.low", -0.1, "contingency.low is refused"),
        ("threshold", "3", "threshold is refused: '3' is not of type 'number'"),
        ("threshold", math.nan, "threshold is nan"),
        ("min_confidence", True, "min_confidence is refused"),
        ("priority", None, "priority is refused"),
        ("demote_below", 3.5, "demote_below is 3.5; allowed is at most the threshold"),
    ],
)
def test_a_wrong_policy_is_refused_by_the_name_of_the_field(path, value, message):
    with pytest.raises(ScoringError, match=message):
        Policy.from_payload(changed(path, value))


def test_everything_that_is_wrong_with_a_policy_is_said_at_once():
    payload = changed("threshold", -1) | {"min_confidence": 2, "luck": "x" * 10_000}
    problems = payload_problems(payload)
    assert [problem.column for problem in problems] == ["min_confidence", "policy", "threshold"]
    assert all(len(str(problem)) < 300 for problem in problems)
    assert payload_problems(DEFAULT_PAYLOAD) == []


def test_a_policy_with_a_part_missing_is_refused():
    payload = {name: part for name, part in DEFAULT_PAYLOAD.items() if name != "weights"}
    with pytest.raises(ScoringError, match="'weights' is a required property"):
        Policy.from_payload(payload)
    with pytest.raises(ScoringError, match="policy is refused"):
        Policy.from_payload([])
