"""What a score rests on: how sure it is, what matters, what to measure, what turns the decision."""

from datetime import date
from decimal import Decimal

import pytest
from django.utils import timezone

from debtreg.actions import debt, scores
from debtreg.models import DebtImpact, FailureScenario, MemberRole
from tests.factories import (
    BacklogEntryFactory,
    DebtItemFactory,
    FailureScenarioFactory,
    GuaranteeFactory,
    PriceFactory,
    ScenarioMemberFactory,
    ServiceFactory,
    TeamFactory,
    stated,
    toil,
)


@pytest.fixture
def item(db):
    """72 hours of toil at 200, repaired in about 3 days of 1,600: an ROI near 3."""
    PriceFactory(price=200)
    return DebtItemFactory(
        effort_low=2, effort_likely=3, effort_high=4, impacts=[toil(90, frequency_low=40)]
    )


def test_an_explanation_names_the_inputs_that_matter_and_what_they_are_of(item):
    found = scores.explain(pk=item.pk)
    assert {each["input"] for each in found["inputs"]} == {"effort", "frequency", "unit_price"}
    by_input = {each["input"]: each for each in found["inputs"]}
    assert by_input["effort"]["elasticity"] == "-1"
    assert by_input["frequency"]["of"] == "toil"
    assert by_input["frequency"]["unit"] == "hours / year"
    assert by_input["frequency"]["impact"] == 0


def test_at_the_turning_value_the_roi_is_the_threshold(item):
    found = scores.explain(pk=item.pk)
    turn = next(each for each in found["turns"] if each["input"] == "effort")
    days = float(turn["turning_value"])
    debt.update(
        pk=item.pk,
        fields={"effort_low": days, "effort_likely": days, "effort_high": days},
        by=None,
    )
    assert float(scores.explain(pk=item.pk)["roi"]) == pytest.approx(3, rel=1e-4)
    assert turn["when"] == ("above" if found["promotes"] else "below")


def test_what_to_measure_next_is_what_could_turn_the_decision(item):
    first = scores.explain(pk=item.pk)["measure_next"][0]
    assert first["input"] in ("effort", "frequency")
    assert Decimal(first["worth"]) > 0
    certain = DebtItemFactory(effort=1.0, impacts=[stated(100_000)])
    assert scores.explain(pk=certain.pk)["measure_next"] == []


def test_the_part_that_is_guessed_is_said(db):
    item = DebtItemFactory(
        effort=1.0, impacts=[stated(300, grade="measured"), stated(100, grade="estimated")]
    )
    assert scores.explain(pk=item.pk)["guessed_share"] == "0.25"


def test_what_is_guessed_counts_the_price_and_the_scenario_by_their_grades(db):
    PriceFactory(price=200, grade="default", source="a guess")
    item = DebtItemFactory(effort=1.0, impacts=[toil(100, grade="measured")])
    found = scores.explain(pk=item.pk)
    (impact,) = found["impacts"]
    assert found["guessed_share"] == "1"
    assert (impact["grade"], impact["worst_grade"]) == ("measured", "default")
    price = impact["factors"]["unit_price"]
    assert (price["grade"], price["said"]) == ("default", "a guess")
    scenario = FailureScenarioFactory(grade="measured", source="the bill of March")
    ScenarioMemberFactory(scenario=scenario, item=item)
    found = scores.explain(pk=item.pk)
    # 20,000 a year at a guessed price beside 100,000 that were measured.
    assert float(found["guessed_share"]) == pytest.approx(1 / 6, rel=1e-3)
    (share,) = found["scenarios"]
    assert (share["grade"], share["source"]) == ("measured", "the bill of March")
    assert share["stated_on"] == timezone.localdate()
    FailureScenario.objects.update(grade="default")
    found = scores.explain(pk=item.pk)
    assert found["guessed_share"] == "1"
    assert found["rough"]
    assert "≈ 100,000 a year" in found["scenarios"][0]["formula"]


@pytest.fixture
def gates(db):
    """Two gates that both cost 48,000 a year by themselves, one of them promoted."""
    scenario = FailureScenarioFactory(
        loss_low=Decimal(20_000), loss_likely=Decimal(48_000), loss_high=Decimal(76_000)
    )
    cheap, dear = (
        ScenarioMemberFactory(
            scenario=scenario, item__effort=days, item__impacts=[], effectiveness=0.9
        ).item
        for days in (4.0, 2.0)
    )
    scores.score_items([cheap.pk, dear.pk])
    return cheap, dear


def test_the_decision_about_a_member_goes_by_what_is_left_to_gain(gates):
    first, second = gates
    alone = scores.explain(pk=first.pk)
    # 0.9 of the loss for 6,400, by its share half of that.
    assert (float(alone["roi"]), float(alone["marginal_roi"])) == (3.375, 6.75)
    assert alone["promotes"]
    assert float(alone["decision"]["roi_p50"]) > float(alone["uncertainty"]["roi_p95"])
    BacklogEntryFactory(item=second, team=second.team)
    found = scores.explain(pk=first.pk)
    assert found["roi"] == alone["roi"]
    assert float(found["marginal_roi"]) == pytest.approx(0.675)
    assert not found["promotes"]
    assert found["decision"]["confidence"] == "0"
    assert float(found["uncertainty"]["confidence"]) > 0.5
    assert {turn["when"] for turn in found["turns"] if turn["input"] == "effort"} == {"below"}
    days = next(turn["turning_value"] for turn in found["turns"] if turn["input"] == "effort")
    assert float(days) == pytest.approx(4 * 0.675 / 3)
    # Its own promotion does not count against it.
    assert scores.explain(pk=second.pk)["promotes"]


