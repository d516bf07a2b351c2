import json
import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import (
    DEFAULT_PAYLOAD,
    IMPACT_COLUMNS,
    ITEM_COLUMNS,
    KINDS,
    PRICE_COLUMNS,
    SHARE_COLUMNS,
    STATES,
    Policy,
    ScoringError,
    make_frame,
    score,
    score_in_detail,
)

VECTORS = json.loads((Path(__file__).parents[1] / "data/vectors/roi.json").read_text())
POLICY = Policy.from_payload(DEFAULT_PAYLOAD, version=1)
NO_PRICES = make_frame(PRICE_COLUMNS, [])


def an_item(**cells):
    return make_frame(ITEM_COLUMNS, [{"item_id": 1, "effort": 3.0, "day_rate": 1600.0, **cells}])


def impacts_of(*rows):
    rows = [{"item_id": 1, **row, "kind": KINDS.index(row.get("kind", "toil"))} for row in rows]
    return make_frame(IMPACT_COLUMNS, rows)


def prices_of(*rows):
    return make_frame(PRICE_COLUMNS, [{**row, "kind": KINDS.index(row["kind"])} for row in rows])


def policy_of(**changes):
    return Policy.from_payload({**DEFAULT_PAYLOAD, **changes})


def scored(items, impacts, prices=NO_PRICES, policy=POLICY, shares=None):
    found = score(items, impacts, prices, policy, shares).iloc[0]
    return {**found.to_dict(), "state": STATES[found["state"]]}


def number(text):
    return None if text is None else float(text)


@pytest.mark.parametrize("case", VECTORS, ids=[case["name"] for case in VECTORS])
def test_every_roi_vector_holds_through_score(case):
    given_, expect = case["input"], dict(case["expect"])
    weights = {**DEFAULT_PAYLOAD["weights"], **{k: float(w) for k, w in given_["weights"].items()}}
    contingency = {**DEFAULT_PAYLOAD["contingency"], "none": float(given_["contingency"])}
    items = an_item(
        effort=number(given_["effort"]),
        day_rate=number(given_["day_rate"]),
        cash=number(given_["cash"]),
    )
    rows = [
        {name: cell if name == "kind" else number(cell) for name, cell in impact.items()}
        for impact in given_["impacts"]
    ]

    found = score(
        items,
        impacts_of(*rows),
        NO_PRICES,
        policy_of(weights=weights, contingency=contingency),
    ).iloc[0]

    assert bool(found["promotes"]) is expect.pop("promote")
    assert STATES[found["state"]] == expect.pop("state", "priced")
    for name, value in expect.items():
        if value is None:
            assert math.isnan(found[name]), name
        else:
            digits = -Decimal(value).as_tuple().exponent
            assert round(found[name], digits) == pytest.approx(float(value), abs=1e-12), name


def test_a_service_price_beats_the_installations_and_both_beat_nothing():
    items = make_frame(
        ITEM_COLUMNS,
        [{"item_id": n, "service_id": service} for n, service in ((1, 5), (2, 6), (3, -1))],
    )
    impacts = impacts_of(*({"item_id": n, "frequency": 10.0} for n in (1, 2, 3)))
    own = {"kind": "toil", "service_id": 5, "low": 300.0, "likely": 300.0, "high": 300.0}
    common = {"kind": "toil", "low": 200.0, "likely": 200.0, "high": 200.0}

    found = score(items, impacts, prices_of(own, common), POLICY)
    assert found["annual_cost"].tolist() == [3000.0, 2000.0, 2000.0]

    found = score(items, impacts, prices_of(own), POLICY)
    assert found["annual_cost"].tolist()[0] == 3000.0
    assert found["annual_cost"].isna().tolist() == [False, True, True]


def test_a_price_that_is_typed_in_beats_the_price_book():
    common = {"kind": "toil", "low": 200.0, "likely": 200.0, "high": 200.0}
    impacts = impacts_of({"frequency": 10.0, "unit_price": 50.0})
    assert scored(an_item(), impacts, prices_of(common))["annual_cost"] == 500.0


def test_latency_takes_its_frequency_from_the_traffic_and_other_kinds_do_not():
    factors = {"share": 0.5, "magnitude": 10.0, "unit_price": 0.01}
    item = an_item(requests_per_year=1000.0)
    assert scored(item, impacts_of({"kind": "latency", **factors}))["annual_cost"] == 50.0
    assert scored(item, impacts_of({"kind": "downtime", **factors}))["state"] == "unpriced"


