"""What is frozen when an item is resolved, on every way there; readings; figures of it all."""

import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest
from django.utils import timezone

from debtreg.actions import backlog, debt, imports, outcomes, scores
from debtreg.actions.outcomes import NoSuchPeriod, ReadingsRefused
from debtreg.api.upsert import upsert
from debtreg.errors import Conflict, NotAllowed, NotFound
from debtreg.models import (
    AuditEntry,
    BacklogEntry,
    DebtItem,
    Outcome,
    OutcomeReading,
    Price,
    Role,
    Score,
)
from tests.factories import (
    DebtItemFactory,
    PriceFactory,
    ScenarioMemberFactory,
    ServiceFactory,
    TeamFactory,
    UserFactory,
    stated,
    toil,
)

TODAY = timezone.localdate


@pytest.fixture
def service(db):
    PriceFactory(price=200)
    return ServiceFactory(team=TeamFactory(day_rate=1600))


@pytest.fixture
def author(service):
    return UserFactory(teams=[service.team])


@pytest.fixture
def item(service, author):
    """Costs 14,400 a year in toil and 3,600 as stated; its repair takes 3 days, or 4,800."""
    return debt.create(
        fields={
            "title": "Retries without backoff",
            "service": service,
            "external_ref": "ref-1",
            **dict.fromkeys(("effort_low", "effort_likely", "effort_high"), 3.0),
        },
        impacts=[toil(72, note="looked for by hand"), stated(3600)],
        by=author,
    )


def only(item):
    return Outcome.objects.valid().get(item=item)


def days_ago(days):
    return TODAY() - timedelta(days=days)


def resolved(item, ago=200):
    """The outcome of an item that was resolved so many days ago."""
    debt.resolve(pk=item.pk, by=None)
    return moved(only(item), ago)


def moved(outcome, ago, promoted=None):
    noon = timezone.make_aware(datetime.combine(days_ago(ago), datetime.min.time())) + timedelta(
        hours=12
    )
    outcome.resolved_at, outcome.due_on = noon, days_ago(ago - 90)
    outcome.promoted_at = noon - timedelta(days=promoted) if promoted is not None else None
    outcome.save()
    return outcome


def reading(side, amount, *, ago, days=73, **values):
    """Of a period that ended so many days ago."""
    return {
        "side": side,
        "starts_on": days_ago(ago + days - 1),
        "ends_on": days_ago(ago),
        "amount": None if amount is None else Decimal(str(amount)),
        "grade": "measured",
        **values,
    }


# --- Freezing -------------------------------------------------------------------------------------


def test_what_was_published_is_frozen_as_it_was(item, service, author):
    backlog.promote(pk=item.pk, by=None)
    promoted_at = BacklogEntry.objects.get().created_at
    Score.objects.filter(pk=item.pk).update(roi_p5=2.5, roi_p95=4.5)

    debt.resolve(pk=item.pk, by=None)

    outcome = only(item)
    assert (outcome.annual_cost, outcome.benefit, outcome.weighted_benefit) == (18_000,) * 3
    assert (outcome.repair_cost, outcome.repair_days, outcome.roi) == (4_800, 3, 3.75)
    assert (outcome.roi_p5, outcome.roi_p95, outcome.day_rate) == (2.5, 4.5, 1600)
    assert (outcome.policy_version, outcome.author, outcome.team) == (1, author, service.team)
    assert (outcome.service, outcome.promoted_at) == (service, promoted_at)
    assert timezone.now() - outcome.resolved_at < timedelta(minutes=5)
    assert outcome.due_on == TODAY() + timedelta(days=90)
    assert [
        (i.number, i.kind, i.note, i.unit_price, i.annual_cost, i.benefit)
        for i in outcome.impacts.all()
    ] == [
        (1, "toil", "looked for by hand", 200, 14_400, 14_400),
        (2, "stated", "", 3_600, 3_600, 3_600),
    ]
    assert (outcome.realised_benefit, outcome.measured_at, outcome.state) == (None, None, "waiting")
    assert BacklogEntry.objects.get().state == "done"


def test_what_changes_later_does_not_reach_it(item):
    outcome = resolved(item)
    Price.objects.update(low=999, likely=999, high=999)
    debt.update(pk=item.pk, fields={"title": "New"}, impacts=[toil(1)], by=None)
    assert Score.objects.get(pk=item.pk).annual_cost == 999
    outcome.refresh_from_db()
    assert outcome.annual_cost == 18_000
    assert [impact.annual_cost for impact in outcome.impacts.all()] == [14_400, 3_600]


