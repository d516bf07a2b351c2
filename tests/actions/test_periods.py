"""Periods that are over go into the penalty ledger by what SLOs have measured of them."""

import signal
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
import time_machine

from debtreg import readings, terms
from debtreg.actions import contracts, penalties, periods
from debtreg.celery import app
from debtreg.models import AuditEntry, Finding, Guarantee, PenaltyEntry, Role
from debtreg.prometheus import QueryRefused, Series, SiteDown
from tests import conftest, prometheus
from tests.factories import (
    ConnectionFactory,
    GuaranteeFactory,
    MaintenanceFactory,
    SloFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
CLAUSE = "每低于目标10ms,扣减SLO预算5%"


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def available(**more):
    """99.9 % by calendar month, 10 % of the fee back below."""
    columns = {
        "metric": "availability",
        "target_text": "≥99.9%",
        "window_text": "calendar month",
        "penalty_clause": "below 99.9%: credit 10%; below 99%: credit 30%",
    }
    return GuaranteeFactory(**{**columns, **more})


def fast(**more):
    columns = {
        "metric": "p99_response_time",
        "target_text": "≤300ms",
        "window_text": "calendar month",
        "penalty_clause": CLAUSE,
        "budget_objective": Decimal("0.999"),
    }
    return GuaranteeFactory(**{**columns, **more})


def watched(guarantee, **columns):
    return SloFactory(guarantee=guarantee, created_at=FEBRUARY, **columns)


def read(slo, *, start=FEBRUARY, hours=28 * 24, good=99, total=100):
    """So many hours, each with so many good of so many events."""
    batch = readings.Batch()
    for hour in range(hours):
        batch.add(slo.pk, start + timedelta(hours=hour), 3600, good * 1000, total * 1000)
    readings.lock([slo.pk])
    return readings.store(batch, source="csv")


class FakeServer:
    """The quantile in seconds, or None; boundaries; how many events it still has."""

    def __init__(self, quantile=None, buckets=("0.25", "0.3", "0.4", "0.5"), kept=10**9):
        self.quantile, self.buckets, self.kept = quantile, buckets, kept
        self.asked = []

    def __call__(self, url, auth=None):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def instant(self, query, at):
        self.asked.append((query, at))
        if isinstance(self.quantile, Exception):
            raise self.quantile
        if query.startswith("buckets"):
            bounds = [*self.buckets, "+Inf"]
            return [Series({"le": bound}, {at: Decimal(self.kept)}) for bound in bounds]
        return [] if self.quantile is None else [Series({}, {at: Decimal(self.quantile)})]


@pytest.fixture
def server(monkeypatch):
    fake = FakeServer()
    monkeypatch.setattr(periods, "Prometheus", fake)
    return fake


def watched_latency(guarantee, **columns):
    columns = {
        "kind": "latency",
        "threshold_ms": 300,
        "connection": ConnectionFactory(),
        "quantile_query": "quantile[{{.window}}]",
        "buckets_query": "buckets[{{.window}}]",
        **columns,
    }
    return watched(guarantee, **columns)


def entry_of(guarantee):
    return PenaltyEntry.objects.get(guarantee=guarantee)


# --- Availability and error rates -----------------------------------------------------------------


def test_a_month_that_is_over_is_recorded_from_its_readings_by_exact_days():
    promise = available()
    slo = watched(promise)
    read(slo, good=995, total=1000)
    # Of the next month, and no part of it.
    read(slo, start=FEBRUARY + timedelta(days=28), hours=20, good=0, total=1000)

    assert periods.record() == 1
    entry = entry_of(promise)
    assert (entry.starts_on, entry.ends_on) == (date(2026, 2, 1), date(2026, 2, 28))
    assert (entry.measured, entry.requests) == ("99.5%", 672_000)
    assert (entry.known, entry.breached, entry.credit_percent) == (True, True, 10)
    assert (entry.slo, entry.recorded_by) == (slo, None)
    assert entry.source == f"SLO {slo.name}: 672,000 events, 100 % of the time read."
    assert AuditEntry.objects.filter(action="penalty.create", actor=None).count() == 1


def test_a_repeat_changes_nothing_and_takes_the_same_queries_however_many_there_are(
    django_assert_max_num_queries,
):
    for _ in range(6):
        read(watched(available()), hours=27 * 24)
    assert periods.record() == 6
    before, audits = list(PenaltyEntry.objects.values()), AuditEntry.objects.count()
    with django_assert_max_num_queries(11):
        assert periods.record() == 0
    assert list(PenaltyEntry.objects.values()) == before
    assert AuditEntry.objects.count() == audits


def test_an_error_rate_is_bad_of_all():
    promise = available(
        metric="error_rate", target_text="≤0.1%", penalty_clause="each 0.1pp: deduct 5% of budget"
    )
    read(watched(promise, kind="error_ratio"), good=9975, total=10_000)
    periods.record()
    assert entry_of(promise).measured == "0.25%"
    assert entry_of(promise).deduct_percent == 5


def test_what_is_rounded_is_never_rounded_over_the_target():
    for text, clause, good, measured in [
        (">= 33.33333333%", "below 33.33333333%: credit 10%", 1, "33.33333333%"),
        ("<= 66.66666666%", "each 1pp: deduct 5% of budget", 1, "66.66666667%"),
    ]:
        promise = available(target_text=text, penalty_clause=clause)
        read(watched(promise), good=good, total=3)
        periods.record()
        assert entry_of(promise).measured == measured
        # 66.666… % is more than the second target, however little.
        assert entry_of(promise).breached is (text[0] == "<")


def test_maintenance_is_left_out_of_events_and_of_the_time_that_should_be_read():
    promise = available()
    slo = watched(promise)
    MaintenanceFactory(
        service=slo.service, starts_at=FEBRUARY, ends_at=FEBRUARY + timedelta(days=14)
    )
    read(slo, hours=7 * 24, good=0)
    read(slo, start=FEBRUARY + timedelta(days=14), hours=14 * 24, good=100)
    periods.record()
    entry = entry_of(promise)
    assert (entry.measured, entry.requests) == ("100%", 33_600)
    assert "336 h of maintenance left out" in entry.source


def test_days_begin_where_the_slo_says():
    promise = available()
    slo = watched(promise, window="month", window_days=None, time_zone="Asia/Shanghai")
    read(slo, start=FEBRUARY - timedelta(hours=8), good=100)
    # Already March in Shanghai.
    read(slo, start=FEBRUARY + timedelta(days=28, hours=-8), hours=8, good=0)
    periods.record()
    entry = PenaltyEntry.objects.get(guarantee=promise, starts_on=date(2026, 2, 1))
    assert entry.measured == "100%"


def test_slices_count_where_the_slo_counts_them():
    promise = available()
    slo = watched(promise, method="timeslices", slice_seconds=3600, slice_target=Decimal("0.9"))
    read(slo, hours=168, good=50)
    read(slo, start=FEBRUARY + timedelta(hours=168), hours=504, good=95)
    periods.record()
    assert entry_of(promise).measured == "75%"
    assert entry_of(promise).requests == 67_200


# --- What is not known ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"hours": 0}, "nothing was read"),
        ({"hours": 26 * 24}, "less than 95 % says nothing of the whole"),
        ({"total": 0, "good": 0}, "nothing was read"),
    ],
)
def test_what_was_not_measured_is_unknown_and_a_gap(columns, says):
    promise = available()
    read(watched(promise), **columns)
    periods.record()
    entry = entry_of(promise)
    assert (entry.measured, entry.known, entry.breached) == (None, False, None)
    assert entry.credit_percent is None
    gap = Finding.objects.open().get(kind="unknown_deduction", guarantee=promise)
    assert "2026-02-01 to 2026-02-28 is not known" in gap.text
    assert says in gap.text


