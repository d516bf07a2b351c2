import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring import (
    CANDIDATE_COLUMNS,
    DEFAULT_PAYLOAD,
    IMPACT_COLUMNS,
    ITEM_COLUMNS,
    MEMBER_COLUMNS,
    PREREQUISITE_COLUMNS,
    PRICE_COLUMNS,
    REASONS,
    ROLES,
    SCENARIO_COLUMNS,
    STATES,
    Doubts,
    Policy,
    Scenarios,
    add_uncertainty,
    attribute,
    joint_certainty,
    make_frame,
    promote,
    score_in_detail,
)

VECTORS = json.loads((Path(__file__).parents[1] / "data/vectors/scenarios.json").read_text())
POLICY = Policy.from_payload(DEFAULT_PAYLOAD, version=1)
NAN = math.nan


def candidates_of(*rows):
    """Items by their own benefit for a repair cost of 100, so that a benefit of 301 is promoted."""
    filled = []
    for n, row in enumerate(rows):
        row = {"item_id": n, "own_benefit": 0.0, "repair_cost": 100.0, **row}
        row.setdefault("roi", row["own_benefit"] / row["repair_cost"])
        row.setdefault("promotes", row["roi"] > 3)
        filled.append(row)
    return make_frame(CANDIDATE_COLUMNS, filled)


def needs_of(*pairs):
    rows = [{"item_id": item, "needs_id": needs} for item, needs in pairs]
    return make_frame(PREREQUISITE_COLUMNS, rows)


def scenarios_of(*scenarios):
    """Scenarios as (yearly loss, members)."""
    members = [
        {"scenario_id": number, **member, "role": ROLES.index(member["role"])}
        for number, (_, each) in enumerate(scenarios)
        for member in each
    ]
    rows = [
        {"scenario_id": number, "trigger_rate": 1.0, "loss": loss}
        for number, (loss, _) in enumerate(scenarios)
    ]
    return Scenarios.of(make_frame(SCENARIO_COLUMNS, rows), make_frame(MEMBER_COLUMNS, members))


def gate(item, **cells):
    return {"role": "gate", "item_id": item, **cells}


def alternative(item, group=1, **cells):
    return {"role": "alternative", "item_id": item, "group": group, **cells}


def decide(items, needs=None, scenarios=None, policy=POLICY):
    found = promote(items, policy, needs, scenarios)
    reasons = [REASONS[code] for code in found["reason"]]
    return [int(n) for n in found.loc[found["promoted"], "item_id"]], reasons


def test_what_is_strictly_above_the_threshold_is_promoted():
    items = candidates_of({"own_benefit": 301.0}, {"own_benefit": 300.0})
    assert decide(items) == ([0], ["above", "below"])


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"vetoed": True}, "vetoed"),
        ({"accepted": True}, "accepted"),
        ({"repair_cost": NAN, "state": STATES.index("needs_estimate")}, "needs_estimate"),
        ({"own_benefit": NAN, "promotes": False, "state": 1}, "unpriced"),
    ],
)
@pytest.mark.parametrize("entered", [False, True])
def test_what_must_not_be_promoted_is_not_and_leaves_the_backlog(cells, reason, entered):
    items = candidates_of({"own_benefit": 900.0, "entered": entered, **cells})
    assert decide(items) == ([], [reason])


def test_a_pinned_item_is_promoted_whatever_its_roi_but_not_without_an_estimate():
    items = candidates_of(
        {"own_benefit": 1.0, "pinned": True},
        {"own_benefit": NAN, "pinned": True, "state": 1},
        {"own_benefit": NAN, "repair_cost": NAN, "pinned": True, "state": 1},
        {"own_benefit": 1.0, "pinned": True, "vetoed": True},
    )
    assert decide(items) == ([0, 1], ["pinned", "pinned", "needs_estimate", "vetoed"])


