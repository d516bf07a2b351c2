"""What scenarios lose, and what each member is to them, from rows; the numbers to the cent."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection

from debtreg import losses
from debtreg.actions import debt, scenarios, scores
from debtreg.models import DebtItem
from debtreg.numbers import money
from tests.factories import (
    BacklogEntryFactory,
    DebtItemFactory,
    FailureScenarioFactory,
    ScenarioMemberFactory,
    TeamFactory,
    stated,
)

VECTORS = json.loads((Path(__file__).parent / "data/vectors/scenarios.json").read_text())


def scenario_of(case, members):
    """A scenario of a vector; members are columns of ScenarioMember, `debt` those of its item."""
    return scenarios.create(
        fields={
            "name": "of a vector",
            "trigger_rate": float(case["trigger_rate"]),
            **dict.fromkeys(("loss_low", "loss_likely", "loss_high"), Decimal(case["loss"])),
        },
        members=[
            {"item_id": DebtItemFactory(**member.pop("debt")).pk, **member} for member in members
        ],
        by=None,
    )


@pytest.fixture
def avalanche(db):
    case = VECTORS["avalanche"]
    team = TeamFactory(day_rate=Decimal(case["day_rate"]))
    members = []
    for each in (*case["gates"], *case["amplifiers"]):
        own = {"effort": float(each["effort"]), "confidence": "medium", "team": team}
        if "probability" in each:
            part = {"role": "amplifier", "probability": float(each["probability"])}
        else:
            part = {"role": "gate", "effectiveness": float(each["effectiveness"])}
        members.append({"debt": {**own, "service": None}, **part})
    return scenario_of(case, members)


def parts_of(scenario):
    """Its parts in the order of its members."""
    found = losses.of([scenario.pk])[scenario.pk]
    return [found.parts[member.item_id] for member in scenario.members.all()]


def test_the_avalanche_vector_holds_to_the_cent(avalanche):
    expect = VECTORS["avalanche"]["expect"]
    found = losses.of([avalanche.pk])[avalanche.pk]
    gate, degradation, *amplifiers = parts_of(avalanche)

    assert money(found.a_year) == expect["annual_loss"]
    assert money(gate.share) == expect["shapley"]["K"]
    assert money(degradation.share) == expect["shapley"]["D"]
    assert {money(part.share) for part in amplifiers} == {expect["shapley"]["each_amplifier"]}
    assert money(gate.removal_value) == expect["removal_of_one"]["gate"]
    assert {money(each.removal_value) for each in amplifiers} == {
        expect["removal_of_one"]["amplifier"]
    }
    # Nothing is planned yet: given nothing, the repair of the gate saves what it saves alone.
    assert money(gate.marginal_value) == money(gate.saving) == expect["marginal"]["K"]["benefit"]
    assert found.best == degradation
    assert found.open_members == 19
    assert money(gate.repair_cost) == "3680.00"
    assert f"{gate.marginal_roi:.1f}" == expect["marginal"]["K"]["roi"]


def test_what_is_planned_lowers_what_the_others_are_worth(avalanche):
    expect = VECTORS["avalanche"]["expect"]
    first, second = (member.item for member in avalanche.members.all()[:2])
    BacklogEntryFactory(item=first, team=first.team, state="unscheduled")

    gate, degradation, *_ = parts_of(avalanche)

    assert gate.state == "promoted"
    assert money(degradation.marginal_value) == expect["marginal"]["then_D"]["benefit"]
    assert f"{degradation.marginal_roi:.4f}" == expect["marginal"]["then_D"]["roi"]
    assert money(gate.marginal_value) == expect["marginal"]["K"]["benefit"]
    DebtItem.objects.filter(pk=second.pk).update(status="doing")
    found = losses.of([avalanche.pk])[avalanche.pk]
    assert money(found.once_planned) == expect["residual_after_K_and_D"]
    assert money(found.a_year) == expect["annual_loss"]
    assert found.parts[second.pk].state == "started"


def test_the_alternatives_vector_holds(db):
    case = VECTORS["alternatives"]
    found = scenario_of(
        case,
        [
            {"debt": {"effort": 3.75}, "role": "alternative", "group": each["group"]}
            for each in case["alternatives"]
        ],
    )
    parts = parts_of(found)
    assert {money(part.share) for part in parts} == {case["expect"]["shapley"]}
    assert {money(part.removal_value) for part in parts} == {case["expect"]["removal_of_one"]}
    assert {money(part.repair_cost) for part in parts} == {"6000.00"}
    assert losses.of([found.pk])[found.pk].best is None
    for part in parts[:2]:
        BacklogEntryFactory(item_id=part.item_id, team=DebtItem.objects.get(pk=part.item_id).team)
    last = parts_of(found)[2]
    assert (money(last.marginal_value), money(last.removal_value)) == ("90000.00", "0.00")


def test_a_marginal_roi_counts_own_impacts_and_every_scenario(db):
    item = DebtItemFactory(effort=10, impacts=[stated(1000)])
    first, second, third = (
        ScenarioMemberFactory(scenario=FailureScenarioFactory(loss_high=loss), item=item, **more)
        for loss, more in ((100_000, {}), (100_000, {"effectiveness": 0.5}), (None, {}))
    )
    beside = ScenarioMemberFactory(scenario=first.scenario, effectiveness=0.75).item
    scores.score_items([item.pk, beside.pk])
    # 1,000 of its own, all of the first, half of the second; nobody knows what the third loses.
    for scenario in (first.scenario, second.scenario, third.scenario):
        part = losses.of([scenario.pk])[scenario.pk].parts[item.pk]
        assert part.marginal_roi == pytest.approx((1_000 + 100_000 + 50_000) / 16_000)
    BacklogEntryFactory(item=beside, team=beside.team)
    part = losses.of([second.scenario.pk])[second.scenario.pk].parts[item.pk]
    assert part.marginal_roi == pytest.approx((1_000 + 25_000 + 50_000) / 16_000)


def test_a_marginal_roi_of_what_nobody_has_estimated_is_unknown(db):
    member = ScenarioMemberFactory(item=DebtItemFactory(effort=None))
    scores.score_items([member.item_id])
    part = losses.of([member.scenario_id])[member.scenario_id].parts[member.item_id]
    assert (part.marginal_value, part.repair_cost, part.marginal_roi) == (100_000, None, None)


def test_a_repaired_member_has_no_part_any_more(avalanche):
    gate, *_ = (member.item for member in avalanche.members.all())
    debt.resolve(pk=gate.pk, by=None)

    found = losses.of([avalanche.pk])[avalanche.pk]

    assert found.parts[gate.pk] == losses.Part(item_id=gate.pk, state="repaired")
    assert money(found.a_year) == "151376.23"  # a fifth of it stays
    assert found.open_members == 18
    shares = sum(part.share for part in found.parts.values() if part.share)
    assert shares == pytest.approx(found.a_year)


@pytest.mark.parametrize(
    "unknown", [{"trigger_rate": None}, {"loss_high": None}, dict.fromkeys(("loss_likely",))]
)
def test_an_unknown_loss_leaves_its_parts_unknown(db, unknown):
    scenario = FailureScenarioFactory(**unknown)
    item = ScenarioMemberFactory(scenario=scenario).item

    found = losses.of([scenario.pk])[scenario.pk]

    assert (found.a_year, found.once_planned, found.best) == (None, None, None)
    part = found.parts[item.pk]
    assert (part.share, part.removal_value, part.saving, part.marginal_value) == (None,) * 4
    assert part.marginal_roi is None


def test_scenarios_are_read_in_a_fixed_number_of_queries(db, django_assert_num_queries):
    found = [ScenarioMemberFactory().scenario for _ in range(3)]
    queries = 2 if connection.vendor == "postgresql" else 4  # a COPY is not counted
    with django_assert_num_queries(queries):
        assert len(losses.of([found[0].pk])) == 1
    for scenario in found:
        for _ in range(5):
            ScenarioMemberFactory(scenario=scenario)
    with django_assert_num_queries(queries):
        assert len(losses.of(each.pk for each in found)) == 3


def test_nothing_is_asked_of_nothing(db):
    assert losses.of([]) == {}
    assert losses.of([404]) == {}


def test_a_scenario_that_has_lost_its_members_is_still_there(db):
    scenario = FailureScenarioFactory(trigger_rate=2)
    assert losses.of([scenario.pk]) == {scenario.pk: losses.Loss(100_000, 200_000, 200_000)}


def test_a_repair_that_saves_nothing_returns_exactly_nothing(db):
    scenario = FailureScenarioFactory()
    members = [
        ScenarioMemberFactory(
            scenario=scenario,
            role=role,
            group="g" if role == "alternative" else "",
            item__effort=3.7,
            item__impacts=[],
        )
        for role in ("gate", "alternative", "alternative", "alternative")
    ]
    BacklogEntryFactory(item=members[0].item, team=members[0].item.team)
    scores.score_items([member.item_id for member in members])
    parts = parts_of(scenario)
    assert [part.marginal_roi for part in parts if part.state == "open"] == [0.0] * 3


def test_what_pays_only_together_returns_what_it_returns_together(db):
    scenario = FailureScenarioFactory()
    members = [
        ScenarioMemberFactory(
            scenario=scenario, role="alternative", group="g", item__effort=4.0, item__impacts=[]
        )
        for _ in range(2)
    ]
    scores.score_items([member.item_id for member in members])
    # 100,000 for two times four days, while the repair of one saves nothing.
    assert [part.marginal_roi for part in parts_of(scenario)] == [100_000 / 12_800] * 2
    assert [part.marginal_value for part in parts_of(scenario)] == [0.0] * 2
    for member in members:
        BacklogEntryFactory(item=member.item, team=member.item.team)
    assert [part.marginal_roi for part in parts_of(scenario)] == [100_000 / 12_800] * 2