@pytest.mark.parametrize("planned", [False, True])
def test_the_decision_about_a_bundle_goes_by_what_it_returns_together(db, planned):
    """48,000 for two times four days at 1,600: 3.75 times their cost."""
    scenario = FailureScenarioFactory(
        loss_low=Decimal(20_000), loss_likely=Decimal(42_000), loss_high=Decimal(100_000)
    )
    team = TeamFactory(day_rate=1600)
    items = [
        ScenarioMemberFactory(
            scenario=scenario,
            role=MemberRole.ALTERNATIVE,
            group="copies",
            item=DebtItemFactory(service=None, team=team, effort=4.0, impacts=[]),
        ).item
        for _ in range(2)
    ]
    scores.score_items([item.pk for item in items])
    if planned:
        for item in items:
            BacklogEntryFactory(item=item, team=team)
    for item, other in zip(items, reversed(items), strict=True):
        found = scores.explain(pk=item.pk)
        assert (found["marginal_roi"], found["promotes"]) == ("3.75", True)
        assert found["bundle"] == [other.key]
        turns = {turn["input"]: float(turn["turning_value"]) for turn in found["turns"]}
        assert turns == {"effort": 6.0, "loss": 38_400.0, "day_rate": 2_000.0}
        assert float(found["decision"]["confidence"]) == pytest.approx(0.709, abs=0.001)


def test_an_item_in_no_scenario_is_decided_by_its_roi(item):
    found = scores.explain(pk=item.pk)
    assert found["marginal_roi"] == found["roi"]
    assert found["decision"] == found["uncertainty"]


def test_an_item_that_nobody_has_priced_rests_on_nothing(db):
    found = scores.explain(pk=DebtItemFactory(impacts=[]).pk)
    assert (found["inputs"], found["turns"], found["measure_next"]) == ([], [], [])
    assert found["guessed_share"] is None
    assert found["uncertainty"]["confidence"] is None


def test_an_estimate_with_a_range_shows_two_digits_and_a_measurement_all(db):
    PriceFactory(price=200, grade="measured")
    rough, exact = (
        DebtItemFactory(impacts=[toil(72, frequency_low=61, grade=grade)])
        for grade in ("estimated", "measured")
    )
    assert "≈ 14,000 a year" in scores.explain(pk=rough.pk)["impacts"][0]["formula"]
    assert "= 14,033.3 a year" in scores.explain(pk=exact.pk)["impacts"][0]["formula"]


def test_a_share_of_a_scenario_is_explained_with_what_it_is_worth_alone_and_now(db):
    scenario = FailureScenarioFactory(name="Outage")
    first, second = (
        ScenarioMemberFactory(
            scenario=scenario, item__effort=1.0, item__impacts=[], role=MemberRole.GATE
        ).item
        for _ in range(2)
    )
    scores.score_items([first.pk, second.pk])
    found = scores.explain(pk=first.pk)
    (share,) = found["scenarios"]
    assert share["name"] == "Outage"
    assert (share["loss_per_year"], share["cost_per_year"]) == ("100000.00", "50000.00")
    assert (share["removal_value"], share["open_members"]) == ("100000.00", 2)
    assert "50 % of 100,000 a year" in share["formula"]
    assert found["inputs"][0]["of"] in ("", "Outage")
    # Half of the loss is its share; all of it is what its repair saves as things are.
    assert float(found["marginal_roi"]) == pytest.approx(2 * float(found["roi"]))


def test_an_impact_that_is_said_again_keeps_its_age(db):
    item = DebtItemFactory(impacts=[stated(300), stated(100)])
    DebtImpact.objects.filter(item=item).update(stated_on=date(2024, 1, 31))
    debt.update(
        pk=item.pk,
        fields={},
        impacts=[
            {"kind": "stated", **dict.fromkeys(POINTS, Decimal(amount))} for amount in (300, 101)
        ],
        by=None,
    )
    found = [part["stated_on"] for part in scores.explain(pk=item.pk)["impacts"]]
    assert found[0] == date(2024, 1, 31)
    assert found[1] > found[0]


POINTS = ("unit_price_low", "unit_price_likely", "unit_price_high")


def test_an_error_budget_that_is_eaten_makes_a_p0_and_says_why(transactional_db, run):
    service = ServiceFactory()
    promise = GuaranteeFactory(metric="availability", target_text="≥99.99%", provider=service)
    PriceFactory(kind="downtime", price=10)
    item = DebtItemFactory(
        service=service,
        effort=1.0,
        impacts=[
            {
                "kind": "downtime",
                "guarantee": promise,
                **{f"frequency_{p}": 2 for p in ("low", "likely", "high")},
                **{f"share_{p}": 1 for p in ("low", "likely", "high")},
                **{f"magnitude_{p}": 13.14 for p in ("low", "likely", "high")},
            }
        ],
    )
    DebtItemFactory(impacts=[stated(10**9)])
    run()
    found = scores.explain(pk=item.pk)
    assert float(found["budget_share"]) == pytest.approx(0.5)
    assert found["priority"] == "P0"
    assert "error budget" in found["priority_reason"]