def test_an_entry_stays_until_it_falls_below_the_lower_bar():
    items = candidates_of(
        {"own_benefit": 260.0, "entered": True},
        {"own_benefit": 250.0, "entered": True},
        {"own_benefit": 249.0, "entered": True},
        {"own_benefit": 249.0, "started": True},
        {"own_benefit": 260.0},
    )
    assert decide(items) == ([0, 1, 3], ["kept", "kept", "fell", "started", "below"])


def test_a_prerequisite_that_is_not_promoted_blocks_through_any_number_of_items():
    items = candidates_of(*({"own_benefit": 900.0} for _ in range(4)), {"own_benefit": 1.0})
    needs = needs_of((0, 1), (1, 2), (2, 4))
    assert decide(items, needs) == ([3], ["blocked", "blocked", "blocked", "above", "below"])
    found = promote(items, POLICY, needs)
    assert found["blocked_by"].tolist() == [1, 2, 4, -1, -1]


def test_a_prerequisite_that_is_started_promoted_or_done_blocks_nothing():
    items = candidates_of(
        {"own_benefit": 900.0}, {"own_benefit": 1.0, "started": True}, {"own_benefit": 400.0}
    )
    assert decide(items, needs_of((0, 1), (0, 2), (0, 77)))[0] == [0, 1, 2]


def test_an_entry_that_fell_stays_while_something_promoted_needs_it():
    items = candidates_of({"own_benefit": 900.0}, {"own_benefit": 10.0, "entered": True})
    assert decide(items, needs_of((0, 1))) == ([0, 1], ["above", "needed"])
    vetoed = items.assign(vetoed=[True, False])
    assert decide(vetoed, needs_of((0, 1))) == ([], ["vetoed", "fell"])


def test_an_item_of_no_team_is_in_no_backlog_and_holds_up_what_needs_it():
    items = candidates_of({"own_benefit": 900.0, "teamless": True}, {"own_benefit": 900.0})
    assert decide(items, needs_of((1, 0))) == ([], ["no_team", "blocked"])
    entered = items.assign(entered=True)
    assert decide(entered, needs_of((1, 0))) == ([], ["no_team", "blocked"])


def test_a_group_with_a_member_of_no_team_is_no_bundle():
    items = candidates_of({}, {}, {"teamless": True})
    group = scenarios_of((9000.0, [alternative(n) for n in range(3)]))
    assert decide(items, scenarios=group) == ([], ["partner", "partner", "no_team"])


def test_a_bundle_that_has_fallen_between_the_bars_is_kept_for_that_reason():
    items = candidates_of({}, {})
    group = [alternative(0), alternative(1)]
    found = promote(items, POLICY, None, scenarios_of((800.0, group)))
    assert [REASONS[code] for code in found["reason"]] == ["bundle", "bundle"]
    assert found["bundle_roi"].tolist() == [4.0, 4.0]
    found = promote(items.assign(entered=True), POLICY, None, scenarios_of((530.0, group)))
    assert [REASONS[code] for code in found["reason"]] == ["bundle_kept", "bundle_kept"]
    assert found["bundle_roi"].tolist() == [2.65, 2.65]
    # With one of them pinned, the other returns what all of them do.
    pinned = items.assign(entered=True, pinned=[True, False])
    assert decide(pinned, scenarios=scenarios_of((270.0, group)))[1] == ["pinned", "kept"]


def test_items_that_need_each_other_are_promoted_together_or_not_at_all():
    circle = needs_of((0, 1), (1, 0))
    assert decide(candidates_of({"own_benefit": 900.0}, {"own_benefit": 800.0}), circle)[0] == [
        0,
        1,
    ]
    found = decide(candidates_of({"own_benefit": 900.0}, {"own_benefit": 8.0}), circle)
    assert found == ([], ["blocked", "below"])


def test_items_of_a_scenario_that_need_each_other_are_promoted_together_or_not_at_all():
    both = scenarios_of((1000.0, [gate(0, effectiveness=0.5), gate(1, effectiveness=0.5)]))
    circle = needs_of((0, 1), (1, 0))
    rich = candidates_of({"own_benefit": 900.0}, {"own_benefit": 800.0})
    assert decide(rich, circle, both)[0] == [0, 1]
    # Alone 1 returns 2.5 after 0: it goes out, and 0 with it.
    assert decide(candidates_of({}, {}), circle, both)[0] == []


