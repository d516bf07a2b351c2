"""Promotion: what goes into a team's backlog, into which iteration, and what comes out again."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Replace
from django.utils import timezone
from django.utils.translation import gettext as _

from debtreg import frames, holding, plans, versions
from debtreg.actions import audit, deciding, promotion, rights
from debtreg.errors import Conflict, NotFound
from debtreg.models import (
    ACTIVE_STATES,
    BacklogEntry,
    Cause,
    DebtItem,
    DebtStatus,
    EntryState,
    Iteration,
    IterationState,
    Prerequisite,
    Team,
    User,
)


class IterationFull(Conflict):
    def __init__(self, item: DebtItem, days: Decimal, iteration: Iteration, left: Decimal) -> None:
        super().__init__(
            f"{item.key} '{item.title}' needs {days:.1f} person-days;"
            f" {iteration.name} has {left:.1f} left.",
            hint="Choose a later iteration, or take something out of this one.",
        )


class OutOfOrder(Conflict):
    """A debt would stand in an iteration before what must be repaired first."""

    def __init__(self, item: DebtItem, where: str, needs: DebtItem, later: str) -> None:
        super().__init__(
            f"{item.key} '{item.title}' would be in {where}, but it needs {needs.key}"
            f" '{needs.title}' first, which would be in {later}.",
            hint=f"Move {needs.key} forward, or {item.key} back.",
        )


class CannotHold(Conflict):
    """The next run would have to undo a move."""


class NotPromotable(Conflict):
    """The item may not go into a backlog as it is."""


# --- By hand --------------------------------------------------------------------------------------


@transaction.atomic
def promote(*, pk: int, iteration_id: int | None = None, by: User | None) -> BacklogEntry:
    """Put an item into its team's backlog, into an iteration or waiting for one.

    Repeating the call returns the entry that is there.
    Raises IterationFull, OutOfOrder, CannotHold, NotPromotable.
    """
    iteration = _locked_iteration(iteration_id)
    item = _locked_item(pk)
    rights.check(by, "debt.decide", item)
    entry = BacklogEntry.objects.active().filter(item=item).first()
    if entry is not None:
        if iteration is not None and entry.iteration_id != iteration.pk:
            _move(entry, iteration, by)
        return entry
    if iteration is not None:
        _check_order(item, iteration)
    team = item.team
    if team is None:
        raise NotPromotable(
            _("%(key)s belongs to no team, so there is no backlog for it.") % {"key": item.key},
            hint=_("Give it a service or a team first."),
        )
    _refuse(item)
    days, roi = _days_and_roi(item)
    entry = BacklogEntry(
        item=item,
        team=team,
        repair_days=days,
        roi=roi,
        marginal_roi=roi,
        policy_version=versions.in_force().version,
        promoted_by=by,
        pinned=True,
        placed=iteration is not None,
        placed_by=by if iteration else None,
        reason=f"Promoted by {_name(by)}.",
    )
    _place(entry, iteration)
    deciding.refresh([pk], cause=Cause.BACKLOG)
    audit.record(
        "backlog.promote", item, by=by, new={"iteration": iteration.name if iteration else None}
    )
    return entry


@transaction.atomic
def move(*, entry_id: int, iteration_id: int | None, by: User | None) -> BacklogEntry:
    """Put an entry into another iteration, or back among those that wait for one.

    Runs leave it there as long as it is worth its repair: a person has decided where, not whether.
    Where things change so that it cannot stay, a run says whose move it has undone, and why.

    Raises IterationFull, OutOfOrder, CannotHold, NotPromotable.
    """
    iteration = _locked_iteration(iteration_id)
    entry = _locked_entry(entry_id)
    rights.check(by, "debt.decide", entry.item)
    _move(entry, iteration, by)
    return entry


def _move(entry: BacklogEntry, iteration: Iteration | None, by: User | None) -> None:
    old = {"iteration": entry.iteration.name if entry.iteration else None}
    entry.placed, entry.placed_by, entry.moved_back = True, by, ""
    if entry.iteration != iteration:
        _check_order(entry.item, iteration)
        entry.displaced, entry.displaced_by = [], ""
        _displaces_no_more(entry)
        where = f"Put into {iteration.name}" if iteration else "Put among those that wait"
        entry.reason = f"{where} by {_name(by)}."
    _place(entry, iteration)
    new = {"iteration": iteration.name if iteration else None}
    audit.record("backlog.move", entry.item, by=by, old=old, new=new)


def _name(by: User | None) -> str:
    return by.display_name if by else "a job"


@transaction.atomic
def start(*, entry_id: int, by: User | None) -> BacklogEntry:
    """Say that somebody works on it; runs leave it alone from now on."""
    entry = _locked_entry(entry_id)
    rights.check(by, "debt.change", entry.item)
    if entry.state != EntryState.STARTED:
        entry.state = EntryState.STARTED
        entry.save(update_fields=["state"])
        _set_status(entry.item, DebtStatus.DOING)
        deciding.refresh([entry.item_id], cause=Cause.BACKLOG)
        audit.record("backlog.start", entry.item, by=by)
    return entry


@transaction.atomic
def withdraw(*, entry_id: int, reason: str, by: User | None) -> BacklogEntry:
    """Take an entry out of the backlog. Only a veto keeps the next run from promoting it again."""
    entry = _locked_entry(entry_id)
    rights.check(by, "debt.decide", entry.item)
    if entry.item.pinned:
        raise Conflict(
            _("%(key)s is pinned to the backlog.") % {"key": entry.item.key},
            hint=_("Take the pin off first."),
        )
    if entry.state == EntryState.STARTED:
        _set_status(entry.item, DebtStatus.OPEN)
    _close(entry, EntryState.WITHDRAWN, reason.strip() or "Taken back by hand.")
    deciding.refresh([entry.item_id], cause=Cause.BACKLOG)
    audit.record("backlog.withdraw", entry.item, by=by, new={"reason": reason})
    return entry


# --- By plan --------------------------------------------------------------------------------------


def plan(*, team: Team | None = None) -> list[dict[str, Any]]:
    """What a run would change in the backlogs now, of one team or of all: nothing is changed.

    Each: {change: add | change | withdraw | leave, debt, title, team, iteration,
    iteration_before, state, roi, marginal_roi, reason, displaced}; iterations by key, None for
    none. What is left as it is goes together with another team's backlog.
    """
    return _described(plans.of_published()[1], team)


@transaction.atomic
def apply_plan(*, team: Team | None = None, by: User | None) -> list[dict[str, Any]]:
    """Make the changes of `plan` and return them."""
    # Every team's backlog is nobody's own.
    rights.check(by, "debt.decide" if team else "everything", team)
    frame, proposed = plans.of_published()
    if team is not None:
        proposed = plans.of_team(proposed, team.pk)
    changes = _described(proposed, None)
    promotion.apply(proposed, frame, run_id=None, team_id=team.pk if team else None)
    deciding.refresh(cause=Cause.BACKLOG)
    audit.record(
        "backlog.apply_plan",
        team.slug if team else "all teams",
        by=by,
        kind="backlog",
        new={"changes": sum(each["change"] != "leave" for each in changes)},
    )
    return changes


def _described(proposed: plans.Plan, team: Team | None) -> list[dict[str, Any]]:
    if team is not None:
        proposed = plans.of_team(proposed, team.pk)
    parts = {
        "add": proposed.added,
        "change": proposed.changed,
        "withdraw": proposed.withdrawn,
        "leave": proposed.left,
    }
    pks = {int(pk) for part in parts.values() for pk in part["item_id"]}
    entry = BacklogEntry.objects.active().filter(item=OuterRef("pk"))
    items = (
        DebtItem.objects.select_related("team")
        .annotate(iteration_before=Subquery(entry.values("iteration")))
        .in_bulk(pks)
    )
    return [
        {
            "change": change,
            "debt": items[row["item_id"]].key,
            "title": items[row["item_id"]].title,
            "team": getattr(items[row["item_id"]].team, "slug", None),
            "iteration": _key(row.get("iteration_id")),
            "iteration_before": items[row["item_id"]].iteration_before,
            "state": row.get("state", EntryState.WITHDRAWN),
            "roi": _known(row.get("roi")),
            "marginal_roi": _known(row.get("marginal_roi")),
            "reason": row["reason"],
            "displaced": json.loads(row.get("displaced") or "[]"),
        }
        for change, part in parts.items()
        for row in part.to_dict("records")
    ]


def _key(value: Any) -> int | None:
    return None if value is None or value == plans.NONE else int(value)


def _known(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


# --- With the item --------------------------------------------------------------------------------


def follow(*items: DebtItem) -> None:
    """Let the backlog follow what was decided about items, in the caller's transaction."""
    for item in items:
        _follow(item)
    deciding.refresh([item.pk for item in items], cause=Cause.BACKLOG)


