import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import (
    DEFAULT_PAYLOAD,
    FACTORS,
    IMPACT_COLUMNS,
    INPUTS,
    ITEM_COLUMNS,
    PRICE_COLUMNS,
    SHARE_COLUMNS,
    Policy,
    add_uncertainty,
    information_values,
    joint_certainty,
    make_frame,
    pert_mean,
    pert_quantile,
    pert_sd,
    pert_shape,
    score_in_detail,
)

VECTORS = json.loads((Path(__file__).parents[1] / "data/vectors/uncertainty.json").read_text())
POLICY = Policy.from_payload(DEFAULT_PAYLOAD, version=1)
NO_PRICES = make_frame(PRICE_COLUMNS, [])
DRAWS = 1_000_000


def cells(**points):
    """Spread (low, likely, high) into three columns; a number stands for all three."""
    row = {}
    for name, value in points.items():
        three = value if isinstance(value, tuple) else (value,) * 3
        row |= dict(zip((f"{name}_low", f"{name}_likely", f"{name}_high"), three, strict=True))
    return row


def frames(*items, shares=None):
    """Items as (effort, day rate, [impacts as (frequency, share, magnitude, unit price)])."""
    rows, impacts = [], []
    for number, (effort, day_rate, each) in enumerate(items):
        rows.append({"item_id": number, **cells(effort=effort, day_rate=day_rate)})
        impacts += [
            {"item_id": number, "kind": 0, **cells(**dict(zip(FACTORS, impact, strict=True)))}
            for impact in each
        ]
    made = make_frame(ITEM_COLUMNS, rows), make_frame(IMPACT_COLUMNS, impacts)
    return (*made, *score_in_detail(*made, NO_PRICES, POLICY, shares))


def uncertain(*items, shares=None):
    rows, _, scores, detail = frames(*items, shares=shares)
    return add_uncertainty(rows, scores, detail, POLICY, shares)


def worth(*items, shares=None):
    rows, _, scores, detail = frames(*items, shares=shares)
    return information_values(rows, scores, detail, POLICY, shares)


def drawn(points, rng):
    if not isinstance(points, tuple) or points[0] == points[2]:
        return points[0] if isinstance(points, tuple) else points
    alpha, beta = pert_shape(*points)
    return points[0] + (points[2] - points[0]) * rng.beta(alpha, beta, DRAWS)


def drawn_rois(item, rng):
    effort, day_rate, impacts = item
    benefit = sum(math.prod(drawn(each, rng) for each in impact) for impact in impacts)
    return np.broadcast_to(benefit / (drawn(effort, rng) * drawn(day_rate, rng)), DRAWS)


@pytest.mark.parametrize("case", VECTORS)
def test_every_pert_vector_holds(case):
    points = case["low"], case["likely"], case["high"]
    alpha, beta = pert_shape(*points)
    found = {"mean": pert_mean(*points), "alpha": alpha, "beta": beta, "sd": pert_sd(*points)}
    found |= {f"p{n}": pert_quantile(n / 100, *points) for n in (10, 50, 90)}
    for name in found.keys() & case.keys():
        assert float(found[name]) == pytest.approx(case[name], abs=6e-6), name


HARD = [
    ((2, 5, 14), 100.0, [((100, 900, 1500), (0.05, 0.2, 0.6), 1.0, (5, 10, 30))]),
    (
        (3, 4, 12),
        300.0,
        [((10, 20, 90), 0.5, (1, 30, 80), (4, 5, 9)), (40.0, 1.0, 1.0, (2, 9, 30))],
    ),
    (4.0, 310.0, [((5, 8, 30), (0.1, 0.5, 1.0), (10, 40, 90), (5, 8, 60))] * 3),
    ((0.5, 1, 6), 900.0, [(100.0, (0.01, 0.1, 0.9), (1, 2, 20), (30, 60, 200))] * 5),
    ((1, 5, 5), 700.0, [((1, 1, 9), (0.2, 0.2, 0.9), (20, 90, 90), 40.0), (1.0, 1.0, 1.0, 3000.0)]),
]


