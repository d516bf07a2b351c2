"""Debt items: logged, changed, decided upon, stored by the thousand. Scored at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from debtreg import bulk, coupling, frames, plans, versions
from debtreg.actions import audit, backlog, outcomes, rights, scores
from debtreg.errors import Conflict, DebtregError, NotFound
from debtreg.models import (
    IMPACT_POINTS,
    DebtImpact,
    DebtItem,
    DebtStatus,
    Guarantee,
    ImpactKind,
    Prerequisite,
    Service,
    Slo,
    Team,
    User,
)
from debtreg.models.debt import KEY_PREFIX
from debtreg.numbers import plain


class NotValid(DebtregError):
    """Input that breaks a rule; `fields` says which and where."""


class ItemChanged(Conflict):
    """Somebody else has changed the item since it was read."""


class AmountTooLarge(DebtregError):
    """A cost so high that a unit must be wrong; `rows` are the positions in a call of many."""

    rows: Sequence[int] = ()


# --- One item -------------------------------------------------------------------------------------


@transaction.atomic
def create(
    *,
    fields: Mapping[str, Any],
    impacts: Sequence[Mapping[str, Any]] = (),
    needs: Sequence[DebtItem] | None = None,
    by: User | None,
) -> DebtItem:
    """Log a debt and score it. Without a team it goes to the service's team."""
    item = DebtItem(**{"author": by, **fields})
    if item.team_id is None and item.service is not None:
        item.team = item.service.team
    rights.check(by, "debt.change", item)
    _follow_status(item, DebtStatus.OPEN, by)
    _store(item)
    _replace_impacts(item, impacts)
    if needs:
        _replace_needs(item, needs)
    _score(item)
    audit.record("debt.create", item, by=by, new=audit.values_of(item))
    return item


@transaction.atomic
def update(
    *,
    pk: int,
    fields: Mapping[str, Any],
    impacts: Sequence[Mapping[str, Any]] | None = None,
    needs: Sequence[DebtItem] | None = None,
    by: User | None,
    revision: int | None = None,
) -> DebtItem:
    """Change an item and score it. `impacts` and `needs` replace what is there unless None.

    With `revision`, a change on top of somebody else's is refused: ItemChanged.
    """
    item = _locked(pk, with_beside="status" in fields)
    rights.check(by, "debt.change", item)
    if revision is not None and revision != item.revision:
        raise ItemChanged(
            _(
                "%(key)s has changed since you read it: it is at revision %(revision)s, you have "
                "%(yours)s."
            )
            % {"key": item.key, "revision": item.revision, "yours": revision},
            hint=_("Read it again and repeat your change."),
        )
    old = audit.values_of(item)
    old_service = item.service
    for name, value in fields.items():
        setattr(item, name, value)
    if item.service != old_service and "team" not in fields and item.service is not None:
        item.team = item.service.team
    if item.team_id is None and item.service is not None:
        item.team = item.service.team
    rights.check(by, "debt.change", item)
    _follow_status(item, old["status"], by)
    _save(item)
    if impacts is not None:
        _replace_impacts(item, impacts)
    if needs is not None:
        _replace_needs(item, needs)
    _score(item, old["status"])
    backlog.follow(item)
    audit.record("debt.update", item, by=by, old=old, new=audit.values_of(item))
    return item


