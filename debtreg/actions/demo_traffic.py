"""What the demo company's SLOs read: months of made-up traffic, and more as time goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from debtreg import budgets, readings
from debtreg.models import EVENT, Reading, ReadingSource, Slo

# At least; begun with one of the contracts' periods of thirty days, which so is read whole.
DAYS = 90
PERIOD = 30 * 86_400
# What is older than this is read by the hour.
FINE = timedelta(days=3)
STEP, HOUR = 300, 3_600
_YEAR_SECONDS = 365 * 86_400
_SAMPLE = 1e6  # requests a year of a service of which nobody knows


@transaction.atomic
def read_on(troubles: Mapping[str, Any], *, now: datetime | None = None) -> int:
    """Store what has happened since the last reading of each of these SLOs.

    troubles : name of an SLO of the demo -> {bad: part of its budget that it uses on a usual day,
        incidents: [{days_ago (of the first day of the demo), hours, share (of bad events)}]}

    The numbers depend on the SLO and the time only. Returns how many readings were new.
    """
    now = _floor(now or timezone.now(), STEP)
    slos = list(
        Slo.objects.filter(name__in=troubles, connection=None)
        .select_related("service")
        .annotate(last=Max("readings__at"))
        .order_by("pk")
    )
    if not slos:
        return 0
    readings.lock(slo.pk for slo in slos)
    batch = readings.Batch()
    for slo in slos:
        _extend(batch, slo, troubles.get(slo.name, {}), slo.created_at, now)
    stored = readings.store(batch, source=ReadingSource.API) if len(batch) else readings.Stored()
    budgets.refresh([slo.pk for slo in slos])
    return stored.created


def _extend(
    batch: readings.Batch, slo: Any, trouble: Mapping[str, Any], began: datetime, now: datetime
) -> None:
    start = slo.last or _floor(now - timedelta(days=DAYS), PERIOD)
    if slo.last:
        length = Reading.objects.values_list("seconds", flat=True).get(slo=slo, at=slo.last)
        # Somebody may have stored shorter ones: a reading begins at a multiple of its length.
        start = _floor(slo.last + timedelta(seconds=length + STEP - 1), STEP)
    coarse = _floor(now - FINE, HOUR)
    if slo.slice_seconds is None and start < coarse and start == _floor(start, HOUR):
        _add(batch, slo, trouble, began, _times(start, coarse, HOUR), HOUR)
        start = coarse
    _add(batch, slo, trouble, began, _times(start, now, STEP), STEP)


def _times(start: datetime, end: datetime, step: int) -> np.ndarray[Any, Any]:
    return np.arange(int(start.timestamp()), int(end.timestamp()) - step + 1, step)


def _add(
    batch: readings.Batch,
    slo: Slo,
    trouble: Mapping[str, Any],
    began: datetime,
    times: Sequence[int] | np.ndarray[Any, Any],
    step: int,
) -> None:
    times = np.asarray(times)
    if not len(times):
        return
    a_year = slo.service.requests_per_year or _SAMPLE
    # Nights are quiet, weekends a little.
    day = (times / 86_400 + 1 / 3) % 1
    wave = 1 - 0.6 * np.cos(2 * np.pi * day)
    weekend = np.where((times // 86_400 + 4) % 7 % 6 == 0, 0.7, 1.0)
    total = np.rint(a_year / _YEAR_SECONDS * step * wave * weekend)
    budget = float(1 - slo.objective)
    share = budget * float(trouble.get("bad", 0.35)) * (0.5 + _noise(slo.name, times))
    for incident in trouble.get("incidents", ()):
        starts = began.timestamp() - float(incident["days_ago"]) * 86_400
        within = (times + step > starts) & (times < starts + float(incident["hours"]) * HOUR)
        share = np.where(within, float(incident["share"]), share)
    bad = np.minimum(np.rint(total * share), total)
    for at, good, whole in zip(times.tolist(), (total - bad).tolist(), total.tolist(), strict=True):
        when = datetime.fromtimestamp(at, UTC)
        batch.add(slo.pk, when, step, int(good) * EVENT, int(whole) * EVENT)


def _noise(name: str, times: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Between 0 and 1, the same for a name and a time on any day."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    mixed = (times.astype(np.uint64) + np.uint64(seed)) * np.uint64(0x9FB21C651E98DF25)
    mixed ^= mixed >> np.uint64(29)
    return (mixed * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(11)) / float(2**53)


def _floor(at: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(int(at.timestamp()) // seconds * seconds, UTC)