@pytest.mark.parametrize("item", HARD)
def test_the_certainty_is_within_a_hundredth_of_a_million_draws(item):
    rng = np.random.default_rng(1)
    rois = drawn_rois(item, rng)
    # Bring the threshold to where it is open.
    effort, day_rate, impacts = item
    item = effort, day_rate * float(np.quantile(rois, 0.45)) / 3, impacts
    rois = drawn_rois(item, rng)
    found = uncertain(item).iloc[0]
    assert 0.3 < found["certainty"] < 0.7
    assert found["certainty"] == pytest.approx((rois > 3).mean(), abs=0.01)
    for name, level in (("roi_p5", 0.05), ("roi_p50", 0.5), ("roi_p95", 0.95)):
        assert (rois <= found[name]).mean() == pytest.approx(level, abs=0.01), name


def some_points(rng, likely, spread):
    """A guess around `likely`: now certain, now lopsided, now up to `spread` times off."""
    low, high = likely / (1 + spread * rng.random()), likely * (1 + spread * rng.random())
    kind = rng.integers(8)
    shapes = (likely, (likely, likely, high), (low, likely, likely), (0.0, low, high))
    return shapes[kind] if kind < 4 else (low, likely, high)


def some_item(rng):
    spread = rng.choice([0.3, 1.0, 3.0])
    impacts = [
        (
            some_points(rng, rng.uniform(1, 60), spread),
            some_points(rng, 0.2, spread),
            1.0 if rng.random() < 0.5 else some_points(rng, rng.uniform(1, 60), spread),
            some_points(rng, rng.uniform(10, 90), spread),
        )
        for _ in range(rng.integers(1, 5))
    ]
    return some_points(rng, rng.uniform(1, 30), spread), 100.0, impacts


def lopsided(rng):
    """A guess that leans hard: a long tail, all weight at an end, from nothing on."""
    low, likely, high = sorted(10 ** rng.uniform(0, 2, 3))
    return [
        (low, low, low * 10 ** rng.uniform(0, 3)),
        (0.0, high, high),
        (0.0, 0.0, high),
        (low, low * 1.1, low * 1.1 * 10 ** rng.uniform(0, 3)),
        (low, likely, high),
        likely,
    ][rng.integers(6)]


def lopsided_item(rng):
    impacts = [
        (lopsided(rng), tuple(sorted(rng.random(3))), lopsided(rng), lopsided(rng))
        for _ in range(rng.integers(1, 4))
    ]
    effort = lopsided(rng)
    if isinstance(effort, tuple):
        effort = tuple(max(days, 0.01) for days in effort)
    rate = rng.uniform(50, 200)
    return effort, (rate, rate, 4 * rate) if rng.random() < 0.5 else rate, impacts


@pytest.mark.parametrize(("make", "seed", "count"), [(some_item, 20, 16), (lopsided_item, 11, 24)])
def test_all_sorts_of_items_agree_with_a_million_draws(make, seed, count):
    rng = np.random.default_rng(seed)
    off_chance, off_level = [], []
    for _ in range(count):
        effort, day_rate, impacts = make(rng)
        rois = drawn_rois((effort, day_rate, impacts), rng)
        # Bring the threshold to where it is open.
        scale = float(np.quantile(rois, rng.uniform(0.1, 0.9))) / 3
        rois = rois / scale
        day_rate = (
            tuple(rate * scale for rate in day_rate)
            if isinstance(day_rate, tuple)
            else day_rate * scale
        )
        found = uncertain((effort, day_rate, impacts)).iloc[0]
        off_chance.append(abs((rois > 3).mean() - found["certainty"]))
        for name, level in (("roi_p5", 0.05), ("roi_p50", 0.5), ("roi_p95", 0.95)):
            off_level.append(abs((rois <= found[name]).mean() - level))
    assert max(off_chance) < 0.01
    assert max(off_level) < 0.01
    assert np.mean(off_chance) < 0.001
    assert np.mean(off_level) < 0.002


