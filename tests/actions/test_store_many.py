"""Thousands of items in one call: what is stored, replaced, kept, refused; nothing in halves."""

import json
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from debtreg.actions import backlog, debt
from debtreg.actions.debt import AmountTooLarge, NotValid, store_many
from debtreg.models import AuditEntry, BacklogEntry, DebtImpact, DebtItem, Score, ScoreChange
from tests import portfolio
from tests.factories import (
    DebtItemFactory,
    GuaranteeFactory,
    IterationFactory,
    PriceFactory,
    ServiceFactory,
    TeamFactory,
    stated,
    toil,
)
from tests.threads import until_blocked

NONE = pd.DataFrame()


@pytest.fixture
def team(db):
    PriceFactory(price=200)
    return TeamFactory(day_rate=1600)


def impacts_of(*rows):
    """(position, columns of an impact), ... as a frame."""
    return pd.DataFrame([{"position": position, **columns} for position, columns in rows])


def keys(*pks):
    return pd.array(pks, dtype="Int64")


def test_new_and_known_items_go_together(team):
    known = DebtItemFactory(
        title="known", service=None, team=team, owner="olga", impacts=[toil(1), stated(5)]
    )
    items = pd.DataFrame(
        {
            "pk": keys(None, known.pk, None),
            "title": ["first", "renamed", "third"],
            "effort_low": [1.0, 2.0, np.nan],
            "effort_likely": [1.0, 2.0, np.nan],
            "effort_high": [1.0, 2.0, np.nan],
            "team_id": pd.array([team.pk, team.pk, None], dtype="Int64"),
        }
    )
    impacts = impacts_of((1, toil(16)), (0, stated(1600)), (0, stated(3200)))
    stored = store_many(items=items, impacts=impacts, by=None)
    assert (stored.created, stored.updated, stored.pks[1]) == (2, 1, known.pk)
    first, second, third = (DebtItem.objects.get(pk=pk) for pk in stored.pks)
    assert (first.title, first.effort_likely, first.team) == ("first", 1, team)
    assert (second.title, second.owner, second.revision) == ("renamed", "olga", 2)
    assert (third.effort_likely, third.team, third.status) == (None, None, "open")
    assert (third.tags, third.cash, third.pinned, third.revision) == ([], 0, False, 1)
    assert [impact.kind for impact in second.impacts.all()] == ["toil"]
    rois = dict(Score.objects.values_list("item_id", "roi"))
    assert rois == {first.pk: 3.0, second.pk: 1.0, third.pk: None}
    audited = AuditEntry.objects.get(action="debt.bulk")
    assert audited.new == {"created": [first.key, third.key], "updated": [second.key]}


def test_every_kind_of_value_arrives_as_it_was_sent(team):
    texts = ["标题 “quoted”", "tab\tnew\nline\\back", "\\N", "é\U0001f600", "'; --", ","]
    items = pd.DataFrame(
        {
            "title": texts,
            "description": [text * 50 for text in texts],
            "tags": [json.dumps([text, 1], ensure_ascii=False) for text in texts],
            "cash": [Decimal("0.01"), Decimal("999999999999.99"), 12.5, 7, None, np.nan],
            "effort_low": [0.1, 1e6, 0, 1e-5, None, np.nan],
            "created_on": [date(2026, 2, 28), None, date(1999, 12, 31), None, None, None],
            "due_on": pd.to_datetime(["2026-07-01", None, None, None, None, None]),
            "external_ref": ["a/ü/1", None, None, None, None, "x"],
            "confidence": ["high", None, "low", "", "medium", None],
        },
        index=[9, 9, 4, 2, 0, -1],
    )
    stored = store_many(items=items, impacts=NONE, by=None)
    found = [DebtItem.objects.get(pk=pk) for pk in stored.pks]
    assert [item.title for item in found] == texts
    assert [item.description for item in found] == [text * 50 for text in texts]
    assert [item.tags for item in found] == [[text, 1] for text in texts]
    cash = ["0.01", "999999999999.99", "12.50", "7.00", "0.00", "0.00"]
    assert [str(item.cash) for item in found] == cash
    assert [item.effort_low for item in found] == [0.1, 1e6, 0, 1e-5, None, None]
    assert [item.created_on for item in found[:3]] == [date(2026, 2, 28), None, date(1999, 12, 31)]
    assert [item.due_on for item in found[:2]] == [date(2026, 7, 1), None]
    assert [item.external_ref for item in found[:2]] == ["a/ü/1", None]
    assert [item.confidence for item in found] == ["high", "", "low", "", "medium", ""]
    assert DebtItem.objects.filter(due_on=date(2026, 7, 1)).count() == 1


