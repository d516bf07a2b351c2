"""Scoring the portfolio and single items: the numbers, their history, no change for nothing."""

from decimal import Decimal

import pytest
from django.db import connection

from debtreg import frames
from debtreg.actions import catalog, debt, scores
from debtreg.errors import Conflict, NotFound
from debtreg.models import (
    DebtItem,
    Guarantee,
    Price,
    RankMark,
    Score,
    ScoreChange,
    ScoringRun,
    Service,
    Team,
)
from tests import portfolio
from tests.factories import (
    DebtItemFactory,
    PriceFactory,
    ScoringPolicyFactory,
    ScoringRunFactory,
    stated,
    toil,
)


def versions():
    """Where each row of the scores lies: moves with every write, also with one of equal values."""
    with connection.cursor() as cursor:
        system = "xmin::text, ctid::text" if connection.vendor == "postgresql" else "rowid"
        cursor.execute(f"SELECT item_id, {system} FROM {frames.SCORES}")
        places = {row[0]: row[1:] for row in cursor.fetchall()}
    return places, portfolio.rows(), list(RankMark.objects.values_list())


def history():
    """What was written since: title, cause, and the two ROIs."""
    return [
        (change.item.title, change.cause, change.old_roi, change.new_roi)
        for change in ScoreChange.objects.select_related("item").order_by("pk")
    ]


# --- A run ----------------------------------------------------------------------------------------


def test_a_run_publishes_the_numbers_of_every_rule(run):
    portfolio.build()
    row = run()
    assert portfolio.published() == portfolio.expected()
    assert (row.state, row.items, row.changed, row.error) == ("done", 22, 22, "")
    total = sum(
        Decimal(numbers["annual_cost"])
        for numbers in portfolio.EXPECTED.values()
        if numbers.get("annual_cost")
    )
    of_the_others = Decimal(10_000)  # of `weightless`, which is expected for its benefit
    assert row.annual_cost == total + of_the_others


def test_the_first_score_of_an_item_is_no_change(run):
    portfolio.build()
    run()
    assert history() == []


def test_a_run_on_unchanged_input_writes_no_row(run):
    portfolio.build()
    run()
    before = versions()
    row = run()
    assert versions() == before
    assert history() == []
    assert (row.state, row.items, row.changed) == ("done", 22, 0)


@pytest.mark.parametrize("chunk", [2, 5])
def test_a_run_in_chunks_gives_the_same(run, monkeypatch, chunk):
    """Some of the chunks hold no open item, and one has none with an impact."""
    monkeypatch.setattr(frames, "CHUNK", chunk)
    items = portfolio.build()
    DebtItem.objects.filter(pk__in=[items["in hours"].pk, items["in points"].pk]).update(
        status="done"
    )
    row = run()
    closed = {"in hours", "in points"}
    wanted = {title: row for title, row in portfolio.expected().items() if title not in closed}
    assert portfolio.published() == wanted
    assert row.items == 20
    assert run().changed == 0


def test_a_run_over_nothing_is_done(run):
    assert run().state == "done"
    DebtItemFactory(status="done", impacts=[toil()])
    row = run()
    assert (row.state, row.items, row.changed, row.annual_cost) == ("done", 0, 0, 0)
    assert not Score.objects.exists()


def test_a_run_says_how_long_each_stage_took_and_which_policy_it_used(run):
    portfolio.build()
    row = run()
    assert row.policy_id == 1
    assert row.seconds.keys() >= {"score", "promote", "write"}
    assert (row.done, row.total, row.percent, row.attempts) == (22, 22, 100, 1)
    assert row.started_at <= row.finished_at


# --- One item at once -----------------------------------------------------------------------------


def test_scoring_the_items_one_by_one_gives_what_a_run_gives(run):
    items = portfolio.build()
    run()  # priorities compare with what the last run found the portfolio to cost
    Score.objects.all().delete()
    for item in items.values():
        scores.score_items([item.pk])
    assert portfolio.published() == portfolio.expected()
    before = versions()[1]
    row = run()
    assert row.changed == 0
    assert versions()[1] == before


def test_scoring_one_item_after_a_run_changes_nothing(run):
    items = portfolio.build()
    run()
    # A resolved item has no score yet: runs pass it over.
    scores.score_items([items["resolved"].pk])
    before = versions()
    for item in items.values():
        scores.score_items([item.pk])
    assert versions() == before


def test_scoring_no_item_is_harmless(db):
    assert len(scores.score_items([])) == 0