def test_a_day_rate_of_three_points_counts_like_an_effort_of_three_points():
    points, impact = (2, 5, 14), (1.0, 1.0, 1.0, 1800.0)
    published = ["roi", "roi_p5", "roi_p50", "roi_p95", "certainty"]
    by_rate, by_effort, both = (
        uncertain((effort, rate, [impact])).iloc[0]
        for effort, rate in ((100.0, points), (points, 100.0), (points, (90, 100, 110)))
    )
    assert by_rate[published].tolist() == by_effort[published].tolist()
    assert by_rate["roi_p5"] < by_rate["roi"] < by_rate["roi_p95"]
    assert both["certainty"] != by_effort["certainty"]
    codes = [INPUTS.index(name) for name in ("day_rate", "effort")]
    assert worth((100.0, points, [impact]))["input"].tolist() == codes[:1]
    assert set(worth((points, (10, 100, 400), [impact]))["input"]) == set(codes)


@given(
    st.lists(st.floats(0, 1), min_size=3, max_size=3),
    st.lists(st.floats(0, 1e9), min_size=3, max_size=3),
    st.floats(0.01, 1e6),
)
def test_whatever_the_points_the_percentiles_rise_and_a_chance_is_a_chance(share, price, effort):
    found = uncertain((effort, 1.0, [(1.0, tuple(sorted(share)), 1.0, tuple(sorted(price)))]))
    low, middle, high, chance = found.iloc[0][["roi_p5", "roi_p50", "roi_p95", "certainty"]]
    noise = 1e-9 * high
    assert 0 <= low <= middle + noise <= high + 2 * noise
    assert 0 <= chance <= 1


def test_one_uncertain_input_is_exact():
    found = uncertain(((2, 5, 14), 100.0, [(1.0, 1.0, 1.0, 1800.0)])).iloc[0]
    # The ROI is above 3 while the repair takes less than 6 days.
    alpha, beta = pert_shape(2, 5, 14)
    days = pert_quantile(found["certainty"], 2, 5, 14)
    assert (float(alpha), float(beta)) == (2.0, 4.0)
    assert days == pytest.approx(6.0, abs=1e-3)
    assert found["roi_p50"] == pytest.approx(18.0 / pert_quantile(0.5, 2, 5, 14), rel=1e-3)
    assert found["roi_p5"] == pytest.approx(18.0 / pert_quantile(0.95, 2, 5, 14), rel=1e-2)


def test_weights_cash_and_contingency_count_in_the_certainty_as_in_the_roi():
    weights = {**DEFAULT_PAYLOAD["weights"], "latency": 2.0}
    policy = Policy.from_payload({**DEFAULT_PAYLOAD, "weights": weights})
    item = {"item_id": 0, "day_rate": 100.0, "cash": 100.0, "confidence": 3}
    items = make_frame(ITEM_COLUMNS, [{**item, **cells(effort=(2, 5, 14))}])
    impact = {"item_id": 0, "kind": 0, "effectiveness": 0.9, "guarantee_weight": 1.5}
    factors = cells(frequency=1.0, share=1.0, magnitude=1.0, unit_price=1800.0)
    impacts = make_frame(IMPACT_COLUMNS, [{**impact, **factors}])
    scores, detail = score_in_detail(items, impacts, NO_PRICES, policy)
    found = add_uncertainty(items, scores, detail, policy).iloc[0]
    # 4,860 are more than three times (100 a day + 100) x 1.3.
    days = (4860 / 3 / 1.3 - 100) / 100
    assert pert_quantile(found["certainty"], 2, 5, 14) == pytest.approx(days, abs=1e-3)
    middle = (pert_quantile(0.5, 2, 5, 14) * 100 + 100) * 1.3
    assert found["roi_p50"] == pytest.approx(4860 / middle, rel=1e-3)


def test_a_lopsided_item_that_is_clearly_above_the_threshold_still_has_its_percentiles():
    effort, _, impacts = HARD[3]
    rng = np.random.default_rng(4)
    found = uncertain((effort, 1.0, impacts)).iloc[0]
    assert found["certainty"] == 1.0
    rois = drawn_rois((effort, 1.0, impacts), rng)
    for name, level in (("roi_p5", 0.05), ("roi_p50", 0.5), ("roi_p95", 0.95)):
        assert (rois <= found[name]).mean() == pytest.approx(level, abs=0.01), name


