import json
from itertools import combinations
from math import factorial, prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring import (
    MEMBER_COLUMNS,
    ROLES,
    SCENARIO_COLUMNS,
    Scenarios,
    ScoringError,
    attribute,
    make_frame,
    marginal_values,
    removal_values,
)

VECTORS = json.loads((Path(__file__).parents[1] / "data/vectors/scenarios.json").read_text())


def scenarios_of(members, loss=1000.0, rate=1.0):
    rows = [
        {"scenario_id": 1, "item_id": n, **member, "role": ROLES.index(member["role"])}
        for n, member in enumerate(members)
    ]
    one = {"scenario_id": 1, "trigger_rate": rate, "loss": loss}
    return Scenarios.of(make_frame(SCENARIO_COLUMNS, [one]), make_frame(MEMBER_COLUMNS, rows))


def plain_loss(members, x, loss=1000.0):
    """The formula as the design writes it, one factor after the other."""
    gates = prod(x[n] for n, m in enumerate(members) if m["role"] == "gate")
    groups = {m["group"] for m in members if m["role"] == "alternative"}
    alive = prod(
        1 - prod(1 - x[n] for n, m in enumerate(members) if m.get("group") == g) for g in groups
    )
    chances = [m["probability"] * x[n] for n, m in enumerate(members) if m["role"] == "amplifier"]
    return loss * gates * alive * (1 - prod(1 - p for p in chances) if chances else 1)


def plain_shapley(members, start):
    """Average the marginal contributions over all coalitions of the open members."""
    players = [n for n, m in enumerate(members) if not m.get("repaired")]
    found = {}
    for player in players:
        others = [n for n in players if n != player]
        total = 0.0
        for size in range(len(players)):
            weight = factorial(size) * factorial(len(others) - size) / factorial(len(players))
            for coalition in combinations(others, size):
                x = [
                    start[n] if n not in players else float(n in coalition)
                    for n in range(len(members))
                ]
                without = plain_loss(members, x)
                x[player] = 1.0
                total += weight * (plain_loss(members, x) - without)
        found[player] = total
    return found


member = st.one_of(
    st.fixed_dictionaries({"role": st.just("gate")}),
    st.fixed_dictionaries({"role": st.just("alternative"), "group": st.integers(1, 3)}),
    st.fixed_dictionaries(
        {"role": st.just("amplifier"), "probability": st.sampled_from([0.0, 0.05, 0.3, 1.0])}
    ),
).flatmap(
    lambda chosen: st.fixed_dictionaries(
        {
            **{name: st.just(cell) for name, cell in chosen.items()},
            "effectiveness": st.sampled_from([0.0, 0.4, 0.8, 1.0]),
            "repaired": st.booleans(),
        }
    )
)


def start_of(members):
    return [1 - m["effectiveness"] if m["repaired"] else 1.0 for m in members]


def test_the_avalanche_vector_holds_to_the_cent():
    case = VECTORS["avalanche"]
    members = [
        {"role": "gate", "effectiveness": float(gate["effectiveness"])} for gate in case["gates"]
    ] + [
        {"role": "amplifier", "probability": float(each["probability"])}
        for each in case["amplifiers"]
    ]
    found = scenarios_of(members, loss=float(case["loss"]), rate=float(case["trigger_rate"]))
    expect = case["expect"]

    assert f"{found.values(found.start())[0]:.2f}" == expect["annual_loss"]
    shares = attribute(found).set_index("item_id")["loss_share_likely"]
    assert f"{shares[0]:.2f}" == expect["shapley"]["K"]
    assert f"{shares[1]:.2f}" == expect["shapley"]["D"]
    assert {f"{share:.2f}" for share in shares[2:]} == {expect["shapley"]["each_amplifier"]}
    alone = removal_values(found).set_index("item_id")
    assert f"{alone['removal'][0]:.2f}" == expect["removal_of_one"]["gate"]
    assert f"{alone['removal'][2]:.2f}" == expect["removal_of_one"]["amplifier"]
    assert f"{alone['saving'][0]:.2f}" == expect["marginal"]["K"]["benefit"]
    then = marginal_values(found, planned=[0]).set_index("item_id")["saving"]
    assert f"{then[1]:.2f}" == expect["marginal"]["then_D"]["benefit"]
    x = found.start()
    x[:2] = 1 - found.effectiveness[:2]
    assert f"{found.values(x)[0]:.2f}" == expect["residual_after_K_and_D"]