def test_what_a_known_item_is_given_as_unknown_takes_its_default(team):
    known = DebtItemFactory(cash=5, tags=["a"], owner="olga", due_on=date(2026, 1, 1))
    items = pd.DataFrame(
        {
            "pk": keys(known.pk),
            "cash": [None],
            "tags": [None],
            "owner": [None],
            "due_on": [None],
            "effort_low": [np.nan],
        }
    )
    store_many(items=items, impacts=NONE, by=None)
    item = DebtItem.objects.get(pk=known.pk)
    assert (item.cash, item.tags, item.owner, item.due_on) == (0, [], "", None)
    assert item.effort_low is None


def test_impacts_arrive_with_all_their_columns(team):
    guarantee = GuaranteeFactory(weight=2)
    impacts = impacts_of(
        (
            0,
            {
                **portfolio.impact("errors", frequency=10.5, share=0.25, magnitude=1.0),
                "unit_price_likely": Decimal("0.0000000001"),
                "effectiveness": 0.5,
                "guarantee_id": guarantee.pk,
                "currency": "EUR",
                "grade": "measured",
                "note": "gemessen: “≈”",
            },
        ),
        (0, {"kind": "toil"}),
    )
    stored = store_many(items=pd.DataFrame({"title": ["x"]}), impacts=impacts, by=None)
    full, bare = DebtImpact.objects.filter(item=stored.pks[0])
    assert (full.frequency_low, full.share_high, full.magnitude_likely) == (10.5, 0.25, 1.0)
    assert (full.unit_price_low, full.unit_price_likely) == (None, Decimal("0.0000000001"))
    assert (full.effectiveness, full.guarantee, full.currency) == (0.5, guarantee, "EUR")
    assert (full.grade, full.note) == ("measured", "gemessen: “≈”")
    assert (bare.effectiveness, bare.guarantee, bare.currency) == (1.0, None, "")
    assert (bare.grade, bare.note, bare.frequency_low) == ("estimated", "", None)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({}, ["toil 9"]),
        ({"replaced": []}, ["toil 1", "stated", "toil 9"]),
        ({"replaced_kinds": ["stated"]}, ["toil 1", "toil 9"]),
    ],
)
def test_impacts_make_way_as_they_are_told_to(team, options, left):
    known, other = (
        DebtItemFactory(impacts=[toil(1), stated(5)]),
        DebtItemFactory(impacts=[toil(3)]),
    )
    items = pd.DataFrame({"pk": keys(known.pk), "title": ["known"]})
    store_many(items=items, impacts=impacts_of((0, toil(9))), by=None, **options)
    names = [
        f"{impact.kind} {impact.frequency_likely:g}" if impact.kind == "toil" else impact.kind
        for impact in known.impacts.all()
    ]
    assert names == left
    assert other.impacts.count() == 1