def test_the_share_of_failure_scenarios_is_one_more_impact(item):
    # It is the only gate of a scenario that loses 100,000 a year.
    ScenarioMemberFactory(item=item)
    alone = DebtItemFactory(impacts=[])
    ScenarioMemberFactory(item=alone, effectiveness=0.4)
    scores.score_items([item.pk, alone.pk])
    for each in (item, alone):
        debt.resolve(pk=each.pk, by=None)
    assert only(item).benefit == 118_000
    assert list(only(item).impacts.values_list("number", "kind", "annual_cost", "benefit"))[2:] == [
        (3, "scenario", 100_000, 100_000)
    ]
    assert list(only(alone).impacts.values_list("number", "kind", "annual_cost", "benefit")) == [
        (1, "scenario", 100_000, 40_000)
    ]
    outcome = moved(only(alone), 200)
    with pytest.raises(ReadingsRefused, match="Of failure scenarios, enter the amount"):
        add(outcome, impact=1, **reading("before", None, ago=200, frequency=1.0))
    add(outcome, impact=1, **reading("before", 20_000, ago=200))
    assert add(outcome, impact=1, **reading("after", 0, ago=100)).realised_benefit == 100_000


def test_an_item_that_says_nothing_is_frozen_as_unknown(service):
    item = DebtItemFactory(service=None, team=None, effort=None)
    debt.resolve(pk=item.pk, by=None)
    outcome = only(item)
    assert (outcome.annual_cost, outcome.benefit, outcome.repair_cost) == (None, None, None)
    assert (outcome.repair_days, outcome.day_rate, outcome.roi) == (None, None, None)
    assert (outcome.author, outcome.team, outcome.promoted_at) == (None, None, None)
    assert not outcome.impacts.exists()


def test_an_edit_that_resolves_freezes_what_was_predicted_before_it(item):
    debt.update(
        pk=item.pk, fields={"status": "done", "effort_high": 9.0}, impacts=[toil(1)], by=None
    )
    outcome = only(item)
    assert (outcome.benefit, outcome.repair_cost) == (18_000, 4_800)
    assert [impact.benefit for impact in outcome.impacts.all()] == [14_400, 3_600]


def store(item, status, **columns):
    frame = {"pk": pd.array([item.pk], dtype="Int64"), "status": [status]}
    frame |= {name: [value] for name, value in columns.items()}
    debt.store_many(items=pd.DataFrame(frame), impacts=pd.DataFrame(), replaced=[], by=None)


def send(item, status):
    admin = UserFactory(role=Role.ADMIN)
    upsert([{"external_ref": item.external_ref, "status": status}], partial=False, by=admin)


RESOLVE = {
    "resolve": lambda item: debt.resolve(pk=item.pk, by=None),
    "update": lambda item: debt.update(pk=item.pk, fields={"status": "done"}, by=None),
    "store_many": lambda item: store(item, "done"),
    "bulk": lambda item: send(item, "done"),
}
REOPEN = {
    "reopen": lambda item: debt.reopen(pk=item.pk, by=None),
    "accept": lambda item: debt.accept(pk=item.pk, reason="x", by=None),
    "update": lambda item: debt.update(pk=item.pk, fields={"status": "doing"}, by=None),
    "store_many": lambda item: store(item, "open"),
    "bulk": lambda item: send(item, "open"),
}


@pytest.mark.parametrize("way", RESOLVE)
def test_every_way_of_resolving_freezes_once(item, way):
    backlog.promote(pk=item.pk, by=None)
    for _ in range(2):
        RESOLVE[way](item)
    outcome = Outcome.objects.get()
    assert (outcome.benefit, outcome.repair_days) == (18_000, 3)
    assert outcome.promoted_at == BacklogEntry.objects.get().created_at
    assert outcome.impacts.count() == 2