def test_a_stated_amount_never_takes_a_price_from_the_book():
    book = prices_of({"kind": "stated", "low": 9.0, "likely": 9.0, "high": 9.0})
    assert scored(an_item(), impacts_of({"kind": "stated"}), book)["state"] == "unpriced"
    stated = impacts_of({"kind": "stated", "unit_price": 700.0})
    assert scored(an_item(), stated, book)["annual_cost"] == 700.0


def test_an_unpriced_impact_is_counted_and_left_out_of_the_sum():
    found = scored(an_item(), impacts_of({"frequency": 10.0, "unit_price": 50.0}, {}))
    assert (found["annual_cost"], found["priced_impacts"], found["unpriced_impacts"]) == (500, 1, 1)
    assert found["state"] == "priced"


def test_an_amount_in_another_currency_is_unpriced():
    foreign = impacts_of({"kind": "stated", "unit_price": 700.0, "foreign": True})
    assert scored(an_item(), foreign)["state"] == "unpriced"


def test_an_item_without_impacts_is_unpriced_even_without_an_estimate():
    assert scored(an_item(), impacts_of())["state"] == "unpriced"
    assert scored(an_item(effort=None), impacts_of())["state"] == "unpriced"


def test_a_repair_that_costs_only_cash_has_an_roi():
    item = an_item(effort=0.0, cash=100.0)
    assert scored(item, impacts_of({"frequency": 4.0, "unit_price": 100.0}))["roi"] == 4.0


def test_a_range_counts_with_its_pert_mean_and_half_a_range_is_unknown():
    points = {"unit_price_low": 100.0, "unit_price_likely": 200.0, "unit_price_high": 600.0}
    found = scored(an_item(), impacts_of({"frequency": 6.0, **points}))
    assert found["annual_cost"] == 1500.0
    del points["unit_price_high"]
    assert scored(an_item(), impacts_of({"frequency": 6.0, **points}))["state"] == "unpriced"
    lone = {"unit_price_likely": 200.0}
    assert scored(an_item(), impacts_of({"frequency": 6.0, **lone}))["annual_cost"] == 1200.0


def test_a_factor_that_is_given_in_part_is_unknown_and_takes_no_default():
    impact = {"kind": "latency", "share": 0.5, "magnitude": 10.0, "unit_price": 0.01}
    item = an_item(requests_per_year=1000.0)
    assert scored(item, impacts_of({**impact, "frequency_low": 5.0}))["state"] == "unpriced"
    assert scored(item, impacts_of({**impact, "frequency_high": 5.0}))["state"] == "unpriced"


def test_a_repair_that_helps_nothing_has_no_breaking_point():
    impact = {"frequency": 10.0, "unit_price": 480.0, "effectiveness": 0.0}
    found = scored(an_item(), impacts_of(impact))
    assert (found["annual_cost"], found["roi"]) == (4800.0, 0.0)
    assert math.isnan(found["breaking_point_years"])


def test_the_own_benefit_is_weighted_and_unknown_where_only_scenarios_price_an_item():
    impact = {"frequency": 10.0, "unit_price": 480.0, "guarantee_weight": 2.0}
    shares = make_frame(SHARE_COLUMNS, [{"item_id": 1, "loss_share": 50.0}])
    found = scored(an_item(), impacts_of(impact), shares=shares)
    assert (found["own_benefit"], found["weighted_benefit"]) == (9600.0, 9650.0)
    assert math.isnan(scored(an_item(), impacts_of(), shares=shares)["own_benefit"])


def test_an_open_effort_needs_an_estimate():
    item = an_item(effort=None, effort_low=20.0)
    impacts = impacts_of({"frequency": 6.0, "unit_price": 100.0})
    assert scored(item, impacts)["state"] == "needs_estimate"


def test_downtime_and_credits_together_are_flagged():
    minutes = {"kind": "downtime", "frequency": 2.0, "share": 1.0, "magnitude": 9.0}
    credits_ = {"kind": "credits", "frequency": 4.0, "share": 0.1, "unit_price": 10.0}
    both = impacts_of({**minutes, "unit_price": 5.0}, credits_)
    assert scored(an_item(), both)["double_counted"]
    unpriced = impacts_of(minutes, credits_)
    assert not scored(an_item(), unpriced)["double_counted"]