def _locked(pk: int, *, with_beside: bool = False) -> DebtItem:
    """The item, locked. `with_beside` also locks whom it shares failure scenarios with, in one
    order for everybody: their shares move when it is resolved or comes back.
    """
    if with_beside:
        keys = [pk, *coupling.beside([pk])]
        list(DebtItem.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
    # The team and service may be missing, and the nullable side of a join can't be locked.
    item = (
        DebtItem.objects.select_for_update(of=("self",))
        .select_related("service__team", "team")
        .filter(pk=pk)
        .first()
    )
    if item is None:
        raise NotFound(
            _("There is no debt item DEBT-%(pk)s.") % {"pk": pk},
            hint=_("Look it up in the ranking."),
        )
    return item


def _follow_status(item: DebtItem, before: str, by: User | None) -> None:
    """What a change of status changes beside it. Accepting takes who may decide.

    Call it before anything is saved: an outcome keeps what is published until then.
    """
    if item.status == before:
        return
    if item.status == DebtStatus.ACCEPTED:
        rights.check(by, "debt.decide", item)
    else:
        item.accept_reason, item.accept_until = "", None
    is_done = item.status == DebtStatus.DONE
    item.closed_on = (item.closed_on or timezone.localdate()) if is_done else None
    if is_done and item.pk:
        outcomes.freeze([item.pk])
    elif before == DebtStatus.DONE:
        outcomes.reopen([item.pk])


def _save(item: DebtItem) -> None:
    item.revision += 1
    item.updated_at = timezone.now()
    _store(item)


def _store(item: DebtItem) -> None:
    """Save an item. Its check constraints are left to the database, which looks at all at once.

    Django would ask it about each; so it does only where one is broken, to say which.
    """
    _clean(item, validate_constraints=False)
    try:
        with transaction.atomic():
            item.save()
    except (DataError, IntegrityError) as error:
        _clean(item)
        raise NotValid(
            _("external_ref: '%(external_ref)s' belongs to another item since a moment ago.")
            % {"external_ref": item.external_ref},
            hint=_("Change that item, or choose another reference."),
            fields={"external_ref": [_("This belongs to another item.")]},
        ) from error


def _clean(obj: DebtItem | DebtImpact, prefix: str = "", **options: Any) -> None:
    try:
        obj.full_clean(**options)
    except ValidationError as error:
        raise not_valid(error, prefix) from error


def not_valid(error: ValidationError, prefix: str = "") -> NotValid:
    """Django's validation as one of our errors. What concerns no field is under `__all__`."""
    fields = {prefix + name: problems for name, problems in error.message_dict.items()}
    first = next(iter(fields.items()))
    where = "" if first[0].endswith("__all__") else f"{first[0]}: "
    return NotValid(
        f"{where}{first[1][0]}", hint=_("Correct this and send it again."), fields=fields
    )


def _replace_impacts(item: DebtItem, impacts: Sequence[Mapping[str, Any]]) -> None:
    """Swap all impacts of an item: they are few, and have no life of their own."""
    rows = [DebtImpact(item=item, **values) for values in impacts]
    _clean_impacts(rows, validate_constraints=False)
    # What is said again has been so since it was said first.
    since = {_numbers_of(row): row.stated_on for row in item.impacts.all()}
    for row in rows:
        row.stated_on = since.get(_numbers_of(row), row.stated_on)
    item.impacts.all().delete()
    try:
        with transaction.atomic():
            DebtImpact.objects.bulk_create(rows)
    except (DataError, IntegrityError):
        _clean_impacts(rows)
        raise


def _clean_impacts(rows: Sequence[DebtImpact], **options: Any) -> None:
    for number, row in enumerate(rows):
        _clean(row, f"impacts[{number}].", exclude=["item"], validate_unique=False, **options)


_OTHERS = ("effectiveness", "guarantee_id", "slo_id", "slo_part")


def _numbers_of(impact: DebtImpact) -> tuple[Any, ...]:
    names = ("kind", *IMPACT_POINTS, *_OTHERS, "currency", "grade")
    return tuple(getattr(impact, name) for name in names)


def _replace_needs(item: DebtItem, needs: Sequence[DebtItem]) -> None:
    if item in needs:
        raise NotValid(
            _("%(key)s can't wait for itself.") % {"key": item.key},
            hint=_("Take it out of what it needs first."),
            fields={"needs": [_("An item can't wait for itself.")]},
        )
    Prerequisite.objects.filter(item=item).exclude(needs__in=needs).delete()
    Prerequisite.objects.bulk_create(
        [Prerequisite(item=item, needs=other) for other in needs], ignore_conflicts=True
    )


def _score(item: DebtItem, before: str = DebtStatus.OPEN) -> None:
    moves = (item.status == DebtStatus.DONE) != (before == DebtStatus.DONE)
    beside = coupling.beside([item.pk]) if moves else []
    try:
        # Waits for a run that is publishing; what it promotes is there afterwards for the backlog.
        frame = scores.score_items([item.pk], beside=beside)
    except versions.NoPolicy:
        return  # what people say needs no policy: the next run scores it
    if frame["too_large"].any():
        raise AmountTooLarge(
            _(
                "This debt would cost more than %(cost_limit)s a year or to repair, or return as "
                "many times its repair."
            )
            % {"cost_limit": plain(frames.COST_LIMIT)},
            hint=_(
                "Check the units: requests a year, a share from 0 to 1, money per unit, effort."
            ),
        )


# --- Decisions ------------------------------------------------------------------------------------


@transaction.atomic
def veto(*, pk: int, reason: str, until: date | None = None, by: User | None) -> DebtItem:
    """Keep an item out of the backlog until a day, or until the veto is lifted."""
    item = _mine(pk, "debt.decide", by)
    values = {"veto_reason": reason_of("A veto", reason), "veto_until": to_come(until)}
    return _decide(item, "debt.veto", by, **values, pinned=False)


@transaction.atomic
def lift_veto(*, pk: int, by: User | None) -> DebtItem:
    """Let an item be promoted again. Harmless where there is no veto."""
    item = _mine(pk, "debt.decide", by)
    return _decide(item, "debt.lift_veto", by, veto_reason="", veto_until=None)


@transaction.atomic
def pin(*, pk: int, pinned: bool, by: User | None) -> DebtItem:
    """Have an item promoted whatever its ROI, or no longer so. Lifts a veto."""
    item = _mine(pk, "debt.decide", by)
    if not pinned:
        return _decide(item, "debt.unpin", by, pinned=False)
    if item.status not in _OPEN:
        raise Conflict(
            _("%(key)s is %(item)s.")
            % {"key": item.key, "item": item.get_status_display().lower()},
            hint=_("Reopen it first."),
        )
    if item.team_id is None:
        raise backlog.NotPromotable(
            _("%(key)s has no team, so there is no backlog to pin it to.") % {"key": item.key},
            hint=_("Give it a service, whose team it goes to, or a team."),
        )
    return _decide(item, "debt.pin", by, pinned=True, veto_reason="", veto_until=None)


@transaction.atomic
def accept(*, pk: int, reason: str, until: date | None = None, by: User | None) -> DebtItem:
    """Decide to live with an item, for good or until a day. It leaves the backlog."""
    item = _mine(pk, "debt.decide", by)
    values = {"accept_reason": reason_of("Accepting", reason), "accept_until": to_come(until)}
    return _decide(item, "debt.accept", by, status=DebtStatus.ACCEPTED, **values, pinned=False)


@transaction.atomic
def reopen(*, pk: int, by: User | None) -> DebtItem:
    """Put a resolved or accepted item back among the open ones. Harmless where it is open."""
    item = _mine(pk, "debt.change", by, with_beside=True)
    if item.status in _OPEN:
        return item
    return _decide(item, "debt.reopen", by, status=DebtStatus.OPEN)


@transaction.atomic
def resolve(*, pk: int, by: User | None) -> DebtItem:
    """Say that an item is repaired."""
    item = _mine(pk, "debt.change", by, with_beside=True)
    return _decide(item, "debt.resolve", by, status=DebtStatus.DONE)


_OPEN = (DebtStatus.OPEN, DebtStatus.DOING)


def _mine(pk: int, verb: str, by: User | None, *, with_beside: bool = False) -> DebtItem:
    """The item, locked, if the user may do this to it."""
    item = _locked(pk, with_beside=with_beside)
    rights.check(by, verb, item)
    return item


def reason_of(what: str, text: str) -> str:
    """What was written as a reason; raises NotValid where nothing was."""
    if not text.strip():
        raise NotValid(
            _("%(what)s needs a reason.") % {"what": what},
            hint=_("Write one sentence for those who will ask."),
            fields={"reason": [_("This field is required.")]},
        )
    return text.strip()


def to_come(until: date | None) -> date | None:
    """The day, if it is not over; raises NotValid if it is."""
    today = timezone.localdate()
    if until is not None and until < today:
        raise NotValid(
            _("%(until)s is over: today is %(today)s.") % {"until": until, "today": today},
            hint=_("Choose a day to come, or none."),
            fields={"until": [_("This day is over.")]},
        )
    return until


def _decide(item: DebtItem, action: str, by: User | None, **values: Any) -> DebtItem:
    """Set what was decided, and what follows from it. A repeat changes nothing."""
    if all(getattr(item, name) == value for name, value in values.items()):
        return item
    old = audit.values_of(item)
    for name, value in values.items():
        setattr(item, name, value)
    _follow_status(item, old["status"], by)
    _save(item)
    _score(item, old["status"])
    backlog.follow(item)
    audit.record(action, item, by=by, old=old, new=audit.values_of(item))
    return item


# --- Thousands of items ---------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredMany:
    """The keys of the items in the order they came in."""

    pks: list[int]
    created: int
    updated: int


# What stands for unknown where a column has no NULL.
_DEFAULTS: dict[str, Any] = {
    "cash": 0,
    "tags": "[]",
    "pinned": False,
    "title": "",
    "description": "",
    "category": "",
    "status": DebtStatus.OPEN,
    "effort_unit": "person_day",
    "confidence": "",
    "owner": "",
    "plan": "",
    "stated_priority": "",
    "ledger_id": "",
    "veto_reason": "",
    "accept_reason": "",
}
_DATES = {
    field.attname
    for field in DebtItem._meta.concrete_fields
    if field.get_internal_type() == "DateField"
}
_KEYS = {"service_id", "team_id", "guarantee_id", "slo_id"}
# What decides on an item's place in the backlog.
_DECIDED = ("status", "team_id", "pinned", "veto_reason", "veto_until", "accept_until")
_IMPACT_DEFAULTS: dict[str, Any] = {
    "effectiveness": 1.0,
    "slo_part": 1.0,
    "currency": "",
    "grade": "estimated",
    "note": "",
}


@transaction.atomic
def store_many(
    *,
    items: pd.DataFrame,
    impacts: pd.DataFrame,
    by: User | None,
    replaced: Sequence[int] | None = None,
    replaced_kinds: Sequence[str] = ImpactKind.values,
    is_noted: bool = False,
) -> StoredMany:
    """Create and update items by sets of rows, then score them; one audit entry names them all.

    items : one row per item: any columns of DebtItem, and `pk` (Int64, missing for a new one).
        A row with a pk has the given columns updated and its impacts replaced. `tags` are JSON.
    impacts : `position` (row number in items) and columns of DebtImpact
    replaced, replaced_kinds : of which items (all that have a pk) the impacts of which kinds
        (all) make way for the given ones
    is_noted : whether the caller notes each change in the audit itself

    Raises NotValid where the database refuses a row, AmountTooLarge for a slip of units.
    """
    if items.empty:
        return StoredMany([], 0, 0)
    items = items.reset_index(drop=True)
    new = items["pk"].isna() if "pk" in items else pd.Series(True, index=items.index)
    pks = items["pk"].astype("Int64") if "pk" in items else pd.Series(pd.NA, items.index, "Int64")
    pks[new] = np.array(bulk.new_keys(DebtItem._meta.db_table, int(new.sum())), dtype="int64")
    pk_of_row = pks.astype("int64").to_numpy()
    _refuse_unknown(items, impacts)
    stated = [name for name in ("status", "closed_on") if name in items]
    becomes = items.loc[~new, stated].assign(pk=pk_of_row[~new.to_numpy()])
    with followed(becomes["pk"].tolist(), becomes) as beside:
        try:
            with transaction.atomic():
                _insert_items(items[new], pk_of_row[new.to_numpy()], by)
                _update_items(items[~new], pk_of_row[~new.to_numpy()])
                if replaced is None:
                    replaced = pk_of_row[~new.to_numpy()].tolist()
                _drop_impacts(replaced, replaced_kinds)
                _insert_impacts(impacts, pk_of_row)
        except (DataError, IntegrityError) as error:
            raise NotValid(
                _("The database refused the rows, so none was stored: ")
                + str(error).strip().splitlines()[0],
                hint=_("Correct the row that breaks this rule and send all of them again."),
            ) from error
        frame = scores.score_items(pk_of_row.tolist(), beside=beside)
        if frame["too_large"].any():
            wrong = np.isin(pk_of_row, frame.loc[frame["too_large"], "item_id"].to_numpy())
            raise _too_large(np.flatnonzero(wrong).tolist())
    created = int(new.sum())
    if not is_noted:
        named = {"created": pks[new], "updated": pks[~new]}
        keys = {name: [f"{KEY_PREFIX}{pk}" for pk in those] for name, those in named.items()}
        audit.record("debt.bulk", "debts", by=by, new=keys, kind="debtitem")
    if created > 5_000:
        bulk.analyze(frames.ITEMS, "id", "service_id", "team_id", "status", "external_ref")
        bulk.analyze(frames.IMPACTS, "item_id")
        bulk.analyze(frames.SCORES, "item_id", "service_id", "team_id", "is_open", "sort_roi")
    return StoredMany(pk_of_row.tolist(), created, len(items) - created)


def _too_large(rows: Sequence[int]) -> AmountTooLarge:
    refused = AmountTooLarge(
        _(
            "%(n)s of the debts would cost more than %(cost_limit)s a year or to repair, or "
            "return as many times their repair, the first in row %(row)s."
        )
        % {"n": len(rows), "cost_limit": plain(frames.COST_LIMIT), "row": rows[0] + 1},
        hint=_("Check their units: requests a year, a share from 0 to 1, money per unit, effort."),
        fields={f"items[{row}]": ["The yearly cost is too large."] for row in rows[:100]},
    )
    refused.rows = rows
    return refused


def _refuse_unknown(items: pd.DataFrame, impacts: pd.DataFrame) -> None:
    """The database would notice only when everything is committed."""
    for frame, column, model in (
        (items, "service_id", Service),
        (items, "team_id", Team),
        (impacts, "guarantee_id", Guarantee),
        (impacts, "slo_id", Slo),
    ):
        if column in frame:
            wanted = {int(key) for key in frame[column].dropna().unique()}
            missing = wanted - set(model._default_manager.in_bulk(wanted))
            if missing:
                raise NotValid(
                    _("There is no %(verbose_name)s %(missing)s, so none of the rows was stored.")
                    % {"verbose_name": model._meta.verbose_name, "missing": min(missing)},
                    hint=_("Look it up in the catalog and send all of them again."),
                    fields={
                        column: [
                            _("There is none with the key %(missing)s.") % {"missing": min(missing)}
                        ]
                    },
                )


@contextmanager
def followed(pks: Sequence[int], becomes: pd.DataFrame) -> Iterator[list[int]]:
    """Lock items while they are changed, and see to what follows from it.

    becomes : `pk`, and of those whose status may change `status` and the stated `closed_on`

    Keeps what was predicted of those that are resolved, before they change; afterwards the
    backlog follows. Yields the items beside them in scenarios, whose shares may move.
    """
    # Whoever is resolved or comes back moves the shares of those beside it in scenarios.
    moved = becomes["pk"].tolist() if "status" in becomes else []
    beside = coupling.beside(moved) if moved else []
    statuses = _locked_statuses([*pks, *beside])
    entries = plans.entries_of(list(statuses)) if statuses else pd.DataFrame({"item_id": []})
    decided = _decisions(entries["item_id"].tolist())
    if moved:
        _follow_statuses(becomes, statuses)
    yield beside
    changed = [pk for pk, now in _decisions(decided).items() if decided[pk] != now]
    backlog.follow(*DebtItem.objects.in_bulk(changed).values())


def _locked_statuses(pks: Sequence[int]) -> dict[int, str]:
    """Lock the items, in one order for everybody; the status of each."""
    if not pks:
        return {}
    condition, params = bulk.among("id", pks)
    lock = "FOR NO KEY UPDATE" if bulk.is_postgres() else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, status FROM {frames.ITEMS} WHERE {condition} ORDER BY id {lock}", params
        )
        statuses: dict[int, str] = dict(cursor.fetchall())
    if missing := set(pks) - statuses.keys():
        raise NotFound(
            _("There is no debt item DEBT-%(missing)s.") % {"missing": min(missing)},
            hint=_("Look it up in the ranking."),
        )
    return statuses


