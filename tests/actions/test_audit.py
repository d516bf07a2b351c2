"""What an audit entry holds: who, from where, and only what differs."""

from datetime import date
from decimal import Decimal

import pytest
import structlog

from debtreg.actions import audit, debt
from debtreg.models import AuditEntry
from tests.factories import DebtItemFactory, UserFactory


@pytest.fixture
def item(db):
    return DebtItemFactory(service=None, team=None)


def test_only_what_differs_is_kept(item):
    audit.record("x", item, by=None, old={"a": 1, "b": 2, "c": 3}, new={"a": 1, "b": 5, "d": 4})
    entry = AuditEntry.objects.get()
    assert entry.old == {"b": 2, "c": 3, "d": None}
    assert entry.new == {"b": 5, "c": None, "d": 4}


def test_an_entry_says_who_what_and_from_where(item):
    user = UserFactory(username="olga")
    before = audit.channel.set("api")
    try:
        with structlog.contextvars.bound_contextvars(request_id="f" * 90):
            audit.record("debt.veto", item, by=user)
    finally:
        audit.channel.reset(before)
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.actor_name, entry.channel) == (user, "olga", "api")
    assert (entry.action, entry.object_type, entry.object_key) == (
        "debt.veto",
        "debtitem",
        item.key,
    )
    assert entry.request_id == "f" * 64
    user.delete()
    assert AuditEntry.objects.get().actor_name == "olga"


def test_what_a_job_does_has_no_actor(item):
    audit.record("x", "everything", by=None, kind="catalog")
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.actor_name, entry.channel) == (None, "", "job")
    assert (entry.object_type, entry.object_key) == ("catalog", "everything")


def test_an_edit_notes_both_sides_of_what_it_changed(item):
    debt.update(
        pk=item.pk,
        fields={"title": "标题", "cash": Decimal("10.50"), "due_on": date(2026, 7, 1)},
        by=None,
    )
    entry = AuditEntry.objects.get()
    assert entry.action == "debt.update"
    changed = entry.old.keys() - {"updated_at"}
    assert changed == {"title", "cash", "due_on", "revision"}
    assert {name: entry.old[name] for name in changed} == {
        "title": item.title,
        "cash": "0",
        "due_on": None,
        "revision": 1,
    }
    assert {name: entry.new[name] for name in changed} == {
        "title": "标题",
        "cash": "10.5",
        "due_on": "2026-07-01",
        "revision": 2,
    }


def test_what_is_logged_anew_is_noted_whole(db):
    item = debt.create(fields={"title": "new", "effort_likely": 2.5}, by=None)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.old) == ("debt.create", None)
    assert (entry.new["title"], entry.new["effort_likely"]) == ("new", "2.5")
    assert entry.object_key == item.key