@pytest.mark.parametrize("way", REOPEN)
def test_every_way_of_reopening_marks_it_and_the_next_resolution_gets_its_own(item, way):
    debt.resolve(pk=item.pk, by=None)
    REOPEN[way](item)
    first = Outcome.objects.get()
    assert first.state == "reopened"
    assert not Outcome.objects.valid().exists()
    debt.update(pk=item.pk, fields={"status": "open"}, impacts=[stated(500)], by=None)
    debt.resolve(pk=item.pk, by=None)
    assert only(item).benefit == 500
    first.refresh_from_db()
    assert (first.benefit, first.state) == (18_000, "reopened")


def test_an_item_that_comes_in_resolved_was_never_predicted(service, author):
    debt.create(fields={"title": "a", "service": service, "status": "done"}, by=author)
    upsert([{"title": "b", "status": "done"}], partial=False, by=UserFactory(role=Role.ADMIN))
    assert not Outcome.objects.exists()


def test_thousands_are_frozen_in_as_many_queries_as_ten(service, django_assert_max_num_queries):
    DebtItem.objects.bulk_create(
        [DebtItem(title=f"n {n}", service=service, team=service.team) for n in range(1_500)]
    )
    pks = list(DebtItem.objects.values_list("pk", flat=True))
    for keys in (pks[:10], pks[10:]):
        frame = pd.DataFrame({"pk": pd.array(keys, dtype="Int64"), "status": "done"})
        with django_assert_max_num_queries(48):
            debt.store_many(items=frame, impacts=pd.DataFrame(), replaced=[], by=None)
    assert Outcome.objects.count() == 1_500


def test_a_stated_day_of_the_repair_counts_and_one_to_come_does_not(item, service):
    store(item, "done", closed_on=days_ago(30))
    outcome = only(item)
    assert outcome.resolved_on == days_ago(30)
    assert outcome.due_on == TODAY() + timedelta(days=60)
    other = DebtItemFactory(service=service)
    store(other, "done", closed_on=TODAY() + timedelta(days=9))
    assert only(other).resolved_on == TODAY()


def test_a_call_that_fails_freezes_nothing(item):
    with pytest.raises(debt.NotValid):
        store(item, "done", title="")
    assert not Outcome.objects.exists()


def test_who_logs_a_debt_is_its_author_and_stays_it(item, author, service):
    other = UserFactory(role=Role.ADMIN)
    send(item, "open")
    debt.update(pk=item.pk, fields={"title": "x"}, by=other)
    assert DebtItem.objects.get(pk=item.pk).author == author
    upsert([{"title": "by bulk"}], partial=False, by=other)
    assert DebtItem.objects.get(title="by bulk").author == other
    assert debt.create(fields={"title": "by a job"}, by=None).author is None


# --- Readings -------------------------------------------------------------------------------------


@pytest.fixture
def outcome(item):
    return resolved(item)


def add(outcome, by=None, **values):
    outcomes.add_reading(outcome_id=outcome.pk, values=values, by=by)
    outcome.refresh_from_db()
    return outcome


def test_a_reading_before_and_one_after_make_the_realised_benefit(outcome):
    # 73 days are a fifth of a year.
    add(outcome, **reading("before", 3_400, ago=200))
    assert outcome.realised_benefit is None
    add(outcome, **reading("after", 400, ago=100))
    assert (outcome.cost_before, outcome.cost_after) == (17_000, 2_000)
    assert (outcome.realised_benefit, outcome.is_measured) == (15_000, True)
    assert outcome.state == "measured"
    assert outcome.measured_at is not None
    # Of 18,000 predicted; the repair cost 4,800 as predicted.
    assert outcome.benefit_ratio == pytest.approx(15 / 18)
    assert outcome.realised_roi == pytest.approx(3.125)


def test_impacts_are_read_one_by_one(outcome):
    add(outcome, impact=1, **reading("before", 2_000, ago=200))
    add(outcome, impact=1, **reading("after", 0, ago=100, grade="estimated"))
    assert outcome.realised_benefit is None
    add(outcome, impact=2, **reading("before", 700, ago=200))
    add(outcome, impact=2, **reading("after", 100, ago=100))
    assert (outcome.realised_benefit, outcome.is_measured) == (13_000, False)


def test_factors_are_multiplied_at_the_price_of_the_prediction(outcome):
    Price.objects.update(low=999, likely=999, high=999)
    add(outcome, impact=1, **reading("before", None, ago=200, frequency=12.5))
    stored = OutcomeReading.objects.get()
    assert (stored.amount, stored.unit_price) == (2_500, 200)
    add(outcome, impact=1, **reading("after", None, ago=100, frequency=2.0, unit_price=150.0))
    assert OutcomeReading.objects.get(side="after").amount == 300


