"""Deciding the same about many debts, and taking it back."""

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from debtreg.actions import debt, decisions, scores
from debtreg.actions.decisions import Decision
from debtreg.errors import DebtregError, NotFound
from debtreg.models import AuditEntry, BacklogEntry, DebtItem, DebtStatus, EntryState, Role
from tests.factories import (
    BacklogEntryFactory,
    DebtItemFactory,
    IterationFactory,
    PriceFactory,
    TeamFactory,
    UserFactory,
    toil,
)

TOMORROW = timezone.localdate() + timedelta(days=1)


@pytest.fixture
def items(db):
    PriceFactory(price=200)
    team = TeamFactory()
    found = [
        DebtItemFactory(service=None, team=team, effort=1, impacts=[toil(10)]) for _ in range(3)
    ]
    scores.score_items([item.pk for item in found])
    return found


@pytest.fixture
def owner(items):
    return UserFactory(username="owner", role=Role.PRODUCT_OWNER, teams=[items[0].team])


def decide(items, decision, by, **others):
    pks = [item.pk for item in items]
    return decisions.decide(pks=pks, decision=decision, by=by, **others)


def kept(items):
    rows = DebtItem.objects.in_bulk([item.pk for item in items]).values()
    names = decisions._COLUMNS
    return [tuple(getattr(row, name) for name in names) for row in rows]


@pytest.mark.parametrize(
    ("decision", "others", "columns"),
    [
        (Decision.PIN, {}, {"pinned": True}),
        (
            Decision.VETO,
            {"reason": " Moves away ", "until": TOMORROW},
            {"veto_reason": "Moves away", "veto_until": TOMORROW},
        ),
        (
            Decision.ACCEPT,
            {"reason": "Too late"},
            {"status": DebtStatus.ACCEPTED, "accept_reason": "Too late"},
        ),
    ],
)
def test_one_decision_about_many_is_that_about_each_and_can_be_taken_back(
    items, owner, decision, others, columns
):
    before = kept(items)

    decided = decide(items, decision, owner, **others)

    assert [item.pk for item in decided.changed] == [item.pk for item in items]
    assert DebtItem.objects.filter(**columns).count() == 3
    one = DebtItemFactory(service=None, team=items[0].team)
    alone = {"pin": lambda: debt.pin(pk=one.pk, pinned=True, by=owner)}.get(
        decision, lambda: getattr(debt, decision)(pk=one.pk, **others, by=owner)
    )()
    assert kept([alone])[0] == kept(items)[0]
    assert set(AuditEntry.objects.filter(action=f"debt.{decision}").values_list("object_key")) == {
        (item.key,) for item in [*items, one]
    }

    taken_back = decisions.undo(entries=decided.entries, by=owner)

    assert len(taken_back.changed) == 3
    assert kept(items) == before


def test_pinned_debts_are_in_the_backlog_at_once_and_vetoed_ones_leave_it(items, owner):
    decide(items, Decision.PIN, owner)
    assert BacklogEntry.objects.active().count() == 3

    decided = decide(items[:2], Decision.VETO, owner, reason="Not now")
    assert BacklogEntry.objects.active().get().item == items[2]

    decisions.undo(entries=decided.entries, by=owner)
    assert BacklogEntry.objects.active().count() == 3


def test_undoing_a_veto_puts_debts_back_where_they_were_if_there_is_room(items, owner):
    sprint = IterationFactory(team=items[0].team, capacity_days=2)
    started, planned, crowded = (
        BacklogEntryFactory(
            item=item, team=item.team, iteration=sprint, repair_days=1, state=EntryState.PLANNED
        )
        for item in items
    )
    DebtItem.objects.filter(pk=items[0].pk).update(status=DebtStatus.DOING)
    decided = decide(items, Decision.VETO, owner, reason="Not now")
    assert not BacklogEntry.objects.active().exists()

    decisions.undo(entries=decided.entries, by=owner)

    found = {entry.pk: entry for entry in BacklogEntry.objects.active()}
    assert found[started.pk].state == EntryState.STARTED
    assert (found[planned.pk].state, found[planned.pk].iteration) == (EntryState.PLANNED, sprint)
    assert found[crowded.pk].state == EntryState.UNSCHEDULED
    assert {entry.closed_at for entry in found.values()} == {None}


def test_what_left_the_backlog_before_is_not_brought_back(items, owner):
    BacklogEntryFactory(
        item=items[0],
        team=items[0].team,
        state=EntryState.WITHDRAWN,
        closed_at=timezone.now() - timedelta(minutes=1),
    )
    decided = decide(items, Decision.VETO, owner, reason="Not now")
    decisions.undo(entries=decided.entries, by=owner)
    assert not BacklogEntry.objects.active().exists()


def test_what_is_so_already_or_may_not_be_decided_is_left(items, owner):
    others = DebtItemFactory(service=None, team=TeamFactory())
    nobodys = DebtItemFactory(service=None, team=None)
    debt.resolve(pk=items[0].pk, by=None)
    debt.accept(pk=items[1].pk, reason="No", by=None)

    decided = decide([*items, others, nobodys], Decision.PIN, owner)

    assert decided.changed == [items[2]]
    assert decided.left == {
        items[0].key: "It is resolved.",
        items[1].key: "It is accepted.",
        others.key: "It is another team's.",
        nobodys.key: "It belongs to no team, so there is no backlog for it.",
    }
    assert decide(items[2:], Decision.PIN, owner).changed == []


def test_what_was_changed_since_is_not_put_back(items, owner):
    decided = decide(items, Decision.VETO, owner, reason="Not now")
    debt.veto(pk=items[0].pk, reason="Another reason", by=owner)

    taken_back = decisions.undo(entries=decided.entries, by=owner)

    assert taken_back.left == {items[0].key: "It has been changed since."}
    assert [row[2] for row in kept(items)] == ["Another reason", "", ""]
    with pytest.raises(NotFound, match="nothing to take back"):
        decisions.undo(entries=[*decided.entries[1:], 10**9], by=UserFactory())


def test_undoing_an_undo_is_no_way_round(items, owner):
    first = decide(items, Decision.PIN, owner)
    back = decisions.undo(entries=first.entries, by=owner)
    with pytest.raises(NotFound):
        decisions.undo(entries=back.entries, by=owner)


@pytest.mark.parametrize(
    ("pks", "others", "said"),
    [
        ([], {}, "0 debts are chosen"),
        (range(1, 202), {}, "201 debts are chosen; one decision takes 1 to 200"),
        ([1], {"reason": "  "}, "needs a reason"),
        ([1], {"reason": "x", "until": date(2020, 1, 1)}, "2020-01-01 is over"),
    ],
)
def test_what_can_not_be_decided_changes_nothing(items, owner, pks, others, said):
    with pytest.raises(DebtregError, match=said):
        decisions.decide(pks=pks, decision=Decision.VETO, by=owner, **others)
    assert not AuditEntry.objects.exists()


def test_a_key_that_is_gone_is_passed_over(items, owner):
    decided = decisions.decide(pks=[items[0].pk, 10**15], decision=Decision.PIN, by=owner)
    assert decided.changed == [items[0]]


def test_vetoing_many_takes_as_many_queries_as_vetoing_few(items, owner):
    def queries(count):
        chosen = [DebtItemFactory(service=None, team=items[0].team) for _ in range(count)]
        with CaptureQueriesContext(
            connection,
        ) as captured:
            decide(chosen, Decision.VETO, owner, reason="Not now")
        return len(captured)

    queries(1)
    assert queries(40) == queries(4)
