"""What happened to a debt: what people and jobs did, and how its score moved, the newest first."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from debtreg.models import AuditEntry, DebtItem, ScoreChange
from debtreg.web.forms import DebtForm

MOST = 30
# What is told of a value; the audit has the whole of it.
MOST_LETTERS = 80

DONE = {
    "debt.create": gettext_lazy("Logged"),
    "debt.update": gettext_lazy("Edited"),
    "debt.veto": gettext_lazy("Vetoed"),
    "debt.lift_veto": gettext_lazy("Lifted the veto"),
    "debt.accept": gettext_lazy("Accepted: we live with it"),
    "debt.pin": gettext_lazy("Pinned to the backlog"),
    "debt.unpin": gettext_lazy("Took the pin off"),
    "debt.resolve": gettext_lazy("Resolved"),
    "debt.reopen": gettext_lazy("Reopened"),
    "debt.undo": gettext_lazy("Took a decision back"),
    "backlog.promote": gettext_lazy("Promoted"),
    "backlog.move": gettext_lazy("Moved"),
    "backlog.start": gettext_lazy("Started the work"),
    "backlog.withdraw": gettext_lazy("Took it out of the backlog"),
    "outcome.read": gettext_lazy("Entered what was measured after the repair"),
    "outcome.unread": gettext_lazy("Removed a measurement"),
    "outcome.effort": gettext_lazy("Entered what the repair took"),
}
NAMES = {
    "iteration": gettext_lazy("Iteration"),
    "reason": gettext_lazy("Reason"),
    "veto_reason": gettext_lazy("Reason"),
    "veto_until": gettext_lazy("Until"),
    "accept_reason": gettext_lazy("Reason"),
    "accept_until": gettext_lazy("Until"),
    "service_id": gettext_lazy("Service"),
    "team_id": gettext_lazy("Who repairs it"),
    "effort_low": gettext_lazy("Effort, at least"),
    "effort_likely": gettext_lazy("Effort, most likely"),
    "effort_high": gettext_lazy("Effort, at most"),
}
# Kept for machines, or said already by what was done.
_UNTOLD = {"id", "revision", "updated_at", "author_id", "pinned", "closed_on"}
# What was done says it all.
_TOLD = {"debt.create", "outcome.read", "outcome.unread", "outcome.effort"}


@dataclass(frozen=True)
class Event:
    """Something that was done, or a score that moved (`change`)."""

    at: datetime
    who: str = ""
    channel: str = ""
    what: Any = ""
    values: list[tuple[Any, str, str]] = field(default_factory=list)
    change: ScoreChange | None = None


def of(item: DebtItem) -> tuple[list[Event], bool]:
    """The latest events of an item, and whether there are more."""
    entries = AuditEntry.objects.filter(object_type="debtitem", object_key=item.key)
    done = [
        Event(
            entry.at,
            entry.actor.display_name if entry.actor else entry.actor_name,
            entry.get_channel_display(),
            DONE.get(entry.action, entry.action),
            _values(entry),
        )
        for entry in entries.select_related("actor").order_by("-pk")[: MOST + 1]
    ]
    changes = ScoreChange.objects.filter(item=item)[: MOST + 1]
    moved = [Event(change.at, change=change) for change in changes]
    # What was done comes before the score that it has moved in the same second.
    events = sorted(
        done + moved,
        key=lambda each: (each.at.replace(microsecond=0), bool(each.change)),
        reverse=True,
    )
    return events[:MOST], len(events) > MOST


def _values(entry: AuditEntry) -> list[tuple[Any, str, str]]:
    """Name, old and new of what was changed; a key of another thing is no value to tell."""
    if entry.action in _TOLD:
        return []
    old, new = entry.old or {}, entry.new or {}
    return [
        (_name(name), "", "")
        if name.endswith("_id")
        else (_name(name), _told(old.get(name)), _told(new.get(name)))
        for name in {**old, **new}
        if name not in _UNTOLD and (old.get(name) or new.get(name))
    ]


def _name(name: str) -> Any:
    known = DebtForm.base_fields.get(name)
    return NAMES.get(name) or (known.label if known else name.replace("_", " "))


def _told(value: Any) -> str:
    if value is None or value in ("", []):
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"