def test_the_certainty_guard_holds_back_new_items_and_leaves_entries_alone():
    policy = Policy.from_payload({**DEFAULT_PAYLOAD, "min_confidence": 0.8})
    items = candidates_of(
        {"own_benefit": 400.0, "certainty": 0.8},
        {"own_benefit": 400.0, "certainty": 0.79},
        {"own_benefit": 400.0},
        {"own_benefit": 400.0, "certainty": 0.1, "entered": True},
    )
    assert decide(items, policy=policy) == ([0, 3], ["above", "uncertain", "uncertain", "above"])


def avalanche():
    case = VECTORS["avalanche"]
    efforts = [float(g["effort"]) for g in case["gates"] + case["amplifiers"]]
    items = candidates_of(
        *({"own_benefit": NAN, "promotes": False, "repair_cost": e * 1600 * 1.15} for e in efforts)
    )
    members = [
        gate(n, effectiveness=float(g["effectiveness"])) for n, g in enumerate(case["gates"])
    ]
    members += [
        {"role": "amplifier", "item_id": n + 2, "probability": float(each["probability"])}
        for n, each in enumerate(case["amplifiers"])
    ]
    return items, scenarios_of((float(case["loss"]) * float(case["trigger_rate"]), members))


def test_of_the_avalanche_only_the_two_day_repair_is_promoted():
    items, scenarios = avalanche()
    expect = VECTORS["avalanche"]["expect"]

    found = promote(items, POLICY, None, scenarios)

    assert found.loc[found["promoted"], "item_id"].tolist() == [0]
    assert f"{found['marginal_roi'][0]:.1f}" == expect["marginal"]["K"]["roi"]
    assert f"{found['marginal_roi'][1]:.4f}" == expect["marginal"]["then_D"]["roi"]
    assert REASONS[found["reason"][1]] == "below"


def test_of_three_alternatives_all_or_none_are_promoted():
    repair = {"own_benefit": NAN, "promotes": False, "repair_cost": 6000.0}
    items = candidates_of(repair, repair, repair)
    group = [alternative(n) for n in range(3)]
    bundle = scenarios_of((90000.0, group))
    assert decide(items, scenarios=bundle) == ([0, 1, 2], ["bundle"] * 3)
    assert promote(items, POLICY, None, bundle)["bundle"].tolist() == [0, 0, 0]
    # 54,000 / 18,000 is 3, which is not above 3.
    assert decide(items, scenarios=scenarios_of((54000.0, group)))[0] == []
    vetoed = items.assign(vetoed=[False, True, False])
    assert decide(vetoed, scenarios=bundle)[0] == []


def test_a_bundle_that_is_worth_less_than_the_lower_bar_goes_back_as_a_whole():
    repair = {"own_benefit": NAN, "promotes": False, "repair_cost": 6000.0, "entered": True}
    items = candidates_of(repair, repair, repair)
    group = [alternative(n) for n in range(3)]
    # One alone would still return 40,000 / 6,000, given the other two.
    assert decide(items, scenarios=scenarios_of((40000.0, group))) == ([], ["fell"] * 3)
    assert decide(items, scenarios=scenarios_of((48000.0, group)))[0] == [0, 1, 2]


def test_a_bundle_goes_back_as_a_whole_even_if_its_items_need_each_other():
    repair = {"own_benefit": NAN, "promotes": False, "repair_cost": 6000.0, "entered": True}
    group = scenarios_of((20000.0, [alternative(0), alternative(1)]))
    for needs in (needs_of((0, 1)), needs_of((0, 1), (1, 0))):
        assert decide(candidates_of(repair, repair), needs, group) == ([], ["fell"] * 2)
    # Something else that is worth it keeps what it needs, and with it the bundle.
    third = {"own_benefit": 900.0}
    found = decide(candidates_of(repair, repair, third), needs_of((2, 0)), group)
    assert found[0] == [0, 1, 2]