def test_edits_and_runs_agree_whatever_was_edited(run):
    items = portfolio.build()
    run()
    edits = {
        "in hours": {"effort_likely": 24, "effort_high": 30},
        "in points": {"effort_unit": "hour"},
        "careful": {"confidence": "low", "cash": Decimal("123.45")},
        "nobody's": {"service": Service.objects.get(slug="checkout")},
        "latency": {"service": None},
        "not estimated": {"effort_low": 1, "effort_likely": 1, "effort_high": 1},
        "just above": {"team": Team.objects.get(slug="orders")},
        "at the threshold": {"title": "renamed"},
        "many": {"status": "done"},
        "resolved": {"status": "open"},
        "accepted": {"status": "open"},
    }
    for title, fields in edits.items():
        debt.update(pk=items[title].pk, fields=fields, by=None)
    debt.update(
        pk=items["foreign"].pk,
        fields={},
        impacts=[toil(3), toil(9, currency="USD"), stated(-1), stated(Decimal("0.005"))],
        by=None,
    )
    before = versions()
    row = run()
    assert (row.changed, row.items) == (0, 22)
    assert versions()[:2] == before[:2]


def test_a_resolved_item_keeps_its_score_out_of_the_ranking(run):
    items = portfolio.build()
    run()
    debt.resolve(pk=items["weighted"].pk, by=None)
    score = Score.objects.get(pk=items["weighted"].pk)
    assert (score.is_open, score.roi) == (False, 4.6875)
    run()
    assert not Score.objects.ranked().filter(pk=score.pk).exists()


# --- History and its causes -----------------------------------------------------------------------


def test_an_edit_is_a_change_of_input(run):
    items = portfolio.build()
    run()
    debt.update(pk=items["at the threshold"].pk, fields={}, impacts=[toil(144)], by=None)
    assert history() == [("at the threshold", "input", 3.0, 6.0)]
    run()
    assert len(history()) == 1


def test_what_moves_no_number_is_no_history(run):
    items = portfolio.build()
    run()
    debt.update(pk=items["at the threshold"].pk, fields={"title": "renamed"}, by=None)
    debt.pin(pk=items["many"].pk, pinned=True, by=None)
    run()
    assert history() == []


@pytest.mark.parametrize("edited_before", [False, True])
def test_another_price_is_a_change_of_price(run, edited_before):
    """An edit that moved no number was seen already, and is not to blame for what comes later."""
    items = portfolio.build()
    run()
    if edited_before:
        debt.update(pk=items["in hours"].pk, fields={"title": "renamed"}, by=None)
        run()
    Price.objects.filter(kind="drag").update(low=150, likely=150, high=150)
    run()
    titles = {"renamed" if edited_before else "in hours", "in points", "points unknown"}
    assert {(title, cause) for title, cause, *_ in history()} == {(t, "price") for t in titles}


def test_another_day_rate_is_a_change_of_price(run):
    portfolio.build()
    run()
    Price.objects.filter(kind="day_rate").update(low=1000, likely=1000, high=1000)
    run()
    assert {(title, cause) for title, cause, *_ in history()} == {
        ("nobody's", "price"),
        ("partly unknown", "price"),
        # Unpriced, but its repair is worked out.
        ("traffic unknown", "price"),
    }


def test_other_traffic_is_a_change_of_the_catalog(run):
    portfolio.build()
    run()
    Service.objects.filter(slug="checkout").update(requests_per_year=240e6)
    run()
    assert history() == [("latency", "catalog", 4.05, 8.1)]


def test_another_team_is_a_change_of_the_catalog(run):
    """Also where it has another day rate: the price book says what it said."""
    portfolio.build()
    run()
    service = Service.objects.get(slug="checkout")
    service.team = Team.objects.get(slug="orders")
    catalog.save(obj=service, by=None)
    run()
    assert [(title, cause) for title, cause, *_ in history()] == [("latency", "catalog")]


@pytest.mark.parametrize("how", ["weight", "removal"])
def test_another_weight_is_a_change_of_weight(run, how):
    portfolio.build()
    run()
    heavy = Guarantee.objects.get(weight=Decimal("1.5"))
    if how == "weight":
        heavy.weight = 3
        catalog.save(obj=heavy, by=None)
    else:
        catalog.remove(obj=heavy.contract, by=None)
    run()
    after = 9.375 if how == "weight" else 3.125
    assert history() == [("weighted", "weight", 4.6875, after)]


def test_another_policy_is_a_change_of_policy(run):
    portfolio.build()
    run()
    ScoringPolicyFactory(weights={"latency": 2.0})
    row = run()
    assert history() == [("latency", "policy", 4.05, 8.1)]
    assert (row.policy_id, row.changed) == (2, 22)
    assert set(Score.objects.values_list("policy_version", flat=True)) == {2}
    assert run().changed == 0


