"""The penalty ledger: what was measured of guarantees, priced by the terms that were in force."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from debtreg import terms as bridge
from debtreg.actions import audit, findings, rights, rows
from debtreg.errors import Conflict, DebtregError
from debtreg.models import Guarantee, PenaltyEntry, Slo, User
from debtreg.numbers import plain


class PeriodsOverlap(Conflict):
    """A part of the period is recorded already."""


@transaction.atomic
def record_period(
    *,
    guarantee_id: int,
    starts_on: date,
    ends_on: date,
    measured: Any,
    requests: Decimal | int | None,
    source: str = "",
    slo: Slo | None = None,
    refresh: bool = True,
    by: User | None,
) -> PenaltyEntry:
    """Note what was measured of a guarantee in a period, and price it by what was in force.

    measured : "0.3301s", a number in the target's unit, {low, high}, or None for nothing
    requests : how many it rests on
    slo : that has measured it, for the clock; None where a person records it, which stays then
    refresh : False where the caller sees to the findings itself

    A repeat changes nothing; another value replaces what was recorded of the same period.
    Raises NoSuchPeriod, PeriodsOverlap, and DebtregError for what cannot be read.
    """
    rights.check(by, "contract.confirm")
    guarantee = rows.guarantee(guarantee_id)
    bridge.check_period(guarantee, starts_on, ends_on, timezone.localdate())
    entries = list(guarantee.penalties.filter(starts_on__lte=ends_on, ends_on__gte=starts_on))
    row = next((each for each in entries if each.starts_on == starts_on), None)
    others = [each for each in entries if each is not row]
    if others or (row and row.ends_on != ends_on):
        other = others[0] if others else row
        assert other is not None  # noqa: S101
        raise PeriodsOverlap(
            _("%(starts_on)s to %(ends_on)s is recorded already: no day counts twice.")
            % {"starts_on": other.starts_on, "ends_on": other.ends_on},
            hint=_("Correct that entry, or remove it first."),
        )
    if slo and row and row.slo_id is None:
        return row
    old = audit.values_of(row) if row else None
    if row is None:
        row = PenaltyEntry(guarantee=guarantee, starts_on=starts_on, ends_on=ends_on)
    row.measured = plain(measured) if isinstance(measured, Decimal | float) else measured
    row.requests = None if requests is None else Decimal(requests)
    row.source, row.slo = source, slo
    _price(row, guarantee)
    new = audit.values_of(row)
    if old is not None and _differs(old, new) is False:
        return row
    row.recorded_by, row.recorded_at = by, timezone.now()
    rows.clean(row)
    rows.save(row)
    verb = "update" if old else "create"
    audit.record(f"penalty.{verb}", row, by=by, old=old, new=audit.values_of(row))
    if refresh:
        findings.refresh()
    return row


def _differs(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    aside = {"recorded_at", "recorded_by_id"}
    return any(old[name] != new[name] for name in old if name not in aside)


@transaction.atomic
def remove_period(*, entry_id: int, by: User | None) -> None:
    """Take an entry out of the ledger; harmless if it is gone."""
    rights.check(by, "contract.confirm")
    row = PenaltyEntry.objects.select_for_update().filter(pk=entry_id).first()
    if row is None:
        return
    audit.record("penalty.remove", row, by=by, old=audit.values_of(row))
    row.delete()
    findings.refresh()


def _price(row: PenaltyEntry, guarantee: Guarantee) -> None:
    found = bridge.price(guarantee, row.starts_on, row.ends_on, row.measured, row.requests)
    for name, value in found.items():
        setattr(row, name, value)


def price_again(guarantee: Guarantee, since: date | None) -> None:
    """What is recorded of days from `since` on follows from other terms now."""
    entries = list(guarantee.penalties.filter(ends_on__gte=since or date.min))
    if entries:
        guarantee = Guarantee.objects.with_terms().get(pk=guarantee.pk)
    for row in entries:
        _price_entry_again(row, guarantee)


@transaction.atomic
def price_unknown() -> int:
    """Price again what was measured and could not be priced, by what is in force by now.

    Returns how many entries say something else. A repeat changes nothing; the caller sees to the
    findings.
    """
    unknown = PenaltyEntry.objects.filter(known=False, measured__isnull=False)
    guarantees = {row.pk: row for row in rows.guarantees(pk__in=unknown.values("guarantee"))}
    return sum(
        _price_entry_again(row, guarantees[row.guarantee_id])
        for row in unknown.select_for_update().order_by("pk")
        if row.guarantee_id in guarantees
    )


def _price_entry_again(row: PenaltyEntry, guarantee: Guarantee) -> bool:
    old = audit.values_of(row)
    try:
        _price(row, guarantee)
    except DebtregError as error:
        # It was measured in a unit that does not go with what is in force now.
        for name, value in bridge.unpriced(error.message).items():
            setattr(row, name, value)
    if (new := audit.values_of(row)) == old:
        return False
    row.save()
    audit.record("penalty.price", row, by=None, old=old, new=new)
    return True