def test_items_of_a_scenario_that_only_need_each_other_go_back_once_both_fell():
    fell = {"own_benefit": 1.0, "entered": True}
    worthless = scenarios_of((0.0, [gate(0), gate(1)]))
    circle = needs_of((0, 1), (1, 0))
    assert decide(candidates_of(fell, fell), circle, worthless) == ([], ["fell"] * 2)
    # Together they save what neither saves once the other is done.
    both = scenarios_of((900.0, [gate(0), gate(1)]))
    assert decide(candidates_of(fell, fell), circle, both)[0] == [0, 1]


def test_an_entry_that_goes_back_itself_keeps_nothing_that_it_needs():
    fell = {"own_benefit": 1.0, "entered": True}
    worthless = scenarios_of((0.0, [gate(0)]))
    found = decide(candidates_of(fell, fell), needs_of((1, 0)), worthless)
    assert found == ([], ["fell", "fell"])
    needed = candidates_of(fell, fell, {"own_benefit": 900.0})
    assert decide(needed, needs_of((1, 0), (2, 1)), worthless)[0] == [0, 1, 2]


def test_what_is_left_of_a_group_is_a_bundle_once_one_alternative_is_repaired():
    repair = {"own_benefit": NAN, "promotes": False, "repair_cost": 6000.0}
    group = [alternative(0), alternative(1), alternative(77, repaired=True)]
    found = decide(candidates_of(repair, repair), scenarios=scenarios_of((90000.0, group)))
    assert found == ([0, 1], ["bundle"] * 2)


def test_what_is_worth_it_by_itself_is_in_no_bundle():
    group = scenarios_of((1000.0, [alternative(0), alternative(1)]))
    items = candidates_of({"own_benefit": 900.0}, {})
    assert decide(items, scenarios=group) == ([0, 1], ["above", "bundle"])
    assert promote(items, POLICY, None, group)["bundle"].tolist() == [-1, 0]


def test_the_certainty_guard_holds_for_members_of_scenarios_and_for_bundles():
    policy = Policy.from_payload({**DEFAULT_PAYLOAD, "min_confidence": 0.8})
    sure, unsure = {"certainty": 0.9}, {"certainty": 0.7}
    gates = scenarios_of((1000.0, [gate(0), gate(1)]))
    assert decide(candidates_of(unsure, sure), scenarios=gates, policy=policy)[0] == [1]
    assert decide(candidates_of(unsure, unsure), scenarios=gates, policy=policy) == (
        [],
        ["uncertain"] * 2,
    )
    group = scenarios_of((1000.0, [alternative(0), alternative(1)]))
    assert decide(candidates_of(sure, sure), scenarios=group, policy=policy)[0] == [0, 1]
    assert decide(candidates_of(sure, unsure), scenarios=group, policy=policy)[0] == []


SURE = Policy.from_payload({**DEFAULT_PAYLOAD, "min_confidence": 0.95})
UNSURE_LOSS = {"loss_low": 20_000.0, "loss_likely": 36_000.0, "loss_high": 60_000.0}


def decide_with_doubts(members, *costs, policy=SURE, impacts=(), **flags):
    """Decide on a scenario of an uncertain loss, by what its members save beside each other."""
    rows = [
        {"item_id": n, "effort": cost / 1000, "day_rate": 1000.0} for n, cost in enumerate(costs)
    ]
    scenarios = Scenarios.of(
        make_frame(SCENARIO_COLUMNS, [{"scenario_id": 0, "trigger_rate": 1.0, **UNSURE_LOSS}]),
        make_frame(
            MEMBER_COLUMNS,
            [{"scenario_id": 0, **each, "role": ROLES.index(each["role"])} for each in members],
        ),
    )
    items = make_frame(ITEM_COLUMNS, rows)
    scores, detail = score_in_detail(
        items,
        make_frame(IMPACT_COLUMNS, impacts),
        make_frame(PRICE_COLUMNS, []),
        policy,
        attribute(scenarios),
    )
    given = add_uncertainty(items, scores, detail, policy, attribute(scenarios))
    candidates = candidates_of(*({"item_id": row["item_id"]} for row in rows))
    for name in ("state", "roi", "promotes", "own_benefit", "repair_cost", "certainty"):
        candidates[name] = given[name]
    candidates = candidates.assign(**flags)
    doubts = Doubts(items, scores, detail, policy)
    found = promote(candidates, policy, None, scenarios, doubts)
    return [REASONS[code] for code in found["reason"]]