def test_the_alternatives_vector_holds():
    case = VECTORS["alternatives"]
    members = [{"role": "alternative", "group": 1} for _ in case["alternatives"]]
    found = scenarios_of(members, loss=float(case["loss"]))
    shares = attribute(found)["loss_share_likely"]
    assert {f"{share:.2f}" for share in shares} == {case["expect"]["shapley"]}
    assert {f"{each:.2f}" for each in removal_values(found)["saving"]} == {"0.00"}
    both_others = marginal_values(found, planned=[1, 2]).set_index("item_id")["saving"]
    assert both_others[0] == 90000.0


@given(st.lists(member, min_size=1, max_size=7))
@settings(max_examples=150, deadline=None)
def test_shapley_shares_equal_the_average_over_all_coalitions(members):
    found = attribute(scenarios_of(members))
    shares = dict(zip(found["item_id"], found["loss_share_likely"], strict=True))
    expected = plain_shapley(members, start_of(members))
    assert shares == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_twelve_members_of_all_roles_equal_the_average_over_all_coalitions():
    members = [
        {"role": "gate", "effectiveness": 0.8},
        {"role": "gate", "effectiveness": 0.5, "repaired": True},
        *({"role": "alternative", "group": 1, "effectiveness": 1.0} for _ in range(3)),
        *({"role": "alternative", "group": 2, "effectiveness": 0.9} for _ in range(2)),
        *({"role": "amplifier", "probability": p / 9, "effectiveness": 1.0} for p in range(1, 6)),
    ]
    assert len(members) == 12
    members = [{"repaired": False, **each} for each in members]
    found = attribute(scenarios_of(members)).set_index("item_id")["loss_share_likely"]
    assert found.to_dict() == pytest.approx(plain_shapley(members, start_of(members)), rel=1e-9)


@given(st.lists(member, min_size=1, max_size=40))
@settings(deadline=None)
def test_shapley_shares_add_up_to_what_the_open_members_cause(members):
    start = start_of(members)
    none_open = [0.0 if not m["repaired"] else x for m, x in zip(members, start, strict=True)]
    caused = plain_loss(members, start) - plain_loss(members, none_open)
    assert attribute(scenarios_of(members))["loss_share_likely"].sum() == pytest.approx(caused)


