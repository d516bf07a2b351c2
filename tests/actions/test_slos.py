"""Saving SLOs and maintenance windows: what is refused, what is kept, what is counted anew."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from debtreg import budgets, readings
from debtreg.actions import slos
from debtreg.actions.debt import NotValid
from debtreg.models import (
    AuditEntry,
    Connection,
    Maintenance,
    ScoringRun,
    Slo,
    SloState,
    StateWindow,
)
from tests.factories import MaintenanceFactory, ServiceFactory, SloFactory, UserFactory

GOOD = 'sum(increase(http_requests_total{code!~"5.."}[{{.window}}]))'
TOTAL = "sum(increase(http_requests_total[{{.window}}]))"


@pytest.fixture
def slo(db):
    return SloFactory(name="checkout")


def burning(slo):
    """Let a fifth of an hour's slices be bad, which half of its events are in; then the states."""
    start = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    batch = readings.Batch()
    for number in range(12):
        good, total = (0, 6000) if number in (3, 4) else (1000, 1000)
        batch.add(slo.pk, start + timedelta(minutes=5 * number), 300, good, total)
    readings.store(batch, source="api")
    budgets.refresh([slo.pk])
    return start


def in_period(slo):
    """Good and total of an SLO's whole period, in events or slices."""
    state = SloState.objects.get(slo=slo, window=StateWindow.PERIOD)
    return state.good and state.good // 1000, state.total and state.total // 1000


def refused(slo, **changes):
    """The fields that a change is refused for, and what is said of them."""
    for name, value in changes.items():
        setattr(slo, name, value)
    with pytest.raises(NotValid) as error:
        slos.save(slo=slo, by=None)
    return {name: " ".join(texts) for name, texts in error.value.fields.items()}


def test_a_new_slo_is_stored_and_audited(db):
    sre = UserFactory(role="sre")

    slo = slos.save(slo=SloFactory.build(name="a", service=ServiceFactory()), by=sre)

    assert Slo.objects.get().pk == slo.pk
    entry = AuditEntry.objects.get(action="slo.create")
    assert (entry.actor, entry.new["objective"]) == (sre, "0.999")


def test_saving_what_is_there_changes_nothing(slo):
    slo.objective = Decimal("0.9990")

    slos.save(slo=slo, by=None)

    assert not AuditEntry.objects.exists()
    assert Slo.objects.get().revision == 1


def test_a_change_counts_as_a_revision_and_is_refused_on_top_of_another(slo):
    slo.title = "Checkout"
    slos.save(slo=slo, by=None, revision=1)
    assert Slo.objects.get().revision == 2

    slo.title = "Till"
    with pytest.raises(slos.SloChanged, match="at revision 2, you have 1"):
        slos.save(slo=slo, by=None, revision=1)
    assert Slo.objects.get().title == "Checkout"


@pytest.mark.parametrize("objective", ["1", "1.5"])
def test_a_hundred_percent_is_refused_because_no_budget_is_left(slo, objective):
    assert "no error budget" in refused(slo, objective=Decimal(objective))["objective"]


def test_an_objective_is_more_than_nothing(slo):
    assert refused(slo, objective=Decimal(0))["objective"] == "An objective is more than 0 %."


def test_timeslices_need_whole_minutes_that_divide_an_hour_and_a_target(slo):
    found = refused(slo, method="timeslices", slice_seconds=420)

    assert "1, 2, 3, 4, 5, 6, 10" in found["slice_seconds"]
    assert "above 0" in found["slice_target"]


def test_occurrences_have_no_slices(slo):
    found = refused(slo, slice_seconds=300, slice_target=Decimal("0.95"))

    assert found.keys() == {"slice_seconds", "slice_target"}


def test_a_slice_is_a_multiple_of_what_a_reading_covers(slo):
    slo.connection = Connection.objects.create(name="main", url="https://prometheus.example.org")
    slo.good_query, slo.total_query = GOOD, TOTAL

    found = refused(slo, method="timeslices", slice_seconds=60, slice_target=Decimal("0.95"))

    assert "cover 300 s each" in found["slice_seconds"]


def test_latency_needs_a_threshold_and_nothing_else_has_one(slo):
    assert "milliseconds" in refused(slo, kind="latency")["threshold_ms"]
    found = refused(slo, kind="availability", threshold_ms=Decimal(300))
    assert found["threshold_ms"] == "Only latency has a threshold."


def test_a_calendar_window_has_no_number_of_days(slo):
    assert refused(slo, window="month").keys() == {"window_days"}
    assert refused(slo, window="rolling", window_days=None).keys() == {"window_days"}


def test_a_time_zone_is_one_of_the_world(slo):
    assert "Asia/Shanghai" in refused(slo, time_zone="Asia/Atlantis")["time_zone"]