def _follow_statuses(becomes: pd.DataFrame, before: Mapping[int, str]) -> None:
    """Keep what was predicted of items that are resolved now, before they change."""
    pks = becomes["pk"].to_numpy()
    is_done = becomes["status"].to_numpy() == DebtStatus.DONE
    was_done = pd.Series(before).eq(DebtStatus.DONE).reindex(pks).to_numpy()
    resolved = is_done & ~was_done
    days = becomes["closed_on"][resolved] if "closed_on" in becomes else pd.Series(dtype=object)
    stated = dict(zip(pks[resolved].tolist(), days, strict=False))
    outcomes.freeze(
        pks[resolved].tolist(),
        closed_on={pk: pd.Timestamp(day).date() for pk, day in stated.items() if pd.notna(day)},
    )
    outcomes.reopen(pks[~is_done & was_done].tolist())


def _decisions(pks: Iterable[int]) -> dict[int, tuple[Any, ...]]:
    items = DebtItem.objects.in_bulk(pks)
    return {pk: tuple(getattr(item, name) for name in _DECIDED) for pk, item in items.items()}


def defaults_but(given: Collection[str], by: User | None) -> dict[str, Any]:
    """What the other columns of a new item hold, ready for the database."""
    now = bulk.stamp(timezone.now())
    author = by.pk if by else None
    values = {"revision": 1, "created_at": now, "updated_at": now, "author_id": author, **_DEFAULTS}
    names = (field.attname for field in DebtItem._meta.concrete_fields)
    return {name: values.get(name) for name in names if name != "id" and name not in given}