def test_the_guard_asks_how_certain_the_marginal_roi_is_not_that_of_the_shapley_share():
    # Even the lowest loss is 3.1 times the first repair; half of it, its share, is not.
    assert decide_with_doubts([gate(0), gate(1)], 6_400.0, 320_000.0) == ["above", "below"]
    # 0.5 of the highest loss is still left once the first is promoted: certainly not enough.
    halves = [gate(0, effectiveness=0.5), gate(1)]
    assert decide_with_doubts(halves, 2_900.0, 6_000.0) == ["above", "uncertain"]
    assert decide_with_doubts(halves, 320_000.0, 6_000.0) == ["below", "above"]


def test_the_guard_counts_what_a_member_costs_by_itself():
    own = [{"item_id": 1, "kind": 7, "unit_price": 14_000.0}]
    halves = [gate(n, effectiveness=0.5) for n in (0, 1)]
    # 14,000 for certain, and at least 5,000 of the loss: 3.2 times 6,000.
    assert decide_with_doubts(halves, 2_400.0, 6_000.0, impacts=own) == ["above", "above"]


def test_the_guard_takes_a_bundle_as_one():
    group = [alternative(0), alternative(1)]
    assert decide_with_doubts(group, 2_000.0, 4_000.0) == ["bundle", "bundle"]
    assert decide_with_doubts(group, 4_000.0, 7_000.0)[0] not in ("bundle", "above")
    unguarded = Policy.from_payload(DEFAULT_PAYLOAD)
    assert decide_with_doubts(group, 4_000.0, 7_000.0, policy=unguarded) == ["bundle", "bundle"]


def test_the_guard_takes_the_doubts_about_all_of_a_bundle():
    """Both repairs may take twice as long: each alone would be certain enough, not both."""
    wide = {"effort_low": 2.0, "effort_likely": 3.0, "effort_high": 8.0}
    items = make_frame(ITEM_COLUMNS, [{"item_id": n, "day_rate": 1000.0, **wide} for n in (0, 1)])
    group = scenarios_of((26_500.0, [alternative(0), alternative(1)]))
    found = {}
    for asked in (0.8, 0.9):
        policy = Policy.from_payload({**DEFAULT_PAYLOAD, "min_confidence": asked})
        scores, detail = score_in_detail(
            items, make_frame(IMPACT_COLUMNS, []), make_frame(PRICE_COLUMNS, []), policy
        )
        candidates = candidates_of({"item_id": 0}, {"item_id": 1})
        candidates = candidates.assign(own_benefit=0.0, repair_cost=scores["repair_cost"])
        doubts = Doubts(items, scores, detail, policy)
        decided = promote(candidates, policy, None, group, doubts)
        found[asked] = [REASONS[code] for code in decided["reason"]]
    chance = joint_certainty(items, scores, detail, policy, np.array([[26_500.0] * 3])).chance
    assert 0.8 < chance < 0.9
    assert found == {0.8: ["bundle"] * 2, 0.9: ["uncertain"] * 2}


def test_of_two_entries_that_fell_the_lower_one_goes_and_the_other_is_worth_it_again():
    gates = scenarios_of((1000.0, [gate(n, effectiveness=0.8) for n in (0, 1)]))
    # Given the other, they return 0.53 and 1.6; alone, 2.7 and 8.
    items = candidates_of({"repair_cost": 300.0, "entered": True}, {"entered": True})
    assert decide(items, scenarios=gates) == ([1], ["fell", "above"])


