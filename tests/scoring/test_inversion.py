import json
from decimal import Decimal
from pathlib import Path

import pytest

from scoring import ScoringError, calculate_breaker, calculate_inversion

CASES = json.loads((Path(__file__).parents[1] / "data/vectors/inversion.json").read_text())
BODY = CASES[0]["input"]
BREAKER = {
    "objective_percent": "99.99",
    "period_days": "365",
    "recovery_seconds": "480",
    "failure_threshold": 6,
    "call_timeout_ms": 300,
    "open_seconds": "30",
    "half_open_probes": 3,
}


@pytest.mark.parametrize("case", CASES)
def test_every_inversion_vector_holds(case):
    found = calculate_inversion(case["input"])
    found |= found["breaker"]
    for name, value in case["expect"].items():
        if isinstance(value, str):
            assert Decimal(found[name]) == Decimal(value), name
        else:
            assert found[name] == value, name


def test_the_slis_say_from_where_they_are_measured_and_what_would_prove_them():
    trip, first, probe = calculate_inversion(BODY)["slis"]
    assert trip["target"] == "≤ 200 ms"
    assert "threshold being met" in trip["measured"]
    assert first["target"] == "≥ 99.5 %"
    assert "598" in first["note"]
    assert "30 years" in first["note"]
    assert probe["target"] == "30 s"
    assert "6.25 %" in probe["note"]


def test_a_target_of_everything_and_an_impact_of_nothing_are_refused():
    with pytest.raises(ScoringError, match="target_percent is 100, which leaves no budget"):
        calculate_inversion({**BODY, "target_percent": "100"})
    with pytest.raises(ScoringError, match="impact is 0; allowed is above 0"):
        calculate_inversion({**BODY, "impact": 0})
    with pytest.raises(ScoringError, match="recovery_seconds is null"):
        calculate_inversion({**BODY, "recovery_seconds": None})


def levels(**changes):
    found = calculate_breaker({**BREAKER, **changes})
    return {finding["check"]: finding["level"] for finding in found["findings"]}


def test_a_trip_within_200_ms_of_the_fault_is_only_possible_with_short_timeouts():
    assert levels()["trip_delay"] == "warn"
    assert levels(call_timeout_ms=33)["trip_delay"] == "pass"
    slow = calculate_breaker(BREAKER)["findings"][1]
    assert slow["formula"] == "6 × 300 ms = 1800 ms"


def test_a_long_open_time_prolongs_an_outage():
    assert levels(open_seconds=48)["overshoot"] == "pass"
    assert levels(open_seconds=60)["overshoot"] == "warn"
    assert levels(open_seconds=300)["overshoot"] == "fail"


def test_one_outage_that_takes_more_than_the_budget_fails():
    assert levels(period_days="60")["one_outage"] == "warn"
    assert levels(period_days="30")["one_outage"] == "fail"


def test_a_single_probe_is_a_lucky_request():
    assert levels(half_open_probes=1)["probes"] == "warn"


def test_settings_that_are_no_whole_numbers_are_refused():
    with pytest.raises(ScoringError, match=r"half_open_probes is 1\.5; allowed is a whole"):
        calculate_breaker({**BREAKER, "half_open_probes": 1.5})
    with pytest.raises(ScoringError, match="failure_threshold is 0"):
        calculate_breaker({**BREAKER, "failure_threshold": 0})
