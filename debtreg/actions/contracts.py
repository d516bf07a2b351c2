"""SLA contracts: guarantees, their terms by effective date, confirmation, the penalty ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from debtreg import terms as bridge
from debtreg.actions import audit, findings, rights, scores
from debtreg.actions.debt import NotValid, not_valid
from debtreg.errors import Conflict, DebtregError, NotAllowed, NotFound
from debtreg.models import Contract, Guarantee, PenaltyEntry, Slo, Terms, User, written_on
from debtreg.numbers import plain

# Columns of a guarantee that are written; its edge follows from the scope where it is not named.
IDENTITY = ("metric", "scope_text", "consumer", "provider", "weight", "extra")
_WRITTEN = (*bridge.TEXTS, "effective_from")


class TermsChanged(Conflict):
    """Somebody has changed the terms since they were read."""


class AlreadyConfirmed(Conflict):
    """Confirmed terms do not change any more."""


class NothingToConfirm(Conflict):
    """The target could not be read as a number."""


class PeriodsOverlap(Conflict):
    """A part of the period is recorded already."""


# --- Guarantees -----------------------------------------------------------------------------------


@transaction.atomic
def put_guarantees(
    *, contract: Contract, guarantees: Sequence[Mapping[str, Any]], by: User | None
) -> None:
    """Make the guarantees of a contract what is given: each with `id` (of one that is there, or
    none), columns of IDENTITY and of Terms (see put_terms); those that are left out are removed.

    Raises NotValid, by `guarantees[0].id` and so on.
    """
    rights.check(by, "catalog.change")
    there = {row.pk: row for row in locked(contract=contract)}
    named = [values.get("id") for values in guarantees if values.get("id")]
    for number, values in enumerate(guarantees):
        key = values.get("id")
        if key and (key not in there or named.count(key) > 1):
            problem = f"This contract has no guarantee {key}, or it is named twice."
            raise NotValid(
                problem,
                hint="Read the contract again, and send back the ids that it has.",
                fields={f"guarantees[{number}].id": [problem]},
            )
    for key in there.keys() - set(named):
        _remove(there[key], by)
    graph = bridge.Graph.read()
    for number, values in enumerate(guarantees):
        row = there.get(values.get("id") or 0) or Guarantee(contract=contract)
        try:
            put(row, values, graph, by)
        except NotValid as error:
            where = f"guarantees[{number}]."
            raise NotValid(
                where + error.message,
                hint=error.hint,
                fields={where + name: texts for name, texts in error.fields.items()},
            ) from error
    follow(by)


@transaction.atomic
def put_guarantee(
    *,
    contract_id: int,
    guarantee_id: int | None = None,
    values: Mapping[str, Any],
    by: User | None,
) -> Guarantee:
    """Add a guarantee to a contract, or change one; `values` as for put_guarantees."""
    rights.check(by, "catalog.change")
    if guarantee_id is None:
        contract = Contract.objects.filter(pk=contract_id).first()
        if contract is None:
            raise NotFound(f"There is no contract {contract_id}.", hint="Look at the list.")
        row = Guarantee(contract=contract)
    else:
        row = _get(guarantee_id)
    put(row, values, bridge.Graph.read(), by)
    follow(by)
    return row


@transaction.atomic
def remove_guarantee(*, guarantee_id: int, by: User | None) -> None:
    """Remove a guarantee with its versions and its ledger; impacts stay, tied to none."""
    rights.check(by, "catalog.change")
    if row := locked(pk=guarantee_id):
        _remove(row[0], by)
        follow(by)


def put(row: Guarantee, values: Mapping[str, Any], graph: bridge.Graph, by: User | None) -> bool:
    """Store a guarantee and what it says; True if anything changed. The caller calls `follow`."""
    old = audit.values_of(row) if row.pk else None
    before = (row.scope_text, row.consumer_id, row.provider_id)
    for name in IDENTITY:
        if name in values:
            setattr(row, name, values[name])
    consumer, provider = graph.ends(row.scope_text)
    if row.scope_text != before[0] or row.pk is None:
        # Another scope is another edge, unless it is named.
        row.consumer_id = row.consumer_id if values.get("consumer") else consumer
        row.provider_id = row.provider_id if values.get("provider") else provider
    else:
        row.consumer_id = row.consumer_id or consumer
        row.provider_id = row.provider_id or provider
    changed = old != audit.values_of(row)
    if changed:
        clean(row)
        save(row)
        verb = "update" if old else "create"
        audit.record(f"guarantee.{verb}", row, by=by, old=old, new=audit.values_of(row))
    return _put_terms(row, values, by) or changed


def _remove(row: Guarantee, by: User | None) -> None:
    audit.record("guarantee.remove", row, by=by, old=audit.values_of(row))
    row.delete()


# --- Terms ----------------------------------------------------------------------------------------


@transaction.atomic
def amend(
    *, guarantee_id: int, effective_from: date | None, texts: Mapping[str, Any], by: User | None
) -> Terms:
    """Say what a guarantee promises from a day on (None: since ever); a person confirms it then.

    texts : columns of bridge.TEXTS; what is left out stays as it was on that day

    Terms that wait for confirmation are changed in place. Confirmed ones never are: of another
    day it is the next version, of the same day a correction. A repeat changes nothing.
    """
    rights.check(by, "catalog.change")
    guarantee = _get(guarantee_id)
    versions = list(guarantee.terms.all())
    then = written_on(versions, effective_from or date.min) or guarantee.latest
    same = written_on(
        [each for each in versions if each.effective_from == effective_from],
        effective_from or date.min,
    )
    said = {name: getattr(then, name) for name in bridge.TEXTS} if then else {}
    wanted = {**said, **{name: texts[name] for name in bridge.TEXTS if name in texts}}
    if same and _texts(same) == wanted:
        return same
    draft = next(
        (
            each
            for each in versions
            if each.effective_from == effective_from and not each.is_confirmed
        ),
        None,
    )
    row = _write(guarantee, draft, wanted, effective_from, by)
    follow(by)
    return row


def _put_terms(guarantee: Guarantee, values: Mapping[str, Any], by: User | None) -> bool:
    """What a document says of terms: it concerns the latest version, or a day that it names.

    Text that differs from confirmed terms holds from today on if no day is named.
    """
    latest = guarantee.latest if guarantee.pk else None
    day = values.get("effective_from")
    base = written_on(guarantee.terms.all(), day) if day and latest else latest
    wanted = {name: getattr(base, name) for name in bridge.TEXTS} if base else {}
    wanted |= {name: values[name] for name in bridge.TEXTS if name in values}
    if base and wanted == _texts(base) and day in (None, base.effective_from):
        return False
    if day is None and latest is not None:
        day = latest.effective_from
        if latest.is_confirmed:
            day = max(day or date.min, timezone.localdate())
    draft = next(
        (
            each
            for each in guarantee.terms.all()
            if each.effective_from == day and not each.is_confirmed
        ),
        None,
    )
    if draft and _texts(draft) == wanted:
        return False
    _write(guarantee, draft, wanted, day, by)
    return True


def _texts(terms: Terms) -> dict[str, Any]:
    return {name: getattr(terms, name) for name in bridge.TEXTS}


def _write(
    guarantee: Guarantee,
    draft: Terms | None,
    texts: Mapping[str, Any],
    effective_from: date | None,
    by: User | None,
) -> Terms:
    """Store what is written, and the numbers that follow, as the draft or a new version."""
    old = audit.values_of(draft) if draft else None
    versions = [each.version for each in Terms.objects.filter(guarantee=guarantee)]
    row = draft or Terms(
        guarantee=guarantee,
        version=max(versions, default=0) + 1,
        effective_from=effective_from,
        created_by=by,
    )
    if draft:
        row.revision += 1
    for name, value in {**texts, **bridge.read(guarantee.metric, texts)}.items():
        setattr(row, name, value)
    clean(row)
    save(row)
    verb = "update" if draft else "create"
    audit.record(f"terms.{verb}", row, by=by, old=old, new=audit.values_of(row))
    _price_again(guarantee, row.effective_from)
    return row


@transaction.atomic
def withdraw(*, guarantee_id: int, version: int, by: User | None) -> None:
    """Drop terms that wait for confirmation. Harmless where there are none."""
    rights.check(by, "catalog.change")
    guarantee = _get(guarantee_id)
    row = next((each for each in guarantee.terms.all() if each.version == version), None)
    if row is None:
        return
    if row.is_confirmed:
        raise AlreadyConfirmed(
            f"Version {version} is confirmed and stays.",
            hint="Amend the guarantee from the day on which something else holds.",
        )
    if len(guarantee.terms.all()) == 1:
        raise Conflict(
            "A guarantee without terms would promise nothing.", hint="Remove the guarantee."
        )
    audit.record("terms.remove", row, by=by, old=audit.values_of(row))
    row.delete()
    _price_again(guarantee, row.effective_from)
    follow(by)


@transaction.atomic
def confirm(
    *, guarantee_id: int, version: int, by: User | None, revision: int | None = None
) -> Terms:
    """Say that the numbers are what the contract's text means; from then on they count.

    revision : of what was looked at; TermsChanged if it is another by now

    It takes a person: no job and no command can. A repeat changes nothing.
    """
    if by is None:
        raise NotAllowed("A person has to confirm terms.", hint="Log in and look at them.")
    rights.check(by, "contract.confirm")
    guarantee = _get(guarantee_id)
    row = next((each for each in guarantee.terms.all() if each.version == version), None)
    if row is None:
        raise NotFound(
            f"Guarantee {guarantee_id} has no version {version}.", hint="Load the page again."
        )
    if row.is_confirmed:
        return row
    if revision is not None and revision != row.revision:
        raise TermsChanged(
            f"Version {version} has changed since you read it.",
            hint="Look at what it says now, and confirm that.",
        )
    if row.value is None:
        raise NothingToConfirm(
            f"The target “{row.target_text}” is not read as a number.",
            hint="Say first how it is to be read, as ≤ 300 ms or ≥ 99.9 %.",
        )
    now = timezone.now()
    for each in guarantee.terms.all():
        is_corrected = each.is_confirmed and each.replaced_at is None
        if is_corrected and each.effective_from == row.effective_from:
            each.replaced_at = now
            each.save(update_fields=["replaced_at"])
    old = audit.values_of(row)
    row.confirmed_by, row.confirmed_at = by, now
    row.save(update_fields=["confirmed_by", "confirmed_at"])
    audit.record("terms.confirm", row, by=by, old=old, new=audit.values_of(row))
    _price_again(guarantee, row.effective_from)
    follow(by)
    return row


# --- The penalty ledger ---------------------------------------------------------------------------


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
    guarantee = _get(guarantee_id)
    bridge.check_period(guarantee, starts_on, ends_on, timezone.localdate())
    entries = list(guarantee.penalties.filter(starts_on__lte=ends_on, ends_on__gte=starts_on))
    row = next((each for each in entries if each.starts_on == starts_on), None)
    others = [each for each in entries if each is not row]
    if others or (row and row.ends_on != ends_on):
        other = others[0] if others else row
        assert other is not None  # noqa: S101
        raise PeriodsOverlap(
            f"{other.starts_on} to {other.ends_on} is recorded already: no day counts twice.",
            hint="Correct that entry, or remove it first.",
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
    clean(row)
    save(row)
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


def _price_again(guarantee: Guarantee, since: date | None) -> None:
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
    guarantees = {row.pk: row for row in locked(pk__in=unknown.values("guarantee"))}
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


@transaction.atomic
def resolve_edges(*, by: User | None) -> int:
    """Tie guarantees to the services that their scope names, where it named none before."""
    graph = bridge.Graph.read()
    count = 0
    for row in Guarantee.objects.exclude(scope_text="").filter(provider=None) | (
        Guarantee.objects.exclude(scope_text="").filter(consumer=None)
    ):
        consumer, provider = graph.ends(row.scope_text)
        old = audit.values_of(row)
        row.consumer_id = row.consumer_id or consumer
        row.provider_id = row.provider_id or provider
        if (new := audit.values_of(row)) != old:
            row.save(update_fields=["consumer", "provider"])
            audit.record("guarantee.update", row, by=by, old=old, new=new)
            count += 1
    if count:
        scores.queue_run(by=by)
    return count


# --- Rows -----------------------------------------------------------------------------------------


def locked(**which: Any) -> list[Guarantee]:
    """Guarantees with their terms, locked in one order for everybody."""
    keys = list(
        Guarantee.objects.select_for_update(of=("self",))
        .filter(**which)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    return list(Guarantee.objects.with_terms().filter(pk__in=keys).order_by("pk"))


def _get(guarantee_id: int) -> Guarantee:
    found = locked(pk=guarantee_id)
    if not found:
        raise NotFound(f"There is no guarantee {guarantee_id}.", hint="Look at its contract.")
    return found[0]


def clean(row: Contract | Guarantee | Terms | PenaltyEntry) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        raise not_valid(error) from error


def save(row: Contract | Guarantee | Terms | PenaltyEntry) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise Conflict(
            f"Somebody has added the same {row._meta.verbose_name} a moment ago.",
            hint="Look at that one and change it, if it is not as you want it.",
        ) from error


def follow(by: User | None) -> None:
    """What hangs on promises: the scores of what endangers them, and the gaps."""
    scores.queue_run(by=by)
    findings.refresh()