def test_what_had_no_price_takes_that_of_the_price_book(service):
    item = DebtItemFactory(service=service, impacts=[{"kind": "errors", "frequency_likely": 5.0}])
    outcome = resolved(item)
    one = reading("before", None, ago=200, frequency=100.0, share=0.5)
    with pytest.raises(ReadingsRefused, match="No price is known for this"):
        add(outcome, impact=1, **one)
    Price.objects.create(kind="errors", low=1, likely=2, high=9)
    # (1 + 4 x 2 + 9) / 6 = 3
    add(outcome, impact=1, **one)
    assert OutcomeReading.objects.get().amount == 150


@pytest.mark.parametrize(
    ("values", "field", "says"),
    [
        ({"starts_on": 6, "ends_on": 1}, "ends_on", "has 6 days: a year can't be told from fewer"),
        ({"starts_on": 1, "ends_on": 20}, "ends_on", "ends before it begins"),
        ({"starts_on": 4_000}, "starts_on", "choose up to ten years"),
        ({"starts_on": 20, "ends_on": -1}, "ends_on", "is not over"),
        ({"side": "before"}, "ends_on", "the time before ends by then"),
        ({"starts_on": 201}, "starts_on", "the time after begins then"),
        ({"amount": Decimal(-1)}, "amount", "between 0 and"),
        ({"amount": Decimal(10) ** 13}, "amount", "between 0 and"),
        ({"amount": None}, "amount", "Of the whole item, enter the amount"),
        ({"frequency": 3.0}, "amount", "not both"),
        ({"impact": 3}, "impact", "had impacts 1 to 2"),
        ({"impact": 2, "amount": None}, "amount", "Of stated yearly cost"),
        ({"impact": 1, "amount": None}, "frequency", "Enter it"),
        ({"impact": 1, "amount": None, "frequency": 1.0, "share": 0.5}, "share", "Toil has none"),
        ({"impact": 1, "amount": None, "frequency": 1e300}, "amount", "check the units"),
        ({"grade": "sure"}, "grade", "not a valid choice"),
        ({"note": "x" * 301}, "note", "300"),
    ],
)
def test_a_reading_that_says_nothing_about_a_year_is_refused_with_the_reason(
    outcome, values, field, says
):
    usual = {"side": "after", "starts_on": 100, "ends_on": 1, "amount": Decimal(5)}
    values = {**usual, "grade": "measured", **values}
    for name in ("starts_on", "ends_on"):
        values[name] = days_ago(values[name])
    with pytest.raises(ReadingsRefused, match=says) as refused:
        add(outcome, **values)
    assert field in refused.value.fields
    assert not OutcomeReading.objects.exists()


def test_days_are_read_once(outcome):
    add(outcome, **reading("after", 10, ago=100, days=30))
    with pytest.raises(ReadingsRefused, match="There is a reading of this from"):
        add(outcome, **reading("after", 10, ago=71, days=30))
    add(outcome, **reading("after", 10, ago=70, days=30))
    # Of an impact, they are other days.
    add(outcome, impact=1, **reading("after", 10, ago=100, days=30))


def test_taking_back_a_reading_takes_back_what_followed(outcome):
    add(outcome, **reading("before", 3_400, ago=200))
    add(outcome, **reading("after", 400, ago=100))
    last = OutcomeReading.objects.get(side="after")
    outcomes.remove_reading(outcome_id=outcome.pk, reading_id=last.pk, by=None)
    outcome.refresh_from_db()
    assert (outcome.realised_benefit, outcome.cost_before, outcome.measured_at) == (None,) * 3
    with pytest.raises(NotFound):
        outcomes.remove_reading(outcome_id=outcome.pk, reading_id=last.pk, by=None)


def test_a_reopened_item_keeps_its_readings_and_takes_no_more(outcome, item):
    add(outcome, **reading("before", 3_400, ago=200))
    debt.reopen(pk=item.pk, by=None)
    with pytest.raises(Conflict, match="was reopened on"):
        add(outcome, **reading("after", 400, ago=100))
    assert OutcomeReading.objects.count() == 1


