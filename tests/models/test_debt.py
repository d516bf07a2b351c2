"""Keys, words for the state of things, and the searches of debts."""

from datetime import date

import pytest

from debtreg.models import DebtItem, pk_of
from tests.factories import DebtItemFactory


@pytest.mark.parametrize(
    ("key", "pk"),
    [
        ("DEBT-12", 12),
        ("debt-12", 12),
        ("12", 12),
        ("DEBT-", None),
        ("DEBT-1x", None),
        ("DEBT--1", None),
        ("DEBT-DEBT-1", None),
        ("DEBT-１２", None),
        ("DEBT-²", None),
        ("DEBT-" + "9" * 18, int("9" * 18)),
        ("DEBT-" + "9" * 19, None),
        ("", None),
        ("DEBT-1\n", None),
    ],
)
def test_a_key_is_a_number_with_a_prefix_or_nothing(key, pk):
    assert pk_of(key) == pk


@pytest.mark.parametrize(
    ("fields", "vetoed"),
    [
        ({}, False),
        ({"veto_until": date(2030, 1, 1)}, False),
        ({"veto_reason": "x"}, True),
        ({"veto_reason": "x", "veto_until": date(2026, 6, 30)}, True),
        ({"veto_reason": "x", "veto_until": date(2026, 6, 29)}, False),
    ],
)
def test_a_veto_holds_to_the_end_of_its_last_day(fields, vetoed):
    assert DebtItem(**fields).is_vetoed(date(2026, 6, 30)) is vetoed


@pytest.mark.parametrize(
    ("fields", "accepted"),
    [
        ({"status": "open", "accept_until": date(2030, 1, 1)}, False),
        ({"status": "accepted"}, True),
        ({"status": "accepted", "accept_until": date(2026, 6, 30)}, True),
        ({"status": "accepted", "accept_until": date(2026, 6, 29)}, False),
    ],
)
def test_an_acceptance_holds_to_the_end_of_its_last_day(fields, accepted):
    assert DebtItem(**fields).is_accepted(date(2026, 6, 30)) is accepted


def test_what_is_not_resolved_still_costs_money(db):
    items = {
        status: DebtItemFactory(status=status) for status in ("open", "doing", "accepted", "done")
    }
    assert set(DebtItem.objects.open()) == set(items.values()) - {items["done"]}


def test_a_search_looks_at_titles_and_ledger_ids_in_any_case(db):
    retry = DebtItemFactory(title="Retry STORM 100% _x_")
    other = DebtItemFactory(title="other", ledger_id="TD-7")
    assert list(DebtItem.objects.named("storm")) == [retry]
    assert list(DebtItem.objects.named("td-7")) == [other]
    assert list(DebtItem.objects.named("%")) == [retry]
    assert list(DebtItem.objects.named("_x")) == [retry]
    assert list(DebtItem.objects.named("TD")) == []


def test_details_take_a_fixed_number_of_queries(db, django_assert_num_queries):
    def look():
        for item in DebtItem.objects.with_details():
            assert item.team.name
            assert list(item.impacts.all()) == []

    DebtItemFactory()
    with django_assert_num_queries(2):
        look()
    for _ in range(4):
        DebtItemFactory()
    with django_assert_num_queries(2):
        look()
