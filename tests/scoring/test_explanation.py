import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring import (
    DEFAULT_PAYLOAD,
    IMPACT_COLUMNS,
    INPUTS,
    ITEM_COLUMNS,
    KINDS,
    POINTS,
    PRICE_COLUMNS,
    SHARE_COLUMNS,
    Policy,
    guessed_shares,
    make_frame,
    score_in_detail,
    sensitivities,
)

POLICY = Policy.from_payload(DEFAULT_PAYLOAD)
ITEM = {"item_id": 1, "effort": 4.0, "day_rate": 1000.0, "cash": 500.0, "confidence": 2}
LATENCY = {"kind": 0, "frequency": 1e6, "share": 0.05, "magnitude": 100.0, "unit_price": 0.002}
TOIL = {"kind": KINDS.index("toil"), "frequency": 30.0, "unit_price": 200.0, "grade": 0}


def scored(item=ITEM, impacts=(LATENCY, TOIL), shares=None):
    items = make_frame(ITEM_COLUMNS, [item])
    rows = make_frame(IMPACT_COLUMNS, [{"item_id": 1, **impact} for impact in impacts])
    scores, detail = score_in_detail(items, rows, make_frame(PRICE_COLUMNS, []), POLICY, shares)
    return items, scores, detail


def test_at_its_turning_value_each_input_brings_the_roi_to_the_threshold():
    items, scores, detail = scored()
    found = sensitivities(items, scores, detail, POLICY)
    assert len(found) == 8  # four factors of latency, two of toil, effort and day rate
    for row in found.itertuples():
        if math.isnan(row.turning_value):
            continue
        impacts = [dict(LATENCY), dict(TOIL)]
        item = dict(ITEM)
        if row.row < 0:
            item[INPUTS[row.input]] = row.turning_value
        else:
            impacts[row.row][INPUTS[row.input]] = row.turning_value
        assert scored(item, impacts)[1]["roi"][0] == pytest.approx(3.0)
    assert found["turning_value"].notna().sum() == 8


def test_elasticities_of_the_benefit_are_its_parts_and_the_largest_comes_first():
    items, scores, detail = scored()
    found = sensitivities(items, scores, detail, POLICY)
    assert found["elasticity"].abs().is_monotonic_decreasing
    by_input = found.set_index(["row", "input"])["elasticity"]
    assert by_input[0, 0] == pytest.approx(10000 / 16000)
    assert by_input[1, 0] == pytest.approx(6000 / 16000)
    assert by_input[-1, INPUTS.index("effort")] == pytest.approx(-4000 / 4500)


def test_a_share_that_would_have_to_be_more_than_all_turns_nothing():
    items, scores, detail = scored(impacts=[{**LATENCY, "share": 0.5, "unit_price": 1e-6}])
    found = sensitivities(items, scores, detail, POLICY).set_index("input")["turning_value"]
    assert math.isnan(found[INPUTS.index("share")])
    assert not math.isnan(found[INPUTS.index("unit_price")])


def test_an_effort_that_would_have_to_be_longer_than_any_turns_nothing():
    items, scores, detail = scored({**ITEM, "day_rate": 1e-9, "cash": 0.0})
    found = sensitivities(items, scores, detail, POLICY).set_index("input")["turning_value"]
    assert math.isnan(found[INPUTS.index("effort")])


@st.composite
def estimates(draw, high):
    return sorted(draw(st.lists(st.floats(high / 1000, high), min_size=3, max_size=3)))


