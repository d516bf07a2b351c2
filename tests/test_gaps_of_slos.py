"""What is not in order with how SLOs are measured."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from debtreg import budgets, gaps, readings
from debtreg.models import FindingKind
from tests.factories import SloFactory

pytestmark = pytest.mark.django_db


def found(kind):
    return [gap for gap in gaps.found(timezone.localdate()) if gap.kind == kind]


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (250, 500, "300 ms lies between 250 and 500 ms"),
        (None, 500, "300 ms lies between 0 and 500 ms"),
        (250, None, "300 ms lies above 250 ms, the last"),
    ],
)
def test_a_threshold_between_buckets_is_a_gap_of_the_services_team(low, high, says):
    slo = SloFactory(
        kind="latency",
        threshold_ms=300,
        bucket_low_ms=low,
        bucket_high_ms=high,
        buckets_at=timezone.now(),
    )

    (gap,) = found(FindingKind.UNMEASURABLE)
    assert says in gap.text
    assert (gap.slo_id, gap.team_id) == (slo.pk, slo.service.team_id)


def test_a_threshold_that_is_a_boundary_or_not_looked_at_is_none():
    common = {"kind": "latency", "threshold_ms": 300}
    SloFactory(**common)
    SloFactory(**common, bucket_low_ms=300, bucket_high_ms=300, buckets_at=timezone.now())

    assert found(FindingKind.UNMEASURABLE) == []


def test_a_query_that_is_refused_is_a_gap():
    SloFactory(fetch_error="It yields 7 series. Add them up.")

    (gap,) = found(FindingKind.UNMEASURABLE)
    assert gap.text == "It yields 7 series. Add them up."


def test_an_slo_without_a_reading_for_a_day_is_a_gap_and_one_with_is_not():
    never, once, now = SloFactory.create_batch(3)
    SloFactory(name="not-looked-at-yet")
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    batch = readings.Batch()
    batch.add(once.pk, hour - timedelta(days=3), 3600, 1000, 1000)
    batch.add(now.pk, hour - timedelta(hours=1), 3600, 0, 0)
    with transaction.atomic():
        readings.store(batch, source="api")
    budgets.refresh([never.pk, once.pk, now.pk])

    texts = {gap.slo_id: gap.text for gap in found(FindingKind.NO_DATA)}
    assert set(texts) == {never.pk, once.pk}
    assert "in its whole period" in texts[never.pk]
    assert "for a day" in texts[once.pk]


def test_a_query_that_is_refused_for_days_is_still_one_finding():
    slo = SloFactory(fetch_error="It yields 7 series. Add them up.")
    budgets.refresh([slo.pk])

    assert [gap.kind for gap in gaps.found(timezone.localdate()) if gap.slo_id] == [
        FindingKind.UNMEASURABLE
    ]


def test_looking_at_thirty_slos_takes_as_many_queries_as_at_three():
    def taken():
        with CaptureQueriesContext(connection) as queries:
            gaps.found(timezone.localdate())
        return len(queries)

    SloFactory.create_batch(3)
    budgets.refresh()
    few = taken()
    SloFactory.create_batch(27)
    budgets.refresh()
    assert taken() == few
