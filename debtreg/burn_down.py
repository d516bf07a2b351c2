"""How an error budget went down within its period, for the chart on an SLO's page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from debtreg.models import EVENT, Method, ReadingDay, ReadingHour, Slo, SloState

# A longer period is drawn by the day.
MOST_HOURS = 45 * 24


@dataclass(frozen=True)
class BurnDown:
    """What was left of the budget at moments of a period.

    segments : runs of (moment, what was left as a ratio) without a gap between; they begin at the
        start of the period with a full budget, and the last one ends at what the state says
    """

    starts_at: datetime
    ends_at: datetime  # of the whole period: of a calendar window that may be ahead
    segments: list[list[tuple[datetime, Decimal]]]

    @property
    def lowest(self) -> Decimal:
        return min((left for part in self.segments for _, left in part), default=Decimal(0))


def of(slo: Slo, state: SloState) -> BurnDown | None:
    """The burn-down of the period that a state describes; None without data.

    The budget is counted in events (or slices): of a rolling window (1 - T) of what the window
    saw, of a calendar window in progress (1 - T) of what the whole would see at the pace of what
    was measured. Time without readings uses nothing up here and breaks the line: see
    budgets._remaining.
    """
    if state.remaining is None or state.total is None or not state.period_seconds:
        return None
    ends_at = state.starts_at + timedelta(seconds=state.period_seconds)
    rows = _rows(slo, state)
    in_slices = slo.method == Method.TIMESLICES
    budget = _budget(state)
    segments: list[list[tuple[datetime, Decimal]]] = []
    spent, last = Decimal(0), None
    for row in rows:
        length = timedelta(days=1) if isinstance(row, ReadingDay) else timedelta(hours=1)
        left = 1 - spent / budget if budget else Decimal(1)
        if last is None or row.at > last:
            segments.append([(max(row.at, state.starts_at), left)])
        bad = (row.slices - row.good_slices) * EVENT if in_slices else row.total - row.good
        spent += bad
        last = row.at + length
        left = 1 - spent / budget if budget else Decimal(1)
        segments[-1].append((min(last, state.ends_at), left))
    return BurnDown(state.starts_at, max(ends_at, state.ends_at), segments)


def _budget(state: SloState) -> Decimal:
    """What the remaining ratio of the state was a part of, in thousandths of events."""
    bad = (state.error_ratio or Decimal(0)) * (state.total or 0)
    used = 1 - (state.remaining or Decimal(0))
    if used:
        return bad / used
    return Decimal(0)


def _rows(slo: Slo, state: SloState) -> list[ReadingHour] | list[ReadingDay]:
    within = {"slo": slo, "at__lt": state.ends_at, "at__gte": state.starts_at}
    hours = (state.ends_at - state.starts_at) / timedelta(hours=1)
    if hours <= MOST_HOURS:
        return list(ReadingHour.objects.filter(**within).order_by("at"))
    return list(ReadingDay.objects.filter(**within).order_by("at"))