def test_a_guarantee_weight_multiplies_the_kinds_weight_and_leaves_money_alone():
    weights = {**DEFAULT_PAYLOAD["weights"], "toil": 0.5}
    impact = {"frequency": 10.0, "unit_price": 480.0, "guarantee_weight": 3.0}
    found = scored(an_item(), impacts_of(impact), policy=policy_of(weights=weights))
    assert (found["benefit"], found["weighted_benefit"]) == (4800.0, 7200.0)
    assert (found["money_roi"], found["roi"]) == (1.0, 1.5)


def test_contingency_follows_the_confidence_class():
    impact = impacts_of({"frequency": 10.0, "unit_price": 480.0})
    costs = [scored(an_item(confidence=code), impact)["repair_cost"] for code in range(4)]
    assert costs == pytest.approx([4800.0, 4800.0, 5520.0, 6240.0])


def test_a_share_of_a_scenario_prices_an_item_without_impacts():
    shares = make_frame(
        SHARE_COLUMNS,
        [
            {"item_id": 1, "loss_share": 277200.45, "effectiveness": 0.8},
            {"item_id": 99, "loss_share": 5.0},
        ],
    )
    found = scored(an_item(), impacts_of(), shares=shares)
    assert found["annual_cost"] == 277200.45
    assert found["benefit"] == pytest.approx(221760.36)
    assert found["state"] == "priced"


def test_floats_just_over_the_threshold_are_decided_by_the_numbers_as_written():
    # 0.1 x 3 is 0.30000000000000004 in floats: the ROI seems to be above 3, and is exactly 3.
    impact = impacts_of({"frequency": 0.1, "unit_price": 3.0})
    item = an_item(effort=0.1, day_rate=1.0)
    assert 0.1 * 3.0 / 0.1 > 3.0
    assert not scored(item, impact)["promotes"]
    more = impacts_of({"frequency": 0.1, "unit_price": 3.0000000000001})
    assert scored(item, more)["promotes"]


def test_cash_contingency_and_weights_count_in_the_exact_decision():
    item = an_item(effort=1.0, day_rate=900.0, cash=150.0, confidence=3)
    weights = {**DEFAULT_PAYLOAD["weights"], "toil": 1.2}
    impact = {"frequency": 1.0, "guarantee_weight": 1.5, "effectiveness": 0.7}
    enough = (
        3 * (900 + 150) * Fraction("1.3") / (Fraction("1.2") * Fraction("1.5") * Fraction("0.7"))
    )
    assert float(enough) == 3250.0
    exactly = impacts_of({**impact, "unit_price": 3250.0})
    assert not scored(item, exactly, policy=policy_of(weights=weights))["promotes"]
    more = impacts_of({**impact, "unit_price": 3250.000000001})
    assert scored(item, more, policy=policy_of(weights=weights))["promotes"]


def test_a_scenario_share_counts_in_the_exact_decision():
    item = an_item(effort=0.1, day_rate=1.0)
    half = make_frame(SHARE_COLUMNS, [{"item_id": 1, "loss_share": 0.2, "effectiveness": 0.5}])
    impact = {"frequency": 0.1, "unit_price": 2.0}
    assert not scored(item, impacts_of(impact), shares=half)["promotes"]
    more = impacts_of({**impact, "unit_price": 2.000000000001})
    assert scored(item, more, shares=half)["promotes"]


def test_detail_keeps_every_number_of_the_formula():
    impact = {"kind": "latency", "share": 0.03, "magnitude": 180.0, "effectiveness": 0.5}
    book = prices_of({"kind": "latency", "low": 1e-5, "likely": 2e-5, "high": 3e-5})
    detail = score_in_detail(an_item(requests_per_year=12e7), impacts_of(impact), book, POLICY)[1]
    row = detail.iloc[0]
    assert row[["frequency", "share", "magnitude", "unit_price"]].tolist() == [
        12e7,
        0.03,
        180,
        2e-5,
    ]
    assert row["cost"] == pytest.approx(12960)
    assert row["benefit"] == pytest.approx(6480)


