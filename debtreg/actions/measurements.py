"""Readings fetched from Prometheus: a job per site, and the budgets that follow from them.

Each SLO has a cursor, `fetched_until`. A chunk of readings is stored and the cursor moved in one
transaction, so that a job which dies is simply done from there on, and nothing is left out. Storing
is by SLO and time, so that nothing counts twice either, and the last steps may be asked for again
for what came late.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from debtreg import budgets, readings, secrets, tracing
from debtreg.actions import audit, connections, jobs, rights
from debtreg.actions.slos import WINDOW
from debtreg.errors import Conflict, DebtregError
from debtreg.models import (
    EVENT,
    MOST_EVENTS,
    Connection,
    Fetch,
    JobState,
    ReadingSource,
    Slo,
    User,
)
from debtreg.prometheus import MOST_POINTS, Prometheus, QueryRefused, Series, SiteDown, TookTooLong
from debtreg.prometheus import one as one_series

log = structlog.get_logger(__name__)

CHUNK_POINTS = MOST_POINTS - 1_000
# Steps before the cursor that are asked for again: samples may arrive late.
OVERLAP_STEPS = 3
# How far an SLO's first readings go back at least, in days; as far as its period, if longer.
FIRST_DAYS = 30
# A job ends after so many seconds, to be taken up again, so that a long backfill keeps no worker.
LONGEST_S = 600
# After failures in a row: a minute, two, four, up to half an hour.
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=30)
BUCKETS_EVERY = timedelta(days=1)
# What counters of different series extrapolate to may differ by so much.
SLACK = Decimal("0.01")

_RATE, _COUNT = re.compile(r"\bi?rate\s*\("), re.compile(r"\b(increase|_over_time|delta)\s*\(")


# --- By the clock ---------------------------------------------------------------------------------


def measure(*, now: datetime | None = None) -> list[Fetch]:
    """Queue a fetch of every site that is due, and work out all budgets. Returns the fetches."""
    now = now or timezone.now()
    sites = Connection.objects.filter(Q(retry_at=None) | Q(retry_at__lte=now), is_paused=False)
    due = sites.filter(slos__in=Slo.objects.exclude(total_query="")).distinct()
    queued = [found for site in due if (found := queue(site))]
    with transaction.atomic():
        budgets.refresh(now=now)
    return queued


def request(*, site: Connection, by: User | None) -> Fetch:
    """Have a site fetched from at once, whatever was wrong before. One that goes on is returned.

    Raises Conflict while the site is paused.
    """
    rights.check(by, "connection.change")
    with transaction.atomic():
        if Connection.objects.filter(pk=site.pk, is_paused=True).exists():
            raise Conflict(
                _("'%(name)s' is paused: nothing is fetched from it.") % {"name": site.name},
                hint=_("Let it go on first, by is_paused=false or on its page."),
            )
        return queue(site) or Fetch.objects.get(connection=site)


def cancel(*, site: Connection, by: User | None) -> Fetch:
    """Stop a fetch that waits or goes on. What it has stored stays; the next one takes the rest.

    Raises Conflict where nothing is fetched.
    """
    rights.check(by, "connection.change")
    with transaction.atomic():
        fetch = Fetch.objects.filter(connection=site).first()
        if fetch is None or not jobs.cancel(Fetch, fetch.pk):
            raise Conflict(
                _("Nothing is being fetched from '%(name)s'.") % {"name": site.name},
                hint=_("There is nothing to cancel."),
            )
        audit.record("connection.cancel_fetch", site, by=by)
        fetch.refresh_from_db()
        return fetch


def queue(site: Connection) -> Fetch | None:
    """Have a site fetched from; None while that is waiting or being done already."""
    fetch, is_new = Fetch.objects.get_or_create(
        connection=site, defaults={"traceparent": tracing.current()}
    )
    if is_new:
        return fetch
    over = Fetch.objects.filter(pk=fetch.pk).exclude(state__in=[JobState.QUEUED, JobState.RUNNING])
    taken = over.update(
        state=JobState.QUEUED,
        attempts=0,
        queued_at=timezone.now(),
        finished_at=None,
        error="",
        hint="",
        traceparent=tracing.current(),
    )
    if not taken:
        return None
    fetch.refresh_from_db()
    return fetch


def tidy() -> int:
    """Drop readings that are older than is kept. Returns how many."""
    with transaction.atomic():
        return readings.prune()


# --- The job --------------------------------------------------------------------------------------


def run(fetch_id: int, owner: str) -> bool:
    """Fetch what is new from a site. False if that is not ours to do.

    What is wrong with a query is noted with its SLO, and the others go on; what is wrong with the
    site is noted with the site, which is left alone for a while.
    """
    if not jobs.claim(Fetch, fetch_id, owner):
        return False
    with jobs.pulse(Fetch, fetch_id, owner) as pulse:
        site = Fetch.objects.select_related("connection").get(pk=fetch_id).connection
        work = _Work(site, pulse)
        problem: DebtregError | None = None
        try:
            with Prometheus(site.url, connections.login_of(site)) as server:
                work.fetch(server)
        except (SiteDown, secrets.SecretLost) as error:
            problem = error
        with transaction.atomic():
            budgets.refresh([slo.pk for slo in work.slos])
            if problem or work.slos:  # else nobody was asked
                _note(site, problem)
            jobs.close(
                Fetch,
                fetch_id,
                owner,
                JobState.FAILED if problem else JobState.DONE,
                error=problem.message if problem else "",
                hint=problem.hint if problem else "",
                readings=work.stored.created + work.stored.updated,
                done=work.done,
                total=work.total,
            )
    return True


def _note(site: Connection, problem: DebtregError | None) -> None:
    """One notice for a site that is down, however many SLOs wait for it."""
    now, rows = timezone.now(), Connection.objects.filter(pk=site.pk)
    if problem is None:
        rows.update(last_ok_at=now, last_error="", failures=0, retry_at=None)
        return
    if not site.failures:
        log.warning("site_down", connection=site.name, error=problem.message)
    wait = min(FIRST_WAIT * 2 ** min(site.failures, 10), LONGEST_WAIT)
    rows.update(
        last_error=f"{problem.message} {problem.hint}".strip(),
        last_error_at=now,
        failures=F("failures") + 1,
        retry_at=now + wait,
    )


class _Work:
    """What is to be asked of one site, and what came of it."""

    def __init__(self, site: Connection, pulse: jobs.Pulse) -> None:
        self.site, self.pulse = site, pulse
        self.step = site.step_seconds
        self.now = int(timezone.now().timestamp())
        self.until = (self.now - site.delay_seconds) // self.step * self.step
        # Those with a fault come last, so that they hold nobody up.
        slos = Slo.objects.filter(connection=site).exclude(total_query="").defer("document")
        self.slos = sorted(slos, key=lambda slo: (bool(slo.fetch_error), slo.pk))
        self.stored, self.done, self.total = readings.Stored(), 0, 0

    def fetch(self, server: Prometheus) -> None:
        """Raises SiteDown; also when a second query of this job has taken too long."""
        plans = {slo.pk: list(self._chunks(slo)) for slo in self.slos}
        self.total = sum(map(len, plans.values()))
        deadline, slow = time.monotonic() + LONGEST_S, 0
        for slo in self.slos:
            try:
                for start, end in plans[slo.pk]:
                    if time.monotonic() > deadline:
                        return
                    self.pulse.report("fetching", self.done, self.total)
                    if not self._chunk(server, slo, start, end):
                        break
                    self.done += 1
                self._look_at_buckets(server, slo)
            except QueryRefused as refused:
                slow += isinstance(refused, TookTooLong)
                if slow > 1:
                    raise SiteDown(refused.message, hint=refused.hint) from None
                text = f"{refused.message} {refused.hint}".strip()
                Slo.objects.filter(pk=slo.pk).update(fetch_error=text)

    def _chunks(self, slo: Slo) -> Iterator[tuple[int, int]]:
        """From and to of each piece that is not fetched yet, in seconds since 1970."""
        if slo.fetched_until is None:
            days = max(FIRST_DAYS, budgets.period(slo, timezone.now()).seconds // 86_400 + 1)
            start = self.now - days * 86_400
        else:
            start = int(slo.fetched_until.timestamp()) - OVERLAP_STEPS * self.step
        start = max(start, int(readings.oldest_kept().timestamp())) // self.step * self.step
        length = CHUNK_POINTS * self.step
        for first in range(start, self.until, length):
            yield first, min(first + length, self.until)

    def _chunk(self, server: Prometheus, slo: Slo, start: int, end: int) -> bool:
        """Fetch, store and move the cursor. False if the SLO was changed meanwhile."""
        if slo.slice_seconds and slo.slice_seconds % self.step:
            raise QueryRefused(
                _("Slices of %(slice_seconds)s s cannot be judged by readings of %(step)s s.")
                % {"slice_seconds": slo.slice_seconds, "step": self.step},
                hint=_("Take a step that divides the slices, or longer slices."),
            )
        # A sample covers the step before it.
        ask = {"start": start + self.step, "end": end, "step": self.step}
        total = self._counts(server, slo.total_query, "all events", ask)
        other = self._counts(
            server,
            slo.good_query or slo.bad_query,
            "good events" if slo.good_query else "bad events",
            ask,
        )
        found = _combine(slo, total, other, self.step)
        with transaction.atomic():
            readings.lock([slo.pk])
            same = Slo.objects.filter(
                pk=slo.pk,
                connection_id=self.site.pk,
                total_query=slo.total_query,
                good_query=slo.good_query,
                bad_query=slo.bad_query,
                slice_seconds=slo.slice_seconds,
            )
            if not same.update(
                fetched_until=datetime.fromtimestamp(end, UTC),
                fetch_error="",
                gap_reason=found.problem,
            ):
                return False
            # What readings of another length have counted already stays as it is.
            across = readings.overlaps(found.batch)
            kept = [place for place in range(len(found.batch)) if place not in across]
            batch = found.batch.at_places(kept) if across else found.batch
            self.stored += readings.store(batch, source=ReadingSource.PROMETHEUS)
        return True

    def _counts(
        self, server: Prometheus, query: str, what: str, ask: Mapping[str, int]
    ) -> Mapping[int, Decimal]:
        try:
            found = one_series(server.range(self._filled(query), **ask))
        except QueryRefused as refused:
            text = f"The query for {what}: {refused.message}"
            raise type(refused)(text, hint=refused.hint) from None
        if _RATE.search(query) and not _COUNT.search(query):
            # Events per second: over the step they are so many.
            return {at: value * self.step for at, value in found.items()}
        return found

    def _filled(self, query: str) -> str:
        return WINDOW.sub(f"{self.step}s", query)

    def _look_at_buckets(self, server: Prometheus, slo: Slo) -> None:
        """Once a day, see whether the histogram has a boundary at the threshold."""
        now = timezone.now()
        recent = slo.buckets_at and slo.buckets_at > now - BUCKETS_EVERY
        if recent or not slo.buckets_query or not slo.threshold_ms:
            return
        try:
            found = server.instant(self._filled(slo.buckets_query), self.until)
            low, high = around(found, slo.buckets_query, slo.threshold_ms)
        except QueryRefused as refused:
            text = f"The query for buckets: {refused.message}"
            raise QueryRefused(text, hint=refused.hint) from None
        Slo.objects.filter(pk=slo.pk).update(bucket_low_ms=low, bucket_high_ms=high, buckets_at=now)


# --- What samples mean ----------------------------------------------------------------------------


@dataclass
class Found:
    """Readings of a chunk, and the last thing that was wrong with its samples, or empty."""

    batch: readings.Batch = field(default_factory=readings.Batch)
    problem: str = ""


def _combine(
    slo: Slo, total: Mapping[int, Decimal], other: Mapping[int, Decimal], step: int
) -> Found:
    """Good of total where both are there; a step of which one is missing is a gap."""
    found = Found()
    is_good = bool(slo.good_query)
    what = "good" if is_good else "bad"
    if not total:
        found.problem = "The query for all events has no data: these steps are gaps."
    elif not other:
        found.problem = (
            f"The query for {what} events has no series, and what is not there is not known to be"
            f" 0. If there simply was no {what} event yet, end it with `or vector(0)`."
        )
    for at in sorted(total.keys() & other.keys()):
        events, part = total[at], other[at]
        when = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
        if events < 0 or part < 0 or events > MOST_EVENTS:
            number = part if part < 0 else events
            found.problem = f"At {when} there were {number:f} events, which cannot be: a gap."
        elif part - events > max(Decimal(1), events * SLACK):
            found.problem = f"At {when} there were {part:f} {what} of {events:f} events: a gap."
        else:
            # Counters of different series are extrapolated each by itself.
            part = min(part, events)
            good = part if is_good else events - part
            start = datetime.fromtimestamp(at - step, UTC)
            found.batch.add(
                slo.pk, start, step, *sorted([_thousandths(good), _thousandths(events)])
            )
    return found


def _thousandths(events: Decimal) -> int:
    return int((events * EVENT).to_integral_value())


def unit_of(query: str) -> str:
    """s or ms, as the metric's name says; seconds if it has no unit."""
    return "ms" if re.search(r"milliseconds|_ms\b|_ms_", query) else "s"


def around(
    buckets: list[Series], query: str, threshold_ms: Decimal
) -> tuple[Decimal | None, Decimal | None]:
    """The boundaries of a histogram next to a threshold, in ms: both are it where there is one.

    The unit is that in the metric's name, seconds if it has none, as OpenTelemetry has it.
    None on a side without a finite boundary. Raises QueryRefused where there are no boundaries.
    """
    factor = 1 if unit_of(query) == "ms" else 1000
    bounds = set()
    for series in buckets:
        try:
            bound = Decimal(series.labels["le"])
        except (KeyError, ArithmeticError):
            problem = "The series have no label `le` with the boundaries."
            raise QueryRefused(problem, hint=_("Take sum by (le) (…_bucket).")) from None
        if bound.is_finite():
            bounds.add(bound * factor)
    if not bounds:
        raise QueryRefused(_("There are no buckets."), hint=_("Take sum by (le) (…_bucket)."))
    low = max((bound for bound in bounds if bound <= threshold_ms), default=None)
    high = min((bound for bound in bounds if bound >= threshold_ms), default=None)
    return low, high