def test_scores_are_those_of_a_run_and_history_says_why(run, team):
    known = DebtItemFactory(service=None, team=team, impacts=[toil(72)])
    run()
    items = pd.DataFrame(
        {
            "pk": keys(known.pk, None),
            "title": ["known", "new"],
            "team_id": [team.pk, team.pk],
            "effort_likely": [3.0, 3.0],
        }
    )
    impacts = impacts_of((0, toil(144)), (1, toil(36)))
    stored = store_many(items=items, impacts=impacts, by=None)
    assert dict(Score.objects.values_list("item_id", "roi")) == dict(
        zip(stored.pks, [6.0, 1.5], strict=True)
    )
    change = ScoreChange.objects.get()
    assert (change.item, change.cause, change.old_roi, change.new_roi) == (known, "input", 3.0, 6.0)
    before = portfolio.rows()
    assert run().changed == 0
    assert portfolio.rows() == before


def test_keys_go_on_after_what_was_stored(team):
    first = DebtItemFactory()
    stored = store_many(items=pd.DataFrame({"title": ["a", "b"]}), impacts=NONE, by=None)
    assert stored.pks == sorted(stored.pks)
    assert stored.pks[0] > first.pk
    last = debt.create(fields={"title": "c"}, by=None)
    assert last.pk > stored.pks[1]
    # Also where the last ones are gone again.
    DebtItem.objects.filter(pk=last.pk).delete()
    assert store_many(items=pd.DataFrame({"title": ["d"]}), impacts=NONE, by=None).pks[0] > last.pk


def test_nothing_is_nothing(db):
    stored = store_many(items=pd.DataFrame({"title": []}), impacts=NONE, by=None)
    assert (stored.pks, stored.created, stored.updated) == ([], 0, 0)


def test_only_known_items(team):
    pks = [DebtItemFactory().pk for _ in range(3)]
    items = pd.DataFrame({"pk": keys(*reversed(pks)), "title": ["c", "b", "a"]})
    stored = store_many(items=items, impacts=NONE, by=None)
    assert (stored.pks, stored.created, stored.updated) == ([*reversed(pks)], 0, 3)
    assert [item.title for item in DebtItem.objects.order_by("pk")] == ["a", "b", "c"]


# --- Refusals -------------------------------------------------------------------------------------


def refused(items, impacts=NONE, error=NotValid):
    """The error; and nothing of the call is stored."""
    before = list(DebtItem.objects.values_list()), list(DebtImpact.objects.values_list())
    scores = portfolio.rows()
    with pytest.raises(error) as raised:
        store_many(items=items, impacts=impacts, by=None)
    after = list(DebtItem.objects.values_list()), list(DebtImpact.objects.values_list())
    assert (after, portfolio.rows()) == (before, scores)
    return raised.value


@pytest.mark.parametrize(
    "columns",
    [
        {"title": ["ok", ""]},
        {"status": ["open", "lost"]},
        {"effort_low": [1, -1]},
        {"effort_low": [1, np.inf]},
        {"effort_unit": ["hour", "weeks"]},
        {"cash": [1, 1e13]},
        {"external_ref": ["same", "same"]},
        {"external_ref": ["new", "taken"]},
        {"service_id": pd.array([None, 999_999], dtype="Int64")},
        {"team_id": pd.array([999_999, None], dtype="Int64")},
    ],
)
def test_one_wrong_row_and_none_is_stored(team, columns):
    known = DebtItemFactory(external_ref="taken", impacts=[toil(1)])
    items = pd.DataFrame({"title": ["a", "b"], **columns})
    error = refused(items)
    assert "none" in error.message
    assert error.http_status == 400
    also = DebtItemFactory(external_ref="free", impacts=[toil(2)])
    if "external_ref" not in columns:
        refused(items.assign(pk=keys(known.pk, also.pk)), impacts_of((0, toil(5))))


@pytest.mark.parametrize(
    "impact",
    [
        toil(-1),
        {"kind": "luck"},
        toil(1, share_likely=2.0),
        toil(1, effectiveness=-1.0),
        toil(1, grade="guessed"),
        toil(1, unit_price_likely=np.inf),
        toil(1, guarantee_id=999_999),
    ],
)
def test_one_wrong_impact_and_none_is_stored(team, impact):
    known = DebtItemFactory(impacts=[toil(1)])
    items = pd.DataFrame({"pk": keys(None, known.pk), "title": ["a", "b"]})
    refused(items, impacts_of((0, toil(1)), (1, impact)))