def test_the_actual_cost_is_days_at_the_rate_of_that_time_and_cash(outcome):
    set_effort = outcomes.set_effort
    found = set_effort(outcome_id=outcome.pk, days=Decimal("4.5"), cash=Decimal(300), by=None)
    assert found.actual_cost == 7_500
    found = set_effort(outcome_id=outcome.pk, days=Decimal(0), cash=None, by=None)
    assert found.actual_cost == 0
    found = set_effort(outcome_id=outcome.pk, days=None, cash=Decimal(300), by=None)
    assert found.actual_cost is None
    Outcome.objects.update(day_rate=None)
    found = set_effort(outcome_id=outcome.pk, days=Decimal(1), cash=None, by=None)
    assert found.actual_cost is None
    with pytest.raises(ReadingsRefused, match="between 0 and 100,000"):
        set_effort(outcome_id=outcome.pk, days=Decimal(-1), cash=None, by=None)


def test_who_enters_what_is_noted(outcome, service):
    sre = UserFactory(role=Role.SRE)
    add(outcome, by=sre, **reading("before", 3_400, ago=200))
    assert OutcomeReading.objects.get().entered_by == sre
    entry = AuditEntry.objects.get(action="outcome.read")
    assert (entry.actor, entry.object_key) == (sre, outcome.item.key)
    assert entry.new["amount"] == "3400"
    outcomes.set_effort(outcome_id=outcome.pk, days=Decimal(2), cash=None, by=sre)
    entry = AuditEntry.objects.get(action="outcome.effort")
    assert entry.new == {"actual_cost": "3200", "actual_days": "2"}


def test_only_the_team_and_sres_enter_readings(outcome, service):
    for user in (UserFactory(), UserFactory(role=Role.DIRECTOR, teams=[service.team])):
        with pytest.raises(NotAllowed, match="enter what a repair has brought"):
            add(outcome, by=user, **reading("before", 1, ago=200))
        with pytest.raises(NotAllowed):
            outcomes.set_effort(outcome_id=outcome.pk, days=None, cash=None, by=user)
        with pytest.raises(NotAllowed):
            outcomes.remove_reading(outcome_id=outcome.pk, reading_id=1, by=user)
    add(outcome, by=UserFactory(teams=[service.team]), **reading("before", 1, ago=200))
    add(outcome, by=UserFactory(role=Role.SRE), **reading("after", 1, ago=100))


def test_many_readings_are_stored_together_or_not_at_all(service, django_assert_max_num_queries):
    both = [resolved(DebtItemFactory(service=service, impacts=[stated(1_000 * n)])) for n in (1, 2)]
    rows = [
        {"outcome_id": outcome.pk, **reading(side, amount, ago=ago)}
        for outcome in both
        for side, amount, ago in (("before", 500, 200), ("after", 100, 100))
    ]
    with pytest.raises(ReadingsRefused, match="1 of 5 readings") as refused:
        outcomes.add_readings(rows=[*rows, rows[0]], by=None)
    assert list(refused.value.fields) == ["readings[4].starts_on"]
    assert not OutcomeReading.objects.exists()
    with django_assert_max_num_queries(16):
        assert outcomes.add_readings(rows=rows, by=None) == 4
    assert [o.realised_benefit for o in Outcome.objects.all()] == [2_000, 2_000]
    with pytest.raises(NotFound):
        outcomes.add_readings(rows=[{**rows[0], "outcome_id": 10**9}], by=None)


# --- The portfolio --------------------------------------------------------------------------------


@pytest.fixture
def past(service):
    """Make an outcome: `past(resolved days ago, predicted, realised, cost, ...)`."""

    def make(ago, predicted, realised, cost=1_000, *, promoted=None, **columns):
        outcome = resolved(DebtItemFactory(service=service), ago)
        moved(outcome, ago, promoted)
        for name, value in {
            "benefit": predicted,
            "weighted_benefit": predicted,
            "realised_benefit": realised,
            "repair_cost": cost,
            **columns,
        }.items():
            setattr(outcome, name, value)
        outcome.save()
        return outcome

    return make