@given(st.lists(member, min_size=1, max_size=10), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_marginal_value_is_the_loss_before_less_the_loss_after(members, random):
    planned = [n for n in range(len(members)) if random.random() < 0.4]
    found = scenarios_of(members)
    x = start_of(members)
    for n in planned:
        x[n] = 1 - members[n]["effectiveness"]
    savings = marginal_values(found, planned).set_index("item_id")["saving"]
    for n, saving in savings.items():
        before, after = list(x), list(x)
        before[n], after[n] = 1.0, 1 - members[n]["effectiveness"]
        expected = plain_loss(members, before) - plain_loss(members, after)
        assert saving == pytest.approx(expected, abs=1e-9)


def test_a_member_that_adds_nothing_gets_nothing():
    members = [{"role": "gate"}, {"role": "amplifier", "probability": 0.0}]
    members.append({"role": "amplifier", "probability": 0.5})
    shares = attribute(scenarios_of(members)).set_index("item_id")["loss_share_likely"]
    assert shares[1] == 0.0
    assert shares[0] + shares[2] == pytest.approx(500.0)


def test_two_hundred_members_add_up_and_equal_ones_share_equally():
    members = [{"role": "gate"}] * 100 + [{"role": "amplifier", "probability": 0.01}] * 100
    shares = attribute(scenarios_of(members))["loss_share_likely"].to_numpy()
    assert shares.sum() == pytest.approx(1000.0 * (1 - 0.99**100), rel=1e-12)
    assert np.ptp(shares[:100]) == pytest.approx(0, abs=1e-9)
    assert np.ptp(shares[100:]) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("role", ["gate", "alternative"])
def test_two_hundred_of_one_kind_get_a_two_hundredth_each_to_the_cent(role):
    members = [{"role": role, "group": 1}] * 200
    shares = attribute(scenarios_of(members, loss=1e9))["loss_share_likely"]
    assert {f"{share:.2f}" for share in shares} == {"5000000.00"}


@given(st.lists(member, min_size=1, max_size=8), st.sampled_from([0.0, 0.3]))
@settings(deadline=None)
def test_a_null_member_gets_nothing_whatever_the_others_are(members, effectiveness):
    """An amplifier without a chance, and whoever shares a group with one that stays open."""
    group = {"role": "alternative", "group": 9, "effectiveness": 0.0}
    members = [
        *members,
        {"role": "amplifier", "probability": 0.0, "effectiveness": 1.0},
        {**group, "repaired": True},
        {**group, "effectiveness": effectiveness},
    ]
    found = scenarios_of(members)
    shares = attribute(found).set_index("item_id")["loss_share_likely"]
    alone = removal_values(found).set_index("item_id")["removal"]
    for null in (len(members) - 3, len(members) - 1):
        assert shares[null] == pytest.approx(0, abs=1e-9)
        assert alone[null] == pytest.approx(0, abs=1e-9)


def test_no_scenarios_and_no_members_are_no_error():
    nothing = Scenarios.of(make_frame(SCENARIO_COLUMNS, []), make_frame(MEMBER_COLUMNS, []))
    assert len(attribute(nothing)) == len(removal_values(nothing)) == 0
    assert len(attribute(scenarios_of([]))) == 0
    assert len(attribute(scenarios_of([{"role": "gate", "repaired": True}]))) == 0


def test_scenarios_of_different_sizes_do_not_touch_each_other():
    rng = np.random.default_rng(3)
    scenarios, members = [], []
    for number, size in enumerate((1, 9, 2, 33, 4)):
        scenarios.append({"scenario_id": number, "trigger_rate": 1.0, "loss": 1000.0})
        roles = rng.integers(0, 3, size)
        members += [
            {
                "scenario_id": number,
                "item_id": n,
                "role": int(role),
                "group": int(rng.integers(1, 3)),
                "probability": float(rng.random()),
            }
            for n, role in enumerate(roles)
        ]
    table = make_frame(MEMBER_COLUMNS, members).sample(frac=1, random_state=1)
    together = attribute(Scenarios.of(make_frame(SCENARIO_COLUMNS, scenarios), table))
    for one in scenarios:
        own = table[table["scenario_id"] == one["scenario_id"]]
        alone = attribute(Scenarios.of(make_frame(SCENARIO_COLUMNS, [one]), own))
        part = together[together["scenario_id"] == one["scenario_id"]]
        assert part["item_id"].tolist() == alone["item_id"].tolist()
        expected = pytest.approx(alone["loss_share_likely"].tolist(), rel=1e-12, abs=1e-12)
        assert part["loss_share_likely"].tolist() == expected


def test_an_uncertain_loss_is_shared_point_by_point_and_counts_by_its_pert_mean():
    gate = {"scenario_id": 1, "item_id": 5, "role": 0}
    loss = {"loss_low": 100.0, "loss_likely": 200.0, "loss_high": 900.0}
    found = Scenarios.of(
        make_frame(SCENARIO_COLUMNS, [{"scenario_id": 1, "trigger_rate": 3.0, **loss}]),
        make_frame(MEMBER_COLUMNS, [gate, {**gate, "item_id": 6}]),
    )
    points = [f"loss_share_{point}" for point in ("low", "likely", "high")]
    assert attribute(found)[points].to_numpy() == pytest.approx(
        np.array([[150.0, 300.0, 1350.0]] * 2)
    )
    assert found.values(found.start()).tolist() == [900.0]
    assert removal_values(found)["removal"].tolist() == [900.0, 900.0]


def test_a_repair_removes_all_of_its_debt_unless_an_effectiveness_says_less():
    members = [{"role": "gate", "effectiveness": np.nan}, {"role": "gate", "effectiveness": 0.4}]
    assert removal_values(scenarios_of(members))["saving"].tolist() == [1000.0, 400.0]
    assert marginal_values(scenarios_of(members), [0])["saving"].tolist() == [1000.0, 0.0]


def test_a_repaired_member_has_no_share_and_nothing_to_save():
    members = [{"role": "gate"}, {"role": "gate", "repaired": True, "effectiveness": 0.4}]
    found = scenarios_of(members)
    assert attribute(found)[["item_id", "loss_share_likely"]].values.tolist() == [[0, 600.0]]
    assert removal_values(found)[["item_id", "removal"]].values.tolist() == [[0, 600.0]]


def test_a_scenario_that_comes_twice_is_refused():
    one = {"scenario_id": 4, "trigger_rate": 1.0, "loss": 1.0}
    with pytest.raises(ScoringError, match="scenario_id 4 comes twice"):
        Scenarios.of(make_frame(SCENARIO_COLUMNS, [one, one]), make_frame(MEMBER_COLUMNS, []))


def test_an_unknown_loss_leaves_the_shares_unknown():
    found = scenarios_of([{"role": "gate"}], loss=None)
    assert attribute(found)["loss_share_likely"].isna().all()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([{"role": "amplifier"}], "probability of an amplifier is missing in row 0"),
        ([{"role": "gate"}, {"role": "gate", "item_id": 0}], "item_id is twice in a scenario"),
        ([{"role": "gate", "scenario_id": 5}], "scenario_id is of no scenario in row 0"),
    ],
)
def test_a_member_that_makes_no_sense_is_refused(members, message):
    with pytest.raises(ScoringError, match=message):
        scenarios_of(members)
