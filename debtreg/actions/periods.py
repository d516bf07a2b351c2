"""Periods of guarantees that are over: what SLOs have measured of them goes into the ledger.

What a person has recorded stays as it is; what is recorded here follows what is read later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from django.db.models import DateTimeField, Min, Prefetch
from django.utils import timezone
from django.utils.translation import gettext as _

from debtreg import budgets, secrets
from debtreg import terms as bridge
from debtreg.actions import connections, findings, penalties
from debtreg.actions.measurements import around, unit_of
from debtreg.actions.slos import WINDOW
from debtreg.errors import DebtregError
from debtreg.models import (
    EVENT,
    Guarantee,
    Method,
    Operator,
    PenaltyEntry,
    ReadingDay,
    SliKind,
    Slo,
    Terms,
)
from debtreg.numbers import plain
from debtreg.prometheus import Prometheus, QueryRefused, Series, SiteDown, one

log = structlog.get_logger(__name__)

# A year that was over a month ago is still looked at.
BACK = timedelta(days=400)
# Of less than this of a period nobody can say how the whole of it was.
LEAST_MEASURED = Decimal("0.95")
# What a server still has of a period's requests, of those that were read while it lasted.
LEAST_KEPT = Decimal("0.9")
# Of a percentage. Rounded so that a target is missed or kept as by the exact number.
_PLACES = Decimal("1e-8")


@dataclass(frozen=True)
class Period:
    """A period that is over, and the SLO that has watched it."""

    guarantee: Guarantee
    terms: Terms
    slo: Slo
    first: date
    last: date
    # The days of it that the contract has terms for.
    since: date
    until: date
    began: date  # the day of the SLO's first reading
    entry: PenaltyEntry | None

    @property
    def span(self) -> budgets.Span:
        """From midnight to midnight of the days that have terms, where the SLO's days begin."""
        zone = ZoneInfo(self.slo.time_zone)
        start, end = (
            datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
            for day in (self.since, self.until + timedelta(days=1))
        )
        return budgets.Span(start, end, int((end - start).total_seconds()))


@dataclass(frozen=True)
class Found:
    """What was measured, as the ledger takes it; None: nothing usable, `source` says why."""

    measured: str | dict[str, str] | None
    requests: int | None
    source: str
    # The readings are there, and the server that was asked had no answer.
    is_silence: bool = False


def record(*, now: datetime | None = None) -> int:
    """Record the periods that are over of every guarantee with a confirmed penalty and an SLO.

    Returns how many entries are new or say something else. A repeat changes nothing.
    """
    changed = penalties.price_unknown() + _record(list(_due(timezone.localdate(now))))
    if changed:
        findings.refresh()
    return changed


def _record(due: list[Period]) -> int:
    spans: dict[int, dict[str, budgets.Span]] = {}
    for period in due:
        spans.setdefault(period.slo.pk, {})[period.first.isoformat()] = period.span
    if not spans:
        return 0
    sums, quiet = budgets.add_up(spans), budgets.Maintenances(spans)
    changed = 0
    with _Sites() as sites:
        for period in due:
            found = _measured(
                period, sums.get((period.slo.pk, period.first.isoformat())), quiet, sites
            )
            changed += _store(period, found)
    return changed


def _store(period: Period, found: Found) -> bool:
    entry = period.entry
    if entry and entry.known and found.is_silence:
        return False
    values: dict[str, Any] = {
        "measured": found.measured,
        "requests": found.requests,
        "source": found.source[:300],
    }
    if entry and entry.slo_id == period.slo.pk and _says(entry, values):
        return False
    try:
        penalties.record_period(
            guarantee_id=period.guarantee.pk,
            starts_on=period.first,
            ends_on=period.last,
            **values,
            slo=period.slo,
            refresh=False,
            by=None,
        )
    except DebtregError as error:
        # Somebody has recorded, amended or removed it a moment ago: it is looked at again.
        log.warning("period_refused", guarantee=period.guarantee.pk, error=error.message)
        return False
    return True


def _says(entry: PenaltyEntry, values: Mapping[str, Any]) -> bool:
    return all(getattr(entry, name) == value for name, value in values.items())


# --- Which ----------------------------------------------------------------------------------------