@pytest.mark.postgres_only
@pytest.mark.parametrize("columns", [{"title": "x" * 201}, {"title": "a\x00b"}])
def test_what_the_database_cannot_hold_is_refused(team, columns):
    refused(pd.DataFrame([{"title": "ok"}, columns]))


def test_a_slip_of_units_names_its_rows(team):
    items = pd.DataFrame({"title": list("abc"), "team_id": [team.pk] * 3})
    impacts = impacts_of((0, toil(1)), (1, toil(1e14)), (2, toil(1e15)))
    error = refused(items, impacts, AmountTooLarge)
    assert error.message.startswith("2 of the debts would cost more than 1000000000000000 a year")
    assert "row 2" in error.message
    assert error.rows == [1, 2]
    assert list(error.fields) == ["items[1]", "items[2]"]


# --- What follows ---------------------------------------------------------------------------------


def test_the_backlog_follows(team):
    other = TeamFactory()
    sprint = IterationFactory(team=team, capacity_days=90)
    done, moved, doing, same = items = [
        DebtItemFactory(service=None, team=team, impacts=[toil(1)]) for _ in range(4)
    ]
    for item in items:
        backlog.promote(pk=item.pk, iteration_id=sprint.pk, by=None)
    frame = pd.DataFrame(
        {
            "pk": keys(done.pk, moved.pk, doing.pk, same.pk),
            "status": ["done", "open", "doing", "open"],
            "team_id": [team.pk, other.pk, team.pk, team.pk],
        }
    )
    store_many(items=frame, impacts=NONE, replaced=[], by=None)
    entries = {entry.item_id: entry for entry in BacklogEntry.objects.all()}
    assert entries[done.pk].state == "done"
    assert (entries[moved.pk].team, entries[moved.pk].state) == (other, "unscheduled")
    assert entries[doing.pk].state == "started"
    assert (entries[same.pk].state, entries[same.pk].iteration) == ("planned", sprint)
    assert Score.objects.get(pk=done.pk).is_open is False


@pytest.mark.postgres_only
def test_two_calls_for_the_same_items_in_another_order_are_no_deadlock(team, start):
    pks = [DebtItemFactory(service=None, team=team, impacts=[toil(1)]).pk for _ in range(40)]

    def store(order, title):
        items = pd.DataFrame({"pk": keys(*order), "title": [title] * len(order)})
        return store_many(items=items, impacts=NONE, replaced=[], by=None)

    futures = [
        start(store, pks if number % 2 else pks[::-1], f"call {number}") for number in range(6)
    ]
    for future in futures:
        assert future.result().updated == 40
    assert DebtItem.objects.values("title").distinct().count() == 1


@pytest.mark.postgres_only
def test_a_call_waits_for_an_edit_and_keeps_it(team, start, hold):
    item = DebtItemFactory(service=None, team=team, impacts=[toil(1)])
    gate = hold(debt.audit, "record")
    edit = start(debt.update, pk=item.pk, fields={"owner": "olga"}, by=None)
    gate.wait_for_arrival()
    frame = pd.DataFrame({"pk": keys(item.pk), "title": ["stored"]})
    call = start(store_many, items=frame, impacts=NONE, by=None)
    until_blocked(call)
    gate.open()
    edit.result()
    call.result()
    after = DebtItem.objects.get(pk=item.pk)
    assert (after.title, after.owner, after.revision) == ("stored", "olga", 3)


def test_a_service_gives_no_team_by_itself(team):
    """Whoever calls has chosen the teams."""
    service = ServiceFactory(team=team)
    frame = pd.DataFrame({"title": ["x"], "service_id": [service.pk]})
    stored = store_many(items=frame, impacts=NONE, by=None)
    assert DebtItem.objects.get(pk=stored.pks[0]).team is None
