"""Sentences for a product owner: why something is in a backlog, and why it is where it is."""

import pandas as pd
import pytest

import scoring
from debtreg import reasons

POLICY = scoring.Policy.from_payload(scoring.DEFAULT_PAYLOAD)


def decided(reason, roi=5.0, item=7, bundle=-1, blocked_by=-1):
    return {
        "item_id": item,
        "reason": scoring.REASONS.index(reason),
        "marginal_roi": roi,
        "bundle": bundle,
        "blocked_by": blocked_by,
    }


def test_what_is_just_above_is_seen_to_be_above():
    rows = pd.DataFrame([decided("above", 3.00001)])
    assert reasons.of_promotion(rows, POLICY) == ["ROI 3.00001 is above 3."]


def test_what_is_the_threshold_itself_needs_no_further_digits():
    rows = pd.DataFrame([decided("kept", 3.0)])
    assert reasons.of_promotion(rows, POLICY)[0].startswith("ROI 3.0 has fallen to 3 or below")


def test_a_bundle_names_the_others_and_what_they_return_together():
    rows = pd.DataFrame([decided("bundle", 15.0, item=n, bundle=1) for n in (1, 2, 3)])
    found = reasons.of_promotion(rows, POLICY)
    assert "together with DEBT-1 and DEBT-3: together they return 15.0 times" in found[1]


def test_a_bundle_that_is_kept_does_not_say_that_it_returns_more_than_the_threshold():
    rows = pd.DataFrame([decided("bundle_kept", 2.67, item=n, bundle=1) for n in (1, 2)])
    assert reasons.of_promotion(rows, POLICY)[0] == (
        "Pays only together with DEBT-2: what they return together, 2.67 times their repair,"
        " has fallen to 3 or below, but not below 2.5: they stay."
    )


def test_a_bundle_that_goes_back_names_the_others_and_what_they_return_together():
    rows = pd.DataFrame([decided("fell", 2.31, item=1, bundle=1)])
    (found,) = reasons.of_withdrawal(rows, POLICY, pd.Series({1: [1, 2, 3]}))
    assert found == (
        "It pays only together with DEBT-2 and DEBT-3: what they return together, 2.31 times"
        " their repair, has fallen below 2.5."
    )


@pytest.mark.parametrize("code", scoring.REASONS)
def test_every_decision_has_its_sentence(code):
    rows = pd.DataFrame([decided(code, blocked_by=4)])
    known = {**reasons._WHY, **reasons._WHY_NOT}
    assert code in known
    found = reasons.of_promotion if code in reasons._WHY else reasons.of_withdrawal
    assert "{" not in found(rows, POLICY)[0]


def test_every_place_has_its_sentence():
    assert set(reasons._WHERE) == set(scoring.PLACES)


def test_an_iteration_says_what_is_left_out_first_and_what_a_day_would_buy():
    columns = ["first_left_out_id", "one_more_day_id", "one_more_day_instead_of_id"]
    rows = pd.DataFrame([(3, 3, 5), (-1, -1, -1)], columns=columns)
    rows["one_more_day_benefit"] = [400.0, 0.0]
    assert reasons.of_iteration(rows, "CNY") == [
        "First left out: DEBT-3. One more person-day would let in DEBT-3 instead of DEBT-5"
        " and save 400 CNY a year more.",
        "",
    ]