def test_history_tells_both_sides(run):
    items = portfolio.build()
    run()
    debt.update(
        pk=items["points unknown"].pk,
        fields={"effort_unit": "person_day"},
        impacts=[toil(65)],
        by=None,
    )
    change = ScoreChange.objects.get()
    assert (change.old_state, change.new_state) == ("needs_estimate", "priced")
    assert (change.old_annual_cost, change.new_annual_cost) == (12_000, 13_000)
    assert (change.old_repair_cost, change.new_repair_cost) == (None, 6_500)
    assert (change.old_roi, change.new_roi, change.policy_version) == (None, 2.0, 1)


# --- Slips of units -------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["price", "day rate", "days per point"])
def test_a_slip_of_units_in_the_catalog_cannot_stop_a_run(run, what):
    """What costs too much then counts as unpriced; the rest of the portfolio is scored."""
    items = portfolio.build()
    slipped = DebtItemFactory(
        service=None,
        team=items["careful"].team,
        effort=1e6,
        effort_unit="story_point" if what == "days per point" else "person_day",
        confidence="low",
        impacts=[toil(1e12)],
    )
    team = Team.objects.filter(pk=slipped.team_id)
    if what == "price":
        Price.objects.filter(kind="toil").update(low=10**12, likely=10**12, high=10**12)
    elif what == "day rate":
        team.update(day_rate=10**9)
    else:
        team.update(days_per_point=999)
    row = run()
    assert (row.state, row.items) == ("done", 23)
    assert scores.explain(pk=slipped.pk)["too_large"] is True
    score = Score.objects.get(pk=slipped.pk)
    assert score.state == "unpriced"
    assert (score.annual_cost, score.repair_cost, score.roi) == (None, None, None)
    assert run().changed == 0


@pytest.mark.parametrize("effort", [5e-324, 1e-310, 1e-290, 1e-12])
def test_a_repair_next_to_nothing_has_no_endless_return(run, effort):
    item = DebtItemFactory(effort=effort, impacts=[stated(10**12)])
    row = run()
    assert row.state == "done"
    score = Score.objects.get(pk=item.pk)
    assert score.roi is None or score.roi < 1e300
    assert score.state in ("priced", "unpriced")
    assert list(Score.objects.ranked()) == [score]
    assert run().changed == 0


# --- Asking for runs ------------------------------------------------------------------------------


def test_asking_twice_gives_the_run_that_waits(db):
    first = scores.request_run(by=None)
    assert scores.request_run(by=None) == first
    assert ScoringRun.objects.count() == 1


def test_a_run_that_works_already_does_not_count_for_what_changes_now(db):
    working = ScoringRunFactory(state="running")
    assert scores.request_run(by=None) != working


def test_a_run_that_is_over_cannot_be_cancelled(db):
    over = ScoringRunFactory(state="done")
    with pytest.raises(Conflict, match=rf"Run {over.pk} is over \(done\)"):
        scores.cancel_run(run_id=over.pk, by=None)
    with pytest.raises(NotFound, match="no scoring run 999"):
        scores.cancel_run(run_id=999, by=None)


def test_a_waiting_run_is_cancelled_and_never_done(db):
    row = scores.request_run(by=None)
    assert scores.cancel_run(run_id=row.pk, by=None).state == "cancelled"
    assert scores.run(row.pk, "test") is False


# --- What-if and why ------------------------------------------------------------------------------


def test_a_preview_saves_nothing_and_says_what_the_job_will_say(db):
    items = portfolio.build()
    scores.score_items([item.pk for item in items.values()])
    before = portfolio.rows()
    for title, item in items.items():
        fields = {
            name: getattr(item, name)
            for name in ("service", "team", "effort_unit", "cash", "confidence")
        } | {name: getattr(item, name) for name in ("effort_low", "effort_likely", "effort_high")}
        impacts = [
            {
                field.name: getattr(impact, field.name)
                for field in impact._meta.concrete_fields
                if field.name not in ("id", "item")
            }
            for impact in item.impacts.all()
        ]
        found = scores.preview(fields=fields, impacts=impacts)
        score = Score.objects.get(pk=item.pk)
        assert found["state"] == score.state, title
        for name in ("annual_cost", "benefit", "weighted_benefit", "repair_cost"):
            number = found[name] and Decimal(found[name])
            assert number == getattr(score, name), (title, name)
        assert (found["roi"] and float(found["roi"])) == score.roi, title
        assert scores.explain(pk=item.pk)["roi"] == found["roi"]
    assert portfolio.rows() == before
    assert DebtItem.objects.count() == len(items)


def test_explaining_an_item_that_is_not_there_is_not_found(db):
    with pytest.raises(NotFound, match="DEBT-999"):
        scores.explain(pk=999)


def test_a_preview_of_nothing_is_unpriced(db):
    PriceFactory()
    found = scores.preview(fields={}, impacts=[])
    assert (found["state"], found["roi"], found["impacts"]) == ("unpriced", None, [])