def test_the_return_of_a_period_stands_beside_that_of_the_period_before(past):
    past(10, 3_000, 2_000)
    past(20, 5_000, 4_000, actual_cost=2_000)
    past(30, 7_000, None)
    past(110, 1_000, 3_000, 2_000)
    past(199, 1_000, 1_000, 2_000)
    past(200, 9_000, 9_000, 1)
    found = outcomes.summary(first=days_ago(99), last=days_ago(0))
    assert (found["before_starts_on"], found["before_ends_on"]) == (days_ago(199), days_ago(100))
    assert (found["resolved"], found["measured"]) == (3, 2)
    # (2,000 + 4,000) / (1,000 + 2,000); predicted of the same: 8,000 / 2,000.
    now, before = found["returns"], found["returns_before"]
    assert (now["cases"], now["actual_cases"]) == (2, 1)
    assert (now["realised_roi"], now["predicted_roi"], now["weak"]) == (2, 4, True)
    assert (before["cases"], before["realised_roi"]) == (2, 1)
    assert found["benefit"]["ratio"] == 0.75
    assert (found["benefit"]["cases"], found["effort"]["cases"]) == (2, 1)


def test_nothing_resolved_has_no_figures_but_counts(db):
    found = outcomes.summary()
    assert (found["resolved"], found["measured"], found["due"]) == (0, 0, 0)
    for name in ("benefit", "effort", "returns", "returns_before"):
        figures = found[name]
        assert figures.pop("weak")
        assert {value for count, value in figures.items() if count.endswith("cases")} == {0}
        assert {value for name, value in figures.items() if not name.endswith("cases")} <= {None, 0}
    assert (found["cycle"]["cases"], found["cycle"]["mean_days"]) == (0, None)
    assert found["teams"] == found["authors"] == []
    assert (found["ends_on"] - found["starts_on"]).days == 364


def test_bias_goes_by_author_and_team_and_unknown_ones_are_their_own(past, author, service):
    past(10, 1_000, 500, author=author)
    past(20, 1_000, 1_500, author=author)
    past(30, 1_000, 2_000)
    past(40, 1_000, None, author=UserFactory())
    found = outcomes.summary()
    authors = {row["of"]: row["benefit"] for row in found["authors"]}
    assert authors.keys() == {author, None}
    assert (authors[author]["cases"], authors[author]["ratio"]) == (2, 1)
    assert (authors[None]["cases"], authors[None]["ratio"]) == (1, 2)
    (team,) = found["teams"]
    assert (team["of"], team["resolved"]) == (service.team, 4)
    assert team["benefit"]["ratio"] == pytest.approx(4 / 3)
    assert outcomes.summary(team=TeamFactory())["resolved"] == 0


def test_reopened_ones_count_for_nothing(past):
    outcome = past(10, 1_000, 500, promoted=5)
    outcome.reopened_at = timezone.now()
    outcome.save()
    found = outcomes.summary()
    assert (found["resolved"], found["benefit"]["cases"], found["cycle"]["cases"]) == (0, 0, 0)


def entry(item, ago, closed=None, state="unscheduled"):
    BacklogEntry.objects.create(
        item=item,
        team=item.team,
        state=state,
        policy_version=1,
        created_at=timezone.now() - timedelta(days=ago),
        closed_at=closed and timezone.now() - timedelta(days=closed),
    )


def test_the_time_to_resolved_counts_the_open_ones_as_open(past, service):
    past(10, 1, 1, promoted=10)
    past(20, 1, 1, promoted=30)
    past(5, 1, 1)
    entry(DebtItemFactory(service=service), 60)
    entry(DebtItemFactory(service=service), 20)
    entry(DebtItemFactory(service=service), 90, closed=80, state="withdrawn")
    cycle = outcomes.summary(first=days_ago(364))["cycle"]
    assert (cycle["resolved"], cycle["mean_days"], cycle["median_days"]) == (2, 20, 20)
    assert (cycle["open"], cycle["unpromoted"], cycle["cases"]) == (2, 1, 4)
    assert cycle["mean_age_days"] == pytest.approx(40, abs=0.01)
    assert cycle["oldest_days"] == pytest.approx(60, abs=0.01)
    # Still open after day 10: 3/4; after day 30 with two at risk: 3/8.
    assert cycle["estimated_median_days"] == 30


def test_a_period_that_is_over_sees_what_was_open_then(past, service):
    past(10, 1, 1, promoted=100)
    entry(DebtItem.objects.get(), 110, closed=10, state="done")
    entry(DebtItemFactory(service=service), 90, closed=30, state="withdrawn")
    entry(DebtItemFactory(service=service), 20)
    cycle = outcomes.summary(first=days_ago(200), last=days_ago(50))["cycle"]
    assert (cycle["resolved"], cycle["open"]) == (0, 2)
    # 110 and 90 days ago, until the end of the day 50 days ago.
    assert cycle["mean_age_days"] == pytest.approx(50, abs=1.01)


