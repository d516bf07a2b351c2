"""Error budgets and burn rates of stored readings: exact, by window, and null without data."""

import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from debtreg import budgets, readings
from debtreg.models import Maintenance, Method, MonthBasis, Reading, Slo, SloState, WindowKind
from tests.factories import ServiceFactory, SloFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
VECTORS = Path(__file__).parent / "data" / "vectors"


def vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def put(slo, *rows, end=NOW, seconds=300):
    """Readings of (good, total), one after another up to `end`; None leaves a gap."""
    batch = readings.Batch()
    for place, counts in enumerate(reversed(rows), 1):
        if counts is not None:
            good, total = (int(Decimal(str(count)) * 1000) for count in counts)
            batch.add(slo.pk, end - timedelta(seconds=place * seconds), seconds, good, total)
    with transaction.atomic():
        readings.lock([slo.pk])
        assert not readings.overlaps(batch)
        readings.store(batch, source="api")


def state(slo, window="period", now=NOW):
    budgets.refresh([slo.pk], now=now)
    return SloState.objects.get(slo=slo, window=window)


# --- The numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", vectors("burn_rate"))
def test_burn_rates_hold_through_stored_readings(case):
    given, expected = case["input"], case["expect"]
    slo = SloFactory(
        objective=Decimal(given["objective_percent"]) / 100, window_days=int(given["period_days"])
    )
    put(slo, (given["good"], given["total"]))
    budgets.refresh(now=NOW)

    for found in SloState.objects.filter(slo=slo):
        if expected["burn_rate"] is None:
            assert found.burn_rate is found.error_ratio is found.remaining is None
        else:
            assert round(found.burn_rate, 6) == Decimal(expected["burn_rate"])
    if "budget_consumed_percent" in expected:
        hour = SloState.objects.get(slo=slo, window="1h")
        whole = SloState.objects.get(slo=slo, window="period").period_seconds
        consumed = hour.burn_rate * 3600 / whole * 100
        assert consumed == Decimal(expected["budget_consumed_percent"])
        assert whole / hour.burn_rate == Decimal(expected["seconds_to_exhaustion"])


@pytest.mark.parametrize("case", vectors("alert_windows"))
def test_thresholds_of_stored_alerts_are_those_of_the_period(case):
    slo = SloFactory(window_days=case["period_days"])
    put(slo, (1, 1))
    budgets.refresh(now=NOW)

    rows = {found.window: found for found in SloState.objects.filter(slo=slo)}
    for window, threshold in case["thresholds"].items():
        assert round(rows[window].threshold, 5) == Decimal(str(threshold))
    consumed = {alert.long: alert.consumed_percent for alert in budgets.alerts(slo, rows)}
    if "consumed" in case:
        assert consumed == case["consumed"]
    assert {window for window, row in rows.items() if row.threshold} == set(case["thresholds"])


@pytest.mark.parametrize(
    ("bad", "fires"), [(1439, False), (1440, False), (1441, True), (1444, True)]
)
def test_an_alert_fires_strictly_above_its_threshold_and_nothing_is_rounded_before(bad, fires):
    slo = SloFactory(objective=Decimal("0.999"))
    put(slo, (100_000 - bad, 100_000))

    assert state(slo, "1h").is_firing is fires


def test_an_alert_needs_both_of_its_windows():
    slo = SloFactory(objective=Decimal("0.99"))
    put(slo, (0, 1000), (1000, 1000))
    assert state(slo, "5m").burn_rate == 0
    assert state(slo, "1h").burn_rate == 50
    assert state(slo, "1h").is_firing is False

    put(slo, (0, 1000))
    assert state(slo, "1h").is_firing is True


def test_without_data_in_one_window_nobody_knows_whether_an_alert_fires():
    slo = SloFactory()
    put(slo, (0, 1000), None)

    budgets.refresh(now=NOW)
    rows = {found.window: found for found in SloState.objects.all()}
    # The last reading is five minutes old: that is when the windows end.
    assert rows["1h"].is_firing is True
    later = state(slo, "1h", now=NOW + timedelta(minutes=30))
    assert later.burn_rate == 1000
    assert later.is_firing is None