def _due(today: date) -> Iterator[Period]:
    """In a fixed number of queries."""
    rows = (
        Guarantee.objects.with_terms()
        .filter(slos__isnull=False)
        .distinct()
        .prefetch_related(
            Prefetch(
                "slos",
                Slo.objects.select_related("connection").defer("document").order_by("pk"),
            ),
            "penalties",
        )
    )
    watching = ReadingDay.objects.filter(slo__guarantee__isnull=False).order_by()
    began = dict(watching.values_list("slo").annotate(at=Min("at", output_field=DateTimeField())))
    for guarantee in rows:
        days = {
            slo: min(slo.created_at, began.get(slo.pk, slo.created_at)).date()
            for slo in guarantee.slos.all()
        }
        yield from _of(guarantee, days, today)


def _of(guarantee: Guarantee, began: Mapping[Slo, date], today: date) -> Iterator[Period]:
    """began : the SLOs that watch it -> since when"""
    slos, since = list(began), max(min(began.values()), today - BACK)
    entries = list(guarantee.penalties.all())
    by_hand = [each for each in entries if each.slo_id is None]
    versions = list(guarantee.terms.all())
    for first, last in bridge.periods(guarantee, since, today, entries):
        parts = bridge.parts_of(guarantee.contract, versions, first, last)
        # What a clause takes that cannot be read is not known; whether it was missed is.
        priced = [
            each.terms
            for each in parts
            if each.terms.is_confirmed and (each.terms.penalty or "penalty" in each.terms.problems)
        ]
        if not priced or any(each.starts_on <= last and each.ends_on >= first for each in by_hand):
            continue
        entry = next((each for each in entries if each.starts_on == first), None)
        slo = _watcher(priced[-1], slos)
        covered = parts[0].first, parts[-1].last
        yield Period(guarantee, priced[-1], slo, first, last, *covered, began[slo], entry)


def _watcher(terms: Terms, slos: list[Slo]) -> Slo:
    """The SLO that can say most of a target: of several the one that was there first."""
    if terms.statistic:
        return next((slo for slo in slos if slo.quantile_query and slo.connection), slos[0])
    return next((slo for slo in slos if slo.kind != SliKind.LATENCY), slos[0])


# --- What was measured ----------------------------------------------------------------------------


def _measured(
    period: Period, sums: budgets.Sums | None, quiet: budgets.Maintenances, sites: _Sites
) -> Found:
    slo, span = period.slo, period.span
    if sums is None or not sums["total"]:
        return Found(None, None, f"SLO {slo.name}: nothing was read.")
    requests = sums["total"] // EVENT
    excluded = max(sums["excluded_seconds"], quiet.seconds(slo.service_id, span))
    whole = span.seconds - excluded
    part = Decimal(sums["seconds"]) / whole if whole > 0 else Decimal(0)
    said = f"SLO {slo.name}: {requests:,} events, {plain(round(part * 100, 2))} % of the time read"
    if excluded:
        said += f", {plain(round(Decimal(excluded) / 3600, 1))} h of maintenance left out"
    if part < LEAST_MEASURED:
        least = f"{plain(LEAST_MEASURED * 100)} %"
        if period.began > period.since:
            said += f", as it reads since {period.began} only"
        return Found(None, requests, f"{said}: less than {least} says nothing of the whole.")
    if bridge.is_percentage(period.terms):
        return Found(_percentage(period.terms, slo, sums), requests, f"{said}.")
    if not period.terms.statistic:
        target = bridge.target_of(period.terms)
        return Found(None, requests, f"{said}: readings do not tell of {target}.")
    asks = slo.quantile_query and slo.connection
    if not asks and (bounds := _by_threshold(period.terms, slo, sums)):
        return Found(bounds, requests, f"{said}; {_COUNTED} {plain(slo.threshold_ms)} ms.")
    entry = period.entry
    if entry and entry.known and entry.slo_id == slo.pk and entry.requests == requests:
        # It was asked for, and nothing has been read since.
        return Found(entry.measured, requests, entry.source)
    try:
        return Found(_quantile(period, requests, sites), requests, f"{said}; {_HOW}.")
    except (QueryRefused, SiteDown, secrets.SecretLost) as error:
        return Found(None, requests, f"{said}. {error.message}", is_silence=True)


_A_BIT = Decimal("1e-6")
_PERCENTILE = re.compile(r"p([0-9]{1,2}(?:\.[0-9]+)?)")
_COUNTED = "a bound of the quantile, from how many took no longer than"
_HOW = "the quantile of all of them, from the histogram, maintenance included"


