"""Readings fetched from Prometheus: every step once, gaps kept apart from zeros, faults told."""

import contextlib
import signal
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from types import SimpleNamespace

import pytest
import time_machine
from django.db.models import Count, Sum
from django.utils import timezone

from debtreg import gaps, readings, tasks
from debtreg.actions import connections, jobs, measurements, slos
from debtreg.errors import Conflict
from debtreg.models import (
    AuditEntry,
    AuthKind,
    Connection,
    Fetch,
    Reading,
    ReadingDay,
    Slo,
    SloState,
)
from debtreg.prometheus import QueryRefused, Series, SiteDown, TookTooLong
from tests import conftest, prometheus
from tests.factories import SloFactory
from tests.processes import until

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 10, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def clock():
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def site(**columns):
    return Connection.objects.create(
        **{"name": "main", "url": "http://127.0.0.1:9", "step_seconds": 300, **columns}
    )


def slo_of(connection, **columns):
    return SloFactory(
        **{
            "connection": connection,
            "good_query": "good[{{.window}}]",
            "total_query": "total[{{.window}}]",
            "fetched_until": NOW.replace(second=0) - timedelta(hours=1),
            **columns,
        }
    )


class FakeServer:
    """Answers from functions: query -> value at a time, or None; what is raised is raised."""

    def __init__(self, **answers):
        self.answers, self.asked, self.buckets = answers, [], []

    def __call__(self, url, auth=None):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def range(self, query, start, end, step):
        self.asked.append((query, start, end, step))
        answer = self.answers[query.partition("[")[0]]
        samples = {at: answer(at) for at in range(start, end + 1, step)}
        found = {at: Decimal(str(value)) for at, value in samples.items() if value is not None}
        return [Series({}, found)] if found else []

    def instant(self, query, at):
        return [Series({"le": bound}, {}) for bound in self.buckets]


@pytest.fixture
def server(monkeypatch, clock):
    fake = FakeServer(good=lambda at: 99, total=lambda at: 100)
    monkeypatch.setattr(measurements, "Prometheus", fake)
    # The pulse has a connection of its own, which does not see what is not committed.
    still = contextlib.nullcontext(SimpleNamespace(report=lambda *_: None))
    monkeypatch.setattr(jobs, "pulse", lambda *_: still)
    return fake


def fetch(connection):
    job = measurements.queue(connection) or Fetch.objects.get(connection=connection)
    assert measurements.run(job.pk, "test")
    connection.refresh_from_db()
    job.refresh_from_db()
    return job


def raising(error):
    def answer(at):
        raise error

    return answer


# --- What is fetched ------------------------------------------------------------------------------


def test_new_steps_are_fetched_up_to_now_less_the_delay(server):
    main = site(delay_seconds=60)
    slo = slo_of(main)

    job = fetch(main)

    slo.refresh_from_db()
    # At 12:00:30 the step that ends at 12:00 is not a minute old.
    assert slo.fetched_until == datetime(2026, 3, 10, 11, 55, tzinfo=UTC)
    ats = list(Reading.objects.order_by("at").values_list("at", flat=True))
    assert (ats[0], ats[-1]) == (
        datetime(2026, 3, 10, 10, 45, tzinfo=UTC),  # three steps before the cursor
        datetime(2026, 3, 10, 11, 50, tzinfo=UTC),
    )
    assert (job.state, job.readings, job.done) == ("done", 14, 1)
    assert main.last_ok_at is not None
    assert {query for query, *_ in server.asked} == {"good[300s]", "total[300s]"}
    assert SloState.objects.get(slo=slo, window="period").burn_rate == 10


def test_asking_again_changes_nothing_and_late_samples_are_taken_in(server, clock):
    main = site()
    slo_of(main)
    fetch(main)
    before = list(Reading.objects.values())

    assert fetch(main).readings == 0
    assert list(Reading.objects.values()) == before

    clock.shift(timedelta(minutes=5))
    server.answers["total"] = lambda at: 120
    assert fetch(main).readings == 4
    totals = Reading.objects.order_by("-at").values_list("total", flat=True)
    assert list(totals[:5]) == [120_000] * 4 + [100_000]


def test_the_first_fetch_goes_back_a_whole_period(server):
    main = site()
    slo = slo_of(main, fetched_until=None, window_days=90)
    fetch(main)

    first = Reading.objects.earliest("at").at
    assert timedelta(days=90) <= NOW - first <= timedelta(days=92)
    assert ReadingDay.objects.filter(slo=slo).count() == 92