def test_one_bad_event_of_a_few_is_no_alert():
    slo = SloFactory()
    put(slo, (9, 10))
    assert state(slo, "1h").burn_rate == 100
    assert state(slo, "1h").is_firing is None


@pytest.mark.parametrize(
    ("objective", "reachable"),
    [
        ("0.93", [False, True, True, True]),
        ("0.94", [True] * 4),
        ("0.83", [False, False, True, True]),
    ],
)
def test_a_threshold_that_not_even_a_total_failure_reaches_is_marked(objective, reachable):
    slo = SloFactory(objective=Decimal(objective))
    put(slo, (0, 100))
    budgets.refresh(now=NOW)

    rows = {found.window: found for found in SloState.objects.all()}
    windows = ["1h", "6h", "1d", "3d"]
    assert [rows[window].is_reachable for window in windows] == reachable
    assert [rows[window].is_firing for window in windows] == reachable


def test_a_budget_that_is_just_used_up_leaves_exactly_nothing():
    slo = SloFactory(objective=Decimal("0.9995"))
    put(slo, (9_995, 10_000))

    found = state(slo)
    assert (found.burn_rate, found.remaining, found.seconds_left) == (1, 0, 0)


def test_an_overdrawn_budget_is_below_zero():
    slo = SloFactory(objective=Decimal("0.99"))
    put(slo, (970, 1000))

    found = state(slo)
    assert (found.remaining, found.seconds_left) == (-2, 0)


def test_a_budget_that_nothing_burns_lasts():
    slo = SloFactory()
    put(slo, (10, 10))

    found = state(slo)
    assert (found.burn_rate, found.remaining, found.seconds_left, found.lasts) == (0, 1, None, True)


def test_time_to_exhaustion_is_what_is_left_at_the_burn_rate_of_the_window():
    slo = SloFactory(objective=Decimal("0.9"))
    put(slo, (100, 100), (100, 100), (95, 100), seconds=3600)

    whole, hour = state(slo), state(slo, "1h")
    assert round(whole.remaining, 9) == round(1 - Decimal(5) / 30, 9)
    assert hour.seconds_left == round(whole.remaining * 2_592_000 / Decimal("0.5"), 3)


@pytest.mark.parametrize(
    ("objective", "total", "few"),
    [("0.999", 999, True), ("0.999", 1000, False), ("0.9", 9, True), ("0.9", 10, False)],
)
def test_so_few_events_that_a_bad_one_overdraws_the_budget_are_marked(objective, total, few):
    slo = SloFactory(objective=Decimal(objective))
    put(slo, (total, total))

    assert state(slo).is_few is few


# --- No data --------------------------------------------------------------------------------------


def test_no_reading_is_no_data_and_never_a_burn_rate_of_zero():
    slo = SloFactory()
    budgets.refresh(now=NOW)

    rows = list(SloState.objects.filter(slo=slo))
    assert len(rows) == 8
    for found in rows:
        assert found.good is found.total is found.error_ratio is found.burn_rate is None
        assert found.remaining is found.seconds_left is None
        assert (found.measured_seconds, found.completeness, found.lasts) == (0, 0, False)
        assert not found.is_firing


def test_measured_quiet_is_not_a_gap():
    slo = SloFactory()
    put(slo, (0, 0))

    found = state(slo, "5m")
    assert (found.good, found.total, found.measured_seconds) == (0, 0, 300)
    assert found.burn_rate is None


def test_a_gap_is_neither_good_nor_bad_and_shows_as_incomplete():
    slo = SloFactory(objective=Decimal("0.9"))
    put(slo, *[(90, 100), None] * 6)

    found = state(slo, "1h", now=NOW - timedelta(minutes=5))
    assert found.burn_rate == 1
    assert (found.measured_seconds, found.completeness) == (1800, 0.5)