def _follow(item: DebtItem) -> None:
    entry = BacklogEntry.objects.select_for_update().active().filter(item=item).first()
    if entry is None:
        if item.team is not None and item.pinned and not _why_not(item):
            days, roi = _days_and_roi(item)
            BacklogEntry.objects.create(
                item=item,
                team=item.team,
                repair_days=days,
                roi=roi,
                marginal_roi=roi,
                policy_version=versions.in_force().version,
                reason="Pinned: promoted whatever its ROI.",
            )
        return
    if item.status == DebtStatus.DONE:
        _close(entry, EntryState.DONE, entry.reason)
    elif why := _why_not(item):
        _close(entry, EntryState.WITHDRAWN, why)
    else:
        if item.team is not None and entry.team != item.team:
            entry.team, entry.iteration, entry.placed = item.team, None, False
            entry.displaced, entry.displaced_by = [], ""
            entry.reason = (
                f"It has come to {item.team.name} with its debt; the next run says whether it stays"
                " and finds it a place."
            )
        if item.status == DebtStatus.DOING:
            entry.state = EntryState.STARTED
        else:
            entry.state = EntryState.PLANNED if entry.iteration else EntryState.UNSCHEDULED
        names = ("team", "iteration", "state", "placed", "displaced", "displaced_by", "reason")
        entry.save(update_fields=names)


