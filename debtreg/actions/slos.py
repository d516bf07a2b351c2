"""SLOs and maintenance windows: what is to be good, over which time, and what does not count."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from debtreg import budgets, readings
from debtreg.actions import audit, rights, scores
from debtreg.actions.debt import not_valid
from debtreg.errors import Conflict
from debtreg.models import (
    STEPS,
    Maintenance,
    Method,
    ReadingSource,
    SliKind,
    Slo,
    User,
    WindowKind,
)

M = TypeVar("M", bound=models.Model)

# What a query is asked for: the time that one reading covers.
WINDOW = re.compile(r"\{\{-?\s*\.window\s*-?\}\}")
_COUNTS = ("good_query", "bad_query", "total_query")
# What the roll-ups of readings rest on, and what budgets and burn rates rest on beside.
_ROLLED_UP = ("service_id", "method", "slice_seconds", "slice_target")
_STATED = (*_ROLLED_UP, "objective", "window", "window_days", "month_basis", "time_zone")
# What scores of debts rest on that endanger the SLO or its promise.
_SCORED = (*_STATED, "kind", "guarantee_id")
# What was asked of the site.
_ASKED = (
    *("connection_id", "threshold_ms", "good_query", "bad_query", "total_query"),
    *("buckets_query", "quantile_query"),
)


class SloChanged(Conflict):
    """Somebody else has changed the SLO since it was read."""


@transaction.atomic
def save(*, slo: Slo, by: User | None, revision: int | None = None) -> Slo:
    """Create or change an SLO. Saving what is there already changes nothing.

    revision : what the caller has read; a change on top of somebody else's is refused
    Raises NotValid for all that is wrong, SloChanged.
    """
    _save(slo, by, revision)
    return slo


def _save(slo: Slo, by: User | None, revision: int | None = None) -> bool:
    """True if anything was changed."""
    rights.check(by, "slo.change")
    before = _stored(slo)
    if before is not None:
        if revision is not None and revision != before.revision:
            raise SloChanged(
                _(
                    "'%(name)s' has changed since you read it: it is at revision %(revision)s, "
                    "you have %(yours)s."
                )
                % {"name": before.name, "revision": before.revision, "yours": revision},
                hint=_("Read it again and repeat your change."),
            )
        _keep_what_is_measured(slo, before)
    _check(slo)
    old = audit.values_of(before) if before else None
    if old == audit.values_of(slo):
        return False
    if before is not None:
        slo.revision, slo.updated_at = before.revision + 1, timezone.now()
    _store(slo, _("Somebody has added an SLO '%(name)s' a moment ago.") % {"name": slo.name})
    verb = "update" if before else "create"
    audit.record(f"slo.{verb}", slo, by=by, old=old, new=audit.values_of(slo))
    if before is not None and _asks_otherwise(before, slo):
        _measure_anew(slo, by)
        budgets.refresh([slo.pk])
    if before is not None and _differ(before, slo, _STATED):
        _recount([slo.pk], rolled_up=_differ(before, slo, _ROLLED_UP))
    if before is None or _differ(before, slo, _SCORED):
        scores.queue_run(by=by)
    return True


def _keep_what_is_measured(slo: Slo, before: Slo) -> None:
    """Take over what jobs have written beside since the SLO was read; in place."""
    for field in slo._meta.concrete_fields:
        if not field.editable and field.name not in ("document", "source_format"):
            setattr(slo, field.attname, getattr(before, field.attname))
    if _differ(before, slo, _ASKED):
        slo.fetch_error, slo.gap_reason, slo.buckets_at = "", "", None
        slo.bucket_low_ms = slo.bucket_high_ms = None
    if _asks_otherwise(before, slo) or before.connection_id != slo.connection_id:
        slo.fetched_until = None


def _asks_otherwise(before: Slo, slo: Slo) -> bool:
    """What is fetched from now on counts something else than what was fetched before."""
    queries = [
        [" ".join(getattr(each, name).split()) for name in _COUNTS] for each in (before, slo)
    ]
    return bool(slo.total_query) and queries[0] != queries[1]


def _measure_anew(slo: Slo, by: User | None) -> None:
    """Let no reading of other queries count beside those of the new ones."""
    if removed := readings.forget(slo.pk, ReadingSource.PROMETHEUS):
        audit.record("slo.measure_anew", slo, by=by, old={"readings": removed})


@transaction.atomic
def remove(*, slo: Slo, by: User | None) -> None:
    """Remove an SLO with its readings; harmless if it is gone."""
    rights.check(by, "slo.change")
    if found := _stored(slo):
        old = audit.values_of(found)
        found.delete()
        audit.record("slo.remove", str(slo.pk), by=by, old=old, kind="slo")
        scores.queue_run(by=by)


@transaction.atomic
def save_maintenance(*, maintenance: Maintenance, by: User | None) -> Maintenance:
    """Create or change a time that does not count. Saving what is there already changes nothing.

    What was read within it, before and after the change, is counted anew. Raises NotValid.
    """
    rights.check(by, "slo.change")
    before = _stored(maintenance)
    try:
        maintenance.full_clean()
    except ValidationError as error:
        raise not_valid(error) from error
    old = audit.values_of(before) if before else None
    if old == audit.values_of(maintenance):
        return maintenance
    _store(maintenance, _("Somebody has removed its service a moment ago."))
    verb = "update" if before else "create"
    audit.record(
        f"maintenance.{verb}", maintenance, by=by, old=old, new=audit.values_of(maintenance)
    )
    _recount_maintenance(each for each in (before, maintenance) if each)
    return maintenance


@transaction.atomic
def remove_maintenance(*, maintenance: Maintenance, by: User | None) -> None:
    """Let a time count after all; harmless if it is gone."""
    rights.check(by, "slo.change")
    if found := _stored(maintenance):
        old, pk = audit.values_of(found), str(found.pk)
        found.delete()
        audit.record("maintenance.remove", pk, by=by, old=old, kind="maintenance")
        _recount_maintenance([found])


# --- What is right --------------------------------------------------------------------------------


def _check(slo: Slo) -> None:
    """Raises NotValid with a sentence for each field that is wrong."""
    problems: dict[str, list[str]] = {}
    try:
        slo.clean_fields()
        slo.clean()
        slo.validate_unique()
    except ValidationError as error:
        problems = error.message_dict
    for name, text in _problems(slo):
        problems.setdefault(name, []).append(text)
    if problems:
        raise not_valid(ValidationError(problems))
    try:
        slo.validate_constraints()
    except ValidationError as error:
        raise not_valid(error) from error


def _problems(slo: Slo) -> Iterable[tuple[str, str]]:
    """Field and sentence of what is wrong: also what the database could not name the field of."""
    objective = slo.objective
    if objective is not None and objective >= 1:
        yield (
            "objective",
            _("100 % would leave no error budget to count with. Take one below it, as 99.99 %."),
        )
    elif objective is not None and objective <= 0:
        yield "objective", _("An objective is more than 0 %.")
    if slo.window == WindowKind.ROLLING:
        if slo.window_days is None or not 1 <= slo.window_days <= 366:
            yield "window_days", _("A rolling window has 1 to 366 days.")
    elif slo.window_days is not None:
        yield "window_days", _("Only a rolling window has a number of days.")
    if slo.time_zone not in time_zones():
        yield (
            "time_zone",
            _("There is no time zone '%(time_zone)s'. Take one as Asia/Shanghai.")
            % {"time_zone": slo.time_zone},
        )
    yield from _slice_problems(slo)
    if slo.kind == SliKind.LATENCY:
        if not slo.threshold_ms or slo.threshold_ms <= 0:
            yield (
                "threshold_ms",
                _("Latency needs a threshold: the milliseconds that are still good."),
            )
    elif slo.threshold_ms is not None:
        yield "threshold_ms", _("Only latency has a threshold.")
    yield from _query_problems(slo)


def _slice_problems(slo: Slo) -> Iterable[tuple[str, str]]:
    if slo.method != Method.TIMESLICES:
        for name in ("slice_seconds", "slice_target"):
            if getattr(slo, name) is not None:
                yield name, _("Only Timeslices have this; Occurrences count single events.")
        return
    if slo.slice_seconds not in STEPS:
        steps = ", ".join(str(step // 60) for step in STEPS)
        yield (
            "slice_seconds",
            _("A slice has whole minutes that divide an hour: %(steps)s.") % {"steps": steps},
        )
    elif slo.connection and slo.slice_seconds % slo.connection.step_seconds:
        yield (
            "slice_seconds",
            _("Readings of %(name)s cover %(step_seconds)s s each: a slice is a multiple of that.")
            % {"name": slo.connection.name, "step_seconds": slo.connection.step_seconds},
        )
    if slo.slice_target is None or not 0 < slo.slice_target <= 1:
        yield "slice_target", _("Say from which ratio on a slice is good: above 0 and up to 100 %.")


def _query_problems(slo: Slo) -> Iterable[tuple[str, str]]:
    if slo.good_query and slo.bad_query:
        yield "bad_query", _("Ask for good events or for bad ones, not for both.")
    if (slo.good_query or slo.bad_query) and not slo.total_query:
        yield "total_query", _("Good or bad events need a query for all events beside them.")
    if slo.total_query and not (slo.good_query or slo.bad_query):
        yield "good_query", _("All events need a query for the good or the bad ones beside them.")
    if slo.connection_id is None:
        return
    if not slo.total_query:
        yield (
            "total_query",
            _("Without queries there is nothing to ask %(connection)s for.")
            % {"connection": slo.connection},
        )
    for name in _COUNTS:
        if (query := getattr(slo, name)) and not WINDOW.search(query):
            yield (
                name,
                _(
                    "It has to name {{.window}}, the time that one reading covers, as in "
                    "sum(increase(http_requests_total[{{.window}}]))."
                ),
            )


@cache
def time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


# --- Rows -----------------------------------------------------------------------------------------


def _stored(obj: M) -> M | None:
    """The row as it is in the database, locked."""
    if obj.pk is None:
        return None
    rows = type(obj)._default_manager.select_for_update().order_by("pk")
    return rows.filter(pk=obj.pk).first()


def _store(obj: models.Model, problem: str) -> None:
    try:
        with transaction.atomic():
            obj.save()
    except IntegrityError as error:
        raise Conflict(problem, hint=_("Load it again and repeat your change.")) from error


def _differ(before: models.Model, after: models.Model, names: Iterable[str]) -> bool:
    return any(getattr(before, name) != getattr(after, name) for name in names)


def _recount_maintenance(windows: Iterable[Maintenance]) -> None:
    for each in windows:
        slos = Slo.objects.all()
        if each.service_id is not None:
            slos = slos.filter(service_id=each.service_id)
        pks = list(slos.values_list("pk", flat=True))
        _recount(pks, starts_at=each.starts_at, ends_at=each.ends_at)


def _recount(
    slo_ids: list[int],
    *,
    rolled_up: bool = True,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> None:
    """Count readings anew from `starts_at` to `ends_at`, or all of them; then budgets and burns.

    rolled_up : roll-ups rest on what has changed, too; else only budgets and burn rates do
    """
    if rolled_up:
        readings.recompute(slo_ids, starts_at, ends_at)
    budgets.refresh(slo_ids)


def values_of(slo: Slo) -> dict[str, Any]:
    """Its columns that people set, for comparing two of them."""
    left_out = {"id", "revision", "created_at", "updated_at", "fetched_until"}
    found = audit.values_of(slo)
    return {name: value for name, value in found.items() if name not in left_out}
