"""Readings and what they add up to: written and rolled up by sets of rows, in both databases.

Hours are made of readings and days of hours, in the transaction that stores the readings, and only
those that are touched. Sums are whole thousandths, so that no order of adding makes a difference.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from debtreg import bulk
from debtreg.models import Maintenance, Reading, ReadingDay, ReadingHour, Slo

READINGS = Reading._meta.db_table
HOURS = ReadingHour._meta.db_table
DAYS = ReadingDay._meta.db_table
SLOS = Slo._meta.db_table
MAINTENANCE = Maintenance._meta.db_table
# What roll-ups hold.
SUMS = ("good", "total", "good_slices", "slices", "seconds", "excluded_seconds")


@dataclass
class Batch:
    """Readings by column. `at` is aware; good and total are thousandths of events.

    Each begins at a multiple of its length, and no two of one SLO overlap.
    """

    slo_ids: list[int] = field(default_factory=list)
    ats: list[datetime] = field(default_factory=list)
    seconds: list[int] = field(default_factory=list)
    good: list[int] = field(default_factory=list)
    total: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ats)

    def add(self, slo_id: int, at: datetime, seconds: int, good: int, total: int) -> None:
        self.slo_ids.append(slo_id)
        self.ats.append(at)
        self.seconds.append(seconds)
        self.good.append(good)
        self.total.append(total)

    def at_places(self, places: Sequence[int]) -> Batch:
        return Batch(
            slo_ids=[self.slo_ids[place] for place in places],
            ats=[self.ats[place] for place in places],
            seconds=[self.seconds[place] for place in places],
            good=[self.good[place] for place in places],
            total=[self.total[place] for place in places],
        )


@dataclass(frozen=True)
class Stored:
    """How many readings were new, said something else than before, or were there just so."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: Stored) -> Stored:
        return Stored(
            self.created + other.created,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
        )


# --- Storing --------------------------------------------------------------------------------------


def lock(slo_ids: Iterable[int]) -> None:
    """Let nobody else store or roll up readings of these SLOs before the transaction ends."""
    rows = Slo.objects.select_for_update(no_key=True).filter(pk__in=set(slo_ids)).order_by("pk")
    list(rows.values_list("pk", flat=True))


def overlaps(batch: Batch) -> dict[int, tuple[datetime, int]]:
    """Places of readings that lie across one of another length, with that one's `at`, `seconds`."""
    values, params = _values(batch)
    reaches = f"{plus('r.at', 'r.seconds')} > v.at"
    with connection.cursor() as cursor:
        # Readings are an hour long at most, so an hour before is enough to look at.
        cursor.execute(
            f"SELECT v.place, r.at, r.seconds FROM {values}"
            + looked_up(
                READINGS,
                f"r.slo_id = v.slo_id AND r.at > {plus('v.at', '-3600')}"
                f" AND r.at < {plus('v.at', 'v.seconds')}",
            )
            + f" WHERE r.seconds <> v.seconds AND {reaches}",
            params,
        )
        return {place: (aware(at), seconds) for place, at, seconds in cursor.fetchall()}