def _insert_items(items: pd.DataFrame, pks: np.ndarray[Any, Any], by: User | None) -> None:
    if items.empty:
        return
    given = [str(name) for name in items if name != "pk"]
    rest = defaults_but(given, by)
    columns = [
        pks.tolist(),
        *(_python_values(items[name], _DEFAULTS.get(name)) for name in given),
        *([value] * len(items) for value in rest.values()),
    ]
    bulk.write_rows(frames.ITEMS, ["id", *given, *rest], zip(*columns, strict=True))


def _update_items(items: pd.DataFrame, pks: np.ndarray[Any, Any]) -> None:
    if items.empty:
        return
    names = [str(name) for name in items if name != "pk"]
    columns = [_python_values(items[name], _DEFAULTS.get(name)) for name in names]
    bulk.update_rows(frames.ITEMS, "id", pks.tolist(), names, columns)
    condition, params = bulk.among("id", pks.tolist())
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {frames.ITEMS} SET revision = revision + 1, updated_at = %s WHERE {condition}",
            [bulk.stamp(timezone.now()), *params],
        )


def _drop_impacts(pks: Sequence[int], kinds: Sequence[str]) -> None:
    if not pks:
        return
    condition, params = bulk.among("item_id", pks)
    marks = ", ".join(["%s"] * len(kinds))
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {frames.IMPACTS} WHERE {condition} AND kind IN ({marks})",
            [*params, *kinds],
        )


