"""What decides about a debt, in one word and one sentence."""

from decimal import Decimal

import pytest

from debtreg.actions import debt, scores
from debtreg.actions.backlog import NotPromotable
from debtreg.models import DebtItem, Prerequisite
from tests.factories import (
    BacklogEntryFactory,
    DebtItemFactory,
    FailureScenarioFactory,
    ScenarioMemberFactory,
    ScoringPolicyFactory,
    stated,
)


def verdict_of(item: DebtItem) -> tuple[str, str]:
    found = scores.explain(pk=item.pk)
    return found["verdict"], found["verdict_reason"]


@pytest.fixture
def pair(db) -> list[DebtItem]:
    """Two alternatives of 6,400 each that lose 36,000 a year while either is open."""
    loss = dict.fromkeys(("loss_low", "loss_likely", "loss_high"), Decimal(36_000))
    scenario = FailureScenarioFactory(**loss)
    items = [DebtItemFactory(effort=4, impacts=[]) for _ in range(2)]
    for item in items:
        ScenarioMemberFactory(scenario=scenario, item=item, role="alternative", group="g")
    scores.score_items([item.pk for item in items])
    return items


def test_what_is_above_is_due_and_then_promoted(db):
    item = DebtItemFactory(effort=1, impacts=[stated(16_000)])
    assert verdict_of(item)[0] == "due"
    BacklogEntryFactory(item=item)
    assert verdict_of(item) == (
        "promoted",
        "Its repair returns ≈ 10 times its cost: above 3, by which it is promoted.",
    )


def test_what_is_just_below_does_not_look_like_the_threshold(db):
    item = DebtItemFactory(effort=2, impacts=[stated(9_593.6, grade="measured")])
    assert verdict_of(item)[1].startswith("Its repair returns 2.998 times its cost: ")


def test_a_bundle_that_is_kept_between_the_bars_stays_and_says_so(pair):
    for item in pair:
        BacklogEntryFactory(item=item)
    found = scores.explain(pk=pair[0].pk)
    assert (found["verdict"], found["promotes"], found["above"]) == ("kept", True, False)
    assert found["verdict_reason"] == (
        f"Pays only together with {pair[1].key}: together their repairs return ≈ 2.8 times their"
        " cost: no longer above 3, but not below 2.5: it stays promoted."
    )


def test_a_partner_without_a_team_is_named(pair):
    DebtItem.objects.filter(pk=pair[1].pk).update(team=None, effort_low=1, effort_likely=1)
    DebtItem.objects.filter(pk=pair[1].pk).update(effort_high=1)
    ScoringPolicyFactory(threshold=2, demote_below=1)
    code, why = verdict_of(pair[0])
    assert code == "partner"
    assert f"{pair[1].key} has no team: give it one" in why


def test_what_is_above_but_not_certain_enough_says_how_certain_it_is(db):
    ScoringPolicyFactory(min_confidence=0.95)
    item = DebtItemFactory(effort_low=1, effort_likely=3, effort_high=8, impacts=[stated(18_000)])
    code, why = verdict_of(item)
    assert code == "uncertain"
    assert "above 3, but uncertain: P(ROI > 3) is 0.6" in why
    assert "the policy asks for 0.95, so it is not promoted" in why


def test_a_bundle_is_as_uncertain_as_the_efforts_of_all_of_it(pair):
    """3.75 times by what is likely, but both repairs may take twice as long."""
    DebtItem.objects.filter(pk__in=[item.pk for item in pair]).update(
        effort_low=2, effort_likely=Decimal("2.5"), effort_high=6
    )
    scores.score_items([item.pk for item in pair])
    alone = scores.explain(pk=pair[0].pk)
    assert alone["above"]
    assert alone["promotes"]
    # Of many draws; with the effort of the other one taken as certain it would be 0.974.
    assert float(alone["decision"]["confidence"]) == pytest.approx(0.933, abs=0.005)
    ScoringPolicyFactory(min_confidence=0.95)
    found = scores.explain(pk=pair[0].pk)
    assert (found["verdict"], found["above"], found["promotes"]) == ("uncertain", True, False)
    assert "together their repairs return" in found["verdict_reason"]


@pytest.mark.parametrize("benefit", [16_000, 1_600])
def test_what_blocks_a_debt_stands_in_its_verdict(db, benefit):
    first = DebtItemFactory(impacts=[])
    item = DebtItemFactory(effort=1, impacts=[stated(benefit)])
    Prerequisite.objects.create(item=item, needs=first)
    code, why = verdict_of(item)
    assert code == ("blocked" if benefit > 10_000 else "below")
    assert f"needs {first.key} first, which is not promoted" in why
    assert scores.explain(pk=item.pk)["promotes"] is False


def test_a_debt_without_a_team_says_what_to_do_and_is_not_pinned(db):
    item = DebtItemFactory(effort=1, service=None, team=None, impacts=[stated(16_000)])
    code, why = verdict_of(item)
    assert code == "no_team"
    assert "It has no team, so there is no backlog to put it in: give it a service" in why
    with pytest.raises(NotPromotable, match="has no team") as refused:
        debt.pin(pk=item.pk, pinned=True, by=None)
    assert "team" in refused.value.hint