def bring_back(pks: Sequence[int], since: datetime) -> None:
    """Undo that entries were taken back since then, in the caller's transaction: where they were,
    if there is room, else they wait. What is in the backlog again or may not be is left alone."""
    rows = BacklogEntry.objects.select_for_update(of=("self",)).select_related("item__team")
    closed = rows.filter(item__in=pks, state=EntryState.WITHDRAWN, closed_at__gte=since)
    active = set(BacklogEntry.objects.active().filter(item__in=pks).values_list("item", flat=True))
    for entry in {entry.item_id: entry for entry in closed.order_by("pk")}.values():
        if entry.item_id in active or _why_not(entry.item) or entry.item.team_id != entry.team_id:
            continue
        is_started = entry.item.status == DebtStatus.DOING
        entry.state = EntryState.STARTED if is_started else EntryState.UNSCHEDULED
        entry.closed_at, entry.reason = None, "Back, as the decision against it was undone."
        entry.displaced, entry.displaced_by = [], ""
        try:
            _place(entry, _locked_iteration(entry.iteration_id))
        except (IterationFull, NotPromotable):
            _place(entry, None)


def _why_not(item: DebtItem) -> str:
    """Why an item may not be in a backlog; empty if it may."""
    today = timezone.localdate()
    if item.status == DebtStatus.DONE:
        return "It is resolved."
    if item.team_id is None:
        return "It belongs to no team."
    if item.is_accepted(today):
        until = f" until {item.accept_until}" if item.accept_until else ""
        return f"Accepted{until}: {item.accept_reason}" if item.accept_reason else "Accepted."
    if item.is_vetoed(today):
        until = f" until {item.veto_until}" if item.veto_until else ""
        return f"Vetoed{until}: {item.veto_reason}"
    return ""