def _insert_impacts(impacts: pd.DataFrame, pk_of_row: np.ndarray[Any, Any]) -> None:
    if impacts.empty:
        return
    names = ["kind", *IMPACT_POINTS, *_OTHERS, "currency", "grade", "note"]
    today = timezone.localdate()
    stated_on = today if bulk.is_postgres() else bulk.stamp(today)
    columns = [
        _python_values(impacts[name], _IMPACT_DEFAULTS.get(name))
        if name in impacts
        else [_IMPACT_DEFAULTS.get(name)] * len(impacts)
        for name in names
    ]
    keys = pk_of_row[impacts["position"].to_numpy(dtype="int64")].tolist()
    columns.append([stated_on] * len(impacts))
    bulk.write_rows(
        frames.IMPACTS, ["item_id", *names, "stated_on"], zip(keys, *columns, strict=True)
    )


def _python_values(column: pd.Series[Any], missing: Any) -> list[Any]:
    """Python objects for the driver; what is missing takes the column's default."""
    if column.name in _DATES and column.dtype.kind == "M":
        column = column.dt.date
    elif column.dtype.kind == "f" and str(column.name) in _KEYS:
        column = column.astype("Int64")
    values = column.astype(object).where(column.notna(), missing).tolist()
    if values and not bulk.is_postgres():
        values = [bulk.stamp(v) if isinstance(v, date) else v for v in values]
    return values
