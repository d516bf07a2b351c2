"""SLA contracts: guarantees, their terms by effective date, confirmation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from debtreg import terms as bridge
from debtreg.actions import audit, findings, penalties, rights, rows, scores
from debtreg.actions.debt import NotValid
from debtreg.errors import Conflict, NotAllowed, NotFound
from debtreg.models import Contract, Guarantee, Terms, User, written_on

# Columns of a guarantee that are written; its edge follows from the scope where it is not named.
IDENTITY = ("metric", "scope_text", "consumer", "provider", "weight", "extra")
_WRITTEN = (*bridge.TEXTS, "effective_from")


class TermsChanged(Conflict):
    """Somebody has changed the terms since they were read."""


class AlreadyConfirmed(Conflict):
    """Confirmed terms do not change any more."""


class NothingToConfirm(Conflict):
    """The target could not be read as a number."""


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
    there = {row.pk: row for row in rows.guarantees(contract=contract)}
    named = [values.get("id") for values in guarantees if values.get("id")]
    for number, values in enumerate(guarantees):
        key = values.get("id")
        if key and (key not in there or named.count(key) > 1):
            problem = _("This contract has no guarantee %(key)s, or it is named twice.") % {
                "key": key
            }
            raise NotValid(
                problem,
                hint=_("Read the contract again, and send back the ids that it has."),
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
            raise NotFound(
                _("There is no contract %(contract_id)s.") % {"contract_id": contract_id},
                hint=_("Look at the list."),
            )
        row = Guarantee(contract=contract)
    else:
        row = rows.guarantee(guarantee_id)
    put(row, values, bridge.Graph.read(), by)
    follow(by)
    return row


@transaction.atomic
def remove_guarantee(*, guarantee_id: int, by: User | None) -> None:
    """Remove a guarantee with its versions and its ledger; impacts stay, tied to none."""
    rights.check(by, "catalog.change")
    if row := rows.guarantees(pk=guarantee_id):
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
        rows.clean(row)
        rows.save(row)
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
    guarantee = rows.guarantee(guarantee_id)
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
    rows.clean(row)
    rows.save(row)
    verb = "update" if draft else "create"
    audit.record(f"terms.{verb}", row, by=by, old=old, new=audit.values_of(row))
    penalties.price_again(guarantee, row.effective_from)
    return row


@transaction.atomic
def withdraw(*, guarantee_id: int, version: int, by: User | None) -> None:
    """Drop terms that wait for confirmation. Harmless where there are none."""
    rights.check(by, "catalog.change")
    guarantee = rows.guarantee(guarantee_id)
    row = next((each for each in guarantee.terms.all() if each.version == version), None)
    if row is None:
        return
    if row.is_confirmed:
        raise AlreadyConfirmed(
            _("Version %(version)s is confirmed and stays.") % {"version": version},
            hint=_("Amend the guarantee from the day on which something else holds."),
        )
    if len(guarantee.terms.all()) == 1:
        raise Conflict(
            _("A guarantee without terms would promise nothing."), hint=_("Remove the guarantee.")
        )
    audit.record("terms.remove", row, by=by, old=audit.values_of(row))
    row.delete()
    penalties.price_again(guarantee, row.effective_from)
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
        raise NotAllowed(_("A person has to confirm terms."), hint=_("Log in and look at them."))
    rights.check(by, "contract.confirm")
    guarantee = rows.guarantee(guarantee_id)
    row = next((each for each in guarantee.terms.all() if each.version == version), None)
    if row is None:
        raise NotFound(
            _("Guarantee %(guarantee_id)s has no version %(version)s.")
            % {"guarantee_id": guarantee_id, "version": version},
            hint=_("Load the page again."),
        )
    if row.is_confirmed:
        return row
    if revision is not None and revision != row.revision:
        raise TermsChanged(
            _("Version %(version)s has changed since you read it.") % {"version": version},
            hint=_("Look at what it says now, and confirm that."),
        )
    if row.value is None:
        raise NothingToConfirm(
            _("The target “%(target_text)s” is not read as a number.")
            % {"target_text": row.target_text},
            hint=_("Say first how it is to be read, as ≤ 300 ms or ≥ 99.9 %."),
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
    penalties.price_again(guarantee, row.effective_from)
    follow(by)
    return row


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


# --- What follows ---------------------------------------------------------------------------------


def follow(by: User | None) -> None:
    """What hangs on promises: the scores of what endangers them, and the gaps."""
    scores.queue_run(by=by)
    findings.refresh()