def test_fewer_than_a_hundred_requests_say_nothing():
    promise = available()
    slo = watched(promise)
    read(slo, good=0, total=0)
    read(slo, hours=1, good=99, total=99)
    periods.record()
    entry = entry_of(promise)
    assert (entry.measured, entry.requests, entry.known) == ("100%", 99, False)
    assert Finding.objects.open().filter(kind="unknown_deduction").count() == 1

    read(slo, hours=1, good=100, total=100)
    assert periods.record() == 1
    assert entry_of(promise).known
    assert not Finding.objects.open().filter(kind="unknown_deduction").exists()


def test_late_readings_update_what_was_recorded_and_never_what_a_person_has():
    ours, theirs = available(), available()
    for promise in (ours, theirs):
        read(watched(promise), hours=20 * 24)
    periods.record()
    assert not entry_of(ours).known
    penalties.record_period(
        guarantee_id=theirs.pk,
        starts_on=date(2026, 2, 1),
        ends_on=date(2026, 2, 28),
        measured="99.99%",
        requests=5000,
        source="agreed by mail",
        by=UserFactory(role=Role.COMPLIANCE),
    )
    for promise in (ours, theirs):
        read(promise.slos.get(), good=98)

    assert periods.record() == 1
    assert (entry_of(ours).measured, entry_of(ours).credit_percent) == ("98%", 30)
    assert (entry_of(theirs).measured, entry_of(theirs).slo) == ("99.99%", None)


