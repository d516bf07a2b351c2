import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def answer(**changes):
    return calculate_inversion({**BODY, **changes})


@pytest.mark.parametrize("case", CASES)
def test_every_inversion_vector_holds(case):
    found = calculate_inversion(case["input"])
    found |= found["breaker"]
    for name, value in case["expect"].items():
        if isinstance(value, str):
            assert Decimal(found[name]) == Decimal(value), name
        else:
            assert found[name] == value, name


@pytest.mark.parametrize(("seconds", "trips"), [(30, "105.12"), (60, "52.56"), (5, "630.72")])
def test_a_shorter_open_time_affords_more_trips(seconds, trips):
    assert answer(open_seconds=seconds)["breaker"] == {
        "open_seconds": str(seconds),
        "trips_affordable": trips,
    }


def test_impact_and_open_time_have_defaults_that_the_answer_shows():
    needed = {name: BODY[name] for name in ("target_percent", "period_days", "recovery_seconds")}
    found = calculate_inversion(needed)
    assert found["incidents_per_period"] == "6.57"
    assert found["breaker"]["open_seconds"] == "30"
    assert found["inputs"] == {"impact": 1, "open_seconds": 30, **needed}


def test_the_slis_say_from_where_they_are_measured_and_what_would_prove_them():
    trip, first, probe = answer()["slis"]
    assert trip["target"] == "≤ 200 ms"
    assert "threshold being met" in trip["measured"]
    assert first["target"] == "≥ 99.5 %"
    assert "from 200 requests on, and 598 without a failure" in first["note"]
    assert "200 trips take 30 years" in first["note"]
    assert probe["target"] == "30 s"
    assert "6.25 %" in probe["note"]
    assert "197.1 s in a period" in probe["note"]
    assert "about 16 failed probes" in probe["note"]


def test_the_assumptions_say_that_detection_is_part_of_the_recovery():
    assert "Every incident lasts the recovery time, detection included." in answer()["assumptions"]


def test_an_estimate_counts_by_its_mean_and_is_answered_with_a_range():
    found = answer(recovery_seconds={"low": 300, "likely": "480", "high": 660}, impact="0.5")
    assert (found["incidents_per_period"], found["whole_incidents"]) == ("13.14", 13)
    assert found["range"] == {"incidents_per_period": {"low": "9.5563636363636", "high": "21.024"}}
    assert answer()["range"] is None


def test_what_is_not_known_leaves_the_rest_known():
    found = answer(recovery_seconds=None)
    assert (found["budget_minutes"], found["incidents_per_period"]) == ("52.56", None)
    assert found["whole_incidents"] is None
    assert found["breaker"]["trips_affordable"] == "105.12"
    assert "Not known: recovery seconds" in found["findings"][0]["message"]
    assert not any("unknown" in sli["note"] for sli in found["slis"])
    assert answer(target_percent=None)["budget_seconds"] is None
    assert answer(open_seconds=None)["breaker"] == {"open_seconds": None, "trips_affordable": None}


def test_a_budget_without_room_for_one_incident_fails():
    assert [found["level"] for found in answer()["findings"]] == ["pass"]
    found = answer(period_days=30, recovery_seconds=480)
    assert (found["whole_incidents"], found["findings"][0]["level"]) == (0, "fail")


def test_incidents_that_just_do_not_fit_are_not_rounded_up():
    # 3153.6 / 6 = 525.6 seconds each leave room for six, a hair more for five.
    assert answer(recovery_seconds="525.6")["whole_incidents"] == 6
    assert (
        answer(recovery_seconds="525.60000000000000000000000000000000001")["whole_incidents"] == 5
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target_percent": "100"}, "target_percent is 100, which leaves no budget"),
        ({"impact": 0}, r"impact is 0; allowed is 0\.000001\.\.1"),
        ({"impact": 2}, "impact is 2"),
        ({"recovery_seconds": ""}, "recovery_seconds is empty"),
        ({"recovery_seconds": {"low": 1, "high": 2}}, r"recovery_seconds\.likely is null"),
        ({"recovery_seconds": {"low": 3, "likely": 2, "high": 4}}, "recovery_seconds does not ri"),
        ({"recovery_seconds": {"likely": 2, "best": 1}}, r"recovery_seconds\.best is no known"),
        ({"open_seconds": [30]}, r"open_seconds is \[30\]"),
        ({"period_days": {"low": 1, "likely": 1, "high": 1}}, "period_days is {"),
    ],
)
def test_a_wrong_field_is_refused_by_name(change, message):
    with pytest.raises(ScoringError, match=message):
        answer(**change)


