"""Logging, editing and deciding on single debts: rules, repeats, races."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from debtreg.actions import debt
from debtreg.actions.debt import AmountTooLarge, ItemChanged, NotValid
from debtreg.errors import Conflict, NotFound
from debtreg.models import (
    AuditEntry,
    DebtImpact,
    DebtItem,
    Prerequisite,
    Score,
    ScoreChange,
)
from tests.factories import (
    DebtItemFactory,
    GuaranteeFactory,
    PriceFactory,
    ServiceFactory,
    TeamFactory,
    stated,
    toil,
)
from tests.threads import until_blocked


@pytest.fixture
def service(db):
    PriceFactory(price=200)
    return ServiceFactory(team=TeamFactory(day_rate=1600))


@pytest.fixture
def item(service):
    return debt.create(
        fields={"title": "Retries without backoff", "service": service, **three(3)},
        impacts=[toil(72)],
        by=None,
    )


def three(effort):
    return {"effort_low": effort, "effort_likely": effort, "effort_high": effort}


def fresh(item):
    return DebtItem.objects.get(pk=item.pk)


# --- Logging and editing --------------------------------------------------------------------------


def test_a_new_debt_goes_to_its_services_team_and_is_scored_at_once(item, service):
    assert (item.team, item.revision, item.status) == (service.team, 1, "open")
    assert Score.objects.get(pk=item.pk).roi == 3.0
    assert not ScoreChange.objects.exists()


@pytest.mark.parametrize(
    ("fields", "impacts", "said"),
    [
        (
            {"effort_low": 5, "effort_likely": 1},
            [],
            {"__all__": ["Effort: low ≤ likely ≤ high."]},
        ),
        (
            {"effort_low": -1, "effort_high": -2, "effort_likely": -1},
            [],
            {
                "__all__": [
                    "Repair effort lies between 0 and 1,000,000.",
                    "Effort: low ≤ likely ≤ high.",
                ]
            },
        ),
        (
            {},
            [toil(1), toil(1, effectiveness=1.5)],
            {"impacts[1].__all__": ["Effectiveness lies between 0 and 1."]},
        ),
    ],
)
def test_every_rule_that_the_database_keeps_is_named_where_it_is_broken(
    item, service, fields, impacts, said
):
    for write in (
        lambda: debt.create(fields={"title": "x", **fields}, impacts=impacts, by=None),
        lambda: debt.update(pk=item.pk, fields=fields, impacts=impacts, by=None),
    ):
        with pytest.raises(NotValid) as refused:
            write()
        assert refused.value.fields == said
    assert DebtItem.objects.get().revision == 1
    assert DebtImpact.objects.get().frequency_likely == 72


def test_a_team_that_is_named_is_kept(service):
    other = TeamFactory()
    item = debt.create(fields={"title": "x", "service": service, "team": other}, by=None)
    assert item.team == other


def test_an_item_follows_the_service_it_is_moved_to(item, service):
    other = ServiceFactory()
    assert debt.update(pk=item.pk, fields={"service": other}, by=None).team == other.team
    named = debt.update(pk=item.pk, fields={"service": service, "team": other.team}, by=None)
    assert named.team == other.team
    assert Score.objects.get(pk=item.pk).team_id == other.team_id
    assert Score.objects.get(pk=item.pk).service_id == service.pk


def test_an_edit_changes_what_it_names_and_nothing_else(item):
    debt.update(pk=item.pk, fields={"title": "标题", "tags": ["a", "ü"]}, by=None)
    after = fresh(item)
    assert (after.title, after.tags, after.revision) == ("标题", ["a", "ü"], 2)
    assert after.updated_at > item.updated_at
    assert after.impacts.count() == 1
    assert after.effort_likely == 3


def test_impacts_are_replaced_as_a_whole_or_left_alone(item):
    old = item.impacts.get().pk
    debt.update(pk=item.pk, fields={}, by=None)
    assert item.impacts.get().pk == old
    debt.update(pk=item.pk, fields={}, impacts=[stated(7), toil(1)], by=None)
    assert [impact.kind for impact in item.impacts.all()] == ["stated", "toil"]
    debt.update(pk=item.pk, fields={}, impacts=[], by=None)
    assert not DebtImpact.objects.exists()
    assert Score.objects.get(pk=item.pk).state == "unpriced"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"status": "lost"}, "status"),
        ({"effort_low": 9, "effort_likely": 3, "effort_high": 3}, "__all__"),
        (three(-1), "__all__"),
        (three(1e7), "__all__"),
        (three(float("inf")), "__all__"),
        ({"effort_unit": "weeks"}, "effort_unit"),
        ({"cash": Decimal("-1")}, "cash"),
        ({"cash": Decimal("1.005")}, "cash"),
        ({"confidence": "sure"}, "confidence"),
        ({"external_ref": "x" * 301}, "external_ref"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name(item, fields, field):
    with pytest.raises(NotValid) as error:
        debt.update(pk=item.pk, fields=fields, by=None)
    assert field in error.value.fields
    assert error.value.http_status == 400
    assert fresh(item).revision == 1


@pytest.mark.parametrize(
    "impact",
    [
        {"kind": "luck"},
        toil(-1),
        toil(1e16),
        toil(1, effectiveness=1.5),
        toil(1, share_likely=2),
        toil(1, unit_price_likely=Decimal(-1)),
        toil(1, grade="guessed"),
        {"kind": "toil", "frequency_low": 3, "frequency_likely": 1},
    ],
)
def test_a_wrong_impact_is_refused_with_its_place(item, impact):
    with pytest.raises(NotValid) as error:
        debt.update(pk=item.pk, fields={}, impacts=[toil(1), impact], by=None)
    assert all(name.startswith("impacts[1].") for name in error.value.fields)
    assert [each.frequency_likely for each in item.impacts.all()] == [72]


def test_a_reference_belongs_to_one_item(item):
    debt.update(pk=item.pk, fields={"external_ref": "JIRA-1"}, by=None)
    with pytest.raises(NotValid) as error:
        debt.create(fields={"title": "x", "external_ref": "JIRA-1"}, by=None)
    assert "external_ref" in error.value.fields


def test_a_reference_that_somebody_takes_at_the_same_moment_is_refused(
    transactional_db, start, hold
):
    """Both have looked, and seen that nobody has it."""
    saving = hold(DebtItem, "save")
    first = start(debt.create, fields={"title": "x", "external_ref": "JIRA-1"}, by=None)
    saving.wait_for_arrival()
    if debt.bulk.is_postgres():  # where two may write at once
        debt.create(fields={"title": "y", "external_ref": "JIRA-1"}, by=None)
        saving.open()
        assert isinstance(first.exception(), NotValid)
    saving.open()
    first.exception()
    assert DebtItem.objects.count() == 1


def test_an_edit_on_top_of_somebody_elses_is_refused(item):
    debt.update(pk=item.pk, fields={"title": "mine"}, revision=1, by=None)
    with pytest.raises(
        ItemChanged, match=f"{item.key} has changed .* it is at revision 2, you have 1"
    ) as error:
        debt.update(pk=item.pk, fields={"title": "yours"}, revision=1, by=None)
    assert error.value.http_status == 409
    assert fresh(item).title == "mine"


def test_edits_at_once_follow_each_other(item, transactional_db, start):
    futures = [
        start(debt.update, pk=item.pk, fields={"cash": Decimal(n)}, by=None) for n in range(6)
    ]
    assert sorted(future.result().revision for future in futures) == [2, 3, 4, 5, 6, 7]


def test_a_slip_of_units_is_refused_and_nothing_is_stored(item):
    with pytest.raises(AmountTooLarge, match="more than 1000000000000000") as error:
        debt.update(pk=item.pk, fields={"title": "x"}, impacts=[toil(1e14)], by=None)
    assert "units" in error.value.hint
    with pytest.raises(AmountTooLarge):
        debt.create(
            fields={"title": "x", "team": item.team, **three(1e-300)},
            impacts=[stated(10**12)],
            by=None,
        )
    assert fresh(item).title == "Retries without backoff"
    assert Score.objects.get().roi == 3.0
    assert DebtItem.objects.count() == 1


def test_what_is_not_there_is_not_found(db):
    for act in (
        lambda: debt.update(pk=999, fields={}, by=None),
        lambda: debt.resolve(pk=999, by=None),
    ):
        with pytest.raises(NotFound, match="DEBT-999"):
            act()


# --- Prerequisites --------------------------------------------------------------------------------


def test_what_an_item_needs_is_replaced_as_a_whole(item):
    first, second = DebtItemFactory(), DebtItemFactory()
    debt.update(pk=item.pk, fields={}, needs=[first, second], by=None)
    debt.update(pk=item.pk, fields={}, needs=[second], by=None)
    debt.update(pk=item.pk, fields={}, by=None)
    assert list(item.prerequisites.all()) == [second]
    debt.update(pk=item.pk, fields={}, needs=[], by=None)
    assert not Prerequisite.objects.exists()


def test_an_item_does_not_wait_for_itself(item):
    with pytest.raises(NotValid, match="can't wait for itself"):
        debt.update(pk=item.pk, fields={}, needs=[item], by=None)


# --- Decisions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", [debt.veto, debt.accept])
@pytest.mark.parametrize("reason", ["", "  "])
def test_a_decision_against_an_item_needs_a_reason(item, act, reason):
    with pytest.raises(NotValid) as error:
        act(pk=item.pk, reason=reason, by=None)
    assert error.value.fields == {"reason": ["This field is required."]}
    assert fresh(item).revision == 1


@pytest.mark.parametrize("act", [debt.veto, debt.accept])
def test_a_decision_against_an_item_lasts_until_a_day_to_come(item, act):
    yesterday = timezone.localdate() - timedelta(days=1)
    with pytest.raises(NotValid) as error:
        act(pk=item.pk, reason="x", until=yesterday, by=None)
    assert list(error.value.fields) == ["until"]
    act(pk=item.pk, reason="x", until=timezone.localdate(), by=None)


DECISIONS = {
    "veto": lambda pk: debt.veto(pk=pk, reason=" rewrite ", until=date(2999, 1, 1), by=None),
    "accept": lambda pk: debt.accept(pk=pk, reason=" cheap ", by=None),
    "resolve": lambda pk: debt.resolve(pk=pk, by=None),
    "pin": lambda pk: debt.pin(pk=pk, pinned=True, by=None),
}


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("veto", {"veto_reason": "rewrite", "veto_until": date(2999, 1, 1), "status": "open"}),
        ("accept", {"accept_reason": "cheap", "accept_until": None, "status": "accepted"}),
        ("resolve", {"status": "done"}),
        ("pin", {"pinned": True, "status": "open"}),
    ],
)
def test_a_decision_is_noted_and_a_repeat_changes_nothing(item, name, columns, time_machine):
    DECISIONS[name](item.pk)
    first = fresh(item)
    assert {column: getattr(first, column) for column in columns} == columns
    assert first.revision == 2
    entries = AuditEntry.objects.count()
    time_machine.move_to(timezone.now() + timedelta(days=3))
    DECISIONS[name](item.pk)
    again = fresh(item)
    assert (again.revision, again.closed_on) == (2, first.closed_on)
    assert AuditEntry.objects.count() == entries


def test_resolving_notes_the_day_and_reopening_takes_it_back(item):
    assert debt.resolve(pk=item.pk, by=None).closed_on == timezone.localdate()
    assert Score.objects.get(pk=item.pk).is_open is False
    again = debt.reopen(pk=item.pk, by=None)
    assert (again.status, again.closed_on) == ("open", None)
    assert Score.objects.get(pk=item.pk).is_open is True


def test_reopening_forgets_why_it_was_accepted(item):
    debt.accept(pk=item.pk, reason="cheap", until=date(2999, 1, 1), by=None)
    again = debt.reopen(pk=item.pk, by=None)
    assert (again.status, again.accept_reason, again.accept_until) == ("open", "", None)


def test_resolving_what_was_accepted_forgets_why(item):
    debt.accept(pk=item.pk, reason="cheap", by=None)
    assert debt.resolve(pk=item.pk, by=None).accept_reason == ""


@pytest.mark.parametrize("status", ["open", "doing"])
def test_reopening_what_is_open_changes_nothing(item, status):
    debt.update(pk=item.pk, fields={"status": status}, by=None)
    before = fresh(item).revision
    assert debt.reopen(pk=item.pk, by=None).status == status
    assert fresh(item).revision == before


def test_a_status_that_is_edited_has_the_same_consequences(item):
    done = debt.update(pk=item.pk, fields={"status": "done"}, by=None)
    assert done.closed_on == timezone.localdate()
    again = debt.update(pk=item.pk, fields={"status": "open"}, by=None)
    assert again.closed_on is None
    debt.accept(pk=item.pk, reason="cheap", by=None)
    opened = debt.update(pk=item.pk, fields={"status": "open"}, by=None)
    assert opened.accept_reason == ""


def test_lifting_a_veto_that_is_not_there_is_harmless(item):
    assert debt.lift_veto(pk=item.pk, by=None).revision == 1
    debt.veto(pk=item.pk, reason="x", by=None)
    lifted = debt.lift_veto(pk=item.pk, by=None)
    assert (lifted.veto_reason, lifted.veto_until, lifted.revision) == ("", None, 3)


def test_a_resolved_item_is_not_pinned(item):
    debt.resolve(pk=item.pk, by=None)
    with pytest.raises(Conflict, match="is resolved") as error:
        debt.pin(pk=item.pk, pinned=True, by=None)
    assert error.value.hint == "Reopen it first."


@pytest.mark.postgres_only
def test_a_decision_waits_for_an_edit_of_the_item(item, transactional_db, start, hold):
    gate = hold(debt.audit, "record")
    edit = start(debt.update, pk=item.pk, fields={"title": "edited"}, by=None)
    gate.wait_for_arrival()
    veto = start(debt.veto, pk=item.pk, reason="x", by=None)
    until_blocked(veto)
    gate.open()
    edit.result()
    assert veto.result().title == "edited"
    assert fresh(item).revision == 3


def test_a_guarantee_weighs_from_the_moment_it_is_tied(item):
    debt.update(
        pk=item.pk,
        fields={},
        impacts=[toil(72, guarantee=GuaranteeFactory(weight=Decimal("1.5")))],
        by=None,
    )
    assert Score.objects.get(pk=item.pk).roi == 4.5
