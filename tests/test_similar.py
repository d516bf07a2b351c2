"""Debts that are the same in other words."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from debtreg import similar
from debtreg.models import DebtStatus
from tests.factories import DebtItemFactory, ServiceFactory

pytestmark = pytest.mark.django_db
TITLES = [
    "Payment callback has no timeout",
    "No time-out on PAYMENT callbacks",
    "Tokens never expire",
    "支付回调没有超时",
    "退款查询全表扫描",
    "TLS 1.0 still allowed",
]


@pytest.fixture
def service():
    service = ServiceFactory()
    for title in TITLES:
        DebtItemFactory(title=title, service=service)
    return service


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("payment callback timeout", TITLES[:2]),
        ("Callback of a payment has no timeout!", TITLES[:1]),
        ("tokens that never expire", ["Tokens never expire"]),
        ("支付回调没有设置超时", ["支付回调没有超时"]),
        ("退款的查询是全表扫描", ["退款查询全表扫描"]),
        ("TLS 1.0 is still allowed", ["TLS 1.0 still allowed"]),
        ("Payment by card is slow", []),
        ("a", []),
        ("", []),
        ("%_\\ ", []),
    ],
)
def test_titles_that_say_nearly_the_same_are_found(service, typed, expected):
    found = [each.item.title for each in similar.to(typed, service)]
    assert found[: len(expected)] == expected
    assert bool(found) == bool(expected)


def test_only_the_service_is_looked_at_and_never_the_item_itself(service):
    item = service.debt_items.get(title="Tokens never expire")
    assert not similar.to(item.title, ServiceFactory())
    assert not similar.to(item.title, None)
    assert not similar.to(item.title, service, but=item.pk)


def test_what_was_resolved_long_ago_is_found_too(service):
    service.debt_items.update(status=DebtStatus.DONE)
    assert similar.to("Tokens never expire", service)[0].item.status == DebtStatus.DONE


def test_however_many_debts_there_are_it_is_one_query(service):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert len(similar.to("Payment callback has no timeout", service)) <= 3
        return len(captured)

    few = queries()
    for number in range(30):
        DebtItemFactory(title=f"Payment callback {number}", service=service)
    assert few == queries() == 1