def test_a_reading_that_came_a_little_late_is_the_present_and_an_old_one_is_not():
    slo = SloFactory()
    put(slo, (0, 10))

    assert state(slo, "5m", now=NOW + timedelta(minutes=19)).burn_rate == 1000
    old = state(slo, "5m", now=NOW + timedelta(minutes=25))
    assert (old.burn_rate, old.total) == (None, None)
    assert state(slo, "1h", now=NOW + timedelta(minutes=25)).burn_rate == 1000


def test_a_window_shorter_than_a_reading_has_no_data():
    slo = SloFactory()
    put(slo, (0, 10), seconds=3600)

    assert state(slo, "30m").burn_rate is None
    assert state(slo, "1h").burn_rate == 1000


# --- Methods --------------------------------------------------------------------------------------


def test_timeslices_weigh_a_quiet_night_as_much_as_a_busy_day_and_occurrences_do_not():
    night, day = (5, 10), (10_000, 10_000)
    slices = SloFactory(
        objective=Decimal("0.9"),
        method=Method.TIMESLICES,
        slice_seconds=300,
        slice_target=Decimal("0.95"),
    )
    events = SloFactory(objective=Decimal("0.9"))
    for slo in (slices, events):
        put(slo, night, day)

    assert state(slices).error_ratio == Decimal("0.5")
    assert state(slices).total == 2_000
    assert state(events).error_ratio < Decimal("0.001")


def test_windows_of_timeslices_end_with_a_whole_slice():
    slo = SloFactory(
        objective=Decimal("0.9"),
        method=Method.TIMESLICES,
        slice_seconds=300,
        slice_target=Decimal(1),
    )
    put(slo, *[(1, 1)] * 5, *[(0, 1)] * 3, end=NOW + timedelta(minutes=3), seconds=60)

    found = state(slo, "5m", now=NOW + timedelta(minutes=4))
    assert (found.ends_at, found.burn_rate) == (NOW, 0)


# --- Windows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_every_window_holds_what_a_plain_sum_over_its_readings_gives(seed):
    draw = random.Random(seed)
    end = NOW + timedelta(minutes=5 * draw.randrange(300))
    slo = SloFactory(window_days=draw.choice([1, 2, 4]))
    if seed % 2:
        slo.method, slo.slice_seconds = Method.TIMESLICES, draw.choice([300, 600, 3600])
        slo.slice_target = Decimal("0.9")
        slo.save()
    rows = [
        None if draw.random() < 0.1 else (good := draw.randrange(80, 101), max(good, 100))
        for _ in range(5 * 288)
    ]
    put(slo, *rows, end=end)
    budgets.refresh(now=end)

    for found in SloState.objects.filter(slo=slo):
        within = Reading.objects.filter(slo=slo, at__gte=found.starts_at, at__lt=found.ends_at)
        slices = {}
        for one in within:
            length = slo.slice_seconds or 300
            first = int(one.at.timestamp()) // length * length
            if first >= found.starts_at.timestamp():
                sums = slices.setdefault(first, [0, 0])
                sums[0] += one.good
                sums[1] += one.total
        if slo.slice_seconds:
            good = sum(1000 for good, total in slices.values() if good >= Decimal("0.9") * total)
            total = 1000 * len(slices)
        else:
            good, total = map(sum, zip(*slices.values(), strict=True)) if slices else (0, 0)
        assert (found.good or 0, found.total or 0) == (good, total), found.window


def test_what_lies_between_the_ends_of_a_window_comes_from_hours_and_days():
    slo = SloFactory(objective=Decimal("0.9"))
    put(slo, *[(95, 100)] * 3000, end=NOW - timedelta(minutes=25))
    now = NOW - timedelta(minutes=25)
    before = state(slo, now=now)
    Reading.objects.filter(at__lt=now - timedelta(hours=1)).delete()

    after = state(slo, now=now)
    assert (after.good, after.total, after.measured_seconds) == (
        before.good,
        before.total,
        before.measured_seconds,
    )
    assert before.total == 3000 * 100_000