def test_without_uncertain_inputs_the_certainty_is_the_decision_itself():
    found = uncertain(
        (3.0, 1600.0, [(72.0, 1.0, 1.0, 200.0)]),
        (3.0, 1600.0, [(72.1, 1.0, 1.0, 200.0)]),
        (None, 1600.0, [(72.1, 1.0, 1.0, 200.0)]),
    )
    assert found["certainty"].tolist()[:2] == [0.0, 1.0]
    assert found[["roi_p5", "roi_p50", "roi_p95"]].iloc[0].tolist() == [3.0, 3.0, 3.0]
    assert found[["roi_p5", "roi_p95", "certainty"]].iloc[2].isna().all()


def test_the_same_item_gets_the_same_numbers_alone_and_among_others():
    many = ((1, 2, 5), 100.0, [((1, 2, 3), (0.1, 0.5, 0.6), (1, 2, 3), (90, 100, 900))] * 15)
    together = uncertain(HARD[0], many, *HARD[1:], (4.0, 1.0, [(1.0, 1.0, 1.0, 2.0)]))
    for number, item in ((0, HARD[0]), (1, many), (3, HARD[2])):
        alone = uncertain(item).iloc[0].drop("item_id")
        pd.testing.assert_series_equal(
            together.iloc[number].drop("item_id"), alone, check_names=False
        )


def test_percentiles_rise_and_hold_the_point_estimate_of_a_symmetric_input():
    found = uncertain((4.0, 100.0, [((50, 100, 150), 1.0, 1.0, 10.0)])).iloc[0]
    assert found["roi_p5"] < found["roi_p50"] < found["roi_p95"]
    assert found["roi_p50"] == pytest.approx(found["roi"], rel=1e-6)


def test_an_uncertain_loss_of_a_scenario_counts():
    row = {"item_id": 0, "effectiveness": 0.5, **cells(loss_share=(1000, 4000, 9000))}
    shares = make_frame(SHARE_COLUMNS, [row, {**row, "item_id": 77}])
    found = uncertain((7.0, 100.0, []), shares=shares).iloc[0]
    # Half of the loss is above 3 x 700 where the loss is above 4200.
    assert pert_quantile(1 - found["certainty"], 1000, 4000, 9000) == pytest.approx(4200, abs=5)


def test_a_negative_amount_turns_the_sides():
    found = uncertain((1.0, 10.0, [(1.0, 1.0, 1.0, (-40, -20, -10)), (1.0, 1.0, 1.0, 50.0)])).iloc[
        0
    ]
    # 50 less something between 10 and 40 is above 30 where it is below 20.
    part = (20 - 10) / 30
    alpha, beta = pert_shape(-40, -20, -10)
    rng = np.random.default_rng(5)
    expected = (rng.beta(alpha, beta, DRAWS) > 1 - part).mean()
    assert found["certainty"] == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("rate", [100.0, 140.0])  # it would be repaired, it would not
def test_what_to_measure_next_is_worth_what_better_decisions_gain(rate):
    item = ((2, 5, 14), rate, [(1.0, (0.1, 0.5, 0.9), 1.0, (2000, 3400, 9000))])
    found = worth(item)
    by_input = {
        INPUTS[code]: value for code, value in zip(found["input"], found["value"], strict=True)
    }
    assert set(by_input) == {"effort", "share", "unit_price"}
    assert found["value"].is_monotonic_decreasing
    rng = np.random.default_rng(3)
    mean_price, mean_share, mean_days = pert_mean(2000, 3400, 9000), 0.5, 6.0
    now = max(0.0, mean_share * mean_price - 3 * rate * mean_days)
    known = {
        "effort": mean_share * mean_price - 3 * rate * drawn((2, 5, 14), rng),
        "share": drawn((0.1, 0.5, 0.9), rng) * mean_price - 3 * rate * mean_days,
        "unit_price": mean_share * drawn((2000, 3400, 9000), rng) - 3 * rate * mean_days,
    }
    for name, difference in known.items():
        gain = np.maximum(0.0, difference).mean() - now
        assert by_input[name] == pytest.approx(gain, abs=2.0), name