def _percentage(terms: Terms, slo: Slo, sums: budgets.Sums) -> str | None:
    """Good of all, or bad of all where at most so much is promised."""
    good, total = sums["good"], sums["total"]
    if slo.method == Method.TIMESLICES:
        good, total = sums["good_slices"], sums["slices"]
    if not total:
        return None
    is_upper = terms.operator in (Operator.LE, Operator.LT)
    percent = Decimal(total - good if is_upper else good) * 100 / total
    up = terms.operator in (Operator.LE, Operator.GT)
    return f"{plain(percent.quantize(_PLACES, ROUND_CEILING if up else ROUND_FLOOR))}%"


def _by_threshold(terms: Terms, slo: Slo, sums: budgets.Sums) -> dict[str, str] | None:
    """On which side of the SLO's threshold a percentile lies; None where nobody can say.

    p99 is at most 300 ms just where at least 99 % of all events took at most 300 ms.
    """
    found = _PERCENTILE.fullmatch(terms.statistic)
    if found is None or slo.kind != SliKind.LATENCY or slo.threshold_ms is None:
        return None
    bound = f"{plain(slo.threshold_ms)}ms"
    if 100 * sums["good"] >= Decimal(found[1]) * sums["total"]:
        return {"low": "0ms", "high": bound}
    return {"low": bound, "high": "+Inf"}


def _quantile(period: Period, requests: int, sites: _Sites) -> str | dict[str, str]:
    """The quantile over the whole period, or the boundaries of the bucket that it lies in.

    Raises QueryRefused, SiteDown, SecretLost.
    """
    slo, span = period.slo, period.span
    if not slo.quantile_query or slo.connection is None:
        raise QueryRefused(_("It has no query for the quantile."))
    window, end = f"{span.seconds}s", int(span.ends_at.timestamp())

    def ask(query: str) -> list[Series]:
        return sites.ask(slo, WINDOW.sub(window, query), end)

    value = next(iter(one(ask(slo.quantile_query)).values()), None)
    if value is None:
        raise QueryRefused(_("The query for the quantile has no value."))
    unit = unit_of(slo.quantile_query)
    if not slo.buckets_query:
        return f"{plain(value)}{unit}"
    buckets = ask(slo.buckets_query)
    if WINDOW.search(slo.buckets_query):
        kept = max((max(each.samples.values()) for each in buckets if each.samples), default=0)
        if kept < requests * LEAST_KEPT:
            raise QueryRefused(
                _("The server has only %(kept)s of these events any more.")
                % {"kept": f"{round(kept):,}"}
            )
    size = 1000 if unit == "s" else 1
    low, high = around(buckets, slo.buckets_query, value * size)
    beyond = around(buckets, slo.buckets_query, value * size + _A_BIT)[1]
    if high is None or beyond is None:
        # Of what lies beyond the last boundary, the server says that boundary.
        return {"low": f"{plain(low or 0)}ms", "high": "+Inf"}
    if low == high:
        return f"{plain(low)}ms"
    return {"low": f"{plain(low or Decimal(0))}ms", "high": f"{plain(high)}ms"}


@dataclass
class _Sites:
    """The servers that are asked, each opened once and left alone once it is down."""

    stack: ExitStack = field(default_factory=ExitStack)
    servers: dict[int, Prometheus] = field(default_factory=dict)
    down: dict[int, SiteDown] = field(default_factory=dict)
    refused: dict[int, QueryRefused] = field(default_factory=dict)

    def __enter__(self) -> _Sites:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def ask(self, slo: Slo, query: str, at: int) -> list[Series]:
        """Raises SiteDown, QueryRefused, SecretLost."""
        site = slo.connection
        assert site is not None  # noqa: S101
        if site.is_paused:
            raise SiteDown(_("%(name)s is paused.") % {"name": site.name})
        if problem := self.down.get(site.pk) or self.refused.get(slo.pk):
            raise problem
        if site.pk not in self.servers:
            server = Prometheus(site.url, connections.login_of(site))
            self.servers[site.pk] = self.stack.enter_context(server)
        try:
            return self.servers[site.pk].instant(query, at)
        except SiteDown as error:
            self.down[site.pk] = error
            raise
        except QueryRefused as error:
            self.refused[slo.pk] = error
            raise
