"""The bridge between readings and error budgets: what each window of each SLO shows now.

One statement adds up the windows of all SLOs: single readings for their ragged ends, hours and
days for what is between, so that the cost depends on the windows and not on how much was ever read.
A window holds the readings, and of Timeslices the slices, that lie wholly in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils import timezone

import scoring
from debtreg import bulk, readings
from debtreg.models import (
    EVENT,
    Maintenance,
    Method,
    MonthBasis,
    Slo,
    SloState,
    StateWindow,
    WindowKind,
)

SECONDS_PER_DAY = 86_400
LENGTHS: dict[str, int] = {
    StateWindow.MINUTES_5: 300,
    StateWindow.MINUTES_30: 1_800,
    StateWindow.HOURS_1: 3_600,
    StateWindow.HOURS_2: 7_200,
    StateWindow.HOURS_6: 21_600,
    StateWindow.DAYS_1: SECONDS_PER_DAY,
    StateWindow.DAYS_3: 3 * SECONDS_PER_DAY,
}
_WINDOW_OF = {seconds: window for window, seconds in LENGTHS.items()}
# Long window of an alert -> what it does when it fires.
SEVERITIES = {
    _WINDOW_OF[pair.long_seconds]: pair.severity for pair in scoring.alert_windows(Decimal(30))
}
# Of calendar windows.
_MONTHS = {WindowKind.MONTH: 1, WindowKind.QUARTER: 3, WindowKind.YEAR: 12}
# The last reading may be so old, beside twice its own length, before the present counts as a gap.
LATE = timedelta(minutes=10)
# Beyond 30 million years it does not matter when a budget will be used up.
_LONGEST = Decimal(10**15)


@dataclass(frozen=True)
class Alert:
    """A pair of windows that alerts while both burn above the threshold; None is not known."""

    severity: str
    long: str
    short: str
    consumed_percent: Decimal  # of the period's budget, gone when it fires
    threshold: Decimal | None
    long_burn: Decimal | None
    short_burn: Decimal | None
    is_reachable: bool | None  # False: not even a total failure burns faster
    is_firing: bool | None


@dataclass(frozen=True)
class Span:
    """A window of time; `seconds` is how long the whole of it is, by the month basis."""

    starts_at: datetime
    ends_at: datetime
    seconds: int

    @property
    def elapsed(self) -> int:
        return int((self.ends_at - self.starts_at).total_seconds())


# --- The pass -------------------------------------------------------------------------------------


def refresh(slo_ids: Sequence[int] | None = None, *, now: datetime | None = None) -> int:
    """Work out the windows of these SLOs (None: of all) and store them. Returns how many SLOs."""
    now = now or timezone.now()
    slos = Slo.objects.order_by("pk")
    if slo_ids is not None:
        slos = slos.filter(pk__in=set(slo_ids))
    chosen = list(slos)
    if not chosen:
        return 0
    ends = _ends(chosen, now)
    spans = {slo.pk: _spans(slo, ends[slo.pk]) for slo in chosen}
    sums = add_up(spans)
    quiet = Maintenances(spans)
    states = [state for slo in chosen for state in _states(slo, spans[slo.pk], sums, quiet)]
    SloState.objects.bulk_create(
        states,
        update_conflicts=True,
        unique_fields=["slo", "window"],
        update_fields=_COLUMNS,
    )
    return len(chosen)


_COLUMNS = [
    field.name for field in SloState._meta.concrete_fields if field.name not in ("slo", "window")
]


def period(slo: Slo, at: datetime) -> Span:
    """The SLO's own window that ends at a moment, or, of a calendar window, is in progress then."""
    if slo.window == WindowKind.ROLLING:
        days = slo.window_days or 30
        return Span(at - timedelta(days=days), at, days * SECONDS_PER_DAY)
    months = _MONTHS[WindowKind(slo.window)]
    # What ends at midnight of the first is the month before it, whole.
    local = (at - timedelta(microseconds=1)).astimezone(zone := ZoneInfo(slo.time_zone))
    number = local.year * 12 + (local.month - 1) // months * months
    first, end = (
        datetime(each // 12, each % 12 + 1, 1, tzinfo=zone).astimezone(UTC)
        for each in (number, number + months)
    )
    if slo.month_basis == MonthBasis.CALENDAR:
        # As long as it is, with the hour that summer time takes or gives.
        return Span(first, at, int((end - first).total_seconds()))
    return Span(first, at, int(months * scoring.month_hours(slo.month_basis) * 3600))


def _ends(slos: Iterable[Slo], now: datetime) -> dict[int, datetime]:
    """As of when each SLO is looked at: the end of its last reading, if that is not too old."""
    newest = f"SELECT r.{{}} FROM {readings.READINGS} r WHERE r.slo_id = s.id"
    columns = ", ".join(
        f"({newest.format(name)} ORDER BY r.at DESC LIMIT 1)" for name in ("at", "seconds")
    )
    condition, params = bulk.among("s.id", [slo.pk for slo in slos])
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT s.id, {columns} FROM {readings.SLOS} s WHERE {condition}", params)
        last = {pk: (at, seconds) for pk, at, seconds in cursor.fetchall() if at is not None}
    found = {}
    for slo in slos:
        end = now
        if slo.pk in last:
            length = timedelta(seconds=last[slo.pk][1])
            read = readings.aware(last[slo.pk][0]) + length
            if now - read <= 2 * length + LATE:
                end = read
        found[slo.pk] = _floor(end, slo.slice_seconds or 60)
    return found


def _spans(slo: Slo, end: datetime) -> dict[str, Span]:
    found = {
        window: Span(end - timedelta(seconds=seconds), end, seconds)
        for window, seconds in LENGTHS.items()
    }
    return found | {StateWindow.PERIOD: period(slo, end)}


# --- Adding up ------------------------------------------------------------------------------------

Sums = dict[str, int]


def add_up(spans: Mapping[int, Mapping[str, Span]]) -> dict[tuple[int, str], Sums]:
    """What was read in the windows of SLOs: SLO, window -> sums by readings.SUMS.

    Nothing is there for a window without a reading. Cost: one statement, whose parts are ranges of
    keys; of a window at most two hours of single readings, two days of hours, and its days.
    """
    parts: dict[str, list[tuple[int, str, datetime, datetime]]] = {
        "days": [],
        "hours": [],
        "raw": [],
    }
    for slo_id, windows in spans.items():
        for window, span in windows.items():
            for level, start, end in _cut(span.starts_at, span.ends_at):
                parts[level].append((slo_id, window, start, end))
    selects, params = [], []
    for level, select in (("days", _days), ("hours", _hours), ("raw", _raw)):
        if parts[level]:
            table, values = readings.table_of("w", _SPAN, *zip(*parts[level], strict=True))
            selects.append(select(table))
            params += values
    if not selects:
        return {}
    names = ", ".join(f"SUM({name})" for name in readings.SUMS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT slo_id, part, {names} FROM ({' UNION ALL '.join(selects)}) parts"
            " GROUP BY slo_id, part",
            params,
        )
        return {
            (slo_id, window): dict(zip(readings.SUMS, map(int, sums), strict=True))
            for slo_id, window, *sums in cursor.fetchall()
        }


_WITHIN = "r.slo_id = w.slo_id AND r.at >= w.lo AND r.at < w.hi"
_SPAN = {"slo_id": "bigint", "part": "text", "lo": "timestamptz", "hi": "timestamptz"}


def _cut(start: datetime, end: datetime) -> list[tuple[str, datetime, datetime]]:
    """Whole days, whole hours beside them, and single readings at the ends."""
    days = _whole(start, end, SECONDS_PER_DAY)
    if days:
        first, last = days
        return [*_cut_hours(start, first), ("days", first, last), *_cut_hours(last, end)]
    return _cut_hours(start, end)


def _cut_hours(start: datetime, end: datetime) -> list[tuple[str, datetime, datetime]]:
    hours = _whole(start, end, 3600)
    marks = (
        [(start, "raw"), (hours[0], "hours"), (hours[1], "raw"), (end, "")]
        if hours
        else [
            (start, "raw"),
            (end, ""),
        ]
    )
    return [(level, lo, hi) for (lo, level), (hi, _) in pairwise(marks) if lo < hi]


def _whole(start: datetime, end: datetime, unit: int) -> tuple[datetime, datetime] | None:
    first, last = _floor(start + timedelta(seconds=unit - 1), unit), _floor(end, unit)
    return (first, last) if first < last else None


def _floor(at: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(int(at.timestamp()) // seconds * seconds, UTC)


def _days(spans: str) -> str:
    return _ready_made(readings.DAYS, spans)


def _hours(spans: str) -> str:
    return _ready_made(readings.HOURS, spans)


def _ready_made(table: str, spans: str) -> str:
    names = ", ".join(f"r.{name}" for name in readings.SUMS)
    return f"SELECT w.slo_id, w.part, {names} FROM {spans}" + readings.looked_up(table, _WITHIN)


def _raw(spans: str) -> str:
    slice_of = readings.slice_of("r.at", "s.slice_seconds")
    begins = f"{slice_of} * s.slice_seconds >= {readings.slice_of('w.lo', '1')}"
    slices = (
        f"SELECT w.slo_id, w.part, s.slice_target, {readings.in_slice('NOT r.is_excluded')}"
        f" FROM {spans}{readings.looked_up(readings.READINGS, _WITHIN)}"
        f" JOIN {readings.SLOS} s ON s.id = w.slo_id"
        f" WHERE {readings.plus('r.at', 'r.seconds')} <= w.hi"
        f" AND (s.slice_seconds IS NULL OR {begins})"
        f" GROUP BY w.slo_id, w.part, s.slice_target, {slice_of}"
    )
    return f"SELECT slo_id, part, {readings.of_slices()} FROM ({slices}) p GROUP BY slo_id, part"


class Maintenances:
    """How much of a window is maintenance."""

    def __init__(self, spans: Mapping[int, Mapping[str, Span]]) -> None:
        every = [span for windows in spans.values() for span in windows.values()]
        rows = Maintenance.objects.filter(
            starts_at__lt=max(span.ends_at for span in every),
            ends_at__gt=min(span.starts_at for span in every),
        )
        self.rows = list(rows.values_list("service_id", "starts_at", "ends_at"))
        self.of: dict[int, list[tuple[datetime, datetime]]] = {}

    def seconds(self, service_id: int, span: Span) -> int:
        if not self.rows:
            return 0
        if service_id not in self.of:
            self.of[service_id] = _merged(
                (start, end) for of, start, end in self.rows if of in (service_id, None)
            )
        found = (
            min(end, span.ends_at) - max(start, span.starts_at)
            for start, end in self.of[service_id]
            if start < span.ends_at and end > span.starts_at
        )
        return int(sum(found, timedelta()).total_seconds())


def _merged(intervals: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    found: list[tuple[datetime, datetime]] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


# --- What it means --------------------------------------------------------------------------------


def _states(
    slo: Slo,
    spans: Mapping[str, Span],
    sums: Mapping[tuple[int, str], Sums],
    quiet: Maintenances,
) -> list[SloState]:
    """The rows of one SLO, with its alerts on their long windows."""
    found = {
        window: _state(slo, window, span, sums.get((slo.pk, window)), quiet)
        for window, span in spans.items()
    }
    whole = found[StateWindow.PERIOD]
    whole.period_seconds = spans[StateWindow.PERIOD].seconds
    whole.remaining = _remaining(slo, spans[StateWindow.PERIOD], whole)
    for state in found.values():
        if whole.remaining is not None:
            left = scoring.seconds_to_exhaustion(
                whole.remaining, Decimal(whole.period_seconds), state.burn_rate
            )
            if left is not None and left.is_finite():
                state.seconds_left = min(left, _LONGEST)
    for alert in alerts(slo, found):
        long = found[alert.long]
        long.threshold = alert.threshold
        long.is_reachable, long.is_firing = alert.is_reachable, alert.is_firing
    return list(found.values())


def _state(slo: Slo, window: str, span: Span, sums: Sums | None, quiet: Maintenances) -> SloState:
    sums = sums or dict.fromkeys(readings.SUMS, 0)
    good, total = sums["good"], sums["total"]
    if slo.method == Method.TIMESLICES:
        good, total = sums["good_slices"] * EVENT, sums["slices"] * EVENT
    errors = Decimal(total - good) / total if total else None
    # A reading that only touches a maintenance is left out whole; a maintenance may not be read.
    excluded = max(sums["excluded_seconds"], quiet.seconds(slo.service_id, span))
    measured = sums["seconds"]
    return SloState(
        slo=slo,
        window=window,
        starts_at=span.starts_at,
        ends_at=span.ends_at,
        good=good if measured else None,
        total=total if measured else None,
        measured_seconds=measured,
        excluded_seconds=excluded,
        error_ratio=errors,
        burn_rate=scoring.burn_rate(errors, slo.objective),
        is_few=bool(total) and scoring.error_budget(slo.objective, Decimal(total)) < EVENT,
    )


def _remaining(slo: Slo, span: Span, state: SloState) -> Decimal | None:
    """What is left of the period's budget.

    Of a rolling window (SLI - T) / (1 - T). Of a calendar window in progress the budget is that of
    the whole period: 1 - burn rate x measured time / period, without maintenance. Measured, and not
    elapsed: nobody knows what the rest of it has used up, and to take it as burnt at the same pace
    would overdraw the budget of a year by four bad days (no data is no data). How much is measured
    is `completeness`, which is shown beside it.
    """
    if state.burn_rate is None or state.error_ratio is None:
        return None
    if slo.window == WindowKind.ROLLING:
        return scoring.remaining_ratio(1 - state.error_ratio, slo.objective)
    whole = span.seconds - state.excluded_seconds
    return 1 - state.burn_rate * state.measured_seconds / whole if whole > 0 else None


def alerts(slo: Slo, states: Mapping[str, SloState]) -> list[Alert]:
    """The four multi-window alerts of an SLO, for the length of its period.

    states : by window; the one of the period has `period_seconds`
    """
    whole = states[StateWindow.PERIOD]
    days = Decimal(whole.period_seconds or 0) / SECONDS_PER_DAY
    most = scoring.max_burn_rate(slo.objective)
    found = []
    for pair in scoring.alert_windows(days):
        long, short = states[_WINDOW_OF[pair.long_seconds]], states[_WINDOW_OF[pair.short_seconds]]
        found.append(
            Alert(
                severity=pair.severity,
                long=long.window,
                short=short.window,
                consumed_percent=pair.consumed * 100,
                threshold=pair.threshold,
                long_burn=long.burn_rate,
                short_burn=short.burn_rate,
                is_reachable=pair.threshold < most,
                is_firing=_fires(pair, long, short),
            )
        )
    return found


def _fires(pair: scoring.AlertWindow, long: SloState, short: SloState) -> bool | None:
    """None where too little is known: one bad event of a few is no alert."""
    if long.is_few:
        return None
    return pair.fires(long.burn_rate, short.burn_rate)