@given(
    st.lists(
        st.tuples(
            estimates(50.0),
            estimates(1.0),
            estimates(900.0),
            st.sampled_from([0.3, 1.0]),
            st.booleans(),
        ),
        min_size=1,
        max_size=3,
    ),
    estimates(40.0),
    st.sampled_from([0.0, 2000.0]),
)
@settings(max_examples=60)
def test_elasticities_and_turning_values_are_those_of_scoring_anew(impacts, effort, cash):
    def cells(name, points):
        return dict(zip((f"{name}_{point}" for point in POINTS), points, strict=True))

    def rows(impacts, effort):
        item = {**ITEM, "cash": cash, **cells("effort", effort)}
        item |= cells("day_rate", [item.pop("day_rate")] * 3)
        del item["effort"]
        return item, [
            {
                "kind": KINDS.index("credits"),
                "effectiveness": effect,
                "guarantee_weight": 2.0 if tied else None,
                **cells("frequency", frequency),
                **cells("share", share),
                **cells("unit_price", price),
            }
            for frequency, share, price, effect, tied in impacts
        ]

    items, scores, detail = scored(*rows(impacts, effort))
    for each in sensitivities(items, scores, detail, POLICY).itertuples():
        name = INPUTS[each.input]

        def roi_with(change, name=name, row=each.row):
            item, changed = rows(impacts, effort)
            cells_of = item if row < 0 else changed[row]
            for point in POINTS:
                cells_of[f"{name}_{point}"] = change(cells_of[f"{name}_{point}"])
            return scored(item, changed)[1]["roi"][0]

        less = roi_with(lambda value: value * (1 - 1e-6))
        assert (1 - less / scores["roi"][0]) / 1e-6 == pytest.approx(each.elasticity, abs=1e-4)
        if not math.isnan(each.turning_value):
            turned = roi_with(lambda _, value=each.turning_value: value)
            assert turned == pytest.approx(3.0)


def test_the_loss_of_a_scenario_is_an_input_too():
    shares = make_frame(SHARE_COLUMNS, [{"item_id": 1, "loss_share": 9000.0, "effectiveness": 0.5}])
    items, scores, detail = scored(impacts=[], shares=shares)
    found = sensitivities(items, scores, detail, POLICY, shares).set_index("input")
    assert found["turning_value"][INPUTS.index("loss")] == pytest.approx(3 * 4500 * 1.15 / 0.5)


def test_an_item_without_an_roi_has_no_sensitivities():
    items, scores, detail = scored({**ITEM, "effort": None})
    assert len(sensitivities(items, scores, detail, POLICY)) == 0


def test_what_is_measured_is_not_guessed():
    _, scores, detail = scored()
    assert guessed_shares(scores, detail).tolist() == pytest.approx([10000 / 16000])
    _, scores, detail = scored(impacts=[])
    assert np.isnan(guessed_shares(scores, detail)).all()


def test_what_matters_most_is_what_swings_the_roi_most():
    impact = {**LATENCY, "share_low": 0.02, "share_likely": 0.05, "share_high": 0.08}
    impact |= {"unit_price_low": 0.001, "unit_price_likely": 0.002, "unit_price_high": 0.004}
    del impact["share"], impact["unit_price"]
    items, scores, detail = scored(impacts=[impact])
    found = sensitivities(items, scores, detail, POLICY)
    names = [INPUTS[code] for code in found["input"]]
    assert names[:2] == ["unit_price", "share"]
    assert found["swing"].is_monotonic_decreasing
    # All elasticities of a product are 1; a standard deviation of the share is a fifth of it.
    assert found["elasticity"][1] == 1
    assert found["swing"][1] == pytest.approx(0.01134 / 0.05, rel=1e-3)
    assert found["swing"][2:].tolist() == [0] * 4


def test_a_price_that_would_have_to_be_negative_turns_nothing():
    stated = {"kind": KINDS.index("stated"), "unit_price": 90_000.0}
    items, scores, detail = scored(impacts=[LATENCY, stated])
    found = sensitivities(items, scores, detail, POLICY)
    turning = found[found["row"] == 0]["turning_value"]
    assert turning.isna().all()
    known = found[(found["row"] == 1) & found["turning_value"].notna()]
    assert known["turning_value"].tolist() == pytest.approx([3 * scores["repair_cost"][0] - 10_000])