def test_scores_keep_the_order_and_the_index_of_the_items():
    items = make_frame(
        ITEM_COLUMNS, [{"item_id": n, "effort": 1.0, "day_rate": 1.0} for n in (9, 4, 7)]
    ).set_index(pd.Index(["a", "b", "c"]))
    impacts = impacts_of(
        *({"item_id": n, "frequency": float(n), "unit_price": 1.0} for n in (7, 9, 4, 7))
    )
    found = score(items, impacts, NO_PRICES, POLICY)
    assert found.index.tolist() == ["a", "b", "c"]
    assert found["annual_cost"].tolist() == [9.0, 4.0, 14.0]


def test_nothing_to_score_is_no_error():
    found = score(make_frame(ITEM_COLUMNS, []), impacts_of(), NO_PRICES, POLICY)
    assert len(found) == 0


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"share": 1.5}, r"share_low is 1.5 in row 0; allowed is 0..1 \(ratio\)"),
        ({"frequency": -1.0}, "frequency_low is -1 in row 0"),
        ({"unit_price": math.inf}, "unit_price_low is inf in row 0"),
        ({"share_low": 0.5, "share_likely": 0.2, "share_high": 0.9}, "share is 0.5, 0.2, 0.9"),
        ({"item_id": 8}, "item_id 8 has no item in row 0"),
    ],
)
def test_a_bad_impact_is_named_with_its_row_and_bound(cells, message):
    with pytest.raises(ScoringError, match=message):
        score(an_item(), impacts_of(cells), NO_PRICES, POLICY)


def test_a_frame_with_a_missing_or_wrongly_typed_column_is_refused():
    with pytest.raises(ScoringError, match="cash is missing"):
        score(an_item().drop(columns="cash"), impacts_of(), NO_PRICES, POLICY)
    with pytest.raises(ScoringError, match="cash has type object"):
        score(an_item().astype({"cash": object}), impacts_of(), NO_PRICES, POLICY)


def test_an_item_or_a_price_that_comes_twice_is_refused():
    twice = pd.concat([an_item(), an_item()], ignore_index=True)
    with pytest.raises(ScoringError, match="item_id 1 comes twice"):
        score(twice, impacts_of({}), NO_PRICES, POLICY)
    price = {"kind": "toil", "low": 1.0, "likely": 1.0, "high": 1.0}
    with pytest.raises(ScoringError, match="of toil is there twice"):
        score(an_item(), impacts_of({"frequency": 1.0}), prices_of(price, price), POLICY)


cells = st.decimals(0, 1000, places=2).map(float)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5), cells)
def test_more_cost_never_lowers_the_roi(impacts, more):
    rows = [{"frequency": frequency, "unit_price": price} for frequency, price in impacts]
    before = scored(an_item(), impacts_of(*rows))["roi"]
    rows[0]["unit_price"] += more
    assert scored(an_item(), impacts_of(*rows))["roi"] >= before


@given(st.lists(st.tuples(cells, cells), max_size=4), st.decimals("0.01", 50, places=2).map(float))
def test_the_decision_is_the_one_of_exact_fractions(impacts, days):
    rows = [{"frequency": frequency, "unit_price": price} for frequency, price in impacts]
    # An impact that makes the item return exactly three times its repair.
    paid = sum((Fraction(repr(f)) * Fraction(repr(p)) for f, p in impacts), Fraction(0))
    missing = 3 * Fraction(repr(days)) * 1600 - paid
    if missing >= 0:
        rows.append({"frequency": 1.0, "unit_price": float(missing)})
        paid += Fraction(repr(float(missing)))
    found = scored(an_item(effort=days), impacts_of(*rows))
    assert found["promotes"] == (bool(rows) and paid > 3 * Fraction(repr(days)) * 1600)


def test_a_chunk_gives_each_item_the_score_it_has_alone():
    rng = np.random.default_rng(7)
    items = make_frame(
        ITEM_COLUMNS,
        [
            {"item_id": n, "effort": float(rng.integers(0, 5)), "day_rate": 1600.0}
            for n in rng.permutation(30)
        ],
    )
    impacts = impacts_of(
        *(
            {"item_id": int(rng.integers(30)), "frequency": float(rng.integers(90))}
            | ({"unit_price": 200.0} if rng.random() < 0.7 else {})
            for _ in range(80)
        )
    )
    whole = score(items, impacts, NO_PRICES, POLICY)
    parts = [
        score(
            items.iloc[[n]],
            impacts[impacts["item_id"] == items["item_id"].iloc[n]],
            NO_PRICES,
            POLICY,
        )
        for n in range(30)
    ]
    pd.testing.assert_frame_equal(whole, pd.concat(parts))