@pytest.mark.parametrize(
    ("window", "zone", "at", "starts", "hours"),
    [
        (WindowKind.MONTH, "UTC", "2026-03-10T12:00Z", "2026-03-01T00:00Z", 744),
        (WindowKind.MONTH, "Asia/Shanghai", "2026-03-10T12:00Z", "2026-02-28T16:00Z", 744),
        (WindowKind.MONTH, "Asia/Kolkata", "2026-02-28T18:35Z", "2026-02-28T18:30Z", 744),
        # The hour that summer time takes, and gives back.
        (WindowKind.MONTH, "Europe/Berlin", "2026-03-30T12:00Z", "2026-02-28T23:00Z", 743),
        (WindowKind.MONTH, "Europe/Berlin", "2026-10-30T12:00Z", "2026-09-30T22:00Z", 745),
        (WindowKind.MONTH, "America/New_York", "2026-11-10T12:00Z", "2026-11-01T04:00Z", 721),
        (WindowKind.QUARTER, "Europe/Berlin", "2026-03-10T12:00Z", "2025-12-31T23:00Z", 2159),
        (WindowKind.QUARTER, "UTC", "2026-12-31T23:00Z", "2026-10-01T00:00Z", 2208),
        (WindowKind.YEAR, "Europe/Berlin", "2026-03-10T12:00Z", "2025-12-31T23:00Z", 8760),
        (WindowKind.YEAR, "UTC", "2028-03-10T12:00Z", "2028-01-01T00:00Z", 8784),
        # What ends with the month is the month.
        (WindowKind.MONTH, "UTC", "2026-03-01T00:00Z", "2026-02-01T00:00Z", 672),
        (WindowKind.MONTH, "UTC", "2026-01-01T00:00Z", "2025-12-01T00:00Z", 744),
    ],
)
def test_a_calendar_window_begins_at_midnight_where_it_says(window, zone, at, starts, hours):
    slo = Slo(window=window, window_days=None, time_zone=zone)

    found = budgets.period(slo, datetime.fromisoformat(at))
    assert found.starts_at == datetime.fromisoformat(starts)
    assert found.seconds == hours * 3600


@pytest.mark.parametrize(
    ("window", "basis", "hours"),
    [
        (WindowKind.MONTH, MonthBasis.DAYS_30, 720),
        (WindowKind.MONTH, MonthBasis.HOURS_730, 730),
        (WindowKind.QUARTER, MonthBasis.DAYS_30, 2160),
        (WindowKind.YEAR, MonthBasis.HOURS_730, 8760),
    ],
)
def test_the_month_basis_says_how_long_a_period_is(window, basis, hours):
    slo = Slo(window=window, window_days=None, month_basis=basis)

    assert budgets.period(slo, NOW).seconds == hours * 3600


def test_the_budget_of_a_month_in_progress_is_that_of_the_whole_month():
    slo = SloFactory(
        objective=Decimal("0.99"),
        window=WindowKind.MONTH,
        window_days=None,
        month_basis=MonthBasis.DAYS_30,
    )
    first = datetime(2026, 3, 1, tzinfo=UTC)
    put(slo, *[(0, 10)] * 6, end=first + timedelta(hours=6), seconds=3600)

    found = state(slo, now=first + timedelta(hours=6))
    # Six hours of failure out of 720 x 1 % = 7.2 hours.
    assert found.burn_rate == 100
    assert found.remaining == round(1 - Decimal("6") / Decimal("7.2"), 12)