def test_the_clock_cannot_replace_what_a_person_records_at_the_same_moment():
    promise = available()
    slo = watched(promise)
    days = {"starts_on": date(2026, 2, 1), "ends_on": date(2026, 2, 28)}
    by_hand = penalties.record_period(
        guarantee_id=promise.pk, **days, measured="99%", requests=500, by=None
    )
    found = penalties.record_period(
        guarantee_id=promise.pk, **days, measured="1%", requests=9, slo=slo, by=None
    )
    assert found == by_hand
    assert entry_of(promise).measured == "99%"


def test_days_that_a_person_has_recorded_otherwise_do_not_count_twice():
    promise = available(window_text="")
    read(watched(promise))
    penalties.record_period(
        guarantee_id=promise.pk,
        starts_on=date(2026, 2, 10),
        ends_on=date(2026, 2, 20),
        measured=None,
        requests=None,
        by=None,
    )
    assert periods.record() == 0
    assert PenaltyEntry.objects.count() == 1


def test_only_confirmed_terms_with_a_penalty_and_an_slo_are_recorded():
    for promise in (
        available(penalty_clause=""),
        GuaranteeFactory(target_text=""),
    ):
        read(watched(promise))
    unconfirmed = available()
    unconfirmed.terms.update(confirmed_at=None)
    read(watched(unconfirmed))
    available()
    assert periods.record() == 0


def test_that_a_target_was_missed_shows_behind_a_clause_that_is_not_read():
    read(watched(available(penalty_clause="as agreed")), good=1)
    assert periods.record() > 0
    entry = PenaltyEntry.objects.order_by("starts_on").last()
    assert (entry.known, entry.breached, entry.deduct_percent) == (False, True, None)


# --- Which periods --------------------------------------------------------------------------------


def test_no_period_with_data_stays_without_an_entry_and_none_that_is_not_over_has_one():
    promise = available()
    slo = watched(promise)
    read(slo, start=datetime(2025, 12, 1, tzinfo=UTC), hours=91 * 24, good=100)
    periods.record()
    found = PenaltyEntry.objects.order_by("starts_on").values_list("starts_on", "known")
    assert list(found) == [(date(2025, month, 1), True) for month in (12,)] + [
        (date(2026, 1, 1), True),
        (date(2026, 2, 1), True),
    ]