def test_what_was_repaired_on_a_stated_day_was_not_open_after_it(item):
    entry(item, 100)
    store(item, "done", closed_on=days_ago(50))
    backlog.follow(DebtItem.objects.get())
    cycle = outcomes.summary(first=days_ago(300), last=days_ago(20))["cycle"]
    assert (cycle["resolved"], cycle["open"]) == (1, 0)
    assert cycle["mean_days"] == pytest.approx(50, abs=1.01)


def test_realised_returns_are_held_against_the_predicted_range(past):
    # ROI 2, with a weight of 1.5 as the range has it: 3.
    past(10, 1_000, 2_000, weighted_benefit=1_500, roi_p5=2.5, roi_p95=3.5)
    past(20, 1_000, 2_000, roi_p5=2.5, roi_p95=3.5)
    past(30, 1_000, 2_000)
    assert outcomes.summary()["range"] == {"cases": 2, "within": 1}


def test_what_is_due_is_due_whatever_the_period(past):
    past(300, 1, None)
    past(100, 1, None)
    past(80, 1, None)
    past(100, 1, 1)
    assert outcomes.summary(first=days_ago(9))["due"] == 2


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        (date(2026, 2, 1), date(2026, 1, 1), "ends before it begins"),
        (None, date.max, "and today is"),
        (date.min, None, "before 1970-01-01"),
    ],
)
def test_a_period_that_is_none_is_refused(db, first, last, says):
    with pytest.raises(NoSuchPeriod, match=says):
        outcomes.summary(first=first, last=last)


def test_the_figures_take_as_many_queries_for_many_as_for_few(past, django_assert_max_num_queries):
    past(10, 1_000, 500, author=UserFactory())
    with django_assert_max_num_queries(5):
        outcomes.summary()
    for ago in range(11, 31):
        past(ago, 1_000, 500, author=UserFactory(), promoted=3)
    with django_assert_max_num_queries(5):
        outcomes.summary()


def test_days_begin_where_the_installation_is(past, settings):
    settings.TIME_ZONE = "Asia/Shanghai"
    timezone.get_default_timezone.cache_clear()
    try:
        outcome = past(10, 1, 1)
        # 2026-05-01 00:30 in Shanghai is still April in Greenwich.
        Outcome.objects.filter(pk=outcome.pk).update(
            resolved_at=datetime(2026, 4, 30, 16, 30, tzinfo=UTC)
        )
        may, april = date(2026, 5, 1), date(2026, 4, 30)
        assert outcomes.summary(first=may, last=may)["resolved"] == 1
        assert outcomes.summary(first=april, last=april)["resolved"] == 0
    finally:
        timezone.get_default_timezone.cache_clear()


def imported(text, by):
    """Take in a ledger the way that every ledger goes."""
    job = imports.start(file=io.BytesIO(text.encode()), filename="a.csv", source="Sheet", by=by)
    imports.run(job.pk, "test")
    imports.commit(import_id=job.pk, by=by)
    imports.run(job.pk, "test")
    job.refresh_from_db()
    assert not job.error, job.error


@pytest.mark.parametrize("closed", ["", "2026-03-02"])
def test_a_ledger_that_says_done_freezes_too(transactional_db, closed):
    by = UserFactory(role=Role.SRE)
    head = "id,title,effort (days),annual cost,status,closed\n"
    imported(f"{head}1,Retries,3,9000,open,\n2,Old,1,100,done,2026-01-01\n", by)
    item = DebtItem.objects.get(title="Retries")
    assert item.author == by
    assert not Outcome.objects.exists()
    imported(f"{head}1,Retries,3,12000,done,{closed}\n2,Old,1,100,done,2026-01-01\n", by)
    outcome = Outcome.objects.get()
    assert (outcome.item, outcome.benefit, outcome.author) == (item, 9_000, by)
    assert outcome.resolved_on == (date(2026, 3, 2) if closed else TODAY())
    imported(f"{head}1,Retries,3,12000,in progress,\n2,Old,1,100,done,2026-01-01\n", by)
    assert Outcome.objects.get().state == "reopened"