def test_an_input_that_cannot_turn_the_decision_is_not_worth_measuring():
    safe = ((2, 2.1, 2.2), 100.0, [((90, 100, 110), 1.0, 1.0, 100.0)])
    assert len(worth(safe)) == 0


INCOMPLETE = [
    (0.1, math.nan, 0.3),
    (math.nan, math.nan, 0.3),
    (0.1, math.nan, math.nan),
    (0.1, 0.2, math.nan),
    (math.nan, 0.2, 0.3),
]


@pytest.mark.parametrize("points", INCOMPLETE)
@pytest.mark.parametrize("place", [*range(len(FACTORS)), "effort", "loss"])
def test_points_that_are_not_all_known_are_unknown_wherever_they_come_in(place, points):
    whole = ((1, 2, 4), 0.5, 3, (100, 200, 400))
    if place == "effort":
        found = uncertain((points, 100, [whole])).iloc[0]
        assert found[["roi", "roi_p5", "roi_p50", "roi_p95", "certainty"]].isna().all()
        return
    shares = None
    impacts = [whole, tuple(points if number == place else 1 for number in range(len(FACTORS)))]
    if place == "loss":
        rows = [{"item_id": 0, **cells(loss_share=points)}, {"item_id": 7, "loss_share": 1.0}]
        shares, impacts = make_frame(SHARE_COLUMNS, rows), [whole]
    asked = [((2, 5, 14), 100, impacts)]
    found, alone = uncertain(*asked, shares=shares), uncertain(((2, 5, 14), 100, [whole]))
    assert found["unpriced_impacts"].tolist() == [1]
    published = ["roi", "roi_p5", "roi_p50", "roi_p95", "certainty"]
    assert found[published].equals(alone[published])
    assert worth(*asked, shares=shares)[["input", "value"]].equals(
        worth(((2, 5, 14), 100, [whole]))[["input", "value"]]
    )


@pytest.mark.parametrize("loss", [(20_000, 42_000, 100_000), (30_000, 30_000, 30_000)])
def test_what_a_bundle_returns_is_as_uncertain_as_the_efforts_and_impacts_of_all(loss):
    """Beside a million plain draws, with the others of the bundle as uncertain as the first."""
    efforts = [(2.0, 4.0, 12.0), (1.0, 3.0, 5.0), (4.0, 4.0, 4.0)]
    impacts = [[((100, 200, 600), 0.5, 1.0, (20, 30, 90))], [((50, 60, 70), 1.0, 1.0, 20)], []]
    rates = [1000.0, (800, 1000, 1500), 1000.0]
    items, _, scores, detail = frames(*zip(efforts, rates, impacts, strict=True))
    found = joint_certainty(items, scores, detail, POLICY, np.array([loss], dtype=float))

    rng = np.random.default_rng(7)

    def draw(value):
        low, likely, high = value if isinstance(value, tuple) else (value,) * 3
        if low == high:
            return np.full(DRAWS, float(low))
        lean = (likely - low) / (high - low)
        return low + (high - low) * rng.beta(1 + 4 * lean, 5 - 4 * lean, DRAWS)

    benefit = draw(loss)
    for each in impacts:
        for factors in each:
            benefit += np.prod([draw(value) for value in factors], axis=0)
    cost = sum(draw(effort) * draw(rate) for effort, rate in zip(efforts, rates, strict=True))
    roi = benefit / cost
    assert found.chance == pytest.approx((roi > POLICY.threshold).mean(), abs=0.01)
    assert found[:3] == pytest.approx(np.quantile(roi, (0.05, 0.5, 0.95)), rel=0.01)
    # Twice the same is the same.
    assert joint_certainty(items, scores, detail, POLICY, np.array([loss], dtype=float)) == found