def store(batch: Batch, *, source: str) -> Stored:
    """Insert and update readings by SLO and time, and roll up what they touch.

    The caller has locked the SLOs and seen to it that there are no overlaps. A repeat changes
    nothing.
    """
    known = _known(batch)
    now = list(zip(batch.seconds, batch.good, batch.total, strict=True))
    changed = [place for place, said in enumerate(now) if known.get(place) != said]
    if not changed:
        return Stored(unchanged=len(batch))
    part = batch.at_places(changed)
    values, params = _values(part)
    with connection.cursor() as cursor:
        # WHERE TRUE: without it SQLite takes ON for that of a join.
        cursor.execute(
            f"INSERT INTO {READINGS} (slo_id, at, seconds, good, total, source, is_excluded)"
            f" SELECT v.slo_id, v.at, v.seconds, v.good, v.total, %s,"
            f" {_in_maintenance('v.at', 'v.seconds')}"
            f" FROM {values} JOIN {SLOS} s ON s.id = v.slo_id WHERE TRUE"
            " ON CONFLICT (slo_id, at) DO UPDATE SET seconds = excluded.seconds,"
            " good = excluded.good, total = excluded.total, source = excluded.source,"
            " is_excluded = excluded.is_excluded",
            [source, *params],
        )
    hours = {(pk, _hour(at)) for pk, at in zip(part.slo_ids, part.ats, strict=True)}
    _roll_up_hours(*_of(hours, READINGS, 3600))
    _roll_up_days(*_of({(pk, _day(at)) for pk, at in hours}, HOURS, 86_400))
    updated = sum(place in known for place in changed)
    return Stored(len(changed) - updated, updated, len(batch) - len(changed))


def _known(batch: Batch) -> dict[int, tuple[int, int, int]]:
    """Place -> seconds, good and total as they are stored."""
    values, params = _values(batch)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT v.place, r.seconds, r.good, r.total FROM {values}"
            + looked_up(READINGS, "r.slo_id = v.slo_id AND r.at = v.at"),
            params,
        )
        return {place: (seconds, good, total) for place, seconds, good, total in cursor.fetchall()}


def _of(spans: Iterable[tuple[int, datetime]], table: str, seconds: int) -> tuple[str, str, Any]:
    """SQL for the rows `r` of a table within these hours or days of SLOs."""
    chosen = sorted(spans)
    columns = {"slo_id": "bigint", "at": "timestamptz"}
    found, params = table_of("h", columns, *zip(*chosen, strict=True))
    within = f"r.slo_id = h.slo_id AND r.at >= h.at AND r.at < {plus('h.at', str(seconds))}"
    return found + looked_up(table, within), "TRUE", params


def forget(slo_id: int, source: str) -> int:
    """Drop an SLO's readings of one source, with what they add up to. Returns how many.

    In the caller's transaction. Of days of which single readings are no longer kept, the sums stay.
    """
    lock([slo_id])
    rows = Reading.objects.filter(slo=slo_id, source=source)
    first = rows.order_by("at").values_list("at", flat=True).first()
    if first is None:
        return 0
    removed, _ = rows.delete()
    for table in (ReadingHour, ReadingDay):
        table._default_manager.filter(slo=slo_id, at__gte=_day(first)).delete()
    recompute([slo_id], _day(first))
    return removed


# --- Counting anew --------------------------------------------------------------------------------


def recompute(
    slo_ids: Sequence[int], starts_at: datetime | None = None, ends_at: datetime | None = None
) -> None:
    """Count readings anew after a change of method, slices, service or maintenance.

    In the caller's transaction. What is older than the readings that are kept stays as it was
    counted then.

    starts_at, ends_at : only what touches this time; None: without a bound
    """
    if not slo_ids:
        return
    lock(slo_ids)
    # A reading that touches the time may begin an hour before it.
    first = _hour(starts_at) - timedelta(hours=1) if starts_at else None
    end = _hour(ends_at) + timedelta(hours=1) if ends_at else None
    condition, params = _within(slo_ids, first, end)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {READINGS} AS r SET is_excluded = NOT r.is_excluded FROM {SLOS} s"
            f" WHERE s.id = r.slo_id AND {condition}"
            f" AND r.is_excluded <> {_in_maintenance('r.at', 'r.seconds')}",
            params,
        )
    _roll_up_hours(f"{READINGS} r", condition, params)
    days = _within(slo_ids, first and _day(first), end and _day(end) + timedelta(days=1))
    _roll_up_days(f"{HOURS} r", *days)