def test_a_field_that_is_missing_is_named():
    with pytest.raises(ScoringError, match="target_percent is missing"):
        calculate_inversion({})
    with pytest.raises(ScoringError, match="half_open_probes is missing"):
        calculate_breaker({name: BREAKER[name] for name in list(BREAKER)[:-1]})


@given(st.decimals("0.01", "99.99", places=2), st.integers(1, 3650), st.integers(2, 10))
def test_the_budget_grows_with_the_period(target, days, times):
    short = answer(target_percent=str(target), period_days=days)
    long = answer(target_percent=str(target), period_days=days * times)
    assert Decimal(long["budget_seconds"]) == Decimal(short["budget_seconds"]) * times


@given(st.decimals("0.001", 10**6, places=3), st.decimals("0.01", 1, places=2))
def test_the_whole_incidents_fit_into_the_budget_and_one_more_does_not(recovery, impact):
    found = answer(recovery_seconds=str(recovery), impact=str(impact))
    each, budget = recovery * impact, Decimal(found["budget_seconds"])
    assert found["whole_incidents"] * each <= budget < (found["whole_incidents"] + 1) * each


# --- The breaker ----------------------------------------------------------------------------------


def checks(**changes):
    found = calculate_breaker({**BREAKER, **changes})
    return {finding["check"]: finding for finding in found["findings"]}


def levels(**changes):
    return {name: finding["level"] for name, finding in checks(**changes).items()}


def test_a_trip_within_200_ms_of_the_fault_is_only_possible_with_short_timeouts():
    slow = checks()["trip_delay"]
    assert slow["level"] == "warn"
    assert slow["formula"] == "6 × 300 ms = 1800 ms"
    assert "only from the threshold being met to the state being open" in slow["message"]
    assert levels(call_timeout_ms=33)["trip_delay"] == "pass"
    assert levels(call_timeout_ms=34)["trip_delay"] == "warn"


def test_a_long_open_time_prolongs_an_outage():
    assert levels(open_seconds=48)["overshoot"] == "pass"
    assert levels(open_seconds=60)["overshoot"] == "warn"
    assert levels(open_seconds=300)["overshoot"] == "fail"
    assert "6.25 % of the recovery" in checks()["overshoot"]["message"]
    assert "about 16 failed probes" in checks()["overshoot"]["message"]


def test_the_first_probe_after_more_than_30_s_breaks_its_sli():
    assert levels(open_seconds=30)["probe_delay"] == "pass"
    assert levels(open_seconds=60)["probe_delay"] == "fail"


def test_one_outage_that_takes_more_than_the_budget_fails():
    assert levels()["one_outage"] == "pass"
    assert levels(period_days="60")["one_outage"] == "warn"
    assert levels(period_days="30")["one_outage"] == "fail"


def test_a_trip_that_takes_the_whole_budget_fails():
    assert "105.12 trips" in checks()["trips"]["message"]
    assert levels(open_seconds=4000)["trips"] == "fail"


def test_a_single_probe_is_a_lucky_request():
    assert levels(half_open_probes=1)["probes"] == "warn"


def test_first_requests_are_proved_by_drills_unless_there_are_very_many_trips():
    found = checks()["first_requests"]
    assert found["level"] == "warn"
    assert "200 trips take 30 years" in found["message"]
    assert found["formula"] == "6.57 trips a year; 200 allow one failure, 598 prove it"
    assert levels(recovery_seconds=5)["first_requests"] == "pass"


def test_what_is_not_known_is_a_gap_and_the_rest_is_checked():
    found = levels(call_timeout_ms=None)
    assert {name for name, level in found.items() if level == "gap"} == {"one_outage", "trip_delay"}
    assert "Not known: call timeout ms" in checks(call_timeout_ms=None)["trip_delay"]["message"]
    assert set(levels(**dict.fromkeys(BREAKER)).values()) == {"gap"}


def test_settings_that_are_no_whole_numbers_are_refused():
    with pytest.raises(ScoringError, match=r"half_open_probes is 1\.5; allowed is a whole"):
        calculate_breaker({**BREAKER, "half_open_probes": 1.5})
    with pytest.raises(ScoringError, match="failure_threshold is 0"):
        calculate_breaker({**BREAKER, "failure_threshold": 0})