def _refuse(item: DebtItem) -> None:
    if why := _why_not(item):
        raise NotPromotable(
            _("%(key)s can't be promoted. %(why)s") % {"key": item.key, "why": why},
            hint=_("Reopen it or lift the veto first."),
        )


def _days_and_roi(item: DebtItem) -> tuple[Decimal | None, float | None]:
    """What the item takes of an iteration, and its ROI, as scored now."""
    catalog = frames.Catalog.read([item.pk])
    items = frames.read_items("d.id = %s", [item.pk])
    row = frames.score(items, frames.read_impacts("i.item_id = %s", [item.pk]), catalog).iloc[0]
    roi = None if math.isnan(row["roi"]) else float(row["roi"])
    return half_days(row["repair_days"]), roi


def half_days(days: float) -> Decimal | None:
    """Person-days rounded up to half ones, as iterations are filled; None if not estimated.

    >>> half_days(1.2), half_days(3.0), half_days(float("nan"))
    (Decimal('1.5'), Decimal('3.0'), None)
    """
    if math.isnan(days) or days <= 0:
        return None
    # What floats add to a whole half day is no reason to take another one.
    return Decimal(math.ceil(round(days * 2, 6))) / 2 + Decimal("0.0")


def _place(entry: BacklogEntry, iteration: Iteration | None) -> BacklogEntry:
    """Put an entry into a locked iteration, if it fits."""
    if iteration is None:
        _holds(entry, None)
        if entry.state != EntryState.STARTED:
            entry.state = EntryState.UNSCHEDULED
        entry.iteration = None
        entry.save()
        return entry
    if iteration.team_id != entry.team_id:
        raise NotPromotable(
            _("%(name)s belongs to another team than %(key)s.")
            % {"name": iteration.name, "key": entry.item.key},
            hint=_("Choose an iteration of its own team."),
        )
    if iteration.state != IterationState.OPEN:
        raise NotPromotable(
            _("%(name)s is closed.") % {"name": iteration.name},
            hint=_("Choose an iteration that is open."),
        )
    if entry.repair_days is None:
        raise NotPromotable(
            _("%(key)s has no effort estimate, so nobody knows whether it fits.")
            % {"key": entry.item.key},
            hint=_("Estimate its effort first."),
        )
    left = days_left(iteration, without=entry)
    if entry.repair_days > left:
        raise IterationFull(entry.item, entry.repair_days, iteration, left)
    _holds(entry, iteration)
    entry.iteration = iteration
    if entry.state != EntryState.STARTED:
        entry.state = EntryState.PLANNED
    entry.save()
    return entry


def _holds(entry: BacklogEntry, iteration: Iteration | None) -> None:
    if entry.placed and (found := holding.obstacle(entry, iteration)):
        raise CannotHold(found[0], hint=found[1])


def days_left(iteration: Iteration, without: BacklogEntry | None = None) -> Decimal:
    """Person-days of an iteration that nothing takes yet; what is done has taken its part."""
    entries = iteration.entries.exclude(state=EntryState.WITHDRAWN)
    if without is not None and without.pk:
        entries = entries.exclude(pk=without.pk)
    return iteration.capacity_days - (entries.aggregate(n=Sum("repair_days"))["n"] or Decimal(0))


