"""Decisions about many debts at once, as they are ticked in the ranking, and taking them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import pandas as pd
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from debtreg.actions import audit, backlog, debt, rights
from debtreg.errors import Conflict, NotFound
from debtreg.models import AuditEntry, DebtItem, DebtStatus, User, pk_of

MOST = 200
_COLUMNS = ("status", "pinned", "veto_reason", "veto_until", "accept_reason", "accept_until")
_OPEN = (DebtStatus.OPEN, DebtStatus.DOING)
_NO_VETO = {"veto_reason": "", "veto_until": None}
_NOT_ACCEPTED = {"accept_reason": "", "accept_until": None}


class Decision(StrEnum):
    """What is decided, in the words of the audit."""

    PIN = "pin"
    UNPIN = "unpin"
    VETO = "veto"
    LIFT_VETO = "lift_veto"
    ACCEPT = "accept"


_ACTIONS = [f"debt.{decision}" for decision in Decision]


@dataclass(frozen=True)
class Decided:
    """What was decided: the items that changed, those that were so already or could not be, with
    the reason of each, and the audit entries by which all of it can be taken back."""

    changed: list[DebtItem]
    left: dict[str, str]
    entries: list[int]


@transaction.atomic
def decide(
    *,
    pks: Sequence[int],
    decision: Decision,
    reason: str = "",
    until: date | None = None,
    by: User | None,
) -> Decided:
    """Decide the same about up to 200 items. Only what a pin or a veto moves in the backlog is
    written item by item.

    What the user may not decide on, and what is resolved or accepted where that stands against
    it, is left as it is and named in `left`. Raises NotValid for a missing reason or a day that
    is over, Conflict for no items or too many.
    """
    if not 0 < len(set(pks)) <= MOST:
        raise Conflict(
            _("%(n)s debts are chosen; one decision takes 1 to %(most)s.")
            % {"n": len(set(pks)), "most": MOST},
            hint=_("Tick the debts that it is about."),
        )
    at = timezone.now()
    values = _values(decision, reason, until)
    items = _locked(pks)
    left = {item.key: why for item in items if (why := _against(item, decision, by))}
    wanted = {item.pk: values for item in items if item.key not in left}
    return _write(items, wanted, left, f"debt.{decision}", by, at)


@transaction.atomic
def undo(*, entries: Sequence[int], by: User | None) -> Decided:
    """Put back what decisions of one's own have changed, where nobody has changed it since, and
    into the backlog what they have taken out of it.

    entries : audit entries as `decide` returns them

    Raises NotFound where none of them is such a decision.
    """
    decided = AuditEntry.objects.filter(
        pk__in=set(entries), actor=by, object_type="debtitem", action__in=_ACTIONS
    )
    found = {pk_of(entry.object_key): entry for entry in decided.order_by("pk")[:MOST]}
    if not found:
        raise NotFound(
            _("There is nothing to take back."), hint=_("Decide on each debt on its page.")
        )
    items = _locked([pk for pk in found if pk])
    wanted, left = {}, {}
    for item in items:
        entry = found[item.pk]
        before, after = (
            {name: _column(name, value) for name, value in (values or {}).items()}
            for values in (entry.old, entry.new)
        )
        if any(getattr(item, name) != value for name, value in after.items()):
            left[item.key] = _("It has been changed since.")
        elif why := _may_not(item, by):
            left[item.key] = why
        else:
            wanted[item.pk] = before
    undone = _write(items, wanted, left, "debt.undo", by, timezone.now())
    backlog.bring_back([item.pk for item in undone.changed], min(e.at for e in found.values()))
    return undone


def _values(decision: Decision, reason: str, until: date | None) -> dict[str, Any]:
    if decision == Decision.VETO:
        reason, until = debt.reason_of("A veto", reason), debt.to_come(until)
        return {"veto_reason": reason, "veto_until": until, "pinned": False}
    if decision == Decision.ACCEPT:
        reason, until = debt.reason_of("Accepting", reason), debt.to_come(until)
        accepted = {"accept_reason": reason, "accept_until": until}
        return {"status": DebtStatus.ACCEPTED, **accepted, "pinned": False}
    if decision == Decision.PIN:
        return {"pinned": True, **_NO_VETO}
    return {"pinned": False} if decision == Decision.UNPIN else dict(_NO_VETO)


def _locked(pks: Sequence[int]) -> list[DebtItem]:
    """The items in the order of their keys, locked; those that are gone are not among them."""
    rows = DebtItem.objects.select_for_update(of=("self",)).filter(pk__in=set(pks))
    return list(rows.select_related("team").order_by("pk"))


def _may_not(item: DebtItem, by: User | None) -> str:
    return "" if rights.may(by, "debt.decide", item) else _("It is another team's.")


def _against(item: DebtItem, decision: Decision, by: User | None) -> str:
    """Why this can't be decided about the item; empty if it can."""
    if why := _may_not(item, by):
        return why
    if item.status == DebtStatus.DONE and decision in (Decision.ACCEPT, Decision.PIN):
        return _("It is resolved.")
    if item.status not in _OPEN and decision == Decision.PIN:
        return _("It is accepted.")
    if decision == Decision.PIN and item.team_id is None:
        return _("It belongs to no team, so there is no backlog for it.")
    return ""


def _write(
    items: Sequence[DebtItem],
    wanted: Mapping[int, Mapping[str, Any]],
    left: dict[str, str],
    action: str,
    by: User | None,
    at: datetime,
) -> Decided:
    changes: list[tuple[DebtItem, dict[str, Any], dict[str, Any]]] = []
    for item in items:
        values = dict(wanted.get(item.pk, {}))
        old = {name: getattr(item, name) for name in values}
        for name, value in values.items():
            setattr(item, name, value)
        if old != values:
            changes.append((item, old, values))
    if not changes:
        return Decided([], left, [])
    changed = [item for item, _, _ in changes]
    rows = [{"pk": item.pk, **{name: getattr(item, name) for name in _COLUMNS}} for item in changed]
    debt.store_many(
        items=pd.DataFrame(rows, dtype=object),
        impacts=pd.DataFrame(),
        replaced=[],
        by=by,
        is_noted=True,
    )
    # Storing looks after what is in the backlog; what is pinned comes into it now.
    backlog.follow(*(item for item in changed if item.pinned))
    return Decided(changed, left, audit.record_many(action, changes, by=by, at=at))


def _column(name: str, value: Any) -> Any:
    return date.fromisoformat(value) if value and name.endswith("_until") else value