def test_the_first_period_of_a_contract_is_priced_by_its_days():
    promise = available(penalty_clause="每低于目标0.1个百分点,扣减SLO预算10%")
    promise.contract.starts_on = date(2026, 2, 15)
    promise.contract.save()
    slo = watched(promise)
    read(slo, start=FEBRUARY + timedelta(days=14), hours=14 * 24, good=99, total=100)
    periods.record()
    entry = entry_of(promise)
    assert (entry.known, entry.measured, entry.deduct_percent) == (True, "99%", 90)
    # 90 % of the budget of 14 days at 99.9 %.
    assert entry.deducted_minutes == Decimal("18.144")
    assert "100 % of the time read" in entry.source
    (said,) = [each for each in entry.findings if each["check"] == "period"]
    assert said["message"].startswith("14 of 28 days, as the contract starts on 2026-02-15")


def test_a_first_period_that_was_not_read_from_its_start_on_says_since_when_it_was():
    promise = available()
    slo = watched(promise)
    slo.created_at = FEBRUARY + timedelta(days=14)
    slo.save()
    read(slo, start=FEBRUARY + timedelta(days=14), hours=14 * 24)
    periods.record()
    entry = entry_of(promise)
    assert entry.known is False
    assert "50 % of the time read, as it reads since 2026-02-15 only" in entry.source


def test_what_could_not_be_priced_is_priced_at_the_next_run_once_it_can_be():
    promise = available()
    entry = penalties.record_period(
        guarantee_id=promise.pk,
        starts_on=date(2026, 1, 1),
        ends_on=date(2026, 1, 31),
        measured="99.5%",
        requests=5000,
        by=None,
    )
    # As a draft that was in the way has left it.
    PenaltyEntry.objects.update(known=False, breached=None, credit_percent=None)
    assert periods.record() == 1
    entry.refresh_from_db()
    assert (entry.known, entry.breached, entry.credit_percent) == (True, True, 10)
    assert AuditEntry.objects.filter(action="penalty.price").count() == 1
    assert periods.record() == 0


def test_what_goes_with_no_terms_any_more_is_unknown_and_hinders_nobody():
    promise = available()
    penalties.record_period(
        guarantee_id=promise.pk,
        starts_on=date(2026, 1, 1),
        ends_on=date(2026, 1, 31),
        measured="99.5%",
        requests=5000,
        by=None,
    )
    row = contracts.amend(
        guarantee_id=promise.pk,
        effective_from=None,
        texts={"target_text": "≤300ms", "penalty_clause": CLAUSE, "budget_objective": "0.999"},
        by=None,
    )
    contracts.confirm(guarantee_id=promise.pk, version=row.version, by=UserFactory(role=Role.SRE))
    entry = PenaltyEntry.objects.get()
    assert (entry.known, entry.breached, entry.credit_percent) == (False, None, None)
    assert "measured is in %, the target in ms" in entry.findings[0]["message"]


def test_a_month_that_is_over_only_today_waits_until_it_is():
    promise = available()
    read(watched(promise))
    with time_machine.travel(datetime(2026, 2, 28, 23, 59, tzinfo=UTC)):
        assert periods.record() == 0
    assert periods.record() == 1


def test_quarters_and_rolling_days_are_periods_too():
    quarter, rolling = available(window_text="quarter"), available(window_text="7d")
    for promise in (quarter, rolling):
        slo = watched(promise)
        read(slo, start=datetime(2025, 10, 1, tzinfo=UTC), hours=92 * 24, good=100)
    rolling.contract.starts_on = date(2025, 12, 1)
    rolling.contract.save()
    periods.record()

    first = PenaltyEntry.objects.filter(guarantee=quarter).get()
    assert (first.starts_on, first.ends_on, first.known) == (
        date(2025, 10, 1),
        date(2025, 12, 31),
        True,
    )
    weeks = list(rolling.penalties.order_by("starts_on").values_list("starts_on", flat=True))
    assert weeks[0] == date(2025, 12, 1)
    assert {later - earlier for earlier, later in pairwise(weeks)} == {timedelta(days=7)}
    assert weeks[-1] + timedelta(days=6) < date(2026, 3, 2)
    assert periods.record() == 0