def test_a_long_time_is_asked_for_in_chunks_that_a_server_accepts(server):
    main = site(step_seconds=60)
    slo_of(main, fetched_until=None)
    fetch(main)

    chunks = [call[1:] for call in server.asked if call[0].startswith("total")]
    assert len(chunks) == 5
    assert all((end - start) // step + 1 <= 10_000 for start, end, step in chunks)
    assert all(later[0] == earlier[1] + 60 for earlier, later in pairwise(chunks))
    assert Reading.objects.count() == sum((end - start) // 60 + 1 for start, end, _ in chunks)


def test_bad_events_are_taken_from_all(server):
    server.answers["bad"] = lambda at: 2
    main = site()
    slo_of(main, good_query="", bad_query="bad[{{ .window }}]")
    fetch(main)

    assert set(Reading.objects.values_list("good", "total")) == {(98_000, 100_000)}


def test_a_gap_is_no_reading_and_a_zero_is_one(server):
    noon = int(NOW.timestamp()) // 3600 * 3600
    server.answers["total"] = lambda at: None if at <= noon - 1800 else 0
    server.answers["good"] = lambda at: None if at == noon - 600 else 0
    main = site()
    slo = slo_of(main)
    fetch(main)

    found = list(Reading.objects.order_by("at").values_list("at", "total"))
    ends = [int(at.timestamp()) + 300 - noon for at, _ in found]
    assert ends == [-1500, -1200, -900, -300]
    assert {total for _, total in found} == {0}
    slo.refresh_from_db()
    assert slo.fetched_until == NOW.replace(minute=55, hour=11, second=0)


def test_rates_are_events_per_second_and_become_events_of_a_step(server):
    server.answers["sum(rate(total"] = lambda at: "0.5"
    server.answers["sum(increase(good"] = lambda at: 120
    main = site()
    slo_of(
        main,
        total_query="sum(rate(total[{{.window}}]))",
        good_query="sum(increase(good[{{.window}}]))",
    )
    fetch(main)

    assert set(Reading.objects.values_list("good", "total")) == {(120_000, 150_000)}


def test_counts_that_extrapolation_has_bent_a_little_are_set_right(server):
    server.answers["good"] = lambda at: "100.4"
    server.answers["total"] = lambda at: "99.9996"
    main = site()
    slo = slo_of(main)
    fetch(main)

    slo.refresh_from_db()
    assert set(Reading.objects.values_list("good", "total")) == {(100_000, 100_000)}
    assert slo.fetch_error == ""


@pytest.mark.parametrize(
    ("good", "total", "says"),
    [
        (lambda at: 150, lambda at: 100, "150 good of 100 events: a gap"),
        (lambda at: -1, lambda at: 100, "were -1 events, which cannot be"),
        (lambda at: 1, lambda at: "1e11", "were 100000000000 events"),
        (lambda at: None, lambda at: 100, "is not known to be 0"),
        (lambda at: 1, lambda at: None, "for all events has no data"),
    ],
)
def test_counts_that_cannot_be_are_gaps_and_the_slo_says_why(server, good, total, says):
    server.answers.update(good=good, total=total)
    main = site()
    slo = slo_of(main)
    fetch(main)

    slo.refresh_from_db()
    assert (slo.fetch_error, says in slo.gap_reason) == ("", True)
    assert not Reading.objects.exists()
    assert SloState.objects.get(slo=slo, window="1h").burn_rate is None


def test_another_step_goes_on_where_the_last_one_ended_and_counts_nothing_twice(server, clock):
    main = site()
    slo = slo_of(main)
    fetch(main)
    Connection.objects.update(step_seconds=60)
    main.refresh_from_db()
    clock.shift(timedelta(minutes=5))
    fetch(main)

    rows = list(Reading.objects.order_by("at").values_list("at", "seconds"))
    assert [seconds for _, seconds in rows] == [300] * 14 + [60] * 9
    assert all(
        at + timedelta(seconds=seconds) == after for (at, seconds), (after, _) in pairwise(rows)
    )
    slo.refresh_from_db()
    assert slo.fetch_error == ""


def test_an_slo_that_is_changed_while_it_is_fetched_keeps_nothing_of_the_old_query(server):
    main = site()
    slo = slo_of(main)

    def change(at):
        Slo.objects.filter(pk=slo.pk).update(total_query="other[{{.window}}]")
        return 100

    server.answers["total"] = change
    fetch(main)

    assert not Reading.objects.exists()
    slo.refresh_from_db()
    assert slo.fetched_until == NOW.replace(second=0) - timedelta(hours=1)


def test_other_queries_measure_anew_and_nothing_of_the_old_ones_counts_beside(server):
    main = site()
    slo = slo_of(main, window_days=1)
    by_hand = NOW.replace(hour=9, minute=0, second=0)
    batch = readings.Batch()
    batch.add(slo.pk, by_hand, 3600, 5_000, 7_000)
    readings.store(batch, source="csv")
    fetch(main)
    slo.refresh_from_db()
    # The new metric is younger: where it has nothing, the old one's must not stay.
    server.answers["total"] = lambda at: 10 if at > NOW.timestamp() - 1800 else None
    server.answers["good"] = lambda at: 10
    slo.good_query, slo.total_query = "good[{{.window}}] ", "total[{{.window}}] * 1"
    slos.save(slo=slo, by=None)

    slo.refresh_from_db()
    assert slo.fetched_until is None
    assert list(slo.readings.values_list("source", "total")) == [("csv", 7_000)]
    assert SloState.objects.get(slo=slo, window="period").total == 7_000
    assert AuditEntry.objects.get(action="slo.measure_anew").old == {"readings": 14}

    fetch(main)

    sums = slo.readings.filter(source="prometheus").aggregate(Sum("total"), Count("at"))
    assert sums == {"total__sum": 50_000, "at__count": 5}
    assert ReadingDay.objects.get(slo=slo).total == 57_000
    assert ReadingDay.objects.get(slo=slo).seconds == 3_600 + 5 * 300
    assert SloState.objects.get(slo=slo, window="period").total == 57_000


def test_blanks_in_a_query_are_no_other_query(server):
    main = site()
    slo = slo_of(main)
    fetch(main)
    slo.refresh_from_db()
    until = slo.fetched_until
    slo.total_query = "total[{{.window}}]\n"
    slos.save(slo=slo, by=None)

    slo.refresh_from_db()
    assert slo.fetched_until == until
    assert slo.readings.count() == 14


def test_another_site_is_asked_for_the_whole_period_and_what_was_read_stays(server):
    main = site()
    slo = slo_of(main)
    fetch(main)
    slo.refresh_from_db()
    slo.connection = site(name="other")
    slos.save(slo=slo, by=None)

    slo.refresh_from_db()
    assert (slo.fetched_until, slo.readings.count()) == (None, 14)


def test_no_data_is_one_finding_that_does_not_come_and_go(server, clock):
    main = site()
    slo = slo_of(main)
    server.answers["total"] = lambda at: None
    kinds = []
    for answer in (None, 100, None):
        server.answers["total"] = lambda at, answer=answer: answer
        clock.shift(timedelta(minutes=20))
        fetch(main)
        kinds.append([(gap.kind, gap.hint) for gap in gaps.found(NOW.date()) if gap.slo_id])
    assert kinds == [
        [("no_data", "The query for all events has no data: these steps are gaps.")],
        [],
        [],
    ]
    slo.refresh_from_db()
    assert "no data" in slo.gap_reason


def test_nothing_is_fetched_from_a_paused_site_even_when_asked_for(server):
    paused = site(is_paused=True)

    with pytest.raises(Conflict, match="'main' is paused"):
        measurements.request(site=paused, by=None)

    assert not Fetch.objects.exists()


def test_a_loopback_target_of_before_is_not_called_where_the_setting_forbids(server, settings):
    main = site()
    slo_of(main)
    settings.LOOPBACK_CONNECTIONS = False

    job = fetch(main)

    assert (job.state, server.asked) == ("failed", [])
    assert "127.0.0.1 is this machine itself" in main.last_error


# --- Faults ---------------------------------------------------------------------------------------


def test_a_query_that_is_refused_is_noted_with_its_slo_and_the_others_go_on(server):
    main = site()
    wrong = slo_of(main, total_query="wrong[{{.window}}]")
    right = slo_of(main)
    server.answers["wrong"] = raising(QueryRefused("It yields 7 series.", hint="Add them up."))

    assert fetch(main).state == "done"

    wrong.refresh_from_db()
    assert wrong.fetch_error == "The query for all events: It yields 7 series. Add them up."
    assert set(Reading.objects.values_list("slo_id", flat=True)) == {right.pk}
    assert main.last_error == ""

    server.answers["wrong"] = lambda at: 100
    fetch(main)
    wrong.refresh_from_db()
    assert wrong.fetch_error == ""
    assert wrong.readings.exists()


def test_slices_that_the_step_does_not_divide_are_a_fault_of_the_slo(server):
    main = site()
    slo = slo_of(main, method="timeslices", slice_seconds=60, slice_target=Decimal("0.9"))
    fetch(main)

    slo.refresh_from_db()
    assert "Slices of 60 s cannot be judged by readings of 300 s" in slo.fetch_error


def test_a_site_that_is_down_is_one_notice_and_is_left_alone_longer_and_longer(
    server, clock, caplog
):
    main = site()
    slos = [slo_of(main) for _ in range(5)]
    server.answers["total"] = raising(SiteDown("It does not answer.", hint="Check the address."))

    waits = []
    for _ in range(8):
        job = fetch(main)
        waits.append((main.retry_at - timezone.now()).total_seconds() / 60)
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    assert (job.state, job.error) == ("failed", "It does not answer.")
    assert main.last_error == "It does not answer. Check the address."
    assert len(server.asked) == 8
    assert all(slo.fetch_error == "" for slo in slos)

    assert measurements.measure() == []
    clock.shift(timedelta(minutes=31))
    server.answers["total"] = lambda at: 100
    (job,) = measurements.measure()
    assert measurements.run(job.pk, "test")
    main.refresh_from_db()
    assert (main.last_error, main.failures, main.retry_at) == ("", 0, None)
    assert Reading.objects.values("slo").distinct().count() == 5


def test_one_slow_query_holds_up_no_other_and_two_are_a_slow_site(server):
    main = site()
    slo_of(main, total_query="slow[{{.window}}]")
    right = slo_of(main)
    server.answers["slow"] = raising(TookTooLong("It took too long."))
    assert fetch(main).state == "done"
    assert right.readings.exists()

    slo_of(main, total_query="slow[{{.window}}]")
    assert fetch(main).state == "failed"
    assert "took too long" in main.last_error


def test_other_sites_go_on_while_one_is_down(server):
    down, up = site(), site(name="other")
    slo_of(down, total_query="away[{{.window}}]")
    slo = slo_of(up)
    server.answers["away"] = raising(SiteDown("It does not answer."))

    queued = measurements.measure()
    assert {job.connection_id for job in queued} == {down.pk, up.pk}
    for job in queued:
        measurements.run(job.pk, "test")
    assert slo.readings.exists()


def test_a_secret_that_cannot_be_read_any_more_is_told(server, settings):
    main = connections.save(
        connection=Connection(name="a", url="https://example.org", auth=AuthKind.BEARER),
        secret="token",
        by=None,
    )
    slo_of(main)
    settings.SECRET_KEY = "quite another key, and one that is long enough to be one"

    assert fetch(main).state == "failed"
    assert "SECRET_KEY has changed" in main.last_error


def test_sites_that_are_paused_or_have_nothing_to_ask_are_left_alone(server):
    slo_of(site(is_paused=True))
    site(name="idle")
    assert measurements.measure() == []


def test_a_site_is_fetched_from_by_one_job_at_a_time(server):
    main = site()
    slo_of(main)
    job = measurements.queue(main)
    assert measurements.queue(main) is None
    assert jobs.claim(Fetch, job.pk, "somebody else")
    assert measurements.queue(main) is None
    assert measurements.run(job.pk, "test") is False


def test_a_long_backfill_ends_its_turn_and_is_taken_up_where_it_stopped(server, monkeypatch):
    main = site(step_seconds=60)
    slo = slo_of(main, fetched_until=None)
    monkeypatch.setattr(measurements, "LONGEST_S", -1)
    assert fetch(main).state == "done"
    assert not Reading.objects.exists()

    monkeypatch.setattr(measurements, "LONGEST_S", 600)
    fetch(main)
    slo.refresh_from_db()
    assert slo.fetched_until == NOW.replace(hour=11, minute=59, second=0)


# --- Buckets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "bounds", "around", "measurable"),
    [
        ("duration_seconds_bucket", ["0.25", "0.3", "0.5", "+Inf"], (300, 300), True),
        ("duration_seconds_bucket", ["0.25", "0.5", "+Inf"], (250, 500), False),
        ("duration_milliseconds_bucket", ["250", "300.0", "500"], (300, 300), True),
        ("duration_bucket", ["0.1", "3e-1"], (300, 300), True),
        ("duration_seconds_bucket", ["0.1", "+Inf"], (100, None), False),
        ("duration_seconds_bucket", ["1", "+Inf"], (None, 1000), False),
    ],
)
def test_a_threshold_is_measurable_if_the_histogram_has_a_boundary_there(
    server, metric, bounds, around, measurable
):
    server.buckets = bounds
    main = site()
    slo = slo_of(
        main, kind="latency", threshold_ms=300, buckets_query=f"sum by (le) (rate({metric}[5m]))"
    )
    assert slo.is_measurable is None
    fetch(main)

    slo.refresh_from_db()
    assert (slo.bucket_low_ms, slo.bucket_high_ms) == around
    assert slo.is_measurable is measurable


@pytest.mark.parametrize("bounds", [[], ["+Inf"], ["wide"]])
def test_without_boundaries_nobody_knows_what_can_be_measured(server, bounds):
    server.buckets = bounds
    main = site()
    slo = slo_of(main, kind="latency", threshold_ms=300, buckets_query="duration_bucket")
    fetch(main)

    slo.refresh_from_db()
    assert "The query for buckets: " in slo.fetch_error
    assert slo.is_measurable is None


# --- A real server --------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    conftest.need("prometheus")
    return tmp_path


@pytest.fixture
def real(folder):
    found = prometheus.Server(folder / "prometheus")
    yield found
    found.stop(signal.SIGKILL)


END = 1_772_000_040  # a whole minute
START = END - 9 * 86_400
# Six hours in which nothing was scraped.
GAP = (END - 5 * 86_400, END - 5 * 86_400 + 6 * 3600)


def past():
    """Nine days by the minute: what each minute had, some of them nothing, and a gap."""
    for name, count in (("shop_events", _events), ("shop_errors", _errors)):
        for at in range(START, END + 1, 60):
            if not GAP[0] <= at < GAP[1]:
                yield name, at, count(at)


def _events(at):
    return (at // 60) % 7


def _errors(at):
    return min(_events(at), (at // 60) % 11 // 9)


def expected():
    ats = [at for at in range(START, END + 1, 60) if not GAP[0] <= at < GAP[1]]
    total, bad = sum(map(_events, ats)), sum(map(_errors, ats))
    return len(ats), (total - bad) * 1000, total * 1000


def stored(slo):
    rows = list(Reading.objects.filter(slo=slo).order_by("at").values_list("at", "good", "total"))
    days = ReadingDay.objects.filter(slo=slo).values_list("good", "total")
    sums = tuple(sum(column) for column in zip(*days, strict=True))
    assert sums == (sum(row[1] for row in rows), sum(row[2] for row in rows))
    return (len(rows), *sums)


def of_the_past(connection, **columns):
    return slo_of(
        connection,
        good_query="",
        bad_query="sum(last_over_time(shop_errors[59s]))",
        total_query="sum(last_over_time(shop_events[59s]))",
        fetched_until=None,
        **columns,
    )


def test_nine_days_of_minutes_are_fetched_in_chunks_with_their_gap_and_their_zeros(
    transactional_db, real
):
    real.remember(past())
    real.start()
    main = site(url=real.url, step_seconds=60)
    slo = of_the_past(main)
    with time_machine.travel(datetime.fromtimestamp(END + 90, UTC), tick=False):
        job = fetch(main)

    assert (job.state, job.error) == ("done", "")
    assert job.done == 5
    assert stored(slo) == expected()
    missing = Reading.objects.filter(
        at__gte=datetime.fromtimestamp(GAP[0], UTC), at__lt=datetime.fromtimestamp(GAP[1] - 60, UTC)
    )
    assert not missing.exists()
    assert Reading.objects.filter(total=0).count() > 1500


def test_a_server_that_goes_away_in_the_middle_leaves_neither_a_gap_nor_a_double_count(
    transactional_db, real, monkeypatch
):
    real.remember(past())
    real.start()
    main = site(url=real.url, step_seconds=60)
    slo = of_the_past(main)
    counts = measurements._Work._counts
    calls = []

    def counted(self, *arguments):
        calls.append(arguments)
        if len(calls) == 8:
            real.stop(signal.SIGKILL)
        return counts(self, *arguments)

    monkeypatch.setattr(measurements._Work, "_counts", counted)
    with time_machine.travel(datetime.fromtimestamp(END + 90, UTC), tick=False):
        job = fetch(main)
        assert (job.state, main.failures) == ("failed", 1)
        assert "does not answer" in main.last_error
        slo.refresh_from_db()
        assert slo.fetched_until < datetime.fromtimestamp(END - 86_400, UTC)

        assert fetch(main).state == "failed"
        real.start()
        assert fetch(main).state == "done"
    assert main.last_error == ""
    assert stored(slo) == expected()


def test_a_worker_that_is_killed_in_the_middle_is_followed_by_one_that_goes_on(
    transactional_db, real, start_worker, settings, tmp_path
):
    """It is killed with a chunk written and its cursor moved, and nothing committed."""
    shift = int(timezone.now().timestamp()) // 60 * 60 - 180 - END
    real.remember((name, at + shift, value) for name, at, value in past())
    real.start()
    settings.JOB_LEASE_SECONDS = 2
    main = site(url=real.url, step_seconds=60)
    slo = of_the_past(main)
    first = start_worker("--include", "tests.held_fetch", HELD_FOLDER=tmp_path, JOB_LEASE_SECONDS=2)
    assert tasks.measure() == 1
    until((tmp_path / "began").exists, what=first.output)
    slo.refresh_from_db()
    once = slo.fetched_until
    assert once is not None
    first.kill()
    slo.refresh_from_db()
    assert slo.fetched_until == once

    second = start_worker(JOB_LEASE_SECONDS=2)
    until(tasks.sweep, what="a lease that has lapsed")
    until(lambda: Fetch.objects.get().is_over, what=second.output)
    job = Fetch.objects.get()
    assert (job.state, job.attempts, job.error) == ("done", 2, "")
    assert stored(slo) == expected()
    steps = Reading.objects.order_by("at").values_list("at", flat=True)
    holes = [later - earlier for earlier, later in pairwise(steps)]
    assert sorted(holes)[-2:] == [timedelta(minutes=1), timedelta(hours=6, minutes=1)]


def test_a_running_service_is_measured_also_over_a_restart_of_prometheus(transactional_db, folder):
    with prometheus.shop(folder) as shop:
        real = prometheus.Server(folder / "prometheus", shop.port)
        try:
            real.start()
            _measured(real, shop)
        finally:
            real.stop(signal.SIGKILL)


def _measured(real, shop):
    main = site(url=real.url, step_seconds=60, delay_seconds=0)
    name = "http_server_request_duration_seconds"
    slo = slo_of(
        main,
        kind="latency",
        threshold_ms=300,
        objective=Decimal("0.9"),
        good_query=f'sum(increase({name}_bucket{{le="0.25"}}[{{{{.window}}}}]))',
        total_query=f"sum(increase({name}_count[{{{{.window}}}}]))",
        buckets_query=f"sum by (le) ({name}_bucket)",
        fetched_until=timezone.now() - timedelta(minutes=10),
    )
    errors = slo_of(
        main,
        good_query='sum(increase(http_requests_total{code!~"5.."}[{{.window}}]))',
        total_query="sum(increase(http_requests_total[{{.window}}]))",
        fetched_until=timezone.now() - timedelta(minutes=10),
    )
    several = slo_of(
        main,
        good_query="http_requests_total",
        total_query="increase(http_requests_total[{{.window}}])",
        fetched_until=timezone.now() - timedelta(minutes=10),
    )

    def scraped(query):
        with measurements.Prometheus(real.url) as server:
            found = server.instant(query, int(timezone.now().timestamp()) + 1)
        return max((value for each in found for value in each.samples.values()), default=0)

    until(lambda: scraped("count_over_time(http_requests_total[1m])") >= 2, what="two scrapes")
    shop.serve(300, 0.02)
    shop.serve(100, 0.4, 500)
    until(lambda: scraped(f"{name}_count") == 400, what="what was served")

    # Two minutes from now, the steps that the test lies in are over.
    with time_machine.travel(timezone.now() + timedelta(minutes=2), tick=False):
        job = fetch(main)
        assert (job.state, job.error) == ("done", "")
        for each in (slo, errors):
            state = SloState.objects.get(slo=each, window="30m")
            assert round(state.error_ratio, 3) == Decimal("0.25")
            assert 350_000 < state.total < 600_000
        slo.refresh_from_db()
        assert (slo.bucket_low_ms, slo.bucket_high_ms) == (250, 500)
        assert slo.is_measurable is False
        several.refresh_from_db()
        assert "yields 2 series, which differ by code" in several.fetch_error

        real.stop()
        assert fetch(main).state == "failed"
        real.start()
        before = list(Reading.objects.values_list("slo_id", "at", "good", "total"))
        assert fetch(main).state == "done"
        assert len(Reading.objects.values_list("slo_id", "at")) == len(before)
        state = SloState.objects.get(slo=errors, window="30m")
        assert round(state.error_ratio, 3) == Decimal("0.25")