def test_an_entry_comes_back_over_the_lower_bar_once_the_other_has_gone():
    gates = scenarios_of((270.0, [gate(0), gate(1)]))
    # Both save nothing given the other: 1 goes first, then 0 as well, and 1 returns 2.7.
    items = candidates_of({"repair_cost": 400.0, "entered": True}, {"entered": True})
    assert decide(items, scenarios=gates) == ([1], ["fell", "kept"])
    assert decide(items.assign(entered=False), scenarios=gates)[0] == []


def test_a_pinned_member_joins_as_soon_as_what_it_needs_is_promoted():
    gates = scenarios_of((1000.0, [gate(0), gate(1)]))
    pinned = candidates_of({"pinned": True}, {})
    assert decide(pinned, needs_of((0, 1)), gates) == ([0, 1], ["pinned", "needed"])


def test_a_scenario_whose_loss_nobody_knows_takes_nothing_from_what_is_known():
    items = candidates_of({"own_benefit": 400.0}, {"own_benefit": NAN, "state": 1})
    found = decide(items, scenarios=scenarios_of((None, [gate(0), gate(1)])))
    assert found == ([0], ["above", "unpriced"])


def test_what_is_started_waits_for_nothing_and_holds_up_nobody():
    items = candidates_of({"own_benefit": 900.0}, {"started": True}, {"own_benefit": 1.0})
    assert decide(items, needs_of((0, 1), (1, 2))) == ([0, 1], ["above", "started", "below"])


def test_a_circle_that_goes_out_leaves_its_place_to_the_others_of_its_scenario():
    gates = scenarios_of((1000.0, [gate(0), gate(2)]))
    # 0 is the first of two equal ones, but needs what is not worth it.
    found = decide(candidates_of({}, {}, {}), needs_of((0, 1), (1, 0)), gates)
    assert found == ([2], ["below", "below", "above"])


def test_the_last_alternative_is_worth_the_whole_group_once_the_others_are_started():
    rows = [{"started": n > 0, "repair_cost": 6000.0} for n in range(3)]
    found = decide(
        candidates_of(*rows), scenarios=scenarios_of((19000.0, [alternative(n) for n in range(3)]))
    )
    assert found == ([0, 1, 2], ["above", "started", "started"])


def test_a_member_that_needs_one_of_its_own_scenario_waits_for_it():
    items = candidates_of({"repair_cost": 10.0}, {})
    both = scenarios_of((1000.0, [gate(0, effectiveness=0.5), gate(1, effectiveness=0.5)]))
    assert decide(items, scenarios=both)[0] == [0]
    # 1 must come first: 500 / 100 is above 3, and then 0 returns 250 / 10.
    assert decide(items, needs_of((0, 1)), both)[0] == [0, 1]


def test_an_exact_threshold_is_not_passed_by_rounding_in_a_scenario():
    # 0.1 x 3 x 10 is 3.0000000000000004 in floats.
    members = [gate(0, effectiveness=0.3), {"role": "amplifier", "item_id": 5, "probability": 0.1}]
    items = candidates_of({"repair_cost": 1.0})
    assert decide(items, scenarios=scenarios_of((100.0, members)))[0] == []
    assert decide(items, scenarios=scenarios_of((100.0000001, members)))[0] == [0]


@pytest.mark.parametrize("third", range(1, 200, 7))
def test_an_exact_threshold_of_thirds_is_not_passed_by_rounding_either(third):
    # A PERT mean is a sixth of something: no number of digits holds it.
    items = candidates_of({"own_benefit": third / 3, "repair_cost": third / 9})
    worthless = scenarios_of((0.0, [gate(0)]))
    assert decide(items, scenarios=worthless) == ([], ["below"])
    policy = Policy.from_payload({**DEFAULT_PAYLOAD, "demote_below": 3.0})
    items = items.assign(entered=True)
    assert decide(items, scenarios=worthless, policy=policy) == ([0], ["kept"])