def _within(
    slo_ids: Sequence[int], first: datetime | None, end: datetime | None
) -> tuple[str, list[Any]]:
    condition, params = bulk.among("r.slo_id", slo_ids)
    for sign, bound in ((">=", first), ("<", end)):
        if bound is not None:
            condition += f" AND r.at {sign} %s"
            params.append(bulk.stamp(bound))
    return condition, params


def prune(now: datetime | None = None) -> int:
    """Drop readings older than are kept; their hours and days stay. Returns how many."""
    with connection.cursor() as cursor:
        # By SLO, as the key is: an index on time alone would cost each reading a second entry.
        cursor.execute(
            f"DELETE FROM {READINGS} WHERE slo_id IN (SELECT id FROM {SLOS}) AND at < %s",
            [bulk.stamp(oldest_kept(now))],
        )
        return int(cursor.rowcount)


def oldest_kept(now: datetime | None = None) -> datetime:
    """Midnight of UTC from which on readings are kept: whole days, as these are counted anew."""
    return _day((now or timezone.now()) - timedelta(days=settings.READINGS_KEPT_DAYS))


# --- Rolling up -----------------------------------------------------------------------------------


def _roll_up_hours(table: str, condition: str, params: Sequence[Any]) -> None:
    """table, condition : the readings `r`, all of those of each hour that is concerned."""
    hour = truncated("r.at", "hour")
    slices = (
        f"SELECT r.slo_id, {hour} AS at, s.slice_target, {in_slice('NOT r.is_excluded')}"
        f" FROM {table} JOIN {SLOS} s ON s.id = r.slo_id WHERE {condition}"
        f" GROUP BY r.slo_id, {hour}, s.slice_target, {slice_of('r.at', 's.slice_seconds')}"
    )
    _upsert(HOURS, f"SELECT slo_id, at, {of_slices()} FROM ({slices}) p GROUP BY 1, 2", params)


def _roll_up_days(table: str, condition: str, params: Sequence[Any]) -> None:
    sums = ", ".join(f"SUM(r.{name})" for name in SUMS)
    day = truncated("r.at", "day")
    _upsert(
        DAYS, f"SELECT r.slo_id, {day}, {sums} FROM {table} WHERE {condition} GROUP BY 1, 2", params
    )


def _upsert(table: str, select: str, params: Sequence[Any]) -> None:
    sets = ", ".join(f"{name} = excluded.{name}" for name in SUMS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (slo_id, at, {', '.join(SUMS)}) {select}"
            f" ON CONFLICT (slo_id, at) DO UPDATE SET {sets}",
            list(params),
        )


def in_slice(counts: str) -> str:
    """SQL: what the readings `r` of one slice of the SLO `s` add up to; `counts` chooses them.

    Where there are no slices, or the readings do not lie wholly within them, `unsliced` is 1.
    """
    return (
        f"COALESCE(SUM(r.good) FILTER (WHERE {counts}), 0) AS good,"
        f" COALESCE(SUM(r.total) FILTER (WHERE {counts}), 0) AS total,"
        f" COALESCE(SUM(r.seconds) FILTER (WHERE {counts}), 0) AS seconds,"
        " COALESCE(SUM(r.seconds) FILTER (WHERE r.is_excluded), 0) AS excluded_seconds,"
        " MAX(CASE WHEN s.slice_seconds %% r.seconds = 0 THEN 0 ELSE 1 END) AS unsliced"
    )


def of_slices() -> str:
    """SQL: sums over the slices `p`, in the order of SUMS. A slice without events is no slice."""
    judged = "p.unsliced = 0 AND p.total > 0"
    if bulk.is_postgres():
        good = "p.good >= p.slice_target * p.total"  # numeric, so exact
    else:
        connection.ensure_connection()
        connection.connection.create_function("at_least", 3, _at_least, deterministic=True)
        good = "at_least(p.good, p.total, p.slice_target)"
    return (
        "SUM(p.good), SUM(p.total),"
        f" SUM(CASE WHEN {judged} AND {good} THEN 1 ELSE 0 END),"
        f" SUM(CASE WHEN {judged} THEN 1 ELSE 0 END),"
        " SUM(p.seconds), SUM(p.excluded_seconds)"
    )