def test_what_was_not_measured_of_a_calendar_window_has_used_nothing_up():
    slo = SloFactory(
        objective=Decimal("0.9"), window=WindowKind.YEAR, window_days=None, time_zone="UTC"
    )
    end = datetime(2026, 11, 25, tzinfo=UTC)
    put(slo, *[(70, 100)] * 96, end=end, seconds=3600)

    found = state(slo, now=end)
    assert found.burn_rate == 3
    # Four days at three times the pace are twelve of the 365; the 324 before them are unknown.
    assert found.remaining == round(1 - Decimal(12) / 365, 12)
    assert (found.is_partial, found.completeness) == (True, pytest.approx(4 / 328))


def test_a_window_that_was_measured_throughout_is_not_partial():
    slo = SloFactory(window_days=1)
    put(slo, *[(99, 100)] * 24, seconds=3600)
    assert not state(slo).is_partial


def test_a_maintenance_window_counts_in_no_budget_and_is_not_missing():
    service = ServiceFactory()
    slo = SloFactory(service=service, objective=Decimal("0.9"))
    Maintenance.objects.create(
        service=service,
        starts_at=NOW - timedelta(minutes=32),
        ends_at=NOW - timedelta(minutes=20),
        reason="New disks",
    )
    Maintenance.objects.create(
        service=None,
        starts_at=NOW - timedelta(minutes=25),
        ends_at=NOW - timedelta(minutes=15),
        reason="New switches",
    )
    rows = [(10, 10)] * 5 + [(0, 10)] * 2 + [None] * 2 + [(10, 10)] * 3
    put(slo, *rows)

    found = state(slo, "1h")
    assert (found.burn_rate, found.measured_seconds) == (0, 2400)
    # 17 minutes of maintenance; the first and the last reading in it are left out whole.
    assert found.excluded_seconds == 17 * 60
    assert 0.93 < found.completeness < 0.94


def test_a_window_that_is_all_maintenance_has_no_completeness():
    slo = SloFactory()
    Maintenance.objects.create(starts_at=NOW - timedelta(hours=2), ends_at=NOW, reason="The move")
    put(slo, (0, 10))

    found = state(slo, "1h")
    assert (found.burn_rate, found.completeness) == (None, None)


# --- The pass -------------------------------------------------------------------------------------


def test_the_pass_takes_as_many_queries_for_thirty_slos_as_for_three():
    def taken():
        with CaptureQueriesContext(connection) as queries:
            budgets.refresh(now=NOW)
        return len([each for each in queries if "SAVEPOINT" not in each["sql"]])

    for slo in SloFactory.create_batch(3):
        put(slo, (1, 1))
    few = taken()
    for slo in SloFactory.create_batch(27):
        put(slo, (1, 1))
    # SQLite takes a limited number of values at a time.
    assert taken() <= few + (0 if connection.vendor == "postgresql" else 8)
    assert SloState.objects.count() == 240


def test_a_pass_over_some_slos_leaves_the_others_alone():
    one, other = SloFactory.create_batch(2)
    budgets.refresh([one.pk], now=NOW)

    assert set(SloState.objects.values_list("slo_id", flat=True)) == {one.pk}
    assert budgets.refresh([], now=NOW) == 0
    assert budgets.refresh(now=NOW) == 2
    assert other.states.count() == 8


def test_a_second_pass_takes_the_place_of_the_first():
    slo = SloFactory()
    put(slo, (0, 10))
    assert state(slo, "1h").burn_rate == 1000

    assert state(slo, "1h", now=NOW + timedelta(hours=3)).burn_rate is None
    assert SloState.objects.count() == 8


def test_the_extremes_of_what_can_be_stored_have_a_state():
    slo = SloFactory(objective=Decimal("0.99999999999"), window=WindowKind.YEAR, window_days=None)
    put(slo, (0, 10**10))
    assert state(slo).burn_rate == 10**11
    put(slo, ("9999999999.999", 10**10))
    assert state(slo).burn_rate > 0

    loose = SloFactory(objective=Decimal("0.00000000001"), window_days=366)
    put(loose, ("9999999999.999", 10**10))
    assert state(loose).seconds_left == 10**15