# A slow reference: the rules as they are written, with sets and whole losses.

item = st.fixed_dictionaries(
    {"own_benefit": st.sampled_from([NAN, 0.0, 120.0, 270.0, 310.0, 800.0])},
    optional={
        "repair_cost": st.sampled_from([50.0, 100.0, 400.0]),
        "entered": st.booleans(),
        "started": st.sampled_from([False, False, True]),
        "vetoed": st.sampled_from([False, False, False, True]),
        "teamless": st.sampled_from([False, False, False, True]),
        "pinned": st.sampled_from([False, False, False, True]),
    },
)
role = st.sampled_from(["gate", "alternative", "alternative", "amplifier"])


@st.composite
def portfolios(draw):
    rows = draw(st.lists(item, min_size=1, max_size=9))
    scenarios = []
    for _ in range(draw(st.integers(0, 2))):
        chosen = draw(st.lists(st.integers(0, len(rows)), unique=True, max_size=7))
        members = [
            {
                "item_id": n,
                "role": draw(role),
                "group": draw(st.integers(1, 2)),
                "probability": draw(st.sampled_from([0.1, 0.5])),
                "effectiveness": draw(st.sampled_from([0.5, 1.0])),
            }
            for n in chosen
        ]
        scenarios.append((draw(st.sampled_from([500.0, 2000.0])), members))
    size = len(rows) - 1
    pairs = draw(st.lists(st.tuples(st.integers(0, size), st.integers(0, size)), max_size=6))
    return rows, scenarios, [(high, low) for high, low in pairs if high > low]


def plain_losses(scenarios, done):
    total = 0.0
    for loss, members in scenarios:
        spared = {}
        for each in members:
            x = 1 - each["effectiveness"] if each["item_id"] in done else 1.0
            chance = each["probability"] if each["role"] == "amplifier" else 1.0
            key = {"gate": each["item_id"], "alternative": each["group"], "amplifier": 0}
            factor = (each["role"], key[each["role"]])
            spared[factor] = spared.get(factor, 1.0) * (1 - chance * x)
        total += loss * math.prod(1 - value for value in spared.values())
    return total


# As far from the bars as rounding puts what is exactly there.
ABOVE, BELOW = 3 + 1e-9, 2.5 - 1e-9