def _check_order(item: DebtItem, iteration: Iteration | None) -> None:
    """Raise OutOfOrder where a direct prerequisite would come in a later iteration.

    What is begun waits for nothing any more, and nobody waits for it; what is in no backlog
    comes in no iteration.
    """
    links = list(
        Prerequisite.objects.filter(Q(item=item) | Q(needs=item)).select_related("item", "needs")
    )
    others = {pk for link in links for pk in (link.item_id, link.needs_id)} - {item.pk}
    entries = {
        entry.item_id: entry
        for entry in BacklogEntry.objects.active()
        .filter(item__in=others)
        .select_related("iteration")
    }
    for link in links:
        other = entries.get(link.needs_id if link.item_id == item.pk else link.item_id)
        done = (DebtStatus.DONE, DebtStatus.DOING)
        if link.needs.status in done or (other and other.state == EntryState.STARTED):
            continue
        if other is None and link.needs_id == item.pk:
            continue
        first, then = other.iteration if other else None, iteration
        if link.needs_id == item.pk:
            first, then = then, first
        if then and (first is None or first.starts_on > then.starts_on):
            raise OutOfOrder(link.item, _place_of(then), link.needs, _place_of(first))


def _place_of(iteration: Iteration | None) -> str:
    if iteration is None:
        return "no iteration yet"
    return f"{iteration.name} (from {iteration.starts_on})"


def _close(entry: BacklogEntry, state: str, reason: str) -> None:
    entry.state, entry.reason, entry.closed_at = state, reason, timezone.now()
    entry.save(update_fields=["state", "reason", "closed_at"])
    _displaces_no_more(entry)


def _displaces_no_more(entry: BacklogEntry) -> None:
    """What was pushed out by an entry that is there no more is no longer kept out by it."""
    key = entry.item.key
    said = Replace(F("reason"), Value(f" It was displaced by {key}."), Value(""))
    # Their debts are not locked: what somebody else writes now, the next run puts right.
    others = BacklogEntry.objects.active().filter(displaced_by=key)
    free = list(others.select_for_update(skip_locked=True).values_list("pk", flat=True))
    BacklogEntry.objects.filter(pk__in=free).update(displaced_by="", reason=said)


def _set_status(item: DebtItem, status: str) -> None:
    if item.status != status:
        DebtItem.objects.filter(pk=item.pk).update(
            status=status, revision=item.revision + 1, updated_at=timezone.now()
        )


def _locked_iteration(iteration_id: int | None) -> Iteration | None:
    if iteration_id is None:
        return None
    iteration = Iteration.objects.select_for_update().filter(pk=iteration_id).first()
    if iteration is None:
        raise NotFound(
            _("There is no iteration %(iteration_id)s.") % {"iteration_id": iteration_id},
            hint=_("Choose one of the list."),
        )
    return iteration


def _locked_item(pk: int) -> DebtItem:
    item = (
        DebtItem.objects.select_for_update(of=("self",))
        .select_related("team", "service")
        .filter(pk=pk)
        .first()
    )
    if item is None:
        raise NotFound(
            _("There is no debt item DEBT-%(pk)s.") % {"pk": pk},
            hint=_("Look it up in the ranking."),
        )
    return item


def _locked_entry(entry_id: int) -> BacklogEntry:
    """An entry and its item, locked: the item first, as edits and runs do."""
    found = BacklogEntry.objects.filter(pk=entry_id).values_list("item_id", flat=True).first()
    if found is None:
        raise NotFound(
            _("There is no backlog entry %(entry_id)s.") % {"entry_id": entry_id},
            hint=_("Look at the backlog."),
        )
    item = _locked_item(found)
    entry = (
        BacklogEntry.objects.select_for_update(of=("self",))
        .select_related("team", "iteration")
        .get(pk=entry_id)
    )
    entry.item = item
    if entry.state not in ACTIVE_STATES:
        raise Conflict(
            _("The entry of %(key)s is closed (%(entry)s).")
            % {"key": entry.item.key, "entry": entry.get_state_display().lower()},
            hint=_("Promote the item again if it is to be repaired."),
        )
    return entry