def test_a_name_that_is_a_page_of_its_own_is_refused(slo):
    assert "address" in refused(slo, name="new")["name"]


def test_queries_come_in_pairs(slo):
    assert "bad_query" in refused(slo, good_query=GOOD, bad_query=GOOD, total_query=TOTAL)
    assert "total_query" in refused(slo, good_query=GOOD, bad_query="", total_query="")
    assert "good_query" in refused(slo, good_query="", total_query=TOTAL)


def test_what_is_fetched_needs_queries_that_name_the_window(slo):
    slo.connection = Connection.objects.create(name="main", url="https://prometheus.example.org")

    assert "nothing to ask main for" in refused(slo)["total_query"]
    found = refused(slo, good_query=GOOD, total_query="http_requests_total")
    assert found.keys() == {"total_query"}
    assert "{{.window}}" in found["total_query"]
    slo.total_query = TOTAL.replace("{{.window}}", "{{ .window }}")
    slos.save(slo=slo, by=None)


def test_a_change_of_the_objective_is_in_the_budget_at_once(slo):
    burning(slo)
    before = SloState.objects.get(slo=slo, window=StateWindow.PERIOD).remaining
    slo.objective = Decimal("0.99")

    slos.save(slo=slo, by=None)

    after = SloState.objects.get(slo=slo, window=StateWindow.PERIOD).remaining
    bad = Decimal(12) / 22
    assert round(before, 6) == round(1 - bad / Decimal("0.001"), 6)
    assert round(after, 6) == round(1 - bad / Decimal("0.01"), 6)


def test_another_method_counts_what_was_read_anew(slo):
    burning(slo)
    assert in_period(slo) == (10, 22)
    slo.method, slo.slice_seconds, slo.slice_target = "timeslices", 300, Decimal("0.95")

    slos.save(slo=slo, by=None)

    assert in_period(slo) == (10, 12)


def test_maintenance_takes_its_time_out_and_gives_it_back(slo):
    start = burning(slo)
    other = SloFactory()
    burning(other)
    bad = {"starts_at": start + timedelta(minutes=15), "ends_at": start + timedelta(minutes=25)}

    window = slos.save_maintenance(
        maintenance=MaintenanceFactory.build(service=slo.service, **bad), by=None
    )
    assert (in_period(slo), in_period(other)) == ((10, 10), (10, 22))

    window.service = other.service
    slos.save_maintenance(maintenance=window, by=None)
    assert (in_period(slo), in_period(other)) == ((10, 22), (10, 10))

    window.service = None
    slos.save_maintenance(maintenance=window, by=None)
    assert (in_period(slo), in_period(other)) == ((10, 10), (10, 10))

    slos.remove_maintenance(maintenance=window, by=None)
    slos.remove_maintenance(maintenance=window, by=None)
    assert (in_period(slo), in_period(other)) == ((10, 22), (10, 22))
    assert not Maintenance.objects.exists()
    assert AuditEntry.objects.filter(action="maintenance.remove").count() == 1


def test_maintenance_ends_after_it_starts(db):
    window = MaintenanceFactory.build()
    window.ends_at = window.starts_at

    with pytest.raises(NotValid, match="ends after it starts"):
        slos.save_maintenance(maintenance=window, by=None)


def test_what_jobs_have_written_since_stays(slo):
    Slo.objects.update(fetched_until=timezone.now(), fetch_error="no data", bucket_low_ms=250)
    slo.title = "Checkout"

    slos.save(slo=slo, by=None)

    stored = Slo.objects.get()
    assert stored.fetched_until
    assert (stored.title, stored.fetch_error, stored.bucket_low_ms) == ("Checkout", "no data", 250)


def test_what_was_wrong_with_other_queries_is_forgotten(slo):
    Slo.objects.update(fetch_error="no data", bucket_low_ms=250, buckets_at=timezone.now())
    slo.good_query, slo.total_query = GOOD, TOTAL

    slos.save(slo=slo, by=None)

    stored = Slo.objects.get()
    assert (stored.fetch_error, stored.bucket_low_ms, stored.buckets_at) == ("", None, None)


def test_scores_are_asked_for_where_they_rest_on_what_has_changed(slo):
    slo.title = "Checkout"
    slos.save(slo=slo, by=None)
    assert not ScoringRun.objects.exists()

    slo.objective = Decimal("0.99")
    slos.save(slo=slo, by=None)
    assert ScoringRun.objects.get().state == "queued"


def test_an_slo_is_removed_once(slo):
    again = Slo.objects.get()
    slos.remove(slo=slo, by=None)
    slos.remove(slo=again, by=None)

    assert not Slo.objects.exists()
    assert AuditEntry.objects.get(action="slo.remove").old["name"] == "checkout"