def plain_promote(rows, scenarios, pairs):
    rows = [{"repair_cost": 100.0, **row} for row in rows]
    members = {each["item_id"] for _, part in scenarios for each in part}
    flag = lambda name: {n for n, row in enumerate(rows) if row.get(name)}  # noqa: E731
    started, entered, pinned = flag("started"), flag("entered"), flag("pinned")
    eligible = set(range(len(rows))) - flag("vetoed") - flag("teamless") - started
    groups = {
        (number, each["group"]): {
            m["item_id"] for m in part if (m["role"], m["group"]) == ("alternative", each["group"])
        }
        for number, (_, part) in enumerate(scenarios)
        for each in part
        if each["role"] == "alternative"
    }

    def saving(moving, chosen):
        done = (chosen | started) - moving
        own = sum(x for n in moving if (x := rows[n]["own_benefit"]) == x)
        saved = plain_losses(scenarios, done) - plain_losses(scenarios, done | moving)
        return own + saved

    def roi(moving, chosen):
        if not moving & members and math.isnan(rows[min(moving)]["own_benefit"]):
            return NAN
        return saving(moving, chosen) / sum(rows[n]["repair_cost"] for n in moving)

    def supported(chosen):
        while True:
            kept = {n for n in chosen if all(b in chosen | started for a, b in pairs if a == n)}
            if kept == chosen:
                return kept
            chosen = kept

    def are_needed(leaving, chosen):
        """Whether what stays needs one of these; what fell outside of scenarios does not stay."""
        fell = {n for n in chosen - members - pinned if not roi({n}, chosen) > BELOW}
        reached = (chosen | started) - fell - leaving
        while more := {b for a, b in pairs if a in reached and b in chosen} - reached:
            reached = reached | more
        return bool(leaving & reached)

    chosen = supported(
        {n for n in eligible if n in entered | pinned}
        | {n for n in eligible - members if roi({n}, set()) > ABOVE}
    )
    while True:
        low = [
            (round(value, 9) if (value := roi({n}, chosen)) == value else -math.inf, -n)
            for n in (chosen - pinned) & members
            if not roi({n}, chosen) > BELOW and not are_needed({n}, chosen)
        ]
        if low:
            chosen = chosen - {-min(low)[1]}
            continue
        leaving = None
        for _, group in sorted(groups.items()):
            whole = (group & chosen) - pinned
            falls = group <= chosen | started and len(whole) > 1 and roi(whole, chosen) < BELOW
            if falls and not are_needed(whole, chosen):
                leaving = whole
                break
        if leaving:
            chosen = chosen - leaving
            continue
        steps = []
        outside = eligible - chosen
        free = {n for n in outside if all(b in chosen | started for a, b in pairs if a == n)}
        for n in free:
            value = roi({n}, chosen)
            # What is in no scenario is decided already, and joins as soon as nothing blocks it.
            if n in pinned or (n not in members and (n in entered or value > ABOVE)):
                value = math.inf
            if value > ABOVE or (n in entered and value > BELOW):
                steps.append((round(-value, 9), 0, n, {n}))
        for group in groups.values():
            joining = group - chosen - started
            if len(joining) > 1 and joining <= free and roi(joining, chosen) > ABOVE:
                steps.append((round(-roi(joining, chosen), 9), 1, min(joining), joining))
        if not steps:
            break
        chosen = chosen | min(steps, key=lambda step: step[:3])[3]
    # Outside of scenarios the order does not matter: what fell goes once nothing needs it.
    while True:
        fallen = {
            n
            for n in chosen - pinned - members
            if not roi({n}, chosen) > BELOW and not are_needed({n}, chosen)
        }
        if not fallen:
            return chosen | started
        chosen = chosen - fallen


@given(portfolios())
@settings(max_examples=400, deadline=None)
def test_promotion_equals_the_rules_applied_one_by_one(portfolio):
    rows, scenarios, pairs = portfolio
    items = candidates_of(*rows).assign(state=0)
    found = decide(items, needs_of(*pairs), scenarios_of(*scenarios))[0]
    assert set(found) == plain_promote(rows, scenarios, pairs)


@given(portfolios())
@settings(max_examples=200, deadline=None)
def test_a_second_run_on_the_same_input_moves_nothing(portfolio):
    rows, scenarios, pairs = portfolio
    items = candidates_of(*rows)
    needs, coupled = needs_of(*pairs), scenarios_of(*scenarios)
    first = promote(items, POLICY, needs, coupled)
    again = items.assign(entered=first["promoted"] & ~items["started"])
    second = promote(again, POLICY, needs, coupled)
    assert second["promoted"].tolist() == first["promoted"].tolist()
    stays = first["promoted"]
    pd.testing.assert_frame_equal(second[stays], first[stays])


def test_a_million_items_in_no_scenario_are_decided_in_one_sweep():
    rng = np.random.default_rng(5)
    count = 1_000_000
    roi = rng.exponential(2.5, count)
    items = pd.DataFrame(
        {
            "item_id": np.arange(count),
            "state": np.zeros(count, dtype="int8"),
            "roi": roi,
            "promotes": roi > 3,
            "own_benefit": roi * 100,
            "repair_cost": 100.0,
            "certainty": NAN,
            **dict.fromkeys(
                ("vetoed", "accepted", "teamless", "pinned", "entered", "started"), False
            ),
        }
    )
    needs = pd.DataFrame(rng.integers(0, count, (1000, 2)), columns=["item_id", "needs_id"])
    found = promote(items, POLICY, needs)
    assert (roi[found["promoted"]] > 3).all()
    assert (roi > 3).sum() - found["promoted"].sum() == (
        found["reason"] == REASONS.index("blocked")
    ).sum()