def test_rolling_periods_go_on_after_the_one_that_a_person_recorded():
    promise = available(window_text="7d")
    penalties.record_period(
        guarantee_id=promise.pk,
        starts_on=date(2026, 2, 3),
        ends_on=date(2026, 2, 9),
        measured="99.9%",
        requests=500,
        by=None,
    )
    taken = list(promise.penalties.all())
    promise = Guarantee.objects.with_terms().get(pk=promise.pk)
    found = list(terms.periods(promise, date(2026, 2, 4), date(2026, 3, 2), taken))
    assert found[0] == (date(2026, 2, 10), date(2026, 2, 16))
    assert found[-1] == (date(2026, 2, 17), date(2026, 2, 23))


# --- Percentiles ----------------------------------------------------------------------------------


def test_a_percentile_is_asked_for_over_the_whole_period_at_its_end(server):
    server.quantile = "0.4"
    promise = fast()
    read(watched_latency(promise), total=1000, good=1000)
    periods.record()

    entry = entry_of(promise)
    assert (entry.measured, entry.requests) == ("400ms", 672_000)
    assert (entry.known, entry.deduct_percent) == (True, 50)
    end = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
    assert server.asked == [("quantile[2419200s]", end), ("buckets[2419200s]", end)]
    assert "the quantile of all of them" in entry.source

    assert periods.record() == 0
    assert len(server.asked) == 2


def test_between_boundaries_it_is_known_as_far_as_both_of_them_agree(server):
    server.quantile = "0.33"
    promise = fast()
    read(watched_latency(promise), total=1000)
    periods.record()
    entry = entry_of(promise)
    assert entry.measured == {"low": "300ms", "high": "400ms"}
    assert (entry.known, entry.deduct_percent) == (False, None)

    server.quantile, server.buckets = "0.1", ("0.25", "0.5")
    other = fast()
    read(watched_latency(other), total=1000)
    periods.record()
    assert entry_of(other).measured == {"low": "0ms", "high": "250ms"}
    assert (entry_of(other).known, entry_of(other).deduct_percent) == (True, 0)


def test_what_lies_beyond_the_last_boundary_is_not_that_boundary(server):
    server.quantile = "0.5"
    promise = fast()
    read(watched_latency(promise), total=1000)
    periods.record()
    assert entry_of(promise).measured == {"low": "500ms", "high": "+Inf"}
    assert not entry_of(promise).known


def test_milliseconds_are_read_from_the_name_of_the_metric(server):
    server.quantile, server.buckets = "250", ("250", "500")
    promise = fast()
    slo = watched_latency(
        promise, quantile_query="latency_ms[{{.window}}]", buckets_query="buckets_ms"
    )
    read(slo, total=1000)
    periods.record()
    assert entry_of(promise).measured == "250ms"
    promise.slos.update(buckets_query="")
    PenaltyEntry.objects.all().delete()
    server.quantile = "310.5"
    periods.record()
    assert (entry_of(promise).measured, entry_of(promise).deduct_percent) == ("310.5ms", 5)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (None, "The query for the quantile has no value."),
        (SiteDown("It does not answer."), "It does not answer."),
        (QueryRefused("It took too long."), "It took too long."),
    ],
)
def test_a_server_without_an_answer_leaves_a_gap_and_what_is_known(server, answer, says):
    server.quantile = answer
    promise = fast()
    slo = watched_latency(promise)
    read(slo, total=1000)
    periods.record()
    entry = entry_of(promise)
    assert (entry.measured, entry.requests, entry.known) == (None, 672_000, False)
    assert says in Finding.objects.open().get(kind="unknown_deduction").text

    server.quantile = "0.4"
    assert periods.record() == 1
    server.quantile = answer
    read(slo, total=2000)
    assert periods.record() == 0
    assert entry_of(promise).measured == "400ms"