def _at_least(good: int, total: int, target: float) -> bool:
    """What SQLite's floats would get wrong. A float is read back as the decimal it stands for."""
    return good >= Decimal(repr(target)) * total


# --- SQL of two dialects --------------------------------------------------------------------------


def looked_up(table: str, condition: str) -> str:
    """SQL: a join with the rows `r` of a large table, each time by its key.

    PostgreSQL does not know how narrow the ranges are, and would sooner read all of the table once.
    """
    if bulk.is_postgres():
        # OFFSET keeps the subquery from being dissolved into the join.
        return f" CROSS JOIN LATERAL (SELECT * FROM {table} r WHERE {condition} OFFSET 0) r"
    return f" JOIN {table} r ON {condition}"


def plus(at: str, seconds: str) -> str:
    """SQL: a moment so many seconds later."""
    if bulk.is_postgres():
        return f"({at} + ({seconds}) * INTERVAL '1 second')"
    return f"datetime({at}, ({seconds}) || ' seconds')"


def truncated(at: str, unit: str) -> str:
    """SQL: the beginning of the `hour` or the `day` of UTC."""
    if bulk.is_postgres():
        return f"date_trunc('{unit}', {at}, 'UTC')"
    return f"strftime('%%Y-%%m-%%d {'%%H' if unit == 'hour' else '00'}:00:00', {at})"


def slice_of(at: str, seconds: str) -> str:
    """SQL: the number of the slice of so many seconds that a moment lies in."""
    epoch = f"EXTRACT(EPOCH FROM {at})" if bulk.is_postgres() else f"strftime('%%s', {at})"
    return f"CAST({epoch} AS bigint) / {seconds}"


def table_of(name: str, columns: Mapping[str, str], *values: Sequence[Any]) -> tuple[str, Any]:
    """SQL for Python values as a table, with `place` from 0, and its parameters.

    columns : name -> PostgreSQL's type; values : a sequence for each
    """
    if bulk.is_postgres():
        arrays = ", ".join(f"CAST(%s AS {kind}[])" for kind in columns.values())
        return (
            f"(SELECT *, place1 - 1 AS place FROM unnest({arrays})"
            f" WITH ORDINALITY AS u({', '.join(columns)}, place1)) {name}",
            [list(column) for column in values],
        )
    cells = ", ".join(f"value ->> {place} AS {name}" for place, name in enumerate(columns))
    rows = [[_plain(cell) for cell in row] for row in zip(*values, strict=True)]
    return f"(SELECT key AS place, {cells} FROM json_each(%s)) {name}", [json.dumps(rows)]


def _plain(cell: Any) -> Any:
    return bulk.stamp(cell) if isinstance(cell, datetime) else cell


def _values(batch: Batch) -> tuple[str, Any]:
    columns = {
        "slo_id": "bigint",
        "at": "timestamptz",
        "seconds": "smallint",
        "good": "bigint",
        "total": "bigint",
    }
    return table_of("v", columns, batch.slo_ids, batch.ats, batch.seconds, batch.good, batch.total)


def _in_maintenance(at: str, seconds: str) -> str:
    """SQL: a reading of the SLO `s` touches a maintenance window of its service or of all."""
    return (
        f"EXISTS (SELECT 1 FROM {MAINTENANCE} m WHERE (m.service_id = s.service_id"
        f" OR m.service_id IS NULL) AND m.starts_at < {plus(at, seconds)} AND m.ends_at > {at})"
    )


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _day(at: datetime) -> datetime:
    return _hour(at).replace(hour=0)


def aware(at: Any) -> datetime:
    """A moment as it comes from either database's driver."""
    found = at if isinstance(at, datetime) else datetime.fromisoformat(at)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