def test_a_server_that_has_forgotten_half_of_a_period_is_not_believed(server):
    server.quantile, server.kept = "0.3", 300_000
    promise = fast()
    read(watched_latency(promise), total=1000)
    periods.record()
    assert entry_of(promise).measured is None
    assert "has only 300,000 of these events any more" in entry_of(promise).source


def test_without_a_query_or_while_the_site_is_paused_nobody_is_asked(server):
    without, paused = fast(), fast()
    read(watched_latency(without, quantile_query="", kind="availability", threshold_ms=None))
    slo = watched_latency(paused, connection=ConnectionFactory(is_paused=True))
    read(slo, total=1000)
    periods.record()
    assert "It has no query for the quantile." in entry_of(without).source
    assert f"{slo.connection.name} is paused." in entry_of(paused).source
    assert not server.asked
    assert Finding.objects.open().filter(kind="unknown_deduction").count() == 2


@pytest.mark.parametrize(
    ("good", "threshold", "measured", "deducted"),
    [
        (990, 300, {"low": "0ms", "high": "300ms"}, 0),
        (989, 300, {"low": "300ms", "high": "+Inf"}, None),
        (990, 400, {"low": "0ms", "high": "400ms"}, None),
        (989, 1000, {"low": "1000ms", "high": "+Inf"}, None),
    ],
)
def test_without_a_quantile_the_threshold_says_on_which_side_of_it_the_percentile_lies(
    server, good, threshold, measured, deducted
):
    promise = fast()
    slo = watched_latency(promise, connection=None, quantile_query="", threshold_ms=threshold)
    read(slo, good=good, total=1000)
    periods.record()

    entry = entry_of(promise)
    assert entry.measured == measured
    assert (entry.known, entry.deduct_percent) == (deducted is not None, deducted)
    assert f"from how many took no longer than {threshold} ms" in entry.source
    assert not server.asked
    assert periods.record() == 0


def test_a_site_that_is_down_is_asked_once(server):
    server.quantile = SiteDown("It does not answer.")
    site = ConnectionFactory()
    for _ in range(3):
        read(watched_latency(fast(), connection=site), total=1000)
    assert periods.record() == 3
    assert len(server.asked) == 1


def test_periods_are_recorded_each_night():
    entry = app.conf.beat_schedule["record-periods"]
    assert entry["task"] == "debtreg.tasks.record_periods"
    assert entry["schedule"] == app.conf.beat_schedule["score-nightly"]["schedule"]


# --- A real server --------------------------------------------------------------------------------


def test_a_real_server_tells_the_percentile_of_a_whole_month(tmp_path):
    conftest.need("prometheus")
    real = prometheus.Server(tmp_path / "prometheus")
    start, end = (int(at.timestamp()) for at in (FEBRUARY, FEBRUARY + timedelta(days=28)))

    def past():
        # An hour in ten is slow. The mean of the hours' quantiles, 270 ms, would keep the promise.
        for bound, part in (("0.25", 80), ("0.5", 99.5), ("+Inf", 100)):
            count = 0.0
            for number, at in enumerate(range(start - 1200, end + 1, 1200)):
                yield f'shop_seconds_bucket{{le="{bound}"}}', at, count
                count += 100 if number // 3 % 10 and bound != "+Inf" else part

    real.remember(past())
    real.start()
    try:
        promise = fast()
        increase = "sum by (le) (increase(shop_seconds_bucket[{{.window}}]))"
        slo = watched_latency(
            promise,
            connection=ConnectionFactory(url=real.url),
            quantile_query=f"histogram_quantile(0.99, {increase})",
            buckets_query=increase,
        )
        read(slo, total=300)
        assert periods.record() == 1
    finally:
        real.stop(signal.SIGKILL)
    entry = entry_of(promise)
    assert entry.measured == {"low": "250ms", "high": "500ms"}
    assert (entry.requests, entry.known, entry.breached) == (201_600, False, None)
